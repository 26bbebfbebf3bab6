"""Adapters trained on vectors: what examples want, one encoder of two adapters, resume, bad recipes."""

import json
import random
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import yaml
from safetensors.torch import load_file

from instrerank.cli import main
from instrerank.encoders import load_encoder
from instrerank.errors import InputError
from instrerank.jobs.train_vectors import train_vectors
from instrerank.perturbations.injection import PAYLOADS
from instrerank.perturbations.payloads import all_payloads
from instrerank.training.vectors.payloads import inserted, payload
from instrerank.training.vectors.recipe import read_recipe

THINGS = ("copper", "granite", "amber", "pewter", "velvet", "cedar", "linen", "basalt", "marble", "willow")
PLACES = ("harbour", "valley", "museum", "quarry", "market", "chapel")
DEEDS = (
    "was carried",
    "is stored",
    "was traded in 1820",
    "is shown for 5 dollars",
    "costs 20% more",
    "is sold (cheaply)",
)
PART = {"steps": 4, "batch_size": 6, "warmup_steps": 1, "learning_rate": 1e-3}
RECIPE = {
    "passages": ["passages.jsonl"],
    "topics": ["topics.tsv"],
    "apart": 2,
    "instructions": "instructions.jsonl",
    "made_queries": 40,
    "sentences": 0.5,
    "rank": 2,
    "bare": {"draws": {"clean": 1, "noisy": 1, "injected": 1}, "clean_weight": 2, **PART},
    "instructed": {"draws": {"rule": 2, "neutral": 1, "topical": 1}, **PART},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    rng = random.Random(1)
    passages = []
    for number in range(150):
        thing, other = rng.sample(THINGS, 2)
        text = f"The {thing} of the old {rng.choice(PLACES)} {rng.choice(DEEDS)}, with {other} beside the north gate."
        passages.append({"id": f"d{number}", "contents": f"{text} Lot {number}."})
    (folder / "passages.jsonl").write_text("".join(json.dumps(each) + "\n" for each in passages))
    (folder / "topics.tsv").write_text("".join(f"q{n}\twhere is the {thing} kept\n" for n, thing in enumerate(THINGS)))
    told = [{"query": f"where is the {thing} kept", "instruction": f"I study {thing}."} for thing in THINGS]
    (folder / "instructions.jsonl").write_text("".join(json.dumps(each) + "\n" for each in told))
    return folder


@pytest.fixture(scope="module")
def recipe(data):
    path = data / "recipe.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    return path


@pytest.fixture(scope="module")
def trained(data, recipe, tmp_path_factory):
    return train_vectors(recipe, data, "minilm", tmp_path_factory.mktemp("trained") / "pair", store="none").output


def command(recipe, data, output):
    return ["train", "--recipe", str(recipe), "--data", str(data), "--encoder", "minilm", "--output", str(output)]


def adapters(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("adapter_model.safetensors")}


def test_one_encoder_of_two_adapters(trained):
    base, found = load_encoder("minilm", store="none"), load_encoder(trained, store="none")
    queries, told = ["where is the amber kept"] * 2, ["", "Only texts that mention cedar."]
    np.testing.assert_array_equal(
        found.encode_passages(["The amber."]).vectors, base.encode_passages(["The amber."]).vectors
    )
    both = found.encode_queries(queries, told).vectors
    alone = shutil.copytree(trained, trained.parent / "alone")
    profile = json.loads((alone / "instrerank.json").read_text())
    (alone / "instrerank.json").write_text(json.dumps(profile | {"bare_query_adapter": None}))
    bare = load_encoder("minilm", adapter=trained / "bare", store="none").encode_queries(queries[:1])
    instructed = load_encoder(alone, store="none").encode_queries(queries[1:], told[1:])
    np.testing.assert_allclose(both, np.concatenate([bare.vectors, instructed.vectors]), atol=1e-5)
    plain = load_encoder("minilm", store="none", query_template="{q} [SEP] {i}").encode_queries(queries, told).vectors
    assert (np.abs(both - plain).max(1) > 1e-4).all()


def test_the_separator_is_read_from_the_template_only(trained):
    tokenizer = load_encoder(trained, store="none").tokenizer
    profile = load_encoder(trained, store="none").profile
    from instrerank.encoders.texts import query_text

    honest, forged = (
        tokenizer.encode([query_text(profile, "amber", told)], 64)[0].ids for told in ("cedar", "cedar [SEP] linen")
    )
    assert honest.count(102) == 2
    assert forged.count(102) == 2


def test_a_missing_half_is_named(trained, tmp_path):
    broken = shutil.copytree(trained, tmp_path / "broken")
    (broken / "bare" / "adapter_model.safetensors").unlink()
    with pytest.raises(InputError, match=r"bare/adapter_model\.safetensors"):
        load_encoder(broken)


def test_a_run_that_stops_goes_on_to_the_same_bytes(data, recipe, trained, tmp_path, monkeypatch):
    """Fails when the optimiser's state or the draws of the remaining steps depend on the interruption."""
    from instrerank.training.vectors import trainer

    monkeypatch.setattr(trainer, "SAVE_STEPS", 2)
    save, output = trainer._save, tmp_path / "stopped"

    def stop(folder, model, optimizer, step):
        save(folder, model, optimizer, step)
        if folder.name == "bare" and step == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "_save", stop)
    with pytest.raises(KeyboardInterrupt):
        train_vectors(recipe, data, "minilm", output, store="none")
    assert not (output / "instrerank.json").exists()
    monkeypatch.setattr(trainer, "_save", save)
    with pytest.raises(InputError, match="earlier training run"):
        train_vectors(recipe, data, "minilm", output, store="none")
    other = data / "other.yaml"
    other.write_text(yaml.safe_dump(RECIPE | {"rank": 3}))
    with pytest.raises(InputError, match="another recipe"):
        train_vectors(other, data, "minilm", output, store="none", resume=True)
    train_vectors(recipe, data, "minilm", output, store="none", resume=True)
    assert adapters(output) == adapters(trained)


