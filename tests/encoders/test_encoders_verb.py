"""What the verb `encoders` lists and shows is what encoders read."""

import json

import asked
import pytest
import tiny

from instrerank.cli import main
from instrerank.encoders import LoadOptions, load_encoder, load_scorer
from instrerank.encoders.families.known_rerankers import RERANKERS
from instrerank.encoders.families.table import FAMILIES
from instrerank.errors import InputError
from instrerank.jobs.encoders import ReadingSettings, list_families, read_model


def test_every_family_is_listed(capsys):
    rows = list_families()
    assert [row.names for row in rows] == [family.names for family in FAMILIES]
    assert main(["encoders", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed[0]["family"] == "e5" and printed[0]["instruction"] == "appended" and printed[0]["licence"] == "mit"
    assert main(["encoders", "--family", "jina-embeddings-v3"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert "jinaai/jina-embeddings-v3" in table[2] and "cc-by-nc-4.0" in table[2] and "  yes  " in table[2]


def test_what_is_shown_is_what_is_encoded(models):
    folder = models("qwen3", "Qwen3-Embedding-0.6B")
    options = LoadOptions(max_query_length=20)
    reading = read_model(ReadingSettings(model=folder, query="tides", instruction="the moon", options=options))
    assert reading.profile.family == "qwen3-embedding" and reading.licence == "apache-2.0"
    assert reading.overridden == ["max_query_length"] and not reading.notes
    bare, instructed, passage = reading.texts
    assert bare.text == f"Instruct: {tiny.TASK}\nQuery:tides" and bare.tokens_lost > 0
    assert instructed.text == "Instruct: the moon\nQuery:tides"
    encoder = load_encoder(folder, options, store=None)
    encoded = encoder.encode_queries(["tides"] * 2, ["", "the moon"])
    assert encoded.token_counts.tolist() == [len(bare.tokens), len(instructed.tokens)]
    assert encoded.truncated.tolist() == [True, bool(instructed.tokens_lost)]
    assert passage.what == "passage" and passage.tokens[-1].token == "<|endoftext|>" and passage.tokens[-1].special
    assert not any(token.special for token in passage.tokens[:-1])


def test_what_is_truncated_is_shown(models):
    options = LoadOptions(pooling="mean", max_length=8)
    words = "tides follow the moon and twice a month the sun"
    text = read_model(ReadingSettings(model=models("bert", "plain-bert"), passage=words, options=options)).texts[-1]
    shown = "".join(token.token for token in text.tokens[1:-1]).replace("##", "")
    assert (shown + text.lost.replace(" ", "")).startswith("tides") and text.lost.endswith("sun")
    assert len(text.tokens) == 8 and text.tokens_lost > 0


def test_a_prefix_that_is_not_pooled_is_marked(models):
    folder = models("mistral", "GritLM-7B")
    text = read_model(ReadingSettings(model=folder, query="tides", instruction="moon")).texts[1]
    pooled = [token.pooled for token in text.tokens]
    assert not pooled[0] and pooled[-1] and pooled == sorted(pooled)


@pytest.mark.parametrize(
    ("kind", "name", "options", "note"),
    [
        ("bert", "e5-small-v2", {}, "not trained with free instructions"),
        ("bert", "e5-small-v2", {"query_template": "query: {q}"}, "no place for an instruction"),
        ("bert", "plain-bert", {"pooling": "mean"}, "nothing says that the model was trained with instructions"),
        ("llama", "jina-embeddings-v3", {}, "trust_remote_code"),
        ("llama", "jina-embeddings-v3", {}, "retrieval.query for queries, retrieval.passage for passages"),
    ],
)
def test_notes(models, kind, name, options, note):
    reading = read_model(ReadingSettings(model=models(kind, name), options=LoadOptions(**options)))
    assert any(note in each for each in reading.notes)


def test_a_template_that_needs_an_instruction_is_shown_with_one(models, capsys):
    folder = str(models("bert", "e5-small-v2"))
    template = "Instruct: {i} Query: {q}"
    assert main(["encoders", folder, "--query-template", template]) == 0
    out = capsys.readouterr().out
    assert "note: the template cannot do without an instruction" in out and "\nquery: " not in out
    assert main(["encoders", folder, "--query-template", template, "--instruction", ""]) == 2
    assert "needs an instruction" in capsys.readouterr().err
    assert main(["encoders", folder, "--query-template", "{q}"]) == 0
    assert "is refused; add {i} to --query-template" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["minilm", "instrerank-minilm"])
def test_bundled_models_are_shown_without_loading_a_network(name, monkeypatch, capsys):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("instrerank.encoders.loading.choose_backend", None)
    assert main(["encoders", name, "--query", "copper"]) == 0
    assert "  ‹[CLS]› copper ‹[SEP]›\n  3 tokens of at most 256\n" in capsys.readouterr().out


def test_query_and_instruction_are_shown_apart_where_they_are_read_apart(models):
    options = LoadOptions(query_encoding="attention")
    reading = read_model(ReadingSettings(model=models("bert", "inf-embed-bert"), options=options))
    assert [text.what for text in reading.texts] == ["query", "instruction", "passage"]


def test_the_verb_prints_tokens_with_special_ones_marked(models, capsys):
    folder = str(models("bert", "e5-small-v2"))
    command = ["encoders", folder, "--query", "why [SEP]", "--instruction", "x", "--query-template", "{q}[SEP]{i}"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "query template: '{q}[SEP]{i}'" in out and "overridden: query_template" in out
    line = out.splitlines()[out.splitlines().index("query with instruction: 'why [SEP][SEP]x'") + 1]
    assert line.split()[0] == "‹[CLS]›" and line.count("‹[SEP]›") == 2 and line.endswith("‹[SEP]› x ‹[SEP]›")
    assert main([*command, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["profile"]["family"] == "e5" and printed["texts"][0]["tokens"][0]["special"] is True


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["--family", "qwen3"], "unknown --family 'qwen3' (nearest: gte-qwen2, qwen3-embedding"),
        (["no-such-model"], "unknown encoder 'no-such-model'. Available: minilm"),
        (["--query", "tides"], "are for one model"),
        (["--max-length", "8"], "are for one model"),
        (["minilm", "--family", "e5"], "not both"),
        (["FOLDER", "--query-template", "{q}", "--instruction", "x"], "add {i} to --query-template"),
        (["FOLDER", "--query", " "], "empty query"),
    ],
)
def test_bad_input(models, capsys, command, message):
    folder = str(models("bert", "e5-small-v2"))
    assert main(["encoders", *(folder if word == "FOLDER" else word for word in command)]) == 2
    assert message in capsys.readouterr().err


def test_an_unknown_family_in_python():
    with pytest.raises(InputError, match="unknown `family`"):
        list_families("e6")


def test_rerankers_are_listed_behind_the_encoders(capsys):
    assert main(["encoders", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [row["family"] for row in printed[len(FAMILIES) :]] == [each.prompt.family for each in RERANKERS]
    assert main(["encoders", "--family", "qwen3-reranker"]) == 0
    table = capsys.readouterr().out
    assert "Qwen/Qwen3-Reranker-0.6B" in table and "yes, no" in table and "e5" not in table
    assert main(["encoders"]) == 0
    assert "bge-reranker-gemma" in capsys.readouterr().out


def test_what_a_reranker_reads(tmp_path, capsys):
    folder = asked.save_qwen(tmp_path / "Qwen3-Reranker-0.6B")
    assert main(["encoders", str(folder), "--query", "tides", "--instruction", "the moon", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["prompt"]["family"] == "qwen3-reranker" and not shown["notes"]
    bare, instructed = shown["texts"]
    assert f"<Instruct>: {tiny.TASK}\n<Query>: tides\n" in bare["text"]
    assert "<Instruct>: the moon\n<Query>: tides\n" in instructed["text"]
    scorer = load_scorer(folder, kind="pointwise-llm")
    passage = ReadingSettings(model=folder).passage
    assert [token["id"] for token in instructed["tokens"]] == scorer._tokenise("tides", "the moon", passage).ids
    assert [token["token"] for token in instructed["tokens"] if token["special"]] == [
        *("<|im_start|>", "<|im_end|>") * 2, "<|im_start|>",
    ]  # fmt: skip
    assert main(["encoders", str(folder), "--max-length", "300", "--passage", "sea " * 200]) == 0
    text = capsys.readouterr().out
    assert "answers: 'yes', 'no'" in text and "TRUNCATED: " in text and "300 tokens of at most 300" in text


def test_another_model_is_shown_with_a_prompt(models, capsys):
    folder = str(models("llama", "plain-llama", "AutoModelForCausalLM"))
    flags = ["--encoder-kind", "pointwise-llm", "--max-length", "500", "--passage", "sea"]
    assert main(["encoders", folder, *flags, "--prompt", "{i} {q} {d}"]) == 0
    text = capsys.readouterr().out
    assert "note: the prompt cannot do without an instruction" in text and "\nquery and passage" not in text
    assert main(["encoders", folder, *flags, "--prompt", "monot5"]) == 0
    assert "note: nothing says that the model was trained with instructions" in capsys.readouterr().out
