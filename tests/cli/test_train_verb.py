"""`train` end to end on a tiny network, and what it refuses."""

import json

import pytest
import tiny

from instrerank.cli import main
from instrerank.collections import load_qrels
from instrerank.encoders import load_encoder


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("models") / "some-model", "bert")


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    records = [
        {
            "query_positive": f"why does bread rise {at}",
            "instruction_positive": "Explain the cause.",
            "query_negative": "why does copper turn green",
            "instruction_negative": f"Give a recipe {at}.",
            "document_positive": f"Yeast eats sugar {at}.",
            "hard_negative_document_1": f"Knead the dough twice {at}.",
            "hard_negative_document_2": f"It reacts with water and air {at}.",
        }
        for at in range(4)
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.fixture
def train(rows, base, tmp_path, capsys):
    def call(*more, data=rows):
        command = ["train", "--data", data, "--encoder", base, "--pooling", "mean", "--device", "cpu"]
        command += ["--batch-size", "2", "--output", tmp_path / "out", "--learning-rate", "0.003", *more]
        code = main([str(each) for each in command])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_an_adapter_with_its_card(train, tmp_path, base):
    code, _, err = train("--lora", "--rank", "4", "--max-steps", "3", "--note", "Made up for a test.")
    assert code == 0 and "4 rows, 12 triples" in err and "3 steps" in err
    assert load_encoder(tmp_path / "out").profile.family == "given by options"
    card = (tmp_path / "out" / "README.md").read_text()
    for text in (
        f"`{base}`",
        "rank 4",
        "multi{P,I}",
        "rows 4, triples 12",
        "seed 42",
        "steps: 3",
        "Made up for a test.",
    ):
        assert text in card


def test_a_whole_model_with_all_terms_and_cached_gradients(train, tmp_path):
    assert train("--max-steps", "2", "--objective", "uni", "--terms", "P,IQ,I,Q", "--cache-gradients")[0] == 0
    assert load_encoder(tmp_path / "out").encode_queries(["bread"], ["Why?"]).vectors.shape == (1, 32)
    assert (tmp_path / "out" / "modules.json").is_file()


def test_resuming_ends_where_an_unbroken_run_ends(train, tmp_path):
    flags = ("--lora", "--max-steps", "4", "--save-steps", "2")
    assert train(*flags)[0] == 0
    whole = (tmp_path / "out" / "adapter_model.safetensors").read_bytes()
    assert train(*flags)[0] == 2
    (tmp_path / "out" / "checkpoints" / "checkpoint-4" / "trainer_state.json").unlink()
    assert train(*flags, "--resume")[0] == 0
    assert (tmp_path / "out" / "adapter_model.safetensors").read_bytes() == whole
    code, _, err = train(*flags, "--rank", "2", "--resume")
    assert code == 2 and "lora: " in err


def test_inspect_shows_what_the_model_sees(train, tmp_path):
    code, out, _ = train(
        "--inspect", "2", "--query-template", "query: {q} {i}", "--typos", "1", "--self-teaching", "1"
    )
    lines = out.splitlines()
    assert code == 0 and not (tmp_path / "out").exists()
    assert lines[0].endswith("rows.jsonl:2: 6 anchors, 14 query-side texts, 6 passages")
    assert lines[1].startswith("  q0 (") and lines[1].endswith(
        " tokens) 'query: why does bread rise 0 Explain the cause.'"
    )
    assert any("anchor 0: q0 → p0; I: " in line and "misspelt: q" in line for line in lines)
    assert sum(line.startswith("rows ") for line in lines) == 2


def test_constraints_as_data_and_an_evaluation_of_every_checkpoint(train, tmp_path):
    folder = tmp_path / "constraints"
    assert (
        main(["constrain", "--topics", "pocket", "--qrels", "pocket", "--corpus", "pocket", "--output", str(folder)])
        == 0
    )
    code, _, err = train(data=folder)
    assert code == 2 and "give their texts by --corpus or --index" in err
    qrels = load_qrels("pocket")
    run = tmp_path / "run.txt"
    lines = [
        f"{qid} Q0 {docid} {rank} {-rank} bm25\n"
        for qid, grades in qrels.items()
        for rank, docid in enumerate(grades, start=1)
    ]
    run.write_text("".join(lines))
    evaluation = ["--evaluate-run", run, "--evaluate-topics", "pocket", "--evaluate-qrels", "pocket"]
    evaluation += ["--evaluate-constraints", folder, "--metric", "p_mrr", "--corpus", "pocket", "--patience", "1"]
    code, _, err = train(
        *evaluation,
        "--too-long",
        "truncate",
        "--lora",
        "--side",
        "query",
        "--save-steps",
        "2",
        "--max-steps",
        "20",
        data=folder,
    )
    assert code == 0 and "passages to 64 tokens" in err
    log = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    measured = [entry for entry in log if "eval_p_mrr" in entry]
    assert len(measured) > 1 and all(
        -1 <= entry["eval_p_mrr"] <= 1 and 0 < entry["eval_ndcg_cut_10"] < 1 for entry in measured
    )
    assert "p_mrr: " in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--terms", "P,X"], "--terms P,X: expected one or more of P,IQ,I,Q"),
        (["--side", "query"], "--side query needs --lora"),
        (["--max-query-length", "8"], "4 rows with a query and instruction over 8 tokens"),
        (["--max-query-length", "8", "--too-long", "skip"], "no rows are left"),
        (["--max-passage-length", "900"], "must be at most 64 tokens"),
        (["--patience", "2"], "give --evaluate-run, --evaluate-topics"),
        (["--evaluate-run", "x"], "evaluation needs"),
        (["--instructions-per-query", "9"], "increase --batch-size or decrease --instructions-per-query"),
        (["--batch-size", "5"], "4 rows do not fill a batch of 5"),
        (["--data", "nowhere.jsonl"], "cannot read nowhere.jsonl"),
    ],
)
def test_what_is_refused(train, flags, message):
    code, _, err = train(*flags)
    assert code == 2 and message in err


@pytest.mark.parametrize(("kind", "pooling"), [("bert", "mean"), ("modernbert", "cls")])
def test_the_papers_architectures_train_under_its_preset(train, tmp_path, kind, pooling):
    folder = tiny.save(tmp_path / "some-model", kind)
    lengths = ("--max-query-length", "64", "--max-passage-length", "64")
    flags = ("--encoder", folder, "--pooling", pooling, "--preset", "inf-embed", *lengths, "--max-steps", "3")
    code, _, err = train(*flags)
    assert code == 0 and "3 steps" in err
    assert "dtype 'bfloat16'" in (tmp_path / "out" / "README.md").read_text()
    assert load_encoder(tmp_path / "out").profile.pooling == pooling


def test_the_preset_reads_as_the_paper(train, tmp_path):
    """The tiny network reads 64 tokens; the paper's base models read 512."""
    code, _, err = train("--preset", "inf-embed")
    assert code == 2 and "must be at most 64 tokens" in err
    code, out, _ = train(
        "--preset", "inf-embed", "--max-query-length", "64", "--max-passage-length", "64", "--inspect", "1"
    )
    assert code == 0 and "'why does bread rise 0 Explain the cause.'" in out
