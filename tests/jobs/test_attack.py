"""`attack` and `attack_passages`, as functions and as a verb, on an encoder that counts four words."""

import json
from types import SimpleNamespace

import pytest

from instrerank.cli import main
from instrerank.errors import InputError
from instrerank.jobs.attack import attack
from instrerank.jobs.attack_passages import attack_passages
from instrerank.jobs.promote import promote
from instrerank.jobs.rerank import rerank
from instrerank.perturbations.searching import Budget
from instrerank.trec import Topic, read_run

PASSAGES = {
    "d1": "the moon and the tide",
    "d2": "the moon",
    "d3": "sun and moon",
    "d4": "bread",
    "d5": "tide after tide",
    "d6": "sun",
}
TOPICS = [Topic("7", "moon tide"), Topic("8", "fresh bread")]
RUN = {qid: {docid: 9.0 - n for n, docid in enumerate(PASSAGES)} for qid in ("7", "8")}
QRELS = {"7": {"d5": 2, "d4": 0}, "8": {"d4": 1}}
GIVEN = {"run": RUN, "corpus": PASSAGES, "encoder": "words"}
NAME = "topics.attack-greedy-overlap-typo-mixed.s1"


@pytest.fixture(autouse=True)
def _words(words):
    return words


def test_one_topic_in_a_notebook():
    found = attack(TOPICS[0], candidates=40, **GIVEN)
    [row] = found.queries
    assert (row.qid, row.clean, row.before) == ("7", "moon tide", 1.0)
    assert row.attacked != row.clean
    assert row.after < 1
    assert found.candidates <= 40
    assert found.topics == (Topic("7", row.attacked),)
    assert found.objective == "average overlap@10"
    assert repr(found).startswith("AttackedQueries(AttackedQuery(qid='7', clean='moon tide', attacked=")
    # it stands for its topics
    assert rerank({"7": RUN["7"]}, found, corpus=PASSAGES, encoder="words").rankings.keys() == {"7"}


def test_files_and_their_record(tmp_path):
    found = attack(TOPICS, output=tmp_path, budget=Budget(2, 40), **GIVEN)
    names = {f"topics.{NAME}.tsv", f"topics.{NAME}.jsonl", f"querysets.{NAME}.jsonl"}
    assert {path.name for path in tmp_path.iterdir()} == names
    record = json.loads((tmp_path / f"querysets.{NAME}.jsonl").read_text())
    assert record["objective"] == "average overlap@10"
    assert record["budget"] == {"edits": 2, "candidates": 40, "beam": 5}
    assert record["candidates"] == found.candidates <= 80
    assert record["command"].startswith("instrerank attack --run ")
    assert "--budget edits=2,candidates=40,beam=5" in record["command"]


def test_what_other_settings_made_is_refused_before_the_search(tmp_path, monkeypatch, words):
    attack(TOPICS, output=tmp_path, candidates=40, **GIVEN)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    attack(TOPICS, output=tmp_path, candidates=40, **GIVEN)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files
    with monkeypatch.context() as patch:
        patch.setattr(words, "encode_passages", pytest.fail)
        for other in ({"candidates": 50}, {"hits": 5}, {"limit": 1}, {"edits": 2}):
            with pytest.raises(InputError, match="made with other settings or inputs"):
                attack(TOPICS, output=tmp_path, **GIVEN | {"candidates": 40} | other)
        (tmp_path / f"querysets.{NAME}.jsonl").write_text("{}\n")
        with pytest.raises(InputError, match="made with other settings or inputs"):
            attack(TOPICS, output=tmp_path, candidates=40, **GIVEN)
    attack(TOPICS, output=tmp_path, candidates=40, overwrite=True, **GIVEN)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files


def test_an_input_is_never_an_output(tmp_path, words, monkeypatch):
    attack(TOPICS, output=tmp_path, candidates=40, **GIVEN)
    monkeypatch.setattr(words, "encode_passages", pytest.fail)
    topics = tmp_path / f"topics.{NAME}.tsv"
    with pytest.raises(InputError, match="is also the input `topics`"):
        attack(topics, source="topics", output=tmp_path, overwrite=True, **GIVEN)


