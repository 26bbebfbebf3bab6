import json

import pytest

from instrerank.cli import main
from instrerank.errors import InputError
from instrerank.perturbations.constraints import KINDS, ORIGINAL, Rule, changed_qrels, constrain, verify
from instrerank.trec import read_qrels, read_topics
from instrerank.trec.types import Topic

TEXTS = {
    "a": "Tea was brought to Porto in 1650, some say. Would you try it?",
    "b": "Tea grows on hills (mostly terraced), such as those of Nilgiri, and needs rain.",
    "c": "We sell tea at $4 a tin, 20% off; the word “oolong” means black dragon.",
    "d": "A cup of tea.",
    "e": "Coffee is no tea, but it has been drunk since 1450.",
}
TOPICS = [Topic("7", "where does tea come from"), Topic("8", "coffee", "Name the year."), Topic("9", "cocoa")]
QRELS = {"7": {"a": 3, "b": 2, "c": 1, "d": 2, "gone": 3, "e": 0}, "8": {"e": 1}}


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        (Rule("mentions", True, term="tea"), "abcde"),
        (Rule("mentions", True, term="ROOT"), ""),
        (Rule("mentions", False, term="hill"), "abcde"),
        (Rule("mentions", False, term="hills"), "acde"),
        (Rule("number", True), "ace"),
        (Rule("year", True), "ae"),
        (Rule("percentage", True), "c"),
        (Rule("money", False), "abde"),
        (Rule("question", True), "a"),
        (Rule("brackets", True), "b"),
        (Rule("quotation", True), "c"),
        (Rule("address", True), "a"),
        (Rule("first person", True), "c"),
        (Rule("example", True), "b"),
        (Rule("longer", True, words=13), "bc"),
        (Rule("longer", False, words=13), "ade"),
    ],
)
def test_rules(rule, allowed):
    assert "".join(docid for docid, text in TEXTS.items() if rule.allows(text)) == allowed


@pytest.mark.parametrize("kind", KINDS)
def test_phrasings_say_the_rule(kind):
    for wanted in (True, False):
        phrasings = Rule(kind, wanted, term="oolong", words=60).phrasings
        assert len(set(phrasings)) == 4
        assert all("{" not in phrasing for phrasing in phrasings)
        assert all(("oolong" in p) == (kind == "mentions") and ("60" in p) == (kind == "longer") for p in phrasings)


@pytest.mark.parametrize("seed", range(30))
def test_splits_and_changed_labels(seed):
    constraints, without = constrain(TOPICS, QRELS, TEXTS, seed)
    [one] = constraints
    assert without == {
        "8": "1 relevant passages with a text; a split needs two",
        "9": "0 relevant passages with a text; a split needs two",
    }
    assert one.qid == "7"
    assert set(one.kept) | set(one.dropped) == set("abcd")
    assert min(len(one.kept), len(one.dropped)) == 2  # 0.3 of four
    assert one.original in ORIGINAL
    assert one.changed.startswith(one.original)
    original, changed = changed_qrels(constraints, QRELS, TEXTS)
    assert original == {"7": {"a": 3, "b": 2, "c": 1, "d": 2, "e": 0}}
    assert changed["7"] == {d: 0 if d in one.dropped else g for d, g in original["7"].items()}
    assert verify([one.record()], original, changed, TEXTS) == []


def test_level_sets_what_is_relevant_but_lower_grades_obey_the_rule_too():
    for seed in range(30):
        [one], _ = constrain(TOPICS[:1], QRELS, TEXTS, seed, relevance_level=2)
        assert set(one.kept) | set(one.dropped) == set("abd")
        _, changed = changed_qrels([one], QRELS, TEXTS)
        assert changed["7"]["c"] == (1 if one.rule.allows(TEXTS["c"]) else 0)


def test_own_instructions_are_kept_and_seeds_draw_rules():
    topic = TOPICS[0]._replace(instruction="Name the hills.")
    drawn = {constrain([topic], QRELS, TEXTS, seed, least_share=0.25)[0][0] for seed in range(30)}
    assert {one.original for one in drawn} == {"Name the hills."}
    assert len({one.rule.kind for one in drawn}) > 1


def test_verify_finds_wrong_labels():
    constraints, _ = constrain(TOPICS, QRELS, TEXTS)
    record = constraints[0].record()
    original, changed = changed_qrels(constraints, QRELS, TEXTS)
    changed["7"][record["dropped"][0]] = 3
    record["kept"].append(record["dropped"][1])
    problems = verify([record], original, changed, TEXTS)
    assert len(problems) == 2
    del changed["7"]["e"]
    assert "judge different passages" in verify([record], original, changed, TEXTS)[0]


@pytest.mark.parametrize("options", [{"least_share": 0.6}, {"least_share": 0}, {"relevance_level": 0}])
def test_bad_options(options):
    with pytest.raises(InputError, match="a share in"):
        constrain(TOPICS, QRELS, TEXTS, **options)


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
    assert sorted(path.name for path in output.iterdir()) == [
        *("changed.tsv", "constraints.jsonl", "instructions.changed.tsv", "instructions.original.tsv"),
        *("qrels.changed.txt", "qrels.original.txt", "topics.tsv"),
    ]
    assert [topic.qid for topic in read_topics(output / "topics.tsv")] == ["7"]
    [record] = map(json.loads, (output / "constraints.jsonl").read_text().splitlines())
    assert (output / "changed.tsv").read_text() == "".join(f"7\t{docid}\n" for docid in record["dropped"])
    assert len(record["phrasings"]) == 4
    assert record["changed"] in record["phrasings"]
    assert set(read_qrels(output / "qrels.changed.txt")["7"].values()) >= {0}
    said = capsys.readouterr().err
    assert "topic 9 left out: 0 relevant passages" in said
    assert "1 of 3 topics, 2 passages stop being relevant" in said
    assert "1 positive labels without a text left out" in said


def test_verb_without_any_split(files, tmp_path, capsys):
    (tmp_path / "other.txt").write_text("99 0 a 1\n")
    assert main(["constrain", *files, f"--qrels={tmp_path}/other.txt", f"--output={tmp_path}/out"]) == 2
    assert "no topic with a split" in capsys.readouterr().err