def test_denoising_learns(data, tmp_path):
    """Fails when the loss is not that of the vectors wanted."""
    bare = RECIPE["bare"] | {"steps": 80, "batch_size": 16, "draws": {"noisy": 1}, "learning_rate": 4e-3}
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**RECIPE, "bare": bare, "instructed": None, "rank": 8}))
    found = load_encoder(train_vectors(path, data, "minilm", tmp_path / "out", store="none").output, store="none")
    base = load_encoder("minilm", store="none")
    clean = base.encode_queries([f"where is the {thing} kept" for thing in THINGS]).vectors
    misspelt = [f"where is the {thing[0]}{thing[2]}{thing[1]}{thing[3:]} kept" for thing in THINGS]
    before, after = ((clean * encoder.encode_queries(misspelt).vectors).sum(1).mean() for encoder in (base, found))
    assert after > before + 0.01


def test_a_high_temperature_leaves_nothing_to_learn(data, tmp_path):
    noisy = {"bare": RECIPE["bare"] | {"steps": 1, "draws": {"noisy": 1}}, "instructed": None}
    losses = []
    for temperature in (0.05, 1000):
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump({**RECIPE, **noisy, "temperature": temperature}))
        trained = train_vectors(path, data, "minilm", tmp_path / "out", store="none", overwrite=True)
        losses.append(trained.losses["bare"])
    assert losses[0] > 1e-3 and losses[1] < 1e-6


@pytest.fixture(scope="module")
def draw(data, recipe):
    """Examples of the adapter that obeys, with some of its settings changed."""
    from instrerank.training.vectors.examples import BUFFER, Examples
    from instrerank.training.vectors.sources import read_sources
    from instrerank.training.vectors.teacher import Teacher

    whole = read_recipe(recipe)
    sources, base = read_sources(whole, data), load_encoder("minilm", store="none")
    teacher = Teacher(sources.passages, base.encode_passages(sources.passages).vectors)
    vectors = base.encode_queries(sources.queries).vectors

    def drawn(**changes):
        examples = Examples(sources, teacher, vectors, replace(whole.instructed, **changes), "cpu")
        return sources.queries, list(islice(examples.draw(random.Random(5)), BUFFER))

    return drawn


def test_a_scaled_adapter(data, trained, tmp_path):
    """Fails when the recipe's scale is not that of the weights; what was trained stays in the checkpoints."""
    shutil.copytree(trained / "checkpoints", tmp_path / "half" / "checkpoints")
    (tmp_path / "half" / "checkpoints" / "recipe.json").unlink()
    scaled = tmp_path / "scaled.yaml"
    scaled.write_text(yaml.safe_dump({**RECIPE, "bare": RECIPE["bare"] | {"scale": 0.5}}))
    half = train_vectors(scaled, data, "minilm", tmp_path / "half", store="none", resume=True).output
    for name, factor in (("bare", 0.5), ("", 1)):
        one, other = (load_file(folder / name / "adapter_model.safetensors") for folder in (trained, half))
        for key, value in one.items():
            wanted = value * factor if "lora_B" in key else value
            np.testing.assert_allclose(other[key].float(), wanted.float(), rtol=1e-3, atol=1e-7)


def test_how_many_queries_beside_an_instruction_are_noisy(draw):
    queries, clean = draw(noisy_queries=0.0, injected_queries=0.0)
    assert all(each.query in queries for each in clean)
    queries, noisy = draw(noisy_queries=0.0, injected_queries=1.0)
    assert not any(each.query in queries for each in noisy)
    with pytest.raises(InputError, match="at most 1 together, got 0.7 and 0.5"):
        draw(noisy_queries=0.7, injected_queries=0.5)


