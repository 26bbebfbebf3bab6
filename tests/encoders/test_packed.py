"""The packed forward against transformers on the same random weights."""

import random
from functools import partial

import numpy as np
import pytest
import torch
import transformers

from instrerank.encoders.batching import run_batches
from instrerank.encoders.networks.backends import PACKED
from instrerank.encoders.networks.linear import pack_linears
from instrerank.encoders.networks.packed import PackedBert
from instrerank.encoders.networks.packed_distilbert import PackedDistilBert
from instrerank.encoders.networks.packed_modernbert import PackedModernBert
from instrerank.encoders.networks.packed_mpnet import PackedMPNet
from instrerank.errors import InputError

LENGTHS = (3, 40, 7, 7, 7, 1, 300, 90, 90, 33)
SHAPE = {
    "vocab_size": 100,
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "max_position_embeddings": 310,
}


CONFIGS = {
    "bert": transformers.BertConfig,
    "xlm-roberta": transformers.XLMRobertaConfig,
    "mpnet": transformers.MPNetConfig,
    "distilbert": partial(transformers.DistilBertConfig, hidden_dim=SHAPE["intermediate_size"]),
    "modernbert": partial(
        transformers.ModernBertConfig, **dict.fromkeys(("pad_token_id", "cls_token_id", "sep_token_id"), 0)
    ),
}
NETWORKS = {
    "bert": PackedBert,
    "xlm-roberta": PackedBert,
    "mpnet": PackedMPNet,
    "distilbert": PackedDistilBert,
    "modernbert": PackedModernBert,
}


def random_network(kind: str) -> torch.nn.Module:
    torch.manual_seed(0)
    config = CONFIGS[kind](**SHAPE)
    network = transformers.AutoModel.from_config(config).eval()
    for parameter in network.parameters():  # as drawn, biases are zero and norms the identity
        torch.nn.init.normal_(parameter, 0.05, 0.2)
    return network


def token_ids() -> list[list[int]]:
    draw = random.Random(0)
    return [[draw.randrange(5, 100) for _ in range(length)] for length in LENGTHS]


def expected_states(network: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat([network(torch.tensor([ids])).last_hidden_state[0] for ids in token_ids()])


@pytest.mark.parametrize("kind", NETWORKS)
def test_float32_states_are_those_of_transformers(kind: str) -> None:
    network = random_network(kind)
    assert NETWORKS[kind].computes(network.config.to_dict())
    backend = NETWORKS[kind](network.config.to_dict(), network.state_dict())
    assert (backend.token_states(token_ids()) - expected_states(network)).abs().max() < 1e-5


@pytest.mark.parametrize("kind", NETWORKS)
def test_bfloat16_states_are_near(kind: str) -> None:
    network = random_network(kind)
    states = NETWORKS[kind](network.config.to_dict(), network.state_dict(), "bfloat16").token_states(token_ids())
    likeness = torch.cosine_similarity(states.float(), expected_states(network))
    assert states.dtype == torch.bfloat16
    assert likeness.min() > 0.999


def test_without_onednn_the_states_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    network = random_network("bert")
    monkeypatch.setattr("instrerank.encoders.networks.linear._packing_works", lambda dtype: False)
    backend = PackedBert(network.config.to_dict(), network.state_dict())
    assert (backend.token_states(token_ids()) - expected_states(network)).abs().max() < 1e-5


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_neighbours_do_not_matter(dtype: str) -> None:
    network = random_network("bert")
    backend = PackedBert(network.config.to_dict(), network.state_dict(), dtype)
    together = backend.token_states(token_ids()).float()
    alone = torch.cat([backend.token_states([ids]) for ids in token_ids()]).float()
    assert (together - alone).abs().max() < (1e-6 if dtype == "float32" else 0.05)


def test_worker_count_changes_no_byte() -> None:
    network = random_network("bert")
    backend = PackedBert(network.config.to_dict(), network.state_dict())
    ids = token_ids()
    before = torch.get_num_threads()

    def states(batch: list[int]) -> np.ndarray:
        return backend.token_states([ids[at] for at in batch]).numpy()

    batches = [[at] for at in range(len(ids))]
    few, many = ([found for _, found in run_batches(batches, states, workers)] for workers in (2, 5))
    assert all(np.array_equal(one, other) for one, other in zip(few, many, strict=True))
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("kind", ["mpnet", "distilbert"])
def test_checkpoints_with_a_head_are_read(kind: str) -> None:
    network = random_network(kind)
    weights = {f"{kind}.{name}": one for name, one in network.state_dict().items()}
    backend = NETWORKS[kind](network.config.to_dict(), weights | {"lm_head.bias": torch.zeros(100)})
    assert (backend.token_states(token_ids()) - expected_states(network)).abs().max() < 1e-5


def test_checkpoints_with_a_head_and_old_names_are_read() -> None:
    network = random_network("bert")
    old = {
        f"bert.{name}".replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): one
        for name, one in network.state_dict().items()
    }
    backend = PackedBert(network.config.to_dict(), old)
    assert (backend.token_states(token_ids()) - expected_states(network)).abs().max() < 1e-5


