import gzip
import json

import pytest

from instrerank.errors import InputError
from instrerank.trec import Topic, read_instructions, read_topics, write_topics
from instrerank.trec.kinds import kind_of


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.tsv", "007\thow tides form\n8\tbread rising\n"),
        ("t.txt", "\ufeff007\thow tides form\r\n8\tbread rising\r\n"),
        ("t.jsonl", '{"qid": "007", "text": "how tides form"}\n{"id": 8, "query": "bread rising"}\n'),
        (
            "t.trec",
            "<top>\n<num> Number: 007\n<title> how\n tides form\n<desc> Description:\nx\n<narr> Narrative:\nn\n"
            "</top>\n"
            "\n<top>\n<num>8</num>\n<title>bread rising</title>\n</top>\n",
        ),
        ("t.tsv.gz", gzip.compress(b"007\thow tides form\n8\tbread rising\n")),
    ],
)
def test_every_format_gives_the_same_topics_with_string_qids(tmp_path, name, content):
    assert read_topics(write(tmp_path / name, content)) == [
        Topic("007", "how tides form"),
        Topic("8", "bread rising"),
    ]


def test_trec_narratives_serve_as_instructions_only_when_asked_for(tmp_path):
    path = write(
        tmp_path / "t.trec", "<top>\n<num> Number: 3\n<title> t\n<narr> Narrative:\nonly\nlarge ones\n</top>\n"
    )
    assert read_topics(path) == [Topic("3", "t")]
    assert read_instructions(path) == {"3": "only large ones"}


def test_topics_of_trec_rag_in_the_fields_of_2025_and_2026(tmp_path):
    path = write(tmp_path / "t.jsonl", '{"id": "31", "narrative": "I am seeking"}\n')
    assert read_topics(path) == [Topic("31", "I am seeking")]
    path = write(tmp_path / "t.jsonl", '{"request_id": "31", "title": "waste", "narrative": "I am seeking"}\n')
    assert read_topics(path) == [Topic("31", "waste")]
    assert read_instructions(path) == {"31": "I am seeking"}


def test_topics_of_trec_rag_in_columns(tmp_path):
    path = write(tmp_path / "t.tsv", "2024-145979\twho is it\nrag2026-0\tI’m on a council; what first?\n")
    assert [topic.text for topic in read_topics(path)] == ["who is it", "I’m on a council; what first?"]


def test_a_report_request_asks_for_its_problem_statement_and_its_background_is_the_instruction(tmp_path):
    request = {"topic_id": "2000", "collection_id": "ragtime2", "title": "Machu Picchu", "limit": 2000}
    request |= {"problem_statement": "Report on its walls.", "background": "I dig there."}
    path = write(tmp_path / "requests.jsonl", json.dumps(request))
    assert read_topics(path) == [Topic("2000", "Report on its walls.")]
    assert read_instructions(path) == {"2000": "I dig there."}
    assert kind_of(path) == "topics"


def test_one_of_several_instructions_of_a_record(tmp_path):
    record = {"_id": "7", "text": "tides", "instruction_og": "All.", "instruction_changed": "Neap."}
    path = write(tmp_path / "queries.jsonl", json.dumps(record))
    assert read_instructions(path, "original") == {"7": "All."}
    assert read_instructions(path, "changed") == {"7": "Neap."}
    with pytest.raises(InputError, match="one of instruction_reversed; found _id, text, instruction_og"):
        read_instructions(path, "reversed")
    path = write(tmp_path / "queries.tsv", "qid\ttext\tinstruction_changed\n7\ttides\tNeap.\n")
    assert read_instructions(path, "changed") == {"7": "Neap."}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("7\tNeap.\n", "no header row that names a column instruction_changed"),
        ("<top><num>7<title>tides<narr>Neap.</top>\n", "TREC markup has no field instruction_changed"),
        ('{"qid": "7", "instruction_changed": ""}\n', "qid 7 has an empty instruction"),
    ],
)
def test_a_file_without_the_variant_that_is_asked_for(tmp_path, content, complaint):
    with pytest.raises(InputError, match=complaint):
        read_instructions(write(tmp_path / "i", content), "changed")


def test_instruction_column_and_field(tmp_path):
    assert read_topics(write(tmp_path / "t.tsv", "1\ttides\tno moon\n")) == [Topic("1", "tides", "no moon")]
    assert read_instructions(write(tmp_path / "i.tsv", "1\tno moon\n")) == {"1": "no moon"}
    assert read_instructions(write(tmp_path / "i.jsonl", '{"qid": "1", "instruction": "a\\nb"}')) == {"1": "a\nb"}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("1\ta\n2\n", "t:2: 1 tab-separated columns"),
        ("1\ta\n1\tb\n", "t:2: duplicate qid 1, first on line 1"),
        ("1\t \n", "t:1: qid 1 has an empty text"),
        ("\ta\n", "t:1: qid ''"),
        ("a b\tc\n", "t:1: qid 'a b'"),
        ("\n\n", "t: empty file"),
        ('{"qid": "1", "text": "a"}\n{"qid": \n', "t:2: not JSON"),
        ('{"qid": "1", "text": 3}\n', "t:1: expected"),
        ('{"qid": "1", "text": "a"}\n[2, "b"]\n', "t:2: expected a JSON object"),
        ("<top>\n<num>1\n<title>a\n", "t:1: <top> without </top>"),
        ("1\tcafé\n".encode("latin-1"), "t:1: not UTF-8"),
    ],
)
def test_bad_topics_name_file_and_line(tmp_path, content, complaint):
    with pytest.raises(InputError) as error:
        read_topics(write(tmp_path / "t", content))
    assert complaint in str(error.value)


def test_missing_file():
    with pytest.raises(InputError, match="cannot read nowhere.tsv: No such file"):
        read_topics("nowhere.tsv")


@pytest.mark.parametrize("name", ["t.tsv", "t.jsonl", "t.tsv.gz"])
def test_round_trip(tmp_path, name):
    topics = [Topic("01", "naïve “query” \u0085 🌊"), Topic("2", "b", "an instruction")]
    write_topics(tmp_path / name, topics)
    assert read_topics(tmp_path / name) == topics


def test_line_breaks_go_to_jsonl_and_leave_no_partial_tsv(tmp_path):
    topics = [Topic("1", "fine"), Topic("2", "two\nlines")]
    with pytest.raises(InputError, match="topic 2 .* JSONL"):
        write_topics(tmp_path / "t.tsv", topics)
    assert list(tmp_path.iterdir()) == []
    write_topics(tmp_path / "t.jsonl", topics)
    assert json.loads((tmp_path / "t.jsonl").read_text().splitlines()[1])["text"] == "two\nlines"
