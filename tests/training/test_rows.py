"""Rows of every format, and what is told about bad ones."""

import json

import pytest

from instrerank.errors import InputError, MissingPrerequisiteError
from instrerank.training.rows import Row, Triple, constraint_rows, read_rows

INF_IR = {
    "query_positive": "why do bees dance",
    "instruction_positive": "Explain the cause.",
    "query_negative": "how to keep bees",
    "instruction_negative": "Give a recipe.",
    "document_positive": "Bees dance to show the way.",
    "hard_negative_document_1": "Honey cake, step by step.",
    "hard_negative_document_2": "A hive wants a dry place.",
}


def written(tmp_path, *records, name="rows.jsonl"):
    path = tmp_path / name
    path.write_text("".join((record if isinstance(record, str) else json.dumps(record)) + "\n" for record in records))
    return path


def test_inf_ir_expands_to_three_triples_that_stay_together(tmp_path):
    other = {("document" if name == "document_positive" else name): text for name, text in INF_IR.items()}
    path = written(tmp_path, INF_IR, "", {**other, "positive_language": "en"})
    a = Triple("why do bees dance", "Explain the cause.", "Bees dance to show the way.")
    b = Triple("why do bees dance", "Give a recipe.", "Honey cake, step by step.")
    c = Triple("how to keep bees", "Explain the cause.", "A hive wants a dry place.")
    assert read_rows(path) == [Row(f"{path}:1", (a, b, c)), Row(f"{path}:3", (a, b, c))]


def test_strings_stay_as_they_are(tmp_path):
    row = read_rows(written(tmp_path, {**INF_IR, "query_positive": "  two\nlines "}))[0]
    assert row.triples[0].query == "  two\nlines "


def test_ms_marco_triples(tmp_path):
    rows = read_rows(written(tmp_path, "bees\tThey dance.\tThey bake.", name="triples.tsv"))
    assert rows[0].triples == (Triple("bees", "", "They dance.", ("They bake.",)),)


def test_promptrievers_instruction_negatives(tmp_path):
    record = {
        "query": "bees Explain the cause.",
        "only_query": "bees",
        "only_instruction": "Explain the cause.",
        "has_instruction": True,
        "positive_passages": [{"docid": "1", "title": "Dance", "text": "They dance."}],
        "negative_passages": [{"docid": "2", "title": "", "text": "They bake."}],
        "new_negatives": [{"docid": "3", "title": "-", "text": "They sleep."}],
    }
    plain = {name: record[name] for name in ("query", "positive_passages", "negative_passages")}
    rows = read_rows(written(tmp_path, record, plain))
    assert rows[0].triples == (
        Triple("bees", "Explain the cause.", "Dance They dance.", ("They bake.", "- They sleep.")),
    )
    assert rows[1].triples[0][:2] == ("bees Explain the cause.", "")


def test_our_own_triples_alone_and_together(tmp_path):
    one = {"query": "bees", "instruction": "Why?", "positive": "They dance.", "negatives": ["They bake."]}
    two = {"query": "bees", "positive": "They bake."}
    rows = read_rows(written(tmp_path, one, [one, two]))
    assert rows[0].triples == (Triple("bees", "Why?", "They dance.", ("They bake.",)),)
    assert rows[1].triples == (*rows[0].triples, Triple("bees", "", "They bake."))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({**INF_IR, "hard_negative_document_2": " "}, "hard_negative_document_2 is empty"),
        ({name: text for name, text in INF_IR.items() if name != "document_positive"}, "document_positive is missing"),
        ({**INF_IR, "instruction_negative": 3}, "instruction_negative is missing or not a text"),
        ("bees\tThey dance.", "found 2 columns"),
        ("bees\tThey dance.\t ", "query<TAB>positive<TAB>negative"),
        ('{"query": "bees"', "not JSON"),
        ({"query": "bees"}, "positive is missing"),
        ({"query": "bees", "positive": "p", "negatives": "n"}, "negatives is not a list"),
        ({"query": "bees", "positive": "p", "instruction": 3}, "instruction is not a text"),
        (["bees"], "a JSON object for each triple"),
        ([], "a JSON object or a list"),
        ({"query": "bees", "positive_passages": [{"text": "p"}]}, "none in negative_passages"),
        ({"query": "bees", "positive_passages": ["p"]}, "positive_passages is not a list of passages"),
        ({"query": "b", "positive_passages": [{"text": "p", "title": ["t"]}]}, "title is not a text"),
    ],
)
def test_bad_rows_are_named_with_their_line(tmp_path, record, message):
    path = written(tmp_path, INF_IR, record)
    with pytest.raises(InputError, match=message) as error:
        read_rows(path)
    assert str(error.value).startswith(f"{path}:2: ")


def test_all_bad_rows_are_counted(tmp_path):
    with pytest.raises(InputError, match="and 4 more rows"):
        read_rows(written(tmp_path, *[{"query": "bees"}] * 9))
    with pytest.raises(InputError, match="contains no rows"):
        read_rows(written(tmp_path, ""))


def test_a_dataset_in_the_hubs_layout(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "rows"
    folder.mkdir()
    path = written(folder, INF_IR, name="train.jsonl")
    assert read_rows(f"hf:{folder}")[0].triples == read_rows(path)[0].triples


def test_a_dataset_that_is_not_to_be_had(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(MissingPrerequisiteError, match="Give a file with its rows"):
        read_rows(f"hf:{tmp_path / 'nothing'}")


@pytest.fixture
def constraints(tmp_path):
    (tmp_path / "topics.tsv").write_text("7\tbees\n")
    record = {
        "qid": "7",
        "rule": {"kind": "mentions", "wanted": False, "term": "honey"},
        "original": "Answer the query.",
        "changed": "Answer the query. No honey.",
        "phrasings": ["Answer the query. No honey.", "Answer the query. Not with honey."],
        "kept": ["a", "b"],
        "dropped": ["c", "d", "e"],
    }
    written(tmp_path, record, name="constraints.jsonl")
    return tmp_path


TEXTS = {"a": "Bees dance.", "b": "Bees sleep.", "c": "Honey!", "d": "More honey.", "e": "Most honey."}


def lookup(docids):
    return {docid: TEXTS[docid] for docid in docids}


def test_constraints_become_a_rule_and_its_opposite(constraints):
    rows = constraint_rows(constraints, lookup)
    assert [row.name.rsplit(":")[-1] for row in rows] == ["1#0", "1#1"]
    good, bad = rows[1].triples
    assert good == Triple("bees", "Answer the query. Not with honey.", "Bees sleep.", ("More honey.",))
    assert bad == Triple("bees", bad.instruction, "More honey.", ("Bees sleep.",))
    assert bad.instruction == 'Answer the query. To be relevant, a passage must contain the word "honey".'
    assert len(constraint_rows(constraints, lookup, most=1)) == 1


def test_constraints_without_texts_and_damaged_ones(constraints):
    with pytest.raises(InputError, match="no text in `corpus` for 2 docids: b, d"):
        constraint_rows(constraints, lambda docids: {docid: TEXTS[docid] for docid in docids if docid not in "bd"})
    (constraints / "topics.tsv").write_text("8\tbees\n")
    with pytest.raises(InputError, match="constraints.jsonl:1: not a constraint on these topics"):
        constraint_rows(constraints, lookup)
