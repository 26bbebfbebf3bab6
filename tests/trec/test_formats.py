"""Every form of docs/formats.md, and what is refused."""

import gzip
import re
from pathlib import Path

import pytest

from instrerank.errors import InputError
from instrerank.trec import Passage, read_instructions, read_topics, records
from instrerank.trec.passages import parse_passages

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text("utf-8")
TOPICS = {"7": "how tides form", "8": "slow bread dough"}
INSTRUCTIONS = {"7": "Only causes.", "8": "No sourdough."}
PASSAGES = [Passage("d1", "Tides The moon pulls."), Passage("d2", "Bread Cold dough rests.")]


def examples(kind):
    found = re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    return found


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def passages(path):
    return [passage for _, passage in parse_passages(path)]


@pytest.mark.parametrize("text", examples("topics"))
def test_topics_of_the_page(tmp_path, text):
    for content in (text, "\ufeff" + text, text.replace("\n", "\r\n")):
        assert {topic.qid: topic.text for topic in read_topics(write(tmp_path / "t", content))} == TOPICS
    assert {
        topic.qid: topic.text for topic in read_topics(write(tmp_path / "t.gz", gzip.compress(text.encode())))
    } == TOPICS


@pytest.mark.parametrize("text", examples("instructions"))
def test_instructions_of_the_page(tmp_path, text):
    assert read_instructions(write(tmp_path / "i", text)) == INSTRUCTIONS


@pytest.mark.parametrize("text", examples("passages"))
def test_passages_of_the_page(tmp_path, text):
    for content in (text, "\ufeff" + text, text.replace("\n", "\r\n")):
        assert passages(write(tmp_path / "p", content)) == PASSAGES


def test_the_names_of_the_page():
    for names in (records.QIDS, records.QUERIES, records.DOCIDS, records.TEXTS):
        assert f"| {', '.join(f'`{name}`' for name in names)} |" in PAGE


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("qid,query\n1,tides\n", ":1: comma-separated columns (qid, query); expected tab-separated"),
        ("claim_id\tclaim\n1\ttides\n", ":1: a header row (claim_id, claim) without columns"),
        ("query-id\tcorpus-id\tscore\n1\td\t1\n", ":1: a header row (query-id, corpus-id, score) without columns"),
        ("qid\tquery\n1\ttides\tno\n", ":2: 3 tab-separated columns; the header row has 2"),
        ("1\ttides\ufeff2\tbread\n", ":1: two records on one line"),
        ("1\ttides\r2\tbread\r", ":1: two records on one line"),
        ("topic\ttext\n1\ttides\n", ":1: a header row (topic, text) without columns"),
        ('{"qid": 1.0, "text": "a"}\n', "found the value 1.0"),
        ("1\u00a0\ttides\n", ":1: qid '1\\xa0' contains whitespace (U+00A0)"),
        ("1\u0001\ttides\n", ":1: qid '1\\x01' contains a control character (U+0001)"),
        ("1\t\u200b \u00a0\n", ":1: qid 1 has an empty text"),
        ("1 tides\n", ":1: 1 tab-separated columns"),
        ('{"qid": "1", "txt": "tides"}\n', ":1: expected strings: one of qid, "),
        ('{"qid": "1", "txt": "tides"}\n', "found qid, txt"),
        ('{"qid": true, "text": "tides"}\n', ":1: expected strings"),
        ('{"1": "tides", "2": "bread"}\n', "found 1, 2"),
        ('[{"qid": "1", "text": "tides"},\n{"qid": "1", "text": "bread"}]\n', ":2: duplicate qid 1, first on line 1"),
        ('[{"qid": "1", "text": "tides"}\n{"qid": "2", "text": "bread"}]\n', ":2: not JSON: expected , or ]"),
        ('[{"qid": "1", "text": "tides"}\n', ":1: not JSON: expected , or ]"),
        ('[{"qid": "1", "text": "tides"},\n', ":1: not JSON: the array is not closed"),
        ('[{"qid": "1", "text": "tides"}]\n{"qid": "2"}\n', ": not JSON: unexpected text after the array"),
        ('{"qid": "1",\n"text": tides}\n', ":2: not JSON"),
        ('{"qid": "1", "text": "a"}{"qid": "2", "text": "b"}\n', ":1: not JSON: Extra data"),
        ('{"qid": "1", "text": "\\ud83d"}\n', ":1: \\ud83d is an unpaired surrogate"),
        ("[" * 100_000, "nested too deeply"),
        ('{"qid": "1", "text": ' + "[" * 100_000 + "\n", "nested too deeply"),
        ('{"qid": ' + "1" * 5000 + "}\n", ":1: JSON that cannot be parsed"),
        ("[]", "empty file: contains no topics"),
    ],
)
def test_topics_that_are_refused(tmp_path, text, complaint):
    with pytest.raises(InputError) as error:
        read_topics(write(tmp_path / "t", text))
    assert complaint in str(error.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("pid,text\n1,tides\n", ":1: a header row of comma-separated columns (pid, text)"),
        ("item_id\tdescription\n1\ttides\n", ":1: a header row of tab-separated columns (item_id, description)"),
        ("query-id\tcorpus-id\tscore\nq\td\t1\n", ":1: a header row of tab-separated columns"),
        ("d 1\ttides\n", ":1: docid 'd 1' contains whitespace (U+0020)"),
        ("d\u202f1\ttides\n", ":1: docid 'd\\u202f1' contains whitespace (U+202F)"),
        ("\ttides\n", ":1: docid '' is empty"),
        ("d1\ttides\ufeffd2\tbread\n", ":1: two records on one line"),
        ('{"id": "d1", "text": null}\n', "found id, text"),
        ('"d1"\n', ":1: expected "),
        ('["d1", "d2"]\n', ":1: expected a JSON object, found str 'd1'"),
        ('{"id": "a", "text": "\\uD83D"}\n', ":1: \\ud83d is an unpaired surrogate"),
    ],
)
def test_passages_that_are_refused(tmp_path, text, complaint):
    with pytest.raises(InputError) as error:
        passages(write(tmp_path / "p", text))
    assert complaint in str(error.value)


