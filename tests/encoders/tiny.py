"""Networks of a few thousand random weights, with tokenizers trained on the sentences below, as published ones lie."""

import re
import string
from pathlib import Path

import peft
import tokenizers
import torch
import transformers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

SENTENCES = [
    "Bees carry pollen from flower to flower while they look for nectar.",
    "A lighthouse warns ships of rocks that lie just below the surface.",
    "The baker kneads the dough twice and lets it rise over night.",
    "Why does bread rise when yeast eats the sugar in the flour?",
    "Only passages that explain the cause are relevant, not those that give a recipe.",
    "Copper turns green because it reacts with water and air; iron rusts instead.",
    "Who built the first telescope, and what did he see in the night sky?",
    "Tides follow the moon, and twice a month the sun makes them stronger.",
    "Find texts about the sea that mention neither boats nor fish.",
    "Glass is made from sand, soda and lime, heated until they melt.",
    "query: passage: Instruct: Query: Document: Relevant: true false Represent the document for retrieval",
    "A query of a few words; an unusually long, meandering, quite unbelievable sentence without any end?",
]

QUERIES = [
    "why does copper turn green",
    "Who built the first telescope?",
    "tides",
    "why does bread rise when it bakes",
]
INSTRUCTIONS = [
    "Only passages that explain the cause are relevant.",
    "",
    "Find texts that mention neither boats nor fish",
    "Not those that give a recipe!",
]
PASSAGES = [*SENTENCES[:10], " ".join(SENTENCES * 8), "Sand."]
"""Of one word to far more tokens than any of the networks reads."""
LENGTH = 64
"""Tokens every network reads."""
TASK = "Given a web search query, retrieve relevant passages that answer the query"


def joined(prefix: str) -> list[str]:
    """Return the queries with their instructions behind them."""
    return [prefix + q + (f" {i}" if i else "") for q, i in zip(QUERIES, INSTRUCTIONS, strict=True)]


def instructed(form: str) -> list[str]:
    """Return the queries in a form with `{q}` and `{i}`, the web-search task where there is no instruction."""
    return [form.format(i=i or TASK, q=q) for q, i in zip(QUERIES, INSTRUCTIONS, strict=True)]


# Vocabularies are put together by hand: the library's trainers give another one at every run.
WORDS = [*sorted({word for text in SENTENCES for word in re.findall(r"\w+", text)})[::2], "true", "false"]
CHARACTERS = sorted(set(string.printable[:95]))


def wordpiece() -> tokenizers.Tokenizer:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, *CHARACTERS, *(f"##{c}" for c in CHARACTERS), *WORDS, "##ed", "##ing", "##able"]
    vocabulary = {piece: at for at, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(special)
    return framed(tokenizer, "[CLS]", "[SEP]")


def unigram(special: list[str], begin: str | None, end: str | None) -> tokenizers.Tokenizer:
    pieces = [(f"▁{word}", -4.0 - len(word) / 8) for word in WORDS] + [("▁", -3.0)]
    pieces = [(token, 0.0) for token in special] + pieces + [(character, -6.0) for character in CHARACTERS]
    tokenizer = tokenizers.Tokenizer(models.Unigram(pieces, unk_id=special.index("<unk>")))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(special)
    return framed(tokenizer, begin, end)


def byte_bpe(special: list[str], begin: str | None, end: str | None) -> tokenizers.Tokenizer:
    words = [*(f"Ġ{word}" for word in WORDS), *WORDS]
    merges = list(dict.fromkeys((word[:at], word[at]) for word in words for at in range(1, len(word))))
    pieces = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet()), *(left + right for left, right in merges)]
    vocabulary = {piece: at for at, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = tokenizers.Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    return framed(tokenizer, begin, end)


def framed(tokenizer: tokenizers.Tokenizer, begin: str | None, end: str | None) -> tokenizers.Tokenizer:
    """Put special tokens around texts, and between the two of a pair."""
    if begin or end:
        single = [*([begin] if begin else []), "$A", *([end] if end else [])]
        pair = [*single, "$B:1", *([f"{end}:1"] if end else [])]
        ids = [(token, tokenizer.token_to_id(token)) for token in (begin, end) if token]
        tokenizer.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=ids)
    return tokenizer


_SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": LENGTH,
}
_DECODER = {**_SIZES, "num_key_value_heads": 2, "head_dim": 8}


