"""Tiny rerankers with made-up chat tokenizers, and the recipes of their model cards written out."""

from __future__ import annotations

from pathlib import Path

import tiny
import tokenizers
import torch
import transformers

LENGTH = 2048
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIALS = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]
ANSWERS = ["yes", "no", "Yes"]
SYSTEM = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
ANSWER = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"


def qwen_tokenizer() -> tokenizers.Tokenizer:
    tokenizer = tiny.byte_bpe(SPECIALS, None, None)
    tokenizer.add_tokens([tokenizers.AddedToken(answer, single_word=True) for answer in ANSWERS])
    return tokenizer


def save(
    folder: Path,
    kind: str,
    tokenizer: tokenizers.Tokenizer,
    auto_class: str = "AutoModelForCausalLM",
    chat: str | None = None,
    classes: int = 1,
    **names: str,
) -> Path:
    """Write a network with seeded random weights that reads whole prompts, and its tokenizer."""
    classes_of = {"qwen3": "Qwen3Config", "gemma": "GemmaConfig", "llama": "LlamaConfig"}
    config = getattr(transformers, classes_of[kind])(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, max_position_embeddings=LENGTH,
        bos_token_id=None, eos_token_id=None, pad_token_id=2, num_labels=classes,
    )  # fmt: skip
    torch.manual_seed(1)
    network = getattr(transformers, auto_class).from_config(config)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1:
                parameter.mul_(4)
    network.eval().save_pretrained(folder)
    wrapped = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=LENGTH, **names)
    wrapped.chat_template = chat
    wrapped.save_pretrained(folder)
    return folder


def save_qwen(folder: Path, auto_class: str = "AutoModelForCausalLM", **more: object) -> Path:
    names = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    return save(folder, "qwen3", qwen_tokenizer(), auto_class, **{"chat": CHAT, **names, **more})


def qwen3_card(folder: Path, pairs: list[tuple[str, str, str]], max_length: int) -> list[float]:
    """P(yes) of pairs of (query, instruction, passage), by the model card of Qwen3-Reranker."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    no, yes = (tokenizer.convert_tokens_to_ids(token) for token in ("no", "yes"))
    prefix, suffix = (tokenizer.encode(text, add_special_tokens=False) for text in (SYSTEM, ANSWER))
    texts = [
        f"<Instruct>: {instruction or tiny.TASK}\n<Query>: {query}\n<Document>: {passage}"
        for query, instruction, passage in pairs
    ]
    inputs = tokenizer(
        texts, padding=False, truncation="longest_first", return_attention_mask=False,
        max_length=max_length - len(prefix) - len(suffix),
    )  # fmt: skip
    for at, ids in enumerate(inputs["input_ids"]):
        inputs["input_ids"][at] = prefix + ids + suffix
    inputs = tokenizer.pad(inputs, padding=True, return_tensors="pt", max_length=max_length)
    with torch.no_grad():
        logits = model(**inputs).logits[:, -1, :]
    both = torch.stack([logits[:, no], logits[:, yes]], dim=1)
    return torch.nn.functional.log_softmax(both, dim=1)[:, 1].exp().tolist()


def seq_cls_card(folder: Path, pairs: list[tuple[str, str, str]]) -> list[float]:
    """The logit of the class, by the model card of Qwen3-Reranker-0.6B-seq-cls: the same prompt as one text."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    texts = [
        f"{SYSTEM}<Instruct>: {instruction or tiny.TASK}\n<Query>: {query}\n<Document>: {passage}{ANSWER}"
        for query, instruction, passage in pairs
    ]
    with torch.no_grad():
        return model(**tokenizer(texts, padding=True, return_tensors="pt")).logits.squeeze(1).tolist()


def gemma_card(folder: Path, pairs: list[tuple[str, str, str]]) -> list[float]:
    """The logit of "Yes", by the model card of bge-reranker-v2-gemma, each pair in a batch of its own."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    question = (
        "Given a query A and a passage B, determine whether the passage contains an answer to the query by "
        "providing a prediction of either 'Yes' or 'No'."
    )
    separator, end = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("\n", question))
    yes = tokenizer("Yes", add_special_tokens=False)["input_ids"][0]
    scores = []
    for query, instruction, passage in pairs:
        asked = tokenizer(f"A: {query} {instruction}".strip(), add_special_tokens=False)["input_ids"]
        read = tokenizer(f"B: {passage}", add_special_tokens=False)["input_ids"]
        ids = [tokenizer.bos_token_id, *asked, *separator, *read, *separator, *end]
        with torch.no_grad():
            scores.append(float(model(torch.tensor([ids])).logits[0, -1, yes]))
    return scores