def test_an_oracle_and_its_unjudged_topics(caplog):
    found = attack(
        [*TOPICS, Topic("9", "sun")], objective="nDCG@10", qrels=QRELS, **GIVEN | {"run": RUN | {"9": RUN["7"]}}
    )
    assert found.objective == "oracle: nDCG@10"
    assert found.queries[0].before == 1
    assert found.queries[0].after < 1
    assert (found.queries[2].before, found.queries[2].after) == (0, 0)
    assert "1 topic not in the qrels, with an objective of 0: 9" in caplog.text


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"objective": "nDCG@10"}, "`objective` nDCG@10 needs `qrels`"),
        ({"objective": "nDGC@10", "qrels": QRELS}, "nDGC@10"),
        ({"perturbation": "other-query"}, "uses other topics"),
        ({"perturbation": "typo"}, "unknown perturbation 'typo'"),
        ({"perturbation": "typo-mixed:on=instruction"}, "the attack needs instructions"),
        ({"corpus": None}, "either `corpus` or `index`"),
        ({"corpus": {"d1": "the moon"}}, "no text for 5 candidates"),
        ({"run": {"7": RUN["7"]}}, "no candidates for 1 topic: 8"),
        ({"edits": 0}, "at least 1"),
        ({"hits": 0}, "`hits` must be at least 1"),
        ({"source": "a/b"}, "`source` may contain only"),
    ],
)
def test_settings_that_make_no_sense_are_named(settings, said):
    with pytest.raises(InputError, match=said):
        attack(TOPICS, **GIVEN | settings)


def test_injected_passages_can_be_reranked(tmp_path):
    found = attack_passages(TOPICS, qrels=QRELS | {"8": {"d4": 1, "d1": 0}}, place="end", output=tmp_path, **GIVEN)
    assert [(each.qid, each.docid, each.injected) for each in found.passages] == [
        ("7", "d4", "bread moon tide"),
        ("8", "d1", "the moon and the tide fresh bread"),
    ]
    assert all(each.rank_injected < each.rank for each in found.passages)
    assert found.success.passages == 2
    name = "topics.injection-query-end.s1"
    assert {path.name for path in tmp_path.iterdir()} == {
        *(f"passages.{name}.jsonl", f"corpus.{name}.jsonl", f"run.{name}.txt", f"attack.{name}.jsonl")
    }
    assert read_run(tmp_path / f"run.{name}.txt").rankings == found.run.rankings
    reranked = rerank(tmp_path / f"run.{name}.txt", TOPICS, corpus=tmp_path / f"corpus.{name}.jsonl", encoder="words")
    for each in found.passages:
        ranking = [hit.docid for hit in reranked.rankings[each.qid]]
        assert ranking.index(each.injected_docid) + 1 == each.rank_injected
        assert each.docid not in ranking
    assert rerank(found, TOPICS, corpus=found.texts, encoder="words").rankings == reranked.rankings
    with pytest.raises(InputError, match="made with other settings or inputs"):
        attack_passages(TOPICS, qrels=QRELS, place="end", output=tmp_path, **GIVEN)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"what": "praise"}, "cannot inject 'praise' at 'start'. Available: query"),
        ({"qrels": None}, "needs `qrels`"),
        ({"qrels": {"7": {"d1": 1}}}, "no passages to inject into"),
    ],
)
def test_attacks_on_passages_that_make_no_sense(settings, said):
    with pytest.raises(InputError, match=said):
        attack_passages(TOPICS, **GIVEN | {"qrels": QRELS} | settings)


PROMOTED = GIVEN | {"qrels": {"7": {"d5": 2, "d4": 0}, "8": {"d4": 1, "d1": 0, "d3": 0}}, "top": 1, "floor": -1}


def test_promoted_passages_can_be_reranked(tmp_path):
    found = promote(TOPICS[:1], strategy="beam", candidates=80, output=tmp_path, **PROMOTED)
    [row] = found.passages
    assert (row.qid, row.docid, row.promoted_docid, row.original) == ("7", "d4", "d4.promoted-7", "bread")
    assert row.edits == 1
    assert row.rank_promoted < row.rank
    assert row.encoded == found.encoded <= 80
    assert found.success.passages == 1
    assert (found.held_out, found.trigger) == (None, None)
    name = "topics.attack-beam-passages-word-mixed.s1"
    assert {path.name for path in tmp_path.iterdir()} == {
        *(f"passages.{name}.jsonl", f"corpus.{name}.jsonl", f"run.{name}.txt", f"attack.{name}.jsonl")
    }
    [written] = map(json.loads, (tmp_path / f"passages.{name}.jsonl").read_text().splitlines())
    assert (written["id"], written["contents"], written["original"]) == ("d4.promoted-7", row.promoted, "bread")
    record = json.loads((tmp_path / f"attack.{name}.jsonl").read_text())
    assert record["mean ranks gained"] == row.rank - row.rank_promoted
    assert (record["encoded"], record["trigger"], record["held out"]) == (found.encoded, None, None)
    reranked = rerank(
        tmp_path / f"run.{name}.txt", TOPICS[:1], corpus=tmp_path / f"corpus.{name}.jsonl", encoder="words"
    )
    ranking = [hit.docid for hit in reranked.rankings["7"]]
    assert ranking.index("d4.promoted-7") + 1 == row.rank_promoted


