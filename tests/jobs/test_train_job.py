"""`train` from Python: one call, the same bytes for every hash seed, and nothing replaced or shared in silence."""

import json
import os
import platform
import stat
import subprocess
import sys

import pytest
import tiny

import instrerank
from instrerank.encoders import LoadOptions, load_encoder
from instrerank.errors import InputError
from instrerank.files import one_process
from instrerank.jobs.train import inspect, train_settings
from instrerank.training.rows import Row, Triple

ROWS = [
    {"query": f"what is {each}", "instruction": "Be short.", "positive": f"All of {each}.", "negatives": ["Nothing."]}
    for each in "abcd"
]
SETTINGS = {"pooling": "mean", "device": "cpu", "lora": True, "rank": 2, "batch_size": 2, "max_steps": 2}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("models") / "some-model", "bert")


def test_one_call_trains_on_records_in_memory(base, tmp_path):
    trained = instrerank.train(ROWS, base, tmp_path / "out", **SETTINGS)
    assert trained == (tmp_path / "out", 2, None, {"steps": 2}, 4, 4)
    assert load_encoder(tmp_path / "out").encode_queries(["bread"], ["Why?"]).vectors.shape == (1, 32)
    assert "source 'in memory', sha256 '" in (tmp_path / "out" / "README.md").read_text()


def test_an_evaluation_of_what_a_script_holds(base, tmp_path):
    trained = instrerank.train(
        ROWS,
        base,
        tmp_path / "out",
        evaluate_run={"1": {"x": 2.0, "y": 1.0}},
        evaluate_topics={"1": "bread"},
        evaluate_qrels={"1": {"y": 1}},
        corpus={"x": "the moon", "y": "bread"},
        save_steps=1,
        **SETTINGS,
    )
    assert trained.best_step in (1, 2) and 0 < trained.figures["ndcg_cut_10"] <= 1


def test_the_preset_fills_only_what_is_not_given(base):
    settings = train_settings(data=ROWS, encoder=base, preset="inf-embed", max_query_length=9)
    lengths = settings.load.max_query_length, settings.load.max_passage_length
    assert (lengths, settings.schedule.dtype, settings.load.dtype) == ((9, 512), "bfloat16", "float32")


def test_rows_are_taken_as_they_are_and_inspected(base):
    rows = [Row(f"row {at}", (Triple(f"q {at}", "", f"p {at}", ("n",)),)) for at in range(3)]
    settings = train_settings(data=rows, encoder=base, pooling="mean", batch_size=2)
    lines = list(inspect(settings, 9))
    assert [line.split(":")[0] for line in lines if line.startswith("rows ")] == ["rows row 0, row 1", "rows row 2"]


def test_an_earlier_training_is_resumed_or_replaced_only_when_asked(base, tmp_path):
    instrerank.train(ROWS, base, tmp_path / "out", **SETTINGS)
    before = (tmp_path / "out" / "adapter_model.safetensors").read_bytes()
    other = SETTINGS | {"learning_rate": 0.01}
    with pytest.raises(InputError, match=r"contains an earlier training run .*`resume`.*`overwrite`"):
        instrerank.train(ROWS, base, tmp_path / "out", **other)
    with pytest.raises(InputError, match="another configuration"):
        instrerank.train(ROWS, base, tmp_path / "out", resume=True, **other)
    assert (tmp_path / "out" / "adapter_model.safetensors").read_bytes() == before
    killed = tmp_path / "out" / "checkpoints" / f".configuration.json.{platform.node()}.{2**30}.01234567.partial"
    killed.touch()
    assert instrerank.train(ROWS, base, tmp_path / "out", resume=True, **SETTINGS).steps == 2
    assert not killed.exists()
    assert (tmp_path / "out" / "adapter_model.safetensors").read_bytes() == before
    instrerank.train(ROWS, base, tmp_path / "out", overwrite=True, **other)
    assert (tmp_path / "out" / "adapter_model.safetensors").read_bytes() != before
    log = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert sum("train_runtime" in entry for entry in log) == 1


def test_a_folder_is_trained_into_by_one_process(base, tmp_path):
    (tmp_path / "out").mkdir()
    with one_process(tmp_path / "out", folder=tmp_path / "out"), pytest.raises(InputError, match="another process"):
        instrerank.train(ROWS, base, tmp_path / "out", **SETTINGS)
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("name", ["encoder", "data"])
def test_an_input_is_never_the_output(base, tmp_path, name):
    folder = tiny.save(tmp_path / "model", "bert")
    before = sorted(path.name for path in folder.iterdir())
    given = {"data": ROWS, "encoder": base} | {name: folder}
    with pytest.raises(InputError, match=f"is also the input `{name}`"):
        instrerank.train(output=folder, overwrite=True, **given, **SETTINGS)
    assert sorted(path.name for path in folder.iterdir()) == before


def test_the_same_bytes_for_every_hash_seed_and_the_mode_of_the_umask(base, tmp_path):
    script = (
        "import json, os, sys, instrerank; os.umask(0o027);"
        "rows, base, output, settings = map(json.loads, sys.argv[1:]);"
        "instrerank.train(rows, base, output, **settings)"
    )
    for seed in ("1", "2"):
        arguments = [json.dumps(each) for each in (ROWS, str(base), seed, SETTINGS)]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", script, *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for name in ("adapter_model.safetensors", "adapter_config.json", "instrerank.json", "README.md"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
        assert stat.S_IMODE((tmp_path / "1" / name).stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rat": 1}, r"unknown parameter `learning_rat` \(nearest: `learning_rate`\)"),
        ({"preset": "paper"}, "unknown `preset` 'paper'. Available: inf-embed"),
        ({"objective": "uni"}, "`objective` must be an Objective, got 'uni'; give uni or multi as `form`"),
        ({"load": LoadOptions(dtype="int8")}, "training starts from a bi-encoder in float32, got biencoder in int8"),
        ({"data": []}, "cannot read training rows from"),
        ({"data": [{"query": "a"}]}, "data:1: positive is missing"),
        ({"resume": True, "overwrite": True}, "not both"),
        ({"too_long": "cut"}, "unknown `too_long` 'cut'. Available: error, skip, truncate"),
        ({"metric": "p_mrr", "evaluate_run": {"1": {"x": 1}}}, "evaluation needs `evaluate_run`"),
    ],
)
def test_what_is_refused(base, tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        instrerank.train(**{"data": ROWS, "encoder": base, "output": tmp_path / "out", "pooling": "mean"} | settings)
