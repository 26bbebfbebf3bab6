"""A study over generic prompts: what is run, its two tables, and what the page says of them."""

import csv
import shlex
from statistics import fmean, stdev
from types import SimpleNamespace

import pytest

from instrerank.cli import main
from instrerank.errors import InputError
from instrerank.evaluation.prompts import wins
from instrerank.jobs.sidecar import read_sidecar
from instrerank.study import configure, make_plan, run_study
from instrerank.study.configuration import System
from instrerank.study.prompts import read_prompts
from instrerank.study.report import write_report
from instrerank.study.rows import PromptPair, PromptSpread
from instrerank.study.table_files import read_table
from instrerank.study.tables.prompts import prompt_pair_rows, prompt_rows
from instrerank.trec import Run, ScoredDoc, read_run, write_run

PROMPTS = ("Rank passages without moon", "Rank passages without tide", "Find what answers the query")


@pytest.fixture
def settings(words, tmp_path):
    """Two encoders, one of them fused with the first stage, over six topics and three prompts."""
    known = ("moon", "sun", "tide", "bread")
    texts = {f"d{n}": " ".join(word for bit, word in enumerate(known) if n >> bit & 1) for n in range(1, 16)}
    (tmp_path / "corpus.tsv").write_text("".join(f"{docid}\t{text}\n" for docid, text in texts.items()))
    queries = ("moon tide", "sun", "bread moon", "tide sun", "bread", "moon moon sun")
    (tmp_path / "topics.tsv").write_text("".join(f"q{n}\t{query}\n" for n, query in enumerate(queries)))
    qrels = [f"q{n} 0 d{docid} 1" for n in range(6) for docid in ((5 * n + 3) % 15 + 1, (7 * n) % 15 + 1)]
    (tmp_path / "qrels.txt").write_text("\n".join(qrels) + "\n")
    ranking = [ScoredDoc(docid, 20.0 - rank) for rank, docid in enumerate(texts)]
    write_run(tmp_path / "run.txt", Run("bm25", {f"q{n}": ranking for n in range(6)}))
    (tmp_path / "prompts.txt").write_text("\n\n".join(PROMPTS) + "\n")
    files = {"topics": "topics.tsv", "qrels": "qrels.txt", "corpus": "corpus.tsv", "run": "run.txt"}
    return {
        **{key: str(tmp_path / name) for key, name in {**files, "prompts": "prompts.txt"}.items()},
        "name": "tides",
        "encoders": [
            {"name": "words", "encoder": "words"},
            {"name": "fused", "encoder": "words", "fusion": "rrf"},
        ],
        "measures": ["ndcg_cut.10", "recip_rank"],
    }


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "study"


