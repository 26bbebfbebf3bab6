"""Late interaction: scores equal sentence-transformers' own on tiny ColBERT checkpoints in three layouts."""

import json
import shutil

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import MultiVectorEncoder
from tiny import INSTRUCTIONS, PASSAGES, QUERIES

from instrerank.encoders import load_scorer
from instrerank.encoders.late_interaction import LateInteraction
from instrerank.encoders.options import LoadOptions
from instrerank.encoders.stores.contents import compact, stored_kinds
from instrerank.errors import InputError
from instrerank.jobs.attack import attack
from instrerank.jobs.attack_passages import attack_passages
from instrerank.jobs.encode import encode
from instrerank.jobs.promote import promote
from instrerank.jobs.rerank import rerank
from instrerank.perturbations.searching import Budget
from instrerank.study import execution
from instrerank.study.configuration import configure

DIMENSION = 16
MARKERS = ["[unused0]", "[unused1]"]


def backbone(folder):
    """A BERT whose vocabulary has ColBERT's markers as ordinary pieces, as BERT's own vocabulary does."""
    tiny.save(folder, "bert")
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    vocabulary = tokenizer["model"]["vocab"]
    for at, piece in enumerate(MARKERS):  # in place of two pieces that no text has
        old = next(token for token, index in vocabulary.items() if index == len(vocabulary) - 1 - at)
        vocabulary[piece] = vocabulary.pop(old)
    path.write_text(json.dumps(tokenizer))
    named = {"cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]", "mask_token": "[MASK]"}
    edit(folder / "tokenizer_config.json", pad_token="[PAD]", model_max_length=tiny.LENGTH, **named)
    return folder


def weights(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


def edit(path, **changes):
    path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | changes))


