"""`export` from Python: what a script holds, and what is refused by parameter."""

import json

import pytest

import instrerank
from instrerank.errors import InputError
from instrerank.trec import Run, ScoredDoc, read_run

RUN = Run("words", {"1": [ScoredDoc("a", 2.0), ScoredDoc("b", 1.0)]})


def test_a_run_in_memory(tmp_path):
    exported = instrerank.export(RUN, "beir", tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == {"1": {"a": 2.0, "b": 1.0}}
    assert (exported.output, exported.rows) == (tmp_path / "out.json", 2)
    instrerank.export({"1": {"a": 3}}, "trec", tmp_path / "out", runtag="mine", topics={"1": "moon"})
    assert read_run(tmp_path / "out").tag == "mine"


def test_requests_from_passages_in_memory(tmp_path):
    texts = {"a": "the moon", "b": "bread"}
    instrerank.export(RUN, "rank_llm", tmp_path / "out.jsonl", topics={"1": "moon"}, corpus=texts, hits=1)
    (request,) = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert [each["doc"]["contents"] for each in request["candidates"]] == ["the moon"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"to": "pdf"}, "unknown `to` 'pdf'. Available: trec, msmarco"),
        ({"to": "trec", "preset": "clef"}, "unknown `preset` 'clef'. Available: trec,"),
        (
            {"to": "trec", "preset": "msmarco-passage"},
            "`preset` msmarco-passage requires other columns than",
        ),
        ({"to": "trec", "hits": 0}, "`hits` must be at least 1, got 0"),
        ({"to": "rank_llm"}, "give `topics`, and `corpus` or `index`"),
        ({"to": "tira"}, "`to` tira needs the run's sidecar, but a run in memory has none"),
        ({"to": "trec", "runtab": "x"}, "unknown parameter `runtab` (nearest: `runtag`)"),
        ({"to": "trec", "topics": {"2": "sun"}}, "no row for 1 topic: 2"),
    ],
)
def test_what_is_refused(tmp_path, settings, message):
    with pytest.raises(InputError) as raised:
        instrerank.export(RUN, output=tmp_path / "out", **settings)
    assert message in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_the_sidecar_of_a_run_is_never_overwritten_by_its_export(tmp_path):
    (tmp_path / "run.txt.yaml").write_text("1 Q0 a 1 2.0 t\n")
    with pytest.raises(InputError, match="is also the input `run`"):
        instrerank.export(tmp_path / "run.txt.yaml", "trec", tmp_path / "run.txt", overwrite=True)
