"""`probe` and `perturb --on passages`: pairs in files that any system can score, and the win rates of an encoder."""

import json

import pytest

from instrerank.cli import main
from instrerank.errors import InputError
from instrerank.jobs.probe import probe
from instrerank.jobs.rerank import rerank
from instrerank.trec import Topic

TOPICS = [Topic("1", "how long to steep green tea"), Topic("2", "cost of black tea"), Topic("3", "nothing judged")]
QRELS = {"1": {"a": 2, "b": 1, "gone": 2}, "2": {"c": 2, "e": 2}}
CORPUS = {
    "a": "Tea has a long history. Green tea is steeped for 3 minutes. It came to Japan late.",
    "b": "Green tea is not steeped.",
    "c": "The cost of black tea is 5 kroner. Few people know it. Others do.",
    "e": " ",
}


@pytest.fixture
def files(tmp_path):
    (tmp_path / "topics.tsv").write_text("".join(f"{topic.qid}\t{topic.text}\n" for topic in TOPICS))
    rows = [f"{qid} 0 {docid} {grade}\n" for qid, grades in QRELS.items() for docid, grade in grades.items()]
    (tmp_path / "qrels.txt").write_text("".join(rows))
    lines = [json.dumps({"id": docid, "contents": text}) + "\n" for docid, text in CORPUS.items() if text.strip()]
    (tmp_path / "corpus.jsonl").write_text("".join(lines))
    (tmp_path / "store").mkdir()
    return tmp_path


def test_pairs_without_an_encoder():
    done = probe(TOPICS, QRELS, corpus=CORPUS, probes="probe-position", relevance_level=2)
    assert done.results == []
    assert [(pair.qid, pair.docid) for pair in done.probes.pairs] == [("1", "a"), ("2", "c")]
    assert (done.probes.topics_without, done.probes.passages_without) == (1, 2)
    assert repr(done) == "Probed({}, ProbeSet(2 pairs of 2 topics), output=None)"
    done = probe(TOPICS, QRELS, corpus=CORPUS, probes="probe-position")
    assert done.probes.skipped == {("probe-position", "a single sentence"): 1}


def test_win_rates_are_those_of_the_run_that_the_files_give(files):
    done = probe(
        files / "topics.tsv", files / "qrels.txt", corpus=files / "corpus.jsonl", encoder="minilm", seeds=[1, 2],
        output=files / "probes", source="tea", store="none",
    )  # fmt: skip
    folder = files / "probes"
    assert sorted(path.name for path in folder.iterdir()) == [
        "corpus.tea.probes.jsonl", "probes.tea.jsonl", "probes.tea.minilm.json", "run.tea.probes.txt",
    ]  # fmt: skip
    reranked = rerank(
        folder / "run.tea.probes.txt", TOPICS[:2], corpus=folder / "corpus.tea.probes.jsonl", encoder="minilm",
        hits=1000, store="none",
    )  # fmt: skip
    scores = {(qid, doc.docid): doc.score for qid, ranking in reranked.run.rankings.items() for doc in ranking}
    records = [json.loads(line) for line in (folder / "probes.tea.jsonl").read_text().splitlines()]
    for result in done.results:
        by_topic: dict = {}
        for record in records:
            if record["probe"] == result.probe:
                plain, shortcut = (scores[record["qid"], docid] for docid in record["docids"])
                by_topic.setdefault(record["qid"], []).append((shortcut > plain) + 0.5 * (shortcut == plain))
        rates = [sum(wins) / len(wins) for wins in by_topic.values()]
        assert result.win_rate == pytest.approx(sum(rates) / len(rates))
        assert result.pairs == sum(map(len, by_topic.values()))
    record = json.loads((folder / "probes.tea.minilm.json").read_text())
    assert record["results"] == [result._asdict() for result in done.results]
    assert record["seeds"] == [1, 2] and record["topics_without"] == 1


def test_truncated_passages_are_counted(caplog):
    with caplog.at_level("INFO"):
        probe(TOPICS, QRELS, corpus=CORPUS, encoder="minilm", store="none", max_passage_length=8)
    assert "passages truncated" in caplog.text


def test_nothing_to_probe_says_why():
    with pytest.raises(InputError, match="do topics, qrels and passages belong together"):
        probe(TOPICS, {"9": {"a": 1}}, corpus=CORPUS)
    with pytest.raises(InputError, match="1 relevant passage of 3 topics: a single sentence"):
        probe(TOPICS, {"1": {"b": 1}}, corpus=CORPUS, probes="probe-brevity")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"probes": "brevity"}, "unknown probe 'brevity'. Nearest: probe-brevity"),
        ({"corpus": None}, "either `corpus` or `index`"),
        ({"per_topic": 0}, "`per_topic` must be at least 1, got 0"),
        ({"relevance_level": 0}, "`relevance_level` must be at least 1"),
        ({"seeds": "x"}, "`seeds` must be"),
        ({"source": "a b"}, "`source` may contain only"),
    ],
)
def test_settings_are_checked(more, said):
    with pytest.raises(InputError, match=said):
        probe(TOPICS, QRELS, **{"corpus": CORPUS, **more})


def flags(files, *more):
    return [
        *("perturb", "--topics", str(files / "topics.tsv"), "--output", str(files / "out"), "--perturbations"),
        *more,
    ]


def test_the_verb_on_passages(files, capsys):
    of_passages = ["--on", "passages", "--qrels", str(files / "qrels.txt"), "--corpus", str(files / "corpus.jsonl")]
    assert main(flags(files, "probe-brevity,probe-foil", *of_passages, "--per-topic", "3")) == 0
    captured = capsys.readouterr()
    assert "probe-foil  " in captured.out and "directional" in captured.out
    assert "1 topic without a relevant passage" in captured.err
    before = (files / "out" / f"probes.{files.name}.jsonl").read_bytes()
    assert main(flags(files, "probe-brevity,probe-foil", *of_passages, "--per-topic", "3", "--encoder", "minilm",
                      "--store", "none")) == 0  # fmt: skip
    assert "win_rate" in capsys.readouterr().out
    assert (files / "out" / f"probes.{files.name}.jsonl").read_bytes() == before
    # other pairs are not written over these
    assert main(flags(files, "probe-foil", *of_passages, "--per-topic", "1")) == 2
    assert "choose another" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["probe-foil"], "probe-foil changes passages"),
        (["typo-mixed", "--qrels", "q"], "--qrels: for probes of passages only, with --on passages"),
        (["typo-mixed", "--dtype", "int8"], "options of an encoder: for probes of passages only"),
        (["probe-foil", "--on", "passages"], "--on passages needs --qrels, and --corpus or --index"),
        (["typo-mixed", "--on", "passages", "--qrels", "q", "--corpus", "c"], "unknown probe 'typo-mixed'"),
        (
            ["all", "--on", "passages", "--qrels", "q", "--corpus", "c", "--format", "tsv"],
            "--format: for query sets only",
        ),
        (
            ["all", "--on", "passages", "--qrels", "q", "--corpus", "c", "--endpoint", "http://localhost:1/v1"],
            "--endpoint: for query sets only",
        ),
    ],
)
def test_flags_that_have_no_effect_are_refused(files, more, said, capsys):
    assert main(flags(files, *more)) == 2
    assert said in capsys.readouterr().err