def test_weights_that_do_not_fit_are_named() -> None:
    network = random_network("bert")
    config, weights = network.config.to_dict(), dict(network.state_dict())
    with pytest.raises(InputError, match=r"embeddings.word_embeddings.weight.*\(100, 64\).*\(101, 64\)"):
        PackedBert(config | {"vocab_size": 101}, weights)
    del weights["encoder.layer.1.output.dense.bias"]
    with pytest.raises(InputError, match=r"lack 'encoder.layer.1.output.dense.bias'"):
        PackedBert(config, weights)


def test_published_modernbert_configs_are_read() -> None:
    """The hub's config.json has the older names; the newer ones are what transformers 5 writes."""
    network = random_network("modernbert")
    config = network.config.to_dict()
    old = {key: value for key, value in config.items() if key not in ("layer_types", "rope_parameters")}
    old |= {"global_attn_every_n_layers": 3, "global_rope_theta": 160_000.0, "local_rope_theta": 10_000.0}
    backend = PackedModernBert(old, {f"model.{name}": one for name, one in network.state_dict().items()})
    assert (backend.token_states(token_ids()) - expected_states(network)).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"model_type": "bert"}, PackedBert),
        ({"model_type": "bert", "hidden_act": "gelu"}, PackedBert),
        ({"model_type": "roberta"}, PackedBert),
        ({"model_type": "mpnet"}, PackedMPNet),
        ({"model_type": "distilbert", "activation": "gelu"}, PackedDistilBert),
        ({"model_type": "t5"}, None),
        ({"model_type": "bert", "hidden_act": "relu"}, None),
        ({"model_type": "bert", "position_embedding_type": "relative_key"}, None),
        ({"model_type": "bert", "is_decoder": True}, None),
        ({"model_type": "mpnet", "hidden_act": "gelu_new"}, None),
        ({"model_type": "mpnet", "relative_attention_num_buckets": 64}, None),
        ({"model_type": "distilbert", "activation": "relu"}, None),
    ],
)
def test_packs_only_what_it_computes(config: dict[str, object], kind: type | None) -> None:
    assert next((one for one in PACKED if one.computes(config)), None) is kind


@pytest.mark.parametrize("kind", ["xlm-roberta", "mpnet"])
def test_padding_tokens_in_a_text_have_no_position_of_their_own(kind: str) -> None:
    network = random_network(kind)
    backend = NETWORKS[kind](network.config.to_dict(), network.state_dict())
    texts = [[7, 1, 8, 9], [1, 7, 8, 9], [7, 8, 1, 1]]
    with torch.no_grad():
        expected = network(torch.tensor(texts), attention_mask=torch.ones(3, 4)).last_hidden_state
    assert (backend.token_states(texts) - expected.flatten(0, 1)).abs().max() < 1e-5


def test_long_texts_with_biases_attend_alike() -> None:
    """In bfloat16 another kernel takes texts of more than 1,024 tokens."""
    torch.manual_seed(0)
    config = transformers.MPNetConfig(**SHAPE | {"max_position_embeddings": 1102, "num_hidden_layers": 1})
    network = transformers.MPNetModel(config).eval()
    torch.nn.init.normal_(network.encoder.relative_attention_bias.weight, 0, 2)
    ids = torch.randint(5, 100, (1, 1100))
    with torch.no_grad():
        expected = network(ids).last_hidden_state[0]
    for dtype, least in (("float32", 0.999999), ("bfloat16", 0.999)):
        states = PackedMPNet(config.to_dict(), network.state_dict(), dtype).token_states(ids.tolist()).float()
        assert torch.cosine_similarity(states, expected).min() > least


@pytest.mark.parametrize("kind", NETWORKS)
def test_int8_states_are_near_and_neighbours_do_not_matter(kind: str) -> None:
    network = random_network(kind)
    backend = NETWORKS[kind](network.config.to_dict(), network.state_dict(), "int8")
    states = backend.token_states(token_ids())
    assert states.dtype == torch.float32
    assert torch.cosine_similarity(states, expected_states(network)).min() > 0.995
    alone = torch.cat([backend.token_states([ids]) for ids in token_ids()])
    assert torch.cosine_similarity(states, alone).min() > 0.9999


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_linear_layers_of_other_networks_are_packed(monkeypatch, packing: bool, dtype: torch.dtype) -> None:
    if not packing:
        monkeypatch.setattr("instrerank.encoders.networks.linear._packing_works", lambda dtype: False)
    torch.manual_seed(0)
    config = transformers.T5Config(
        vocab_size=100, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, feed_forward_proj="gated-gelu"
    )
    network = transformers.T5EncoderModel(config).eval().to(dtype)
    ids = torch.tensor([token_ids()[1]])
    with torch.no_grad():
        before = network(input_ids=ids).last_hidden_state
        pack_linears(network)
        after = network(input_ids=ids).last_hidden_state
    tolerance = 1e-5 if dtype == torch.float32 else 0.1
    torch.testing.assert_close(after, before, rtol=tolerance, atol=tolerance)
    kept = [layer.weight.numel() > 0 for layer in network.modules() if isinstance(layer, torch.nn.Linear)]
    assert set(kept) == {not packing}
