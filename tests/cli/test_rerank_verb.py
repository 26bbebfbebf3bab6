"""The rerank verb: what it writes, and that bad input is one clear line, exit code 2 and no file."""

import json

import numpy as np
import pytest
import yaml

from instrerank.cli import main
from instrerank.encoders.families.known_rerankers import choose_prompt
from instrerank.encoders.pointwise import PairScores, PointwiseLLM
from instrerank.jobs import models
from instrerank.trec import read_run


@pytest.fixture
def folder(tmp_path, monkeypatch, words):
    """Topics, passages and a run, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    files = {
        "topics.tsv": "01\tmoon\n2\tsun\n",
        "passages.tsv": "a\tthe sun\nb\tmoon and sun and moon\nc\tmoon tide\nd\tbread\n",
        "run.txt": "01 Q0 a 1 9 bm25\n01 Q0 b 2 8 bm25\n01 Q0 c 3 7 bm25\n2 Q0 c 1 3 bm25\n2 Q0 a 2 2 bm25\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def rerank(*more):
    command = ["rerank", "--run", "run.txt", "--topics", "topics.tsv", "--corpus", "passages.tsv"]
    return main([*command, "--encoder", "words", "--output", "out/reranked.txt", *more])


def order(qid="01"):
    return "".join(document.docid for document in read_run("out/reranked.txt").rankings[qid])


def test_run_and_sidecar(folder, capsys):
    assert rerank() == 0
    assert order() == "bca"
    assert order("2") == "ac"
    assert read_run("out/reranked.txt").tag == "words"
    assert "out/reranked.txt: 2 topics, 3 distinct passages" in capsys.readouterr().err
    sidecar = yaml.safe_load((folder / "out" / "reranked.txt.yaml").read_text())
    first_stage, reranker = sidecar["method"]["retrieval"]
    assert first_stage["tag"] == "bm25"
    assert len(first_stage["sha256"]) == 64
    assert reranker["encoder"]["profile"]["query_template"] == "{q} {i}"
    assert sidecar["run"]["counts"]["candidates"] == 5


@pytest.mark.parametrize(
    ("flags", "queries"),
    [
        (["--instruction", "without sun"], [("moon", "without sun"), ("sun", "without sun")]),
        (["--instructions", "i.tsv"], [("moon", "without sun"), ("sun", "without tide")]),
        (["--instructions", "i.jsonl"], [("moon", "without\nsun"), ("sun", "x")]),
    ],
)
def test_instructions_reach_the_encoder(folder, bag_of_words, flags, queries):
    (folder / "i.tsv").write_text("2\twithout tide\n01\twithout sun\n9\tnot asked\n")
    lines = [{"qid": "01", "instruction": "without\nsun"}, {"qid": "2", "instruction": "x"}]
    (folder / "i.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert rerank(*flags) == 0
    assert bag_of_words.queries == queries
    sidecar = yaml.safe_load((folder / "out" / "reranked.txt.yaml").read_text())
    assert sidecar["run"]["counts"]["queries with instruction"] == 2


def test_other_flags(folder):
    assert rerank("--hits", "2", "--runtag", "mine", "--fusion", "rrf", "--rrf.k", "10") == 0
    assert read_run("out/reranked.txt").tag == "mine"
    assert order() == "bac"
    assert rerank("--output-format", "msmarco", "--overwrite") == 0
    assert (folder / "out" / "reranked.txt").read_text().startswith("01\tb\t1\n")


def test_a_part_of_the_topics_is_normal_and_what_it_leaves_out_is_counted(folder, capsys):
    (folder / "topics.tsv").write_text("01\tmoon\n")
    assert rerank() == 0
    assert "1 qid of the run without topic left out" in capsys.readouterr().err
    (folder / "topics.tsv").write_text("01\tmoon\n2\tsun\n3\tbread\n")
    assert rerank("--limit", "2", "--output", "out/two.txt") == 0
    assert read_run("out/two.txt").rankings.keys() == {"01", "2"}
    sidecar = yaml.safe_load((folder / "out" / "two.txt.yaml").read_text())
    assert sidecar["data"]["other"][0]["limit"] == 2


def test_skipping_is_counted(folder, capsys):
    (folder / "passages.tsv").write_text("a\tthe sun\nc\tmoon tide\n")
    (folder / "topics.tsv").write_text("01\tmoon\n2\tsun\n3\tbread\n")
    assert rerank("--missing", "skip") == 0
    assert order() == "cab"
    notes = capsys.readouterr().err
    assert "1 candidate without text ranked last" in notes
    assert "1 topic without candidates left out" in notes


BAD_RUN = "".join(f"01 Q0 d{rank} {rank} {9000 - rank} bm25\n" for rank in range(1, 5001)).replace(
    " 6000 bm25", " bm25"
)


@pytest.mark.parametrize(
    ("files", "flags", "complaint"),
    [
        ({"passages.tsv": "a\tthe sun\n"}, [], "no text for 2 candidates: b, c"),
        ({"passages.tsv": "a\tthe sun\nb\t \nc\tx\n"}, [], "no text for 1 candidate: b"),
        ({"topics.tsv": "01\tmoon\n2\tsun\n3\tbread\n"}, [], "1 of 3 topics have no candidates in the run: 3"),
        ({"topics.tsv": "1\tmoon\n"}, [], "have no qid in common: the run has 01, 2; the topics have 1."),
        ({"run.txt": ""}, [], "run.txt: empty file"),
        ({"run.txt": BAD_RUN}, [], "run.txt:3000: 5 columns; expected 6"),
        ({"topics.tsv": "01\tcafé\n".encode("latin-1")}, [], "topics.tsv:1: not UTF-8"),
        ({"i.tsv": "2\tx\n"}, ["--instructions", "i.tsv"], "no instruction for 1 of 2 topics: 01"),
        ({}, ["--run", "nowhere.txt"], "cannot read nowhere.txt: No such file"),
        ({}, ["--corpus", "nowhere"], "no passages at nowhere"),
        ({}, ["--runtag", "two words"], "run tag 'two words'"),
        (
            {},
            ["--fusion", "interpolate", "--alpha", "2"],
            "--alpha must be between 0 and 1, got 2.0",
        ),
        ({"out": "a file"}, [], "cannot write out/reranked.txt"),
        ({}, ["--output", "."], "it is a folder"),
        ({}, ["--output", "run.txt"], "--output run.txt is also the input --run, which would be lost"),
        ({}, ["--output", "no/../run.txt"], "run.txt is also the input --run, which would be lost"),
    ],
)
def test_bad_input_is_one_clear_line_and_no_file(folder, capsys, files, flags, complaint):
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    before = sorted(folder.rglob("*"))
    assert rerank(*flags) == 2
    assert complaint in capsys.readouterr().err
    assert [path for path in sorted(folder.rglob("*")) if path not in before and path.name != "out"] == []


def test_an_output_folder_that_refuses(folder, capsys):
    assert rerank("--output", "/proc/reranked.txt") == 2
    assert "cannot write /proc/reranked.txt" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "code"), [("no-such-encoder", 2), ("somebody/no-such-model", 3)], ids=["unknown name", "id out of reach"]
)
def test_unknown_encoder(folder, capsys, monkeypatch, name, code):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert rerank("--encoder", name) == code
    assert name in capsys.readouterr().err
    assert not (folder / "out" / "reranked.txt").exists()


def test_usage_errors_exit_with_2(folder):
    for flags in (["--hits", "0"], ["--fusion", "magic"], ["--instruction", "a", "--instructions", "b"]):
        with pytest.raises(SystemExit) as stop:
            rerank(*flags)
        assert stop.value.code == 2


def test_resume_does_nothing_twice_and_refuses_another_configuration(folder, capsys, bag_of_words):
    assert rerank("--resume") == 0
    bag_of_words.passages.clear()
    assert rerank("--resume") == 0
    assert bag_of_words.passages == []
    assert "nothing to do" in capsys.readouterr().err
    assert rerank("--resume", "--hits", "2") == 2
    assert "another configuration" in capsys.readouterr().err
    (folder / "passages.tsv").write_text("a\tthe sun\nb\tno moon\nc\tmoon tide\n")
    assert rerank("--resume") == 2
    assert rerank() == 2
    assert "replace it with" in capsys.readouterr().err
    assert rerank("--overwrite") == 0


def test_windows_are_recorded(folder):
    assert rerank("--max-passage", "max") == 0
    sidecar = yaml.safe_load((folder / "out" / "reranked.txt.yaml").read_text())
    assert sidecar["method"]["retrieval"][1]["windows"] == {"aggregation": "max", "length": 2, "stride": 1}
    assert sidecar["run"]["counts"]["windows"] > sidecar["run"]["counts"]["distinct passages"]


def test_flags_that_do_not_go_together(folder, capsys):
    assert rerank("--max-passage-stride", "2") == 2
    assert "--max-passage-stride needs --max-passage" in capsys.readouterr().err
    assert rerank("--encoder-kind", "crossencoder", "--pooling", "mean") == 2
    assert "--pooling cannot be used with --encoder-kind crossencoder" in capsys.readouterr().err
    assert rerank("--prompt", "monot5", "--true-token", "yes") == 2
    assert "--prompt, --true-token cannot be used with --encoder-kind biencoder" in capsys.readouterr().err


def test_a_language_model_is_asked_what_the_flags_say(folder, monkeypatch):
    given = {}

    class Asked(PointwiseLLM):
        def __init__(self):
            self.name, self.fingerprint, self.dtype, self.device = "asked", "0", "float32", "cpu"
            self.revision = None
            self.max_length = 512
            self.prompt = choose_prompt("asked", given["prompt"], given["true_token"])

        def score_pairs(self, pairs, *, progress=False):
            return PairScores(np.arange(len(pairs), dtype=np.float32), np.zeros(len(pairs), bool))

        _tokenise = _scores = None

    def load(name, options):
        given.update(options.changed())
        return Asked()

    monkeypatch.setattr(models, "load_scorer", load)
    assert rerank("--encoder-kind", "pointwise-llm", "--prompt", "Is {d} about {q}?", "--true-token", "yes") == 0
    assert given["kind"] == "pointwise-llm"
    sidecar = yaml.safe_load((folder / "out" / "reranked.txt.yaml").read_text())
    prompt = sidecar["method"]["retrieval"][1]["encoder"]["prompt"]
    assert (prompt["template"], prompt["true"], prompt["false"]) == ("Is {d} about {q} {i}?", "yes", "false")


def test_a_cascade_ranks_as_float32_and_is_recorded(folder, capsys):
    assert rerank("--encoder", "minilm") == 0
    in_float32 = read_run("out/reranked.txt").rankings
    assert rerank("--encoder", "minilm", "--dtype", "cascade", "--cascade-depth", "2", "--overwrite") == 0
    for qid, ranking in read_run("out/reranked.txt").rankings.items():
        assert [one.docid for one in ranking[:2]] == [one.docid for one in in_float32[qid][:2]]
        assert [one.score for one in ranking[:2]] == pytest.approx(
            [one.score for one in in_float32[qid][:2]], abs=1e-6
        )
    sidecar = yaml.safe_load((folder / "out" / "reranked.txt.yaml").read_text())
    encoder = sidecar["method"]["retrieval"][1]["encoder"]
    assert encoder["dtype"] == "cascade"
    assert encoder["cascade"] == {"first": "bfloat16", "best": "float32", "depth": 2}
    done = sidecar["run"]["counts"]["cascade"]
    assert done["passages encoded again"] == 3 and 0 < done["largest error seen"] <= done["margin"] < 0.1
    assert rerank("--encoder", "minilm", "--dtype", "cascade", "--max-passage", "max", "--overwrite") == 2
    assert "--fusion and --max-passage need exact scores" in capsys.readouterr().err
    assert rerank("--cascade-depth", "2") == 2
    assert "--cascade-depth cannot be used with --encoder-kind biencoder" in capsys.readouterr().err
