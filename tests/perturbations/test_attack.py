"""Attacks on an encoder of letters, so that what an attack gains can be seen."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from instrerank.cli import main
from instrerank.cli.attack import parse_budget
from instrerank.errors import InputError
from instrerank.perturbations import resolve
from instrerank.perturbations.attack import Attack, Budget, Target, least_overlap, rankings
from instrerank.perturbations.passages import attack_passages
from instrerank.trec.types import Topic

PASSAGES = {
    "d1": "green tea leaves",
    "d2": "black tea",
    "d3": "green hills",
    "d4": "coffee beans roasted",
    "d5": "jazz quartet",
    "d6": "milk jug",
}


@pytest.fixture
def target(encoder):
    vectors = encoder.encode_passages(list(PASSAGES.values())).vectors
    return Target(Topic("7", "green tea", "no black leaves"), list(PASSAGES), vectors)


def overlap_with_clean(encoder, target, depth=3):
    clean = encoder.encode_queries([target.topic.text], [target.topic.instruction]).vectors
    return least_overlap({"7": rankings(target, clean)[0]}, depth)


def test_rankings_are_in_trec_eval_order(target):
    flat = Target(target.topic, ["b", "a", "c"], np.ones((3, 26), np.float32))
    assert rankings(flat, np.ones((1, 26), np.float32)) == [["c", "b", "a"]]
    query = target.vectors[[4]]
    assert rankings(target, query)[0][0] == "d5"


def test_average_overlap():
    objective = least_overlap({"7": list("abcdef")}, depth=3)
    # top 1, 2, 3: (0 + 1 + 2/3) / 3 for "bac" is (0 + 1 + 1) / 3
    assert objective("7", [list("abc"), list("bac"), list("xyz"), list("xab")]) == pytest.approx(
        [1, 2 / 3, 0, (0 + 1 / 2 + 2 / 3) / 3]
    )


@pytest.mark.parametrize("strategy", ["greedy", "beam", "worst"])
@pytest.mark.parametrize("edits", [1, 2])
def test_the_attack_keeps_its_budget_and_is_reproducible(encoder, target, strategy, edits):
    objective = overlap_with_clean(encoder, target)
    budget = Budget(edits=edits, candidates=60)
    before = encoder.queries
    found = Attack(encoder, resolve("typo-mixed"), objective, strategy=strategy, budget=budget)(target)
    assert encoder.queries - before - 1 == found.candidates <= 60
    assert 1 <= len(found.perturbed.edits) <= edits
    assert found.worst < found.clean == 1
    [again] = objective(
        "7", rankings(target, encoder.encode_queries([found.perturbed.topic.text], ["no black leaves"])[0])
    )
    assert again == found.worst
    assert found == Attack(encoder, resolve("typo-mixed"), objective, strategy=strategy, budget=budget)(target)


def test_more_edits_and_more_candidates_hurt_more(encoder, target):
    def value(qid, found):
        return [-ranking.index("d1") for ranking in found]

    values = [
        Attack(encoder, resolve("typo-mixed"), value, strategy="worst", budget=Budget(edits, candidates))(target).worst
        for edits, candidates in ((1, 1), (1, 100), (2, 400))
    ]
    assert values[0] >= values[1] >= values[2]
    assert values[0] > values[2]


def test_greedy_spends_its_candidates_on_the_word_that_matters(encoder, target):
    seen = []

    def value(qid, found):
        seen.append(found)
        # without its last word the query is worth nothing
        return [1.0] if len(found) == 1 else [1.0, 0.0] if len(found) == 2 else [0.5 + n for n in range(len(found))]

    found = Attack(encoder, resolve("typo-substitute"), value, budget=Budget(candidates=12))(target)
    assert [len(one) for one in seen] == [1, 2, 10]
    assert found.perturbed.topic.text.startswith("green ")


def test_instructions_are_attacked_alike(encoder, target):
    objective = overlap_with_clean(encoder, target)
    found = Attack(encoder, resolve("typo-mixed:on=instruction"), objective)(target)
    assert found.perturbed.topic.text == "green tea"
    assert found.perturbed.topic.instruction != "no black leaves"


def test_where_nothing_can_be_changed_the_query_stays(encoder, target):
    bare = Target(Topic("7", "who is it"), target.docids, target.vectors)
    found = Attack(encoder, resolve("typo-mixed"), overlap_with_clean(encoder, bare))(bare)
    assert not found.perturbed.changed
    assert found.worst == found.clean == 1


@pytest.mark.parametrize(
    ("perturbation", "options", "said"),
    [
        ("typo-mixed", {"strategy": "magic"}, "there is greedy, beam, worst"),
        ("typo-mixed", {"budget": Budget(0)}, "at least 1 each"),
        ("other-query", {}, "looks at other topics"),
    ],
)
def test_bad_attacks(encoder, perturbation, options, said):
    with pytest.raises(InputError, match=said):
        Attack(encoder, resolve(perturbation), least_overlap({}), **options)


def test_passages_are_injected_and_ranked_again(encoder, target):
    injected = attack_passages([target], {"7": "d5"}, PASSAGES, encoder, "query", "start")
    assert injected.passages["7"].text == "green tea jazz quartet"
    assert injected.attacked["7"].index("d5") < injected.clean["7"].index("d5")
    assert [docid for docid in injected.attacked["7"] if docid != "d5"] == [
        d for d in injected.clean["7"] if d != "d5"
    ]
    with pytest.raises(InputError, match="nothing to inject"):
        attack_passages([target], {}, PASSAGES, encoder)


def test_budgets():
    assert parse_budget("edits=2,candidates=50") == Budget(2, 50, 5)


@pytest.fixture
def files(tmp_path, monkeypatch, encoder):
    monkeypatch.setattr("instrerank.jobs.models.load_encoder", lambda name, options: encoder)
    (tmp_path / "topics.tea.tsv").write_text("7\tgreen tea\n8\tjazz quartet\n")
    (tmp_path / "run.txt").write_text(
        "".join(f"{qid} Q0 {d} {n} {9 - n} bm25\n" for qid in (7, 8) for n, d in enumerate(PASSAGES, start=1))
    )
    (tmp_path / "qrels.txt").write_text("7 0 d1 2\n7 0 d5 0\n8 0 d5 1\n")
    (tmp_path / "passages.jsonl").write_text(
        "".join(json.dumps({"id": docid, "contents": text}) + "\n" for docid, text in PASSAGES.items())
    )
    names = {"run": "run.txt", "topics": "topics.tea.tsv", "corpus": "passages.jsonl", "output": "out"}
    return ["attack", "--encoder", "minilm", *(f"--{flag}={tmp_path / name}" for flag, name in names.items())]


def test_verb(files, tmp_path, capsys):
    assert main([*files, "--budget", "candidates=40"]) == 0
    name = "tea.attack-greedy-overlap-typo-mixed.s1"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *(f"topics.{name}.tsv", f"topics.{name}.jsonl", f"querysets.{name}.jsonl")
    }
    record = json.loads((tmp_path / "out" / f"querysets.{name}.jsonl").read_text())
    assert record["objective"] == "overlap"
    assert record["budget"] == {"edits": 1, "candidates": 40, "beam": 5}
    assert record["candidates"] <= 80
    said = capsys.readouterr().err
    assert "overlap@10 with the clean ranking 1.0000 -> " in said
    assert "a second" in said


def test_a_dry_run_says_what_would_be_encoded_and_writes_nothing(files, tmp_path, capsys, monkeypatch, encoder):
    monkeypatch.setattr(encoder, "encode_queries", pytest.fail)
    monkeypatch.setattr(encoder, "count_stored", lambda texts: 1, raising=False)
    monkeypatch.setattr(encoder, "store", SimpleNamespace(folder="store"), raising=False)
    assert main([*files, "--dry-run", "--budget", "candidates=40"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"2 topics, {2 * len(PASSAGES)} candidates"
    assert told[2:] == [
        f"{len(PASSAGES)} distinct texts of passages, 1 of them in the store store",
        f"to encode: {len(PASSAGES) - 1} texts of passages, 2 clean and up to 80 perturbed queries",
        f"to write: a query set in {tmp_path / 'out'}",
    ]
    assert not (tmp_path / "out").exists()


def test_verb_with_an_oracle_says_so(files, tmp_path, capsys):
    arguments = ["--objective", "ndcg_cut.10", f"--qrels={tmp_path / 'qrels.txt'}", "--strategy", "beam"]
    assert main([*files, *arguments, "--budget", "edits=2,candidates=40,beam=3"]) == 0
    assert "mean ORACLE ndcg_cut.10 1.0000 -> " in capsys.readouterr().err
    assert (tmp_path / "out" / "topics.tea.attack-beam-ndcg-cut-10-typo-mixed.s1.tsv").exists()


def test_verb_on_passages(files, tmp_path, capsys):
    assert main([*files, "--passages", "query:end", f"--qrels={tmp_path / 'qrels.txt'}"]) == 0
    [record] = map(
        json.loads, (tmp_path / "out" / "passages.tea.injection-query-end.s1.jsonl").read_text().splitlines()
    )
    assert record["contents"] == "jazz quartet green tea"
    assert record["rank_injected"] < record["rank"]
    assert "1 grade-0 passages injected, 1 topics have none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--objective", "ndcg_cut.10"], "need --qrels"),
        (["--passages", "query"], "need --qrels"),
        (["--perturbation", "typo-mixed:on=instruction"], "no topic has an instruction to attack"),
        (["--perturbation", "typo"], "unknown perturbation 'typo'"),
    ],
)
def test_bad_input_is_exit_code_2(files, capsys, arguments, said):
    assert main([*files, *arguments]) == 2
    assert said in capsys.readouterr().err


def test_bad_budget(files, capsys):
    with pytest.raises(SystemExit, match="2"):
        main([*files, "--budget", "edits=0"])
    assert "give edits=N, candidates=N, beam=N" in capsys.readouterr().err