def test_a_promotion_is_resumed_like_an_attack_on_queries(tmp_path, monkeypatch, words):
    given = {"candidates": 40, "output": tmp_path, **PROMOTED}
    promote(TOPICS, **given)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    promote(TOPICS, **given)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files
    monkeypatch.setattr(words, "encode_passages", pytest.fail)
    for other in ({"candidates": 50}, {"top": 2}, {"floor": 0.5}, {"limit": 1}):
        with pytest.raises(InputError, match="made with other settings or inputs"):
            promote(TOPICS, **given | other)


def test_a_trigger_is_tried_on_topics_it_was_found_without():
    found = promote(
        TOPICS,
        universal=True,
        strategy="beam",
        candidates=60,
        edits=2,
        **PROMOTED | {"qrels": {"7": {"d3": 0, "d5": 2}, "8": {"d4": 1, "d1": 0}}},
    )
    assert found.trigger
    assert [(each.qid, each.held_out) for each in found.passages] == [("7", False), ("8", True)]
    assert all(each.promoted == f"{found.trigger} {each.original}" for each in found.passages)
    assert [each.encoded for each in found.passages] == [found.encoded, 0]
    assert found.success.passages == found.held_out.passages == 1


def test_topics_and_passages_that_cannot_be_promoted_are_named(caplog):
    found = promote(TOPICS, edits=2, candidates=20, **PROMOTED)
    # d4 has one word
    assert [each.qid for each in found.passages] == ["8"]
    assert "1 topic without a passage to promote" in caplog.text
    assert "of at least 2 words (`budget`: edits)): 7" in caplog.text


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"qrels": None}, "needs `qrels`"),
        ({"qrels": {"7": {"d5": 2}}}, "no topic has a passage to promote: a candidate judged grade 0"),
        ({"edits": 7}, "of at least 7 words"),
        ({"edits": 0}, "at least 1"),
        ({"top": 0}, "`top` must be at least 1 and less than `hits`"),
        ({"top": 6, "hits": 6}, r"less than `hits` \(6\), got 6"),
        ({"top": 6}, "no topic has a passage to promote"),
        ({"floor": 1.0}, "`floor` must be a cosine"),
        ({"perturbation": "word-mix"}, "unknown `perturbation` 'word-mix'. Available: word-insertion, word-repl"),
        ({"perturbation": "instruction-generic"}, "which passages do not have"),
        ({"perturbation": "other-query"}, "uses other topics"),
        ({"strategy": "magic"}, "unknown `strategy` 'magic'"),
    ],
)
def test_promotions_that_make_no_sense(settings, said):
    with pytest.raises(InputError, match=said):
        promote(TOPICS, **PROMOTED | settings)


@pytest.fixture
def files(tmp_path):
    (tmp_path / "topics.tea.tsv").write_text("7\tmoon tide\n8\tfresh bread\n")
    (tmp_path / "run.txt").write_text(
        "".join(f"{qid} Q0 {d} {n} {9 - n} bm25\n" for qid in (7, 8) for n, d in enumerate(PASSAGES, start=1))
    )
    (tmp_path / "qrels.txt").write_text("7 0 d5 2\n7 0 d4 0\n8 0 d4 1\n")
    (tmp_path / "passages.jsonl").write_text(
        "".join(json.dumps({"id": docid, "contents": text}) + "\n" for docid, text in PASSAGES.items())
    )
    names = {"run": "run.txt", "topics": "topics.tea.tsv", "corpus": "passages.jsonl", "output": "out"}
    return ["attack", "--encoder", "words", *(f"--{flag}={tmp_path / name}" for flag, name in names.items())]


