"""Every kind of LoRA setting: token states are those of peft on the class the adapter was trained on."""

import peft
import pytest
import torch
import transformers

from instrerank.encoders import load_encoder

IDS = [[2, 30, 40, 50, 3], [2, 60, 3], [2, 31, 31, 77, 12, 13, 45, 3]]
BERT, MASKED, CAUSAL = "AutoModel", "AutoModelForMaskedLM", "AutoModelForCausalLM"
WHERE = {"bert": "encoder.layer", "llama": "layers", "qwen3": "layers", "modernbert": "layers", "gpt2": "h"}
ABOVE = {("bert", MASKED): "bert.", ("llama", CAUSAL): "model.", ("qwen3", CAUSAL): "model.",
         ("modernbert", MASKED): "model.", ("gpt2", CAUSAL): "transformer."}  # fmt: skip
QUERY = {"bert": "attention.self.query", "modernbert": "attn.Wqkv", "gpt2": "attn.c_attn"}
EMBEDDINGS = {"bert": "word_embeddings", "modernbert": "tok_embeddings", "gpt2": "wte"}
WIDE = {"bert": "dense", "modernbert": "Wi", "gpt2": "c_proj"}
CLASSES = [
    *(("bert", BERT), ("bert", MASKED), ("modernbert", MASKED), ("gpt2", BERT)),
    *(("llama", CAUSAL), ("qwen3", BERT), ("qwen3", CAUSAL)),
]


def settings(kind, auto_class):
    """Return every case by name; in patterns, full paths are those of the class in training."""
    above, layers = ABOVE.get((kind, auto_class), ""), WHERE[kind]
    query, wide = QUERY.get(kind, "self_attn.q_proj"), WIDE.get(kind, "down_proj")
    embeddings, short = EMBEDDINGS.get(kind, "embed_tokens"), query.rpartition(".")[2]
    full, anchored = f"{above}{layers}.1.{query}", rf"^{above}{layers}\.1\.{query}".replace(".a", r"\.a")
    cases = {
        "short names": {"target_modules": [short, wide]},
        "full paths": {"target_modules": [full, f"{above}{layers}.0.{query}"]},
        "all-linear": {"target_modules": "all-linear"},
        "expression": {"target_modules": rf"{above}{layers}\.\d+\.{query}"},
        "anchored expression": {"target_modules": rf"^{above}{layers}\.[02]\.{query}$"},
        "open expression": {"target_modules": rf".*\.{short}"},
        "excluded path": {"target_modules": [short], "exclude_modules": [full]},
        "excluded expression": {"target_modules": [short], "exclude_modules": rf"{above}{layers}\.1\..*"},
        "rank of a path": {"target_modules": [short], "rank_pattern": {full: 2}},
        "alpha of a path": {"target_modules": [short], "alpha_pattern": {full: 64}},
        "anchored alpha": {"target_modules": [short], "alpha_pattern": {anchored: 64}},
        "layers_pattern": {"target_modules": [short], "layers_to_transform": [0, 2], "layers_pattern": "layers"},
        "layers_to_transform": {"target_modules": [short], "layers_to_transform": [1]},
        "rslora": {"target_modules": [short], "use_rslora": True},
        "dora": {"target_modules": [short, wide], "use_dora": True},
        "lora_bias": {"target_modules": [short], "lora_bias": True},
        "pissa": {"target_modules": [short], "init_lora_weights": "pissa"},
        "olora": {"target_modules": [short], "init_lora_weights": "olora"},
        "gaussian": {"target_modules": [short], "init_lora_weights": "gaussian"},
        "fan_in_fan_out": {"target_modules": [short], "fan_in_fan_out": kind == "gpt2"},
        "embeddings only": {"target_modules": [embeddings]},
        "embeddings and layers": {"target_modules": [embeddings, short]},
        "tokens": {"target_modules": [short], "trainable_token_indices": [30, 77]},
        "tokens by name": {"target_modules": [short], "trainable_token_indices": {embeddings: [31, 45]}},
        "embeddings saved": {"target_modules": [short], "modules_to_save": [embeddings]},
        "all biases": {"target_modules": [short], "bias": "all"},
        "own biases": {"target_modules": [short], "bias": "lora_only"},
    }
    if auto_class == MASKED and kind == "bert":
        cases["head too"] = {"target_modules": [short, wide], "modules_to_save": ["cls"]}
        cases["head's layer"] = {"target_modules": [short, "cls.predictions.transform.dense"]}
    if auto_class == CAUSAL:
        cases["head too"] = {"target_modules": [short, "lm_head"]}
        cases["head saved"] = {"target_modules": [short], "modules_to_save": ["lm_head"]}
    if "layers" not in layers:
        cases["layers_pattern"]["layers_pattern"] = layers.rpartition(".")[2]
    return cases


CASES = [(*each, name) for each in CLASSES for name in settings(*each)]


@pytest.fixture(scope="module")
def base(models):
    return lambda kind, auto_class: models(kind, "unknown", auto_class=auto_class)


def adapted(folder, base, auto_class, **lora):
    """Save an adapter with random weights; return the states of peft's own loading of it."""
    network = getattr(transformers, auto_class)
    torch.manual_seed(4)
    model = peft.get_peft_model(network.from_pretrained(base), peft.LoraConfig(**{"r": 4, "lora_alpha": 8, **lora}))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "magnitude" in name:
                parameter.mul_(1.3)
            elif "lora_" in name:
                parameter.normal_(std=0.3)
            elif parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    model.save_pretrained(folder)
    return reference(folder, base, auto_class)


def reference(folder, base, auto_class):
    torch.manual_seed(5)
    model = peft.PeftModel.from_pretrained(getattr(transformers, auto_class).from_pretrained(base), folder).eval()
    with torch.no_grad():
        found = [model(input_ids=torch.tensor([ids]), output_hidden_states=True) for ids in IDS]
    return torch.cat([one.hidden_states[-1][0] for one in found])


def load(folder, **options):
    return load_encoder(folder, pooling="mean", max_length=64, device="cpu", store=None, **options)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "auto_class", "case"), CASES)
def test_states_are_those_of_peft(base, tmp_path, kind, auto_class, case):
    below, lora = base(kind, auto_class), settings(kind, auto_class)[case]
    try:
        expected = adapted(tmp_path, below, auto_class, **lora)
    except (ValueError, RuntimeError) as error:  # peft itself trains or loads no such adapter
        pytest.skip(str(error)[:90])
    states = load(tmp_path).backend.token_states(IDS)
    torch.testing.assert_close(states, expected, rtol=0, atol=2e-5)
    assert (states - load(below).backend.token_states(IDS)).abs().max() > 0.01