def test_swapped_instructions_leave_queries_and_vectors(draw):
    from instrerank.training.vectors.examples import BUFFER

    drawn = [draw(swapped=swapped)[1] for swapped in (False, True)]
    honest, placebo = ({each.wanted.tobytes(): each.instruction for each in part} for part in drawn)
    assert len(honest.keys() & placebo.keys()) > BUFFER // 2
    assert sum(honest[key] != placebo[key] for key in honest.keys() & placebo.keys()) > BUFFER // 2


def test_long_queries_are_sentences_of_passages(data, recipe):
    """Fails when all made queries are short: an adapter would take the end of a long one for a payload."""
    from instrerank.training.vectors.sources import read_sources

    sources = read_sources(read_recipe(recipe), data)
    whole = [query for query in sources.queries[sources.asked :] if len(query.split()) > 12]
    assert len(whole) > 5
    assert all(any(query in passage for passage in sources.passages) for query in whole)


def trigrams(text):
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[at : at + 3]) for at in range(len(words) - 2)}


def test_payloads_of_tests_stay_unseen():
    """Fails when training sees three words in a row of what encoders are tested with."""
    rng = random.Random(2)
    drawn = [payload(["zoa zob", "zoc zod"], rng) for _ in range(20_000)]
    assert len(set(drawn)) > 10_000
    seen = set().union(*map(trigrams, drawn))
    fixed = [text for texts in PAYLOADS.values() for text in texts]
    kept_apart = [each.text for side in ("query", "passage") for each in all_payloads(half="test", side=side)]
    assert not seen & set().union(*map(trigrams, fixed + kept_apart))
    assert "amber" in inserted("where is amber", drawn[0], rng)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"topics": ["nowhere.tsv"]}, "nowhere.tsv is not in"),
        ({"bare": None, "instructed": None}, "trains nothing"),
        ({"bare": {**RECIPE["bare"], "draws": {"rule": 1}}}, "rule, neutral and topical must be 0"),
        ({"bare": {**RECIPE["bare"], "draws": {"clear": 1}}}, "nearest: clean"),
        ({"bare": {**RECIPE["bare"], "steps": 0}}, "steps must be above 0"),
        ({"rank": "two"}, "rank must be a whole number"),
        ({"ranks": 2}, "nearest: rank"),
        ({"sentences": 2}, "sentences must be between 0 and 1"),
        ({"temperature": 0}, "temperature must be above 0, got 0"),
        ({"query_template": "{q} </s> {i}"}, "</s> is not a special token of minilm, which has [CLS]"),
        (
            {"bare": {**RECIPE["bare"], "start": "instrerank-minilm"}},
            "an adapter of another model, or of another rank",
        ),
        ({"bare": {**RECIPE["bare"], "start": "minilm"}}, "no adapter_model.safetensors"),
        ({"bare": {**RECIPE["bare"], "start": "nowhere"}}, "unknown encoder 'nowhere'"),
        ({"apart": 10}, "no topics are left"),
        ({"passages": ["few.jsonl"]}, "are too few"),
    ],
)
def test_bad_recipes(data, tmp_path, capsys, change, message):
    (data / "few.jsonl").write_text('{"id": "1", "contents": "One."}\n')
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**RECIPE, **change}))
    assert main(command(path, data, tmp_path / "x")) == 2
    assert message in capsys.readouterr().err
    # weights that do not fit are found where the model is loaded
    assert "adapter" in message or not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--epochs", "2"], "--epochs cannot be used with --recipe"),
        (["--warmup-steps", "0"], "--warmup-steps cannot be used with --recipe"),
        (["--lora"], "--lora cannot be used with --recipe"),
        (["--query-template", "{q} {i}"], "--query-template cannot be used with --recipe"),
        (["--data", "elsewhere"], "--recipe needs one --data"),
        (["--inspect", "1"], "leave it out with --recipe"),
    ],
)
def test_flags_that_a_recipe_decides_are_refused(data, recipe, tmp_path, capsys, flags, message):
    assert main([*command(recipe, data, tmp_path / "x"), *flags]) == 2
    assert message in capsys.readouterr().err


SMALL_STACK = """
import threading
import numpy as np
from instrerank.training.vectors.teacher import Teacher

vectors = np.random.default_rng(1).standard_normal((600, 384)).astype(np.float32)
teach = threading.Thread(target=Teacher, args=([f"Lot {n} of amber" for n in range(600)], vectors))
threading.stack_size(1 << 20)
teach.start()
teach.join()
"""


def test_a_teacher_needs_little_stack():
    """Fails with NumPy's inverse, which takes 3 MB; beside a JVM, a thread may have 1."""
    done = subprocess.run([sys.executable, "-c", SMALL_STACK], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