def test_verb_prints_the_queries_it_found(files, tmp_path, capsys):
    assert main([*files, "--budget", "candidates=40", "--json"]) == 0
    captured = capsys.readouterr()
    rows = json.loads(captured.out)
    assert [row["clean"] for row in rows] == ["moon tide", "fresh bread"]
    assert all(row["after"] < row["before"] == 1 for row in rows)
    queries = (tmp_path / "out" / "topics.tea.attack-greedy-overlap-typo-mixed.s1.tsv").read_text()
    assert queries == "".join(f"{row['qid']}\t{row['attacked']}\n" for row in rows)
    assert "2 of 2 topics changed; mean average overlap@10 1.0000 -> " in captured.err
    assert main([*files, "--budget", "candidates=30"]) == 2
    assert "replace it with --overwrite" in capsys.readouterr().err
    assert main([*files, "--budget", "candidates=30", "--overwrite"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["qid", "clean", "attacked", "before", "after"]


def test_the_recorded_command_makes_the_same_files(files, tmp_path):
    import shlex

    assert main([*files, "--budget", "candidates=40", "--strategy", "beam", "--limit", "1"]) == 0
    contents = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    [record] = [json.loads(content) for name, content in contents.items() if name.startswith("querysets.")]
    assert main(shlex.split(record["command"])[1:]) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == contents


def test_a_dry_run_says_what_would_be_encoded_and_writes_nothing(files, tmp_path, capsys, monkeypatch, words):
    monkeypatch.setattr(words, "encode_queries", pytest.fail)
    monkeypatch.setattr(words, "count_stored", lambda texts: 1, raising=False)
    monkeypatch.setattr(words, "store", SimpleNamespace(folder="store"), raising=False)
    assert main([*files, "--dry-run", "--budget", "candidates=40"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"2 topics, {2 * len(PASSAGES)} candidates"
    assert said[2:] == [
        f"{len(PASSAGES)} distinct passages, 1 of them stored in store",
        f"to encode: {len(PASSAGES) - 1} passages, 2 queries and up to 80 perturbed ones",
        f"to write: a query set in {tmp_path / 'out'}",
    ]
    assert main([*files, "--dry-run", "--passages", "query", f"--qrels={tmp_path / 'qrels.txt'}"]) == 0
    assert "to write: injected passages and a run in" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_verb_with_an_oracle_says_so(files, tmp_path, capsys):
    arguments = ["--objective", "ndcg_cut.10", f"--qrels={tmp_path / 'qrels.txt'}", "--strategy", "beam"]
    assert main([*files, *arguments, "--budget", "edits=2,candidates=40,beam=3"]) == 0
    assert "mean oracle: ndcg_cut.10 1.0000 -> " in capsys.readouterr().err
    assert (tmp_path / "out" / "topics.tea.attack-beam-ndcg-cut-10-typo-mixed.s1.tsv").exists()


def test_verb_on_passages(files, tmp_path, capsys):
    assert main([*files, "--passages", "query:end", f"--qrels={tmp_path / 'qrels.txt'}", "--json"]) == 0
    captured = capsys.readouterr()
    [record] = map(
        json.loads, (tmp_path / "out" / "passages.tea.injection-query-end.s1.jsonl").read_text().splitlines()
    )
    assert (record["id"], record["contents"]) == ("d4.injected-7", "bread moon tide")
    [row] = json.loads(captured.out)
    assert row == {"qid": "7", "docid": "d4", "rank": record["rank"], "rank_injected": record["rank_injected"]}
    assert "1 grade-0 passage injected, 1 topic without a grade-0 candidate" in captured.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--objective", "ndcg_cut.10"], "needs --qrels"),
        (["--passages", "query"], "needs --qrels"),
        (["--budget", "edits=0"], "at least 1"),
        (["--perturbation", "typo-mixed:on=instruction"], "give --instructions"),
    ],
)
def test_bad_input_is_exit_code_2(files, capsys, arguments, said):
    assert main([*files, *arguments]) == 2
    assert said in capsys.readouterr().err


def test_verb_promotes_passages(files, tmp_path, capsys):
    import shlex

    arguments = [f"--qrels={tmp_path / 'qrels.txt'}", "--budget", "candidates=40", "--top", "1", "--floor", "-1"]
    assert main([*files, "--target", "passages", *arguments, "--strategy", "beam", "--json"]) == 0
    captured = capsys.readouterr()
    [row] = json.loads(captured.out)
    assert (row["qid"], row["docid"], row["edits"], row["held_out"]) == ("7", "d4", 1, False)
    assert row["rank_promoted"] < row["rank"]
    assert "grade-0 passage entered the top 1" in captured.err
    assert "1 topic without a passage to promote" in captured.err
    contents = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    [record] = [json.loads(content) for name, content in contents.items() if name.startswith("attack.")]
    assert main(shlex.split(record["command"])[1:]) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == contents
    capsys.readouterr()
    assert main([*files, "--target", "trigger", *arguments, "--dry-run"]) == 0
    assert "and up to 80 changed passages" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--top", "3"], "--top has no effect with --target queries"),
        (["--target", "passages", "--objective", "overlap"], "--objective has no effect with --target passages"),
        (["--target", "trigger"], "needs --qrels"),
        (["--passages", "query", "--strategy", "beam"], "--strategy has no effect with --passages"),
        (["--passages", "query", "--target", "trigger"], "give one of them"),
    ],
)
def test_flags_of_one_target_are_refused_with_another(files, capsys, arguments, said):
    assert main([*files, *arguments]) == 2
    assert said in capsys.readouterr().err
