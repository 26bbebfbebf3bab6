"""Scores equal a straightforward computation with transformers on the same random weights."""

import numpy as np
import pytest
import tiny
import torch
import transformers
from tiny import PASSAGES, QUERIES

from instrerank.encoders import load_scorer
from instrerank.encoders.families.known_rerankers import choose_prompt, match_prompt
from instrerank.encoders.families.prompts import fill_prompt
from instrerank.errors import InputError, MissingPrerequisiteError

SHORT = ["Sand.", "Bees carry pollen.", "Tides follow the moon, twice a month", "yeast eats sugar"]
INSTRUCTIONS = ["Only the cause.", "", "no boats", "Not a recipe!"]
PAIRS = [(query, instr, text) for query, instr in zip(QUERIES, INSTRUCTIONS, strict=True) for text in SHORT]
ASK = "Q: {q} D: {d} A: "

FOLLOWIR = """<s> [INST] You are an expert Google searcher, whose job is to determine if the following document is \
relevant to the query (true/false). Answer using only one word, one of those two choices.

Query: what is x Only y.
Document: Z
Relevant (only output one word, either "true" or "false"): [/INST] """
MISTRAL = """<s>[INST] You are an expert Google searcher, whose job is to determine if the following document is \
relevant to the query (true/false).
Query: what is x Only y.
Document: Z
Relevant (either "true" or "false"): [/INST]"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("jhu-clsp/FollowIR-7B", FOLLOWIR),
        ("mistralai/Mistral-7B-Instruct-v0.2", MISTRAL),
        ("castorini/monot5-base-msmarco-10k", "Query: what is x Only y. Document: Z Relevant:"),
    ],
)
def test_golden_prompts(name, expected):
    with_instruction, alone = (
        "".join(part.text for part in fill_prompt(match_prompt(name), "what is x", instruction, "Z"))
        for instruction in ("Only y.", "")
    )
    assert with_instruction == expected and alone == expected.replace(" Only y.", "")


def test_a_family_or_a_text_may_be_asked_for():
    assert choose_prompt("jhu-clsp/FollowIR-7B") == choose_prompt("./mine", "followir") == match_prompt("followir-7b")
    multilingual = choose_prompt("mt5-base-mmarco-v2", "monot5", "▁yes", "▁no")
    assert multilingual.template == match_prompt("monot5-base-x").template
    assert (multilingual.true, multilingual.false) == ("▁yes", "▁no")
    assert choose_prompt("jhu-clsp/FollowIR-7B", ASK).template == "Q: {q} {i} D: {d} A: "


def causal(folder, prompt: str) -> float:
    """FollowIR's scoring of one prompt: the logits of "true" and "false" behind its last token."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    network = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        logits = network(**tokenizer(prompt, return_tensors="pt")).logits[0, -1]
    vocabulary = tokenizer.get_vocab()
    return float(logits[vocabulary["true"]] - logits[vocabulary["false"]])


def asked(query: str, instruction: str) -> str:
    return f"{query} {instruction}".strip()


@pytest.mark.parametrize("kind", ["mistral", "llama", "qwen3"])
def test_pointwise_language_models(models, kind):
    folder = models(kind, f"asked-{kind}", auto_class="AutoModelForCausalLM")
    scorer = load_scorer(folder, kind="pointwise-llm", prompt=ASK)
    scores, truncated = scorer.score_pairs(PAIRS)
    expected = [causal(folder, ASK.format(q=asked(q, i), d=p)) for q, i, p in PAIRS[::3]]
    np.testing.assert_allclose(scores[::3], expected, atol=1e-4, rtol=1e-5)  # logits here are of the order of 10
    assert scores.dtype == np.float32 and not truncated.any()
    one_by_one = [scorer.score_pairs([pair]).scores[0] for pair in PAIRS]
    np.testing.assert_allclose(scores, one_by_one, atol=1e-4, rtol=1e-5)


def test_monot5(models):
    folder = models("t5", "monot5-tiny", auto_class="AutoModelForSeq2SeqLM")
    scorer = load_scorer(folder, kind="pointwise-llm", prompt="monot5")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    network = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float32)
    expected = []
    for query, instruction, passage in PAIRS:
        prompt = f"Query: {asked(query, instruction)} Document: {passage} Relevant:"
        with torch.no_grad():
            ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
            logits = network(input_ids=ids, decoder_input_ids=torch.tensor([[0]])).logits[0, 0]
        expected.append(float(logits[tokenizer.get_vocab()["▁true"]] - logits[tokenizer.get_vocab()["▁false"]]))
    np.testing.assert_allclose(scorer.score_pairs(PAIRS).scores, expected, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "side"), [("bert", "left"), ("bert", "right"), ("xlm-roberta", "right"), ("modernbert", "right")]
)
def test_cross_encoders(models, kind, side):
    folder = models(kind, f"cross-{kind}", auto_class="AutoModelForSequenceClassification", side=side)
    scorer = load_scorer(folder, kind="crossencoder")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    network = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    expected = []
    for query, instruction, passage in [*PAIRS, (QUERIES[0], INSTRUCTIONS[0], PASSAGES[10])]:
        cut = {"truncation": "only_second", "max_length": tiny.LENGTH, "return_tensors": "pt"}
        inputs = tokenizer(asked(query, instruction), passage, return_token_type_ids=kind == "bert", **cut)
        with torch.no_grad():
            expected.append(float(network(**inputs).logits[0, 0]))
    scores, truncated = scorer.score_pairs([*PAIRS, (QUERIES[0], INSTRUCTIONS[0], PASSAGES[10])])
    np.testing.assert_allclose(scores, expected, atol=1e-4, rtol=1e-5)
    assert truncated.tolist() == [False] * len(PAIRS) + [True]