def test_pairs_of_surrogates_are_whole_characters(tmp_path):
    assert passages(write(tmp_path / "p", '{"id": "d", "text": "\\ud83c\\udf0a"}\n')) == [Passage("d", "🌊")]


def test_line_separators_of_unicode_stay_in_a_text(tmp_path):
    text = "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg"
    assert read_topics(write(tmp_path / "t", f"1\t{text}\n2\tb\n"))[0].text == text
    assert passages(write(tmp_path / "p", f"1\t{text}\n2\tb\n"))[0].text == text


def test_joined_files_with_byte_order_marks(tmp_path):
    assert len(read_topics(write(tmp_path / "t", "\ufeff1\ta\n\ufeff2\tb\n"))) == 2
    assert (
        len(passages(write(tmp_path / "p", '{"id": "1", "text": "a"}\n\ufeff{"id": "2", "text": "a\ufeffb"}\n'))) == 2
    )


def test_headers_and_fields_that_are_not_read_are_told_of(tmp_path, caplog):
    read_topics(write(tmp_path / "t", "qid\tquery\n1\ta\n"))
    passages(write(tmp_path / "p", "id\ttext\n1\ta\n"))
    assert [message.partition(": ")[2] for message in caplog.messages] == [
        "warning: read as a header row (qid, query), not as a topic",
        "read as a header row (id, text), not as a passage",
    ]
    caplog.clear()
    record = '{"_id": "%d", "text": "a", "instruction_og": "b", "instruction_changed": "c"}\n'
    path = write(tmp_path / "f", record % 1 + record % 2)
    assert len(read_topics(path)) == 2
    assert len(caplog.messages) == 1
    assert "f:1: warning: instruction_og, instruction_changed: ignored" in caplog.text
    with pytest.raises(InputError, match="instruction_og, instruction_changed: ignored"):
        read_instructions(path)


def test_an_id_may_hold_what_a_run_file_can(tmp_path):
    ids = ["<dbpedia:Tide_(sea)>", "a\u200cb", "日本", "q-1_2.3/4"]
    assert [docid for docid, _ in passages(write(tmp_path / "p", "".join(f"{docid}\tt\n" for docid in ids)))] == ids