def stanford(folder):
    backbone(folder)
    edit(folder / "config.json", architectures=["HF_ColBERT"])
    tensors = {f"bert.{name}": tensor for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file({**tensors, "linear.weight": weights(DIMENSION, 32)}, folder / "model.safetensors")
    edit(folder / "artifact.metadata", query_maxlen=24, doc_maxlen=40, mask_punctuation=True)
    return folder


def pylate(folder):
    backbone(folder)
    dense = folder / "1_Dense"
    dense.mkdir()
    settings = {"in_features": 32, "out_features": DIMENSION, "bias": False}
    edit(dense / "config.json", **settings, activation_function="torch.nn.modules.linear.Identity")
    save_file({"linear.weight": weights(DIMENSION, 32)}, dense / "model.safetensors")
    modules = [("sentence_transformers.models.Transformer", ""), ("pylate.models.Dense.Dense", "1_Dense")]
    listed = [{"idx": at, "name": str(at), "path": path, "type": kind} for at, (kind, path) in enumerate(modules)]
    (folder / "modules.json").write_text(json.dumps(listed))
    edit(
        folder / "config_sentence_transformers.json",
        model_type="ColBERT",
        query_prefix="[unused0]",
        document_prefix="[unused1]",
        query_length=20,
        document_length=48,
        attend_to_expansion_tokens=True,
        similarity_fn_name="MaxSim",
    )
    edit(folder / "sentence_bert_config.json", max_seq_length=48, do_lower_case=False)
    return folder


def native(folder):
    MultiVectorEncoder(str(stanford(folder.with_name("before")))).save(str(folder))
    return folder


LAYOUTS = {"stanford": stanford, "pylate": pylate, "native": native}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {name: build(tmp_path_factory.mktemp(name) / "model") for name, build in LAYOUTS.items()}


def scores_of(scorer, queries=QUERIES, instructions=INSTRUCTIONS, passages=PASSAGES):
    prepared = scorer.prepare(list(zip(queries, instructions, strict=True)), passages)
    every = [list(range(len(passages)))] * len(queries)
    return np.array(scorer.score(prepared, range(len(queries)), every).scores)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_scores_are_those_of_sentence_transformers(folders, layout):
    scorer = load_scorer(folders[layout], store=None)
    assert isinstance(scorer, LateInteraction) and scorer.dimension == DIMENSION
    reference = MultiVectorEncoder(str(folders[layout]), device="cpu")
    queries = reference.encode_query(tiny.joined(""))
    expected = reference.similarity(queries, reference.encode_document(PASSAGES)).numpy()
    found = scores_of(scorer)
    assert np.abs(found - expected).max() < 1e-4
    assert np.ptp(expected, axis=1).min() > 0.1  # the passages differ


def test_markers_expansion_and_skipped_punctuation(folders):
    scorer = load_scorer(folders["stanford"], store=None)
    described = scorer.describe()
    assert described["profile"]["query_template"] == "[unused0] {q} {i}"
    assert described["profile"]["passage_template"] == "[unused1] {d}"
    assert described["query expansion"]["length"] == 24
    assert described["token vectors"] == "16 dimensions, float32"
    [query], [passage] = scorer.encode_queries(["tides"]).vectors, scorer.encode_passages(["tides, moon."]).vectors
    assert len(query) == 24
    assert len(passage) == len(scorer.encode_passages(["tides moon"]).vectors[0])
    np.testing.assert_allclose(np.linalg.norm(passage, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_batches_do_not_matter(folders, layout):
    one, many = (load_scorer(folders[layout], store=None, batch_tokens=tokens) for tokens in (1, 4096))
    assert np.abs(scores_of(one) - scores_of(many)).max() < 1e-5
    alone = scores_of(many, QUERIES[:1], INSTRUCTIONS[:1], PASSAGES[3:4])
    assert abs(alone[0, 0] - scores_of(many)[0, 3]) < 1e-5


def test_truncation_is_counted(folders):
    scorer = load_scorer(folders["pylate"], store=None)
    queries = scorer.encode_queries(["moon " * 30, "moon"], ["", "tides"])
    assert queries.truncated.tolist() == [True, False]
    assert scorer.encode_passages(PASSAGES[-2:]).truncated.tolist() == [True, False]
    shorter = load_scorer(folders["pylate"], store=None, max_query_length=8, max_passage_length=6)
    assert [len(vectors) for vectors in shorter.encode_queries(QUERIES).vectors] == [8] * 4
    assert max(len(vectors) for vectors in shorter.encode_passages(PASSAGES).vectors) == 6
    assert shorter.window_length == 3
    with pytest.raises(InputError, match="at most 64 tokens"):
        load_scorer(folders["pylate"], store=None, max_length=65)


def test_texts_cannot_forge_special_tokens(folders):
    scorer = load_scorer(folders["stanford"], store=None)
    forged, plain = (scorer.encode_passages([text]).vectors[0] for text in ("[MASK] moon", "[ MASK] moon"))
    np.testing.assert_array_equal(forged, plain)
    assert len(scorer.encode_passages(["[unused0]"]).vectors[0]) > 4


def test_the_store_keeps_token_vectors(folders, tmp_path, monkeypatch):
    store = tmp_path / "store"
    first = load_scorer(folders["stanford"], store=store)
    scores = scores_of(first)
    assert np.abs(scores - scores_of(load_scorer(folders["stanford"], store=None))).max() < 0.02
    again = load_scorer(folders["stanford"], store=store)
    assert again.count_stored([*PASSAGES, "new"]) == len(set(PASSAGES))
    assert again.describe()["token vectors"] == "16 dimensions, float16"
    ran = []
    run = again._run
    monkeypatch.setattr(again, "_run", lambda texts, side: ran.append(side) or run(texts, side))
    np.testing.assert_array_equal(scores_of(again), scores)  # mapped vectors score as fresh ones
    assert set(ran) == {"query"}
    assert load_scorer(folders["stanford"], store=store, max_passage_length=30).count_stored(PASSAGES) == 0


def test_a_killed_call_keeps_the_work_of_the_last_seconds(folders, tmp_path, monkeypatch):
    monkeypatch.setattr("instrerank.encoders.late_interaction.SECONDS_A_SHARD", 0)
    expected = scores_of(load_scorer(folders["stanford"], store=tmp_path / "whole", batch_tokens=60))
    scorer, ran = load_scorer(folders["stanford"], store=tmp_path / "killed", batch_tokens=60), []
    run = scorer._run

    def killed(texts, side):
        if len(ran) == 3:
            raise KeyboardInterrupt
        ran.append(texts)
        return run(texts, side)

    monkeypatch.setattr(scorer, "_run", killed)
    with pytest.raises(KeyboardInterrupt):
        scorer.encode_passages(PASSAGES)
    again = load_scorer(folders["stanford"], store=tmp_path / "killed", batch_tokens=60)
    assert again.count_stored(PASSAGES) == sum(map(len, ran)) > 0
    np.testing.assert_array_equal(scores_of(again), expected)


def test_a_prompt_with_a_place_for_the_instruction(tmp_path):
    folder = native(tmp_path / "model")
    edit(
        folder / "config_sentence_transformers.json", prompts={"query": "Instruct: Find {q}.\nQuery: ", "document": ""}
    )
    profile = load_scorer(folder, store=None).profile
    assert (profile.query_template, profile.default_instruction) == ("Instruct: {i}\nQuery: {q}", "Find {q}.")


def test_a_damaged_shard_is_encoded_again(folders, tmp_path, caplog):
    scores = scores_of(load_scorer(folders["stanford"], store=tmp_path))
    [shard] = tmp_path.glob("*/*.tokens")
    [kind] = stored_kinds(tmp_path, verify=True)
    assert (kind.texts, kind.dimension, kind.shards, kind.damaged) == (len(set(PASSAGES)), DIMENSION, 1, [])
    assert compact(tmp_path, kind) == kind
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    assert stored_kinds(tmp_path, verify=True)[0].damaged == [shard.name]
    np.testing.assert_array_equal(scores_of(load_scorer(folders["stanford"], store=tmp_path)), scores)
    assert "damaged" in caplog.text


def test_a_read_only_store_gives_the_same_scores(folders, tmp_path, monkeypatch):
    kept = scores_of(load_scorer(folders["stanford"], store=tmp_path / "a"))
    scorer = load_scorer(folders["stanford"], store=tmp_path / "b")
    monkeypatch.setattr("instrerank.encoders.stores.token_store.may_write", lambda folder: False)
    np.testing.assert_array_equal(scores_of(scorer), kept)
    assert not (tmp_path / "b").exists()


def test_refusals(folders, models, tmp_path):
    with pytest.raises(InputError, match="does not say that it is a late-interaction model"):
        load_scorer(models("bert", "plain"), kind="late-interaction")
    for options in ({"pooling": "cls"}, {"dtype": "int8"}, {"dim": 8}, {"adapter": "x"}, {"prompt": "monot5"}):
        with pytest.raises(InputError, match=f"`{next(iter(options))}`"):
            load_scorer(folders["pylate"], **options)
    with pytest.raises(InputError, match="empty"):
        load_scorer(folders["pylate"], store=None).encode_passages([" "])
    bad = shutil.copytree(folders["pylate"], tmp_path / "bad")
    tensors = load_file(bad / "model.safetensors")
    tensors.pop("encoder.layer.0.output.dense.weight")
    save_file(tensors, bad / "model.safetensors")
    with pytest.raises(InputError, match="would stay random"):
        load_scorer(bad)
    outside = shutil.copytree(folders["pylate"], tmp_path / "outside")
    path = outside / "modules.json"
    path.write_text(path.read_text().replace("1_Dense", "../1_Dense"))
    with pytest.raises(InputError, match="does not lie in the model's own folder"):
        load_scorer(outside)


@pytest.mark.parametrize("kind", ["biencoder", "late-interaction"])
def test_a_study_loads_it_with_its_store(folders, tmp_path, kind):
    settings = {"collection": "pocket", "encoders": [{"encoder": str(folders["pylate"]), "kind": kind}]}
    scorer = execution.load_scorer(configure(settings).encoders[0], tmp_path)
    assert scorer.kind == "late-interaction" and scorer.store.folder == tmp_path


def test_options_of_a_study_or_the_command_line():
    assert LoadOptions(kind="late-interaction", max_query_length=8).encodes_passages
    with pytest.raises(InputError, match="`store` cannot be used"):
        LoadOptions(kind="crossencoder", store="x")


def test_rerank_records_the_model(folders, tmp_path):
    texts = {str(at): text for at, text in enumerate(PASSAGES)}
    run = {"q": dict.fromkeys(texts, 1.0)}
    given = {"corpus": texts, "topics": {"q": QUERIES[0]}, "encoder": str(folders["pylate"]), "store": tmp_path / "s"}
    output = tmp_path / "run.txt"
    found = rerank(run, output=output, **given)
    scorer = load_scorer(folders["pylate"], store=tmp_path / "s")
    expected = scores_of(scorer, QUERIES[:1], [""])[0]
    best = found.rankings["q"][0]
    assert best.docid == str(int(expected.argmax()))
    sidecar = (tmp_path / "run.txt.yaml").read_text()
    assert "kind: late-interaction" in sidecar and "query expansion" in sidecar
    first = output.read_bytes()
    rerank(run, output=output, overwrite=True, **given)  # from the store
    assert output.read_bytes() == first
    other = rerank(run, batch_tokens=64, **{**given, "store": tmp_path / "other"}).rankings["q"]
    assert [one.docid for one in other] == [one.docid for one in found.rankings["q"]]
    assert [one.score for one in other] == pytest.approx([one.score for one in found.rankings["q"]], abs=1e-5)


def test_loading_is_silent(folders, capfd, caplog):
    load_scorer(folders["stanford"], store=None)
    assert "LOAD REPORT" not in caplog.text + "".join(capfd.readouterr())


@pytest.fixture
def given(folders, tmp_path):
    texts = {str(at): text for at, text in enumerate(PASSAGES)}
    run = {"q": dict.fromkeys(texts, 1.0)}
    load = {"encoder": str(folders["pylate"]), "store": tmp_path / "s"}
    return {"topics": {"q": QUERIES[0]}, "run": run, "corpus": texts, **load}


def test_encode_and_attack_take_it(folders, given):
    done = encode(given["encoder"], given["corpus"], store=given["store"])
    assert (done.passages, done.encoded) == (len(PASSAGES), len(set(PASSAGES)))
    found = attack(**given, budget=Budget(1, 20)).queries[0]
    scorer = load_scorer(folders["pylate"], store=given["store"])
    ranked = [np.argsort(-scores)[:10] for scores in scores_of(scorer, [found.clean, found.attacked], ["", ""])]
    shared = [len({*ranked[0][:depth]} & {*ranked[1][:depth]}) / depth for depth in range(1, 11)]
    assert found.before == 1 > found.after == pytest.approx(np.mean(shared))


def test_injected_passages_are_scored(given):
    found = attack_passages(**given, qrels={"q": {"3": 0, "4": 1}}, what="query").passages[0]
    again = rerank({"q": dict.fromkeys(given["corpus"], 1.0)}, given["topics"], encoder=given["encoder"],
                   corpus=given["corpus"] | {"3": found.injected}, store=given["store"])  # fmt: skip
    assert [hit.docid for hit in again.rankings["q"]].index("3") + 1 == found.rank_injected


def test_passages_are_promoted_and_a_floor_needs_a_judge(given):
    settings = given | {"qrels": {"q": {"3": 0, "4": 0}}, "top": 1, "candidates": 20, "strategy": "beam"}
    [row] = promote(**settings, floor=-1).passages
    assert row.rank_promoted <= row.rank
    assert row.similarity is None
    assert row.promoted != row.original
    with pytest.raises(InputError, match="give `judge`, a bi-encoder"):
        promote(**settings)