def network(kind: str, vocabulary: int, auto_class: str = "AutoModel") -> transformers.PreTrainedModel:
    """A network with seeded random weights, scaled up so that a wrong mask or token shows."""
    if kind == "bert":
        config = transformers.BertConfig(vocab_size=vocabulary, **_SIZES)
    elif kind == "distilbert":
        sizes = {"dim": 32, "hidden_dim": 48, "n_layers": 2, "n_heads": 4, "max_position_embeddings": LENGTH}
        config = transformers.DistilBertConfig(vocab_size=vocabulary, **sizes)
    elif kind == "xlm-roberta":
        sizes = {**_SIZES, "max_position_embeddings": LENGTH + 2, "type_vocab_size": 1, "pad_token_id": 1}
        config = transformers.XLMRobertaConfig(vocab_size=vocabulary, **sizes)
    elif kind == "mpnet":
        config = transformers.MPNetConfig(vocab_size=vocabulary, **_SIZES | {"max_position_embeddings": LENGTH + 2})
    elif kind == "modernbert":
        ids = {"pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3}
        config = transformers.ModernBertConfig(
            vocab_size=vocabulary, **_SIZES, **ids, local_attention=16, global_attn_every_n_layers=2
        )
    elif kind == "gpt2":
        config = transformers.GPT2Config(
            vocab_size=vocabulary, n_embd=32, n_inner=48, n_layer=2, n_head=4, n_positions=LENGTH, bos_token_id=1,
            eos_token_id=2,
        )  # fmt: skip
    elif kind == "t5":
        config = transformers.T5Config(
            vocab_size=vocabulary, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, pad_token_id=0,
            eos_token_id=1, decoder_start_token_id=0,
        )  # fmt: skip
    else:
        classes = {"llama": "LlamaConfig", "mistral": "MistralConfig", "qwen3": "Qwen3Config"}
        config = getattr(transformers, classes[kind])(
            vocab_size=vocabulary, **_DECODER, pad_token_id=None, bos_token_id=1, eos_token_id=2
        )
    if auto_class == "AutoModelForSequenceClassification":
        config.num_labels = 1
    torch.manual_seed(0)
    factory = transformers.T5EncoderModel if (kind, auto_class) == ("t5", "AutoModel") else None
    model = factory(config) if factory else getattr(transformers, auto_class).from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(6)
    return model.eval()


def tokenizer_of(kind: str) -> tuple[tokenizers.Tokenizer, dict[str, str]]:
    if kind in ("bert", "distilbert"):
        names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
        return wordpiece(), names
    if kind == "modernbert":
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
        return byte_bpe(special, "[CLS]", "[SEP]"), names
    if kind in ("xlm-roberta", "mpnet"):
        names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
        return unigram(["<s>", "<pad>", "</s>", "<unk>"], "<s>", "</s>"), names
    if kind == "t5":
        names = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
        return unigram(["<pad>", "</s>", "<unk>"], None, "</s>"), names
    if kind == "qwen3":  # the end of a document is not the tokenizer's own end token
        names = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
        return byte_bpe(["<|pad|>", "<|im_end|>", "<|endoftext|>"], None, "<|endoftext|>"), names
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return byte_bpe(["<unk>", "<s>", "</s>"], "<s>", None), names


def save(folder: Path, kind: str, auto_class: str = "AutoModel", side: str = "right") -> Path:
    """Write network and tokenizer as a plain Hugging Face folder, padding and truncation left on as by accident."""
    tokenizer, names = tokenizer_of(kind)
    network(kind, tokenizer.get_vocab_size(), auto_class).save_pretrained(folder)
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=LENGTH, padding_side=side, **names
    )
    wrapped.save_pretrained(folder)
    tokenizer.enable_padding(direction=side, length=20)
    tokenizer.enable_truncation(20)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def save_adapter(
    folder: Path, base: Path, auto_class: str = "AutoModel", zero: bool = False, **settings: object
) -> Path:
    """Write a LoRA adapter for a network, with random weights unless `zero`; `settings` are peft's."""
    network = getattr(transformers, auto_class).from_pretrained(base)
    task = "CAUSAL_LM" if auto_class == "AutoModelForCausalLM" else "FEATURE_EXTRACTION"
    settings = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"], **settings}
    config = peft.LoraConfig(task_type=task, **settings)
    adapted = peft.get_peft_model(network, config)
    torch.manual_seed(2)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name and not zero:
                parameter.normal_(std=0.5)
    adapted.save_pretrained(folder)
    return folder