def test_an_over_long_passage_leaves_the_question_whole(models):
    folder = models("mistral", "asked-mistral", auto_class="AutoModelForCausalLM")
    scorer = load_scorer(folder, kind="pointwise-llm", prompt=ASK)
    whole = scorer._tokenizer.encode(ASK.format(q=QUERIES[0], d=PASSAGES[10])).ids
    tokens = scorer._tokenise(QUERIES[0], "", PASSAGES[10])
    assert tokens.truncated and len(whole) > tiny.LENGTH >= len(tokens.ids) > tiny.LENGTH - 4
    assert scorer._tokenizer.decode(tokens.ids).endswith("A: ")
    assert tokens.ids[:20] == whole[:20]
    assert scorer.score_pairs([(QUERIES[0], "", PASSAGES[10])]).truncated.tolist() == [True]
    with pytest.raises(InputError, match="no room for the passage within 64 tokens"):
        scorer.score_pairs([(PASSAGES[10], "", "tides")])


def test_instructions_reach_the_scorer(models):
    folder = models("mistral", "asked-mistral", auto_class="AutoModelForCausalLM")
    scorer = load_scorer(folder, kind="pointwise-llm", prompt=ASK)
    pairs = [("tides", "", "Sand."), ("tides", "Only y", "Sand."), ("tides", "", "Sand.")]
    first, second, third = scorer.score_pairs(pairs).scores
    assert abs(first - second) > 0.01 and first == third


def test_the_difference_of_two_classes(models, tmp_path):
    tokenizer, names = tiny.tokenizer_of("bert")
    config = tiny.network("bert", tokenizer.get_vocab_size()).config
    config.num_labels = 2
    torch.manual_seed(3)
    network = transformers.BertForSequenceClassification(config).eval()
    network.save_pretrained(tmp_path)
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(tmp_path)
    with torch.no_grad():
        encoding = tokenizer.encode("tides", "Sand.")
        logits = network(torch.tensor([encoding.ids]), token_type_ids=torch.tensor([encoding.type_ids])).logits[0]
    found = load_scorer(tmp_path, kind="crossencoder").score_pairs([("tides", "", "Sand.")]).scores
    np.testing.assert_allclose(found, [float(logits[1] - logits[0])], atol=1e-5)


def test_what_is_refused(models):
    folder = models("mistral", "asked-mistral", auto_class="AutoModelForCausalLM")
    with pytest.raises(
        InputError, match="unknown `kind` 'listwise'. Available: biencoder, late-interaction, crossencoder"
    ):
        load_scorer(folder, kind="listwise")
    with pytest.raises(
        InputError, match="no prompt is known for .*: give `prompt` as one of qwen3-reranker, followir, .*monot5"
    ):
        load_scorer(folder, kind="pointwise-llm")
    for prompt in ("{q}", "{q} {d} {d}", "follow-ir"):
        with pytest.raises(InputError, match=r"unknown `prompt` .*\{d\} once"):
            load_scorer(folder, kind="pointwise-llm", prompt=prompt)
    with pytest.raises(InputError, match="`true_token` cannot be used with `kind` crossencoder"):
        load_scorer(folder, kind="crossencoder", true_token="yes")
    with pytest.raises(InputError, match="'oui' or 'non' is not in the vocabulary"):
        load_scorer(folder, kind="pointwise-llm", prompt=ASK, true_token="oui", false_token="non")
    with pytest.raises(InputError, match="would stay random"):  # an encoder has no classifier
        load_scorer(models("bert", "unknown"), kind="crossencoder")
    with pytest.raises(MissingPrerequisiteError, match="CUDA devices"):
        load_scorer(folder, kind="pointwise-llm", prompt=ASK, device="cuda:99")
    scorer = load_scorer(folder, kind="pointwise-llm", prompt=ASK)
    for pair in (("", "only y", "Sand."), ("tides", "only y", " ")):
        with pytest.raises(InputError, match="empty"):
            scorer.score_pairs([pair])
    cross = load_scorer(models("bert", "cross-bert", "AutoModelForSequenceClassification"), kind="crossencoder")
    with pytest.raises(InputError, match="no room for the passage within 64 tokens"):
        cross.score_pairs([(PASSAGES[10], "", "Sand.")])
    with pytest.raises(InputError, match="empty"):
        cross.score_pairs([("tides", "", "")])
    assert cross.score_pairs([]).scores.shape == (0,)
