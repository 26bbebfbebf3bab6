"""`constrain` as a function and as a verb: files, their labels, and what is refused."""

import json

import pytest

from instrerank.cli import main
from instrerank.errors import InputError
from instrerank.evaluation.infosearch import gold_documents
from instrerank.jobs.constrain import constrain
from instrerank.trec import Topic, read_instructions, read_qrels, read_topics

TEXTS = {
    "a": "Tea was brought to Porto in 1650, some say. Would you try it?",
    "b": "Tea grows on hills (mostly terraced), such as those of Nilgiri, and needs rain.",
    "c": "We sell tea at $4 a tin, 20% off; the word “oolong” means black dragon.",
    "d": "A cup of tea.",
    "e": "Coffee is no tea, but it has been drunk since 1450.",
}
TOPICS = [Topic("7", "where does tea come from"), Topic("8", "coffee", "Name the year."), Topic("9", "cocoa")]
QRELS = {"7": {"a": 3, "b": 2, "c": 1, "d": 2, "gone": 3, "e": 0}, "8": {"e": 1}}
INSTRUCTIONS = ("original", "changed", "reversed")


def test_a_script_gets_what_the_files_hold(tmp_path):
    found = constrain(TOPICS, QRELS, corpus=TEXTS, output=tmp_path)
    assert read_topics(tmp_path / "topics.tsv") == found.topics == [TOPICS[0]]
    for name in INSTRUCTIONS:
        assert read_instructions(tmp_path / f"instructions.{name}.tsv") == found.instructions[name]
        assert read_qrels(tmp_path / f"qrels.{name}.txt") == found.qrels[name]
    [one] = found.constraints
    assert found.left_out.keys() == {"8", "9"}
    assert repr(found) == f"Constrained(1 topics, 2 left out, output={tmp_path!r})"
    assert gold_documents(found.qrels["original"], found.qrels["changed"]) == {"7": list(one.kept)}
    # what is relevant under the reversed instruction is what the changed one excludes
    relevant = {name: {d for d, grade in found.qrels[name]["7"].items() if grade} for name in INSTRUCTIONS}
    assert relevant["changed"] | relevant["reversed"] == relevant["original"]
    assert not relevant["changed"] & relevant["reversed"]
    again = constrain(TOPICS, QRELS, corpus=TEXTS)
    assert again == found._replace(output=None)


def test_files_of_another_seed_are_replaced_only_on_demand(tmp_path):
    constrain(TOPICS, QRELS, corpus=TEXTS, output=tmp_path)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    constrain(TOPICS, QRELS, corpus=TEXTS, output=tmp_path)
    with pytest.raises(InputError, match="`overwrite`"):
        constrain(TOPICS, QRELS, corpus=TEXTS, output=tmp_path, seed=4)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files
    constrain(TOPICS, QRELS, corpus=TEXTS, output=tmp_path, seed=4, overwrite=True)
    assert (tmp_path / "constraints.jsonl").read_bytes() != files["constraints.jsonl"]


def test_an_input_is_never_an_output(tmp_path):
    constrain(TOPICS, QRELS, corpus=TEXTS, output=tmp_path)
    with pytest.raises(InputError, match="is also the input `topics`"):
        constrain(tmp_path / "topics.tsv", QRELS, corpus=TEXTS, output=tmp_path, overwrite=True)


def test_topics_without_instruction_are_refused_or_get_a_plain_one():
    settings = {"corpus": TEXTS, "instructions": {"8": "Name the year."}}
    with pytest.raises(InputError, match="no instruction for 2 of 3 topics"):
        constrain(TOPICS, QRELS, **settings)
    found = constrain(TOPICS, QRELS, missing="skip", **settings)
    assert "passage" in found.instructions["original"]["7"]
    narrowed = constrain(TOPICS, QRELS, corpus=TEXTS, instructions={"7": "Name the hills"}, limit=1)
    assert narrowed.instructions["original"] == {"7": "Name the hills."}
    with pytest.raises(InputError, match="either `corpus` or `index`"):
        constrain(TOPICS, QRELS)


@pytest.fixture
def files(tmp_path):
    (tmp_path / "topics.tsv").write_text("".join(f"{t.qid}\t{t.text}\n" for t in TOPICS))
    (tmp_path / "qrels.txt").write_text("".join(f"{q} 0 {d} {g}\n" for q, ds in QRELS.items() for d, g in ds.items()))
    (tmp_path / "passages.jsonl").write_text(
        "".join(json.dumps({"id": docid, "contents": text}) + "\n" for docid, text in TEXTS.items())
    )
    return [f"--{name}={tmp_path}/{file}" for name, file in (("topics", "topics.tsv"), ("corpus", "passages.jsonl"))]


def test_verb(files, tmp_path, capsys):
    output = tmp_path / "out"
    assert main(["constrain", *files, f"--qrels={tmp_path}/qrels.txt", f"--output={output}"]) == 0
    assert {path.name for path in output.iterdir()} == {
        *("topics.tsv", "changed.tsv", "constraints.jsonl"),
        *(f"instructions.{name}.tsv" for name in INSTRUCTIONS),
        *(f"qrels.{name}.txt" for name in INSTRUCTIONS),
    }
    [record] = map(json.loads, (output / "constraints.jsonl").read_text().splitlines())
    assert (output / "changed.tsv").read_text() == "".join(f"7\t{docid}\n" for docid in record["dropped"])
    assert len(record["phrasings"]) == 4
    assert record["changed"] in record["phrasings"]
    assert record["reversed"] == read_instructions(output / "instructions.reversed.tsv")["7"]
    said = capsys.readouterr().err
    assert "topic 9 left out: 0 relevant passages" in said
    assert "1 of 3 topics, 2 passages no longer relevant" in said
    assert "1 relevant passage without text left out" in said


def test_verb_without_any_rule(files, tmp_path, capsys):
    (tmp_path / "other.txt").write_text("99 0 a 1\n")
    assert main(["constrain", *files, f"--qrels={tmp_path}/other.txt", f"--output={tmp_path}/out"]) == 2
    assert "no rule found for any topic: check that --qrels" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
