import json
import re
from collections import Counter

from instrerank.collections import POCKET, load_instructions, load_qrels, load_topics, open_passages
from instrerank.trec import read_instructions, read_qrels

TOPICS = load_topics("pocket")
PASSAGES = {passage.docid: passage.text for passage in open_passages("pocket")}
ORIGINAL = load_qrels("pocket")
CHANGED = read_qrels(POCKET / "qrels.changed.txt")


def test_it_is_as_large_as_promised():
    assert len(TOPICS) == 30
    assert len(PASSAGES) >= 300
    lines = (POCKET / "passages.jsonl").read_text().splitlines()
    assert all(40 <= len(json.loads(line)["text"].split()) <= 120 for line in lines)
    assert len(set(PASSAGES.values())) == len(PASSAGES)


def test_every_topic_has_judgements_of_every_grade_and_both_instructions():
    qids = [topic.qid for topic in TOPICS]
    assert list(load_instructions("pocket")) == list(read_instructions(POCKET / "instructions.changed.tsv")) == qids
    assert list(ORIGINAL) == list(CHANGED) == qids
    for grades in ORIGINAL.values():
        assert set(grades) <= PASSAGES.keys()
        assert set(grades.values()) == {0, 1, 2, 3}


def test_the_changed_qrels_are_what_the_rule_of_each_topic_makes_of_the_original_ones():
    rules = {rule["qid"]: rule for rule in map(json.loads, (POCKET / "constraints.jsonl").read_text().splitlines())}
    changed = []
    for qid, grades in ORIGINAL.items():
        pattern = rf"(?<!\w)(?:{'|'.join(map(re.escape, rules[qid]['terms']))})(?!\w)"
        wanted = rules[qid]["kind"] == "must_mention"
        kept = {
            docid: grade if bool(re.search(pattern, PASSAGES[docid], re.IGNORECASE)) == wanted else 0
            for docid, grade in grades.items()
        }
        assert CHANGED[qid] == kept
        changed += [f"{qid}\t{docid}" for docid in grades if grades[docid] > kept[docid] == 0]
        both = Counter((grades[docid] >= 2, kept[docid] >= 2) for docid in grades)
        assert both[True, False] >= 2, f"topic {qid}: the instruction takes too few relevant passages away"
        assert both[True, True] >= 2, f"topic {qid}: the instruction leaves too few relevant passages"
    assert (POCKET / "changed.tsv").read_text().splitlines() == changed