def rows(folder, name):
    with (folder / "tables" / "fixed" / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def test_every_prompt_is_the_instruction_of_every_clean_topic_and_passages_are_encoded_once(settings, folder, words):
    plan = make_plan(configure({**settings, "perturbations": ["case-lower"]}))
    of_prompts = [cell for cell in plan.cells if cell.condition in plan.prompts]
    assert list(plan.prompts) == ["prompt-1", "prompt-3", "prompt-5"], "ids are line numbers"
    assert len(of_prompts) == 2 * 3
    assert not run_study(plan, folder, store=None).failures
    assert len(words.passages) == 2 * 15, "once for each encoder"
    for condition, text in zip(plan.prompts, PROMPTS, strict=True):
        assert {(topic.text, text) for topic in plan.topics} <= set(words.queries)
        assert (folder / f"runs/fixed/run.tides.bm25.words.{condition}.clean.txt").is_file()


def test_the_tables_are_what_the_topics_say(settings, folder):
    result = run_study(settings, folder, store=None)
    scores, means = {}, {}
    for row in rows(folder, "topics"):
        scores.setdefault((row["encoder"], row["instructions"], row["measure"]), []).append(float(row["score"]))
    for key, values in scores.items():
        means[key] = fmean(values)
    ids = ["1", "3", "5"]
    found = list(read_table(folder / "tables" / "fixed" / "prompts.csv", PromptSpread))
    assert [(row.encoder, row.measure) for row in found] == [
        (encoder, measure) for encoder in ("words", "fused") for measure in ("ndcg_cut_10", "recip_rank")
    ]
    for row in found:
        own = {name: means[row.encoder, f"prompt-{name}", row.measure] for name in ids}
        assert row.mean == pytest.approx(fmean(own.values()))
        assert row.sd == pytest.approx(stdev(own.values()))
        assert (own[row.best], own[row.worst]) == (max(own.values()), min(own.values()))
        assert row.default == pytest.approx(means[row.encoder, "none", row.measure])
    pairs = list(read_table(folder / "tables" / "fixed" / "prompt_pairs.csv", PromptPair))
    assert [(row.encoder_a, row.encoder_b) for row in pairs] == [("words", "fused")] * 2
    for row in pairs:
        a, b = ([scores[encoder, f"prompt-{name}", row.measure] for name in ids] for encoder in ("words", "fused"))
        assert (row.a_beats_b, row.tied_share, (row.low, row.high)) == wins(a, b)
        assert row.prompts_a + row.prompts_tied + row.prompts_b == row.prompts == 3
    assert not (folder / "tables/fixed/instructions.csv").exists(), "prompts have tables of their own"
    assert any("words beats fused in" in sentence for sentence in result.answer)
    assert any("its default prompt" in sentence for sentence in result.answer)


def test_the_command_of_a_prompts_run_gives_the_same_run(settings, folder, monkeypatch):
    run_study(settings, folder, store=None)
    run = folder / "runs/fixed/run.tides.bm25.words.prompt-3.clean.txt"
    before, sidecar = run.read_bytes(), read_sidecar(run)
    assert {"name": "instructions", "source": PROMPTS[1]} in sidecar["data"]["other"]
    command = shlex.split(sidecar["implementation"]["executable"]["cmd"])
    run.unlink()
    monkeypatch.chdir(folder)
    assert main(command[1:]) == 0
    assert run.read_bytes() == before
    assert read_run(run).tag == "words-prompt-3"


def test_the_page_shows_that_one_prompt_can_decide(settings, folder):
    run_study(settings, folder, store=None)
    table = folder / "tables" / "fixed" / "prompt_pairs.csv"
    [header, first, *others] = table.read_text().splitlines()
    assert first.endswith(("True", "False"))
    row = dict(zip(header.split(","), first.split(","), strict=True))
    answers = {"True": "one prompt can decide whether words or fused scores higher", "False": "over prompts</strong>"}
    for decides, words in answers.items():
        changed = row | {"prompt_decides": decides, "default_differs": decides}
        table.write_text("\n".join([header, ",".join(changed.values()), *others]) + "\n")
        page = write_report(folder).read_text("utf-8")
        assert words in page
        assert ("another order than under most prompts" in page) == (decides == "True")
        assert ("<strong>yes</strong>, default differs" in page) == (decides == "True")
    for text in PROMPTS:
        assert f'<td class="text">{text}</td>' in page


def study_of(by_system):
    """Results with given scores by topic, by system."""
    systems = {System(*name.split("/")): {"rr": scores} for name, scores in by_system.items()}
    return SimpleNamespace(systems=list(systems), clean=lambda system: system, scores=systems)


def test_a_default_prompt_that_orders_two_encoders_as_few_prompts_do_is_shown():
    high, low = {"1": 1.0, "2": 0.9}, {"1": 0.2, "2": 0.1}
    scores = {"a/none": high, "b/none": low}
    for n in range(5):
        scores |= {f"a/prompt-{n}": low if n else high, f"b/prompt-{n}": high if n else low}
    [row] = prompt_pair_rows(study_of(scores))
    assert (row.prompts_a, row.prompts_b, row.default_differs, row.prompt_decides) == (1, 4, True, True)
    assert row.a_beats_b == pytest.approx(0.2)
    spread = {row.encoder: row for row in prompt_rows(study_of(scores))}
    assert (spread["a"].best, spread["a"].worst, spread["a"].percentile) == ("0", "1", 90)
    # the same order under every prompt is the encoders' own
    for n in range(5):
        scores |= {f"a/prompt-{n}": high, f"b/prompt-{n}": low}
    [row] = prompt_pair_rows(study_of(scores))
    assert (row.a_beats_b, row.low, row.default_differs, row.prompt_decides) == (1.0, 1.0, False, False)
    del scores["b/none"]
    [row] = prompt_pair_rows(study_of(scores))
    assert (row.default_b, row.default_differs, row.prompt_decides) == (None, None, False)


def test_prompts_of_a_file(tmp_path):
    path = tmp_path / "prompts.tsv"
    path.write_text("card\tFind it.\n\nlong-1\tFind it, please.\n")
    assert read_prompts(path) == {"prompt-card": "Find it.", "prompt-long-1": "Find it, please."}
    for text, message in (
        ("Find it.\n", "at least 2, got 1"),
        ("a\tFind it.\nFind it, please.\n", ":2: expected an id, a tab and a prompt"),
        ("a\tFind it.\na\tFind it, please.\n", ":2: duplicate id a"),
        ("Find it.\n Find it.\n", ":2: duplicate prompt"),
        ("a.b\tFind it.\nc\tFind it, please.\n", ":1: .*letters, digits"),
        ("a\t\nc\tFind it, please.\n", ":1: expected an id"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_prompts(path)


def test_prompts_need_the_default_prompt_and_are_part_of_the_record(settings, tmp_path):
    with pytest.raises(InputError, match="add none to conditions"):
        configure({**settings, "conditions": ["instruction-generic"]})
    plan = make_plan(configure(settings))
    run_study(plan, tmp_path / "study", store=None)
    (tmp_path / "prompts.txt").write_text("Find it.\nFind it, please.\n")
    with pytest.raises(InputError, match="inputs.prompts.sha256 was"):
        run_study(make_plan(configure(settings)), tmp_path / "study", resume=True, store=None)
    assert "prompts" not in configure({key: value for key, value in settings.items() if key != "prompts"}).as_data()


def test_the_flag(settings, tmp_path, capsys):
    flags = [word for key in ("topics", "qrels", "corpus", "prompts") for word in (f"--{key}", settings[key])]
    flags += ["--run", settings["run"], "--encoders", "words", "--output", str(tmp_path / "study"), "--dry-run"]
    assert main(["study", *flags]) == 0
    assert "1 instruction condition (none) and 3 prompts" in capsys.readouterr().out
