"""Which variants keep the meaning, according to an encoder and an NLI model."""

import json

import numpy as np
import pytest
import tiny
import torch
import transformers

from instrerank import encoders
from instrerank.errors import InputError, MissingPrerequisiteError
from instrerank.jobs.perturb import perturb
from instrerank.perturbations.llm import LanguageModelOptions
from instrerank.perturbations.llm.meaning import Entailment, MeaningFilter
from instrerank.trec import Topic


@pytest.fixture
def letters(monkeypatch, encoder):
    monkeypatch.setattr(encoders, "load_encoder", lambda name: encoder)
    return encoder


def reasons(pairs, adds=False, **options):
    return MeaningFilter(LanguageModelOptions(model="m", **options)).reasons(pairs, adds=adds)


def test_a_floor_of_cosines(letters):
    pairs = [("listen", "silent"), ("listen", "listens"), ("abc", "xyz")]
    assert reasons(pairs, meaning_floor=0.999) == ["", "dissimilar", "dissimilar"]
    assert reasons(pairs, meaning_floor=0.5) == ["", "", "dissimilar"]
    assert reasons(pairs, meaning_floor=-1) == ["", "", ""]
    assert reasons(pairs, meaning_encoder="none") == ["", "", ""]
    assert reasons([]) == []


def test_what_the_encoder_cannot_read_whole_is_rejected(letters, monkeypatch):
    encode = letters._encode
    monkeypatch.setattr(
        letters,
        "_encode",
        lambda texts: encode(texts)._replace(truncated=np.array([len(text) > 10 for text in texts])),
    )
    assert reasons([("listen", "silent"), ("listen", "silent silent")]) == ["", "too-long"]


def test_a_rejected_variant_leaves_the_query_and_is_recorded(chat, letters, tmp_path):
    chat.reply = lambda message, before: "zzz" if message.endswith("tea") else "silent"
    [queries] = perturb(
        [Topic("1", "tea"), Topic("2", "listen")], "llm-paraphrase", endpoint=chat.url, model="m", output=tmp_path
    )
    assert [topic.text for topic in queries.topics] == ["tea", "silent"]
    [index] = [json.loads(line) for line in (tmp_path / "querysets.topics.jsonl").read_text().splitlines()]
    assert index["rejected"] == {"dissimilar": 1}
    assert index["language_model"]["filter"] == {"encoder": "minilm", "fingerprint": "0", "floor": 0.7}


class Premises:
    """Entails what is a part of the premise, and cannot read `long`."""

    fingerprint = "1"

    def verdicts(self, pairs):
        return [None if "long" in premise else hypothesis in premise for premise, hypothesis in pairs]


def test_what_must_follow_from_what(monkeypatch):
    monkeypatch.setattr(MeaningFilter, "_nli", Premises())
    pairs = [("tea", "tea"), ("tea", "green tea"), ("green tea", "tea"), ("tea", "long tea")]
    options = {"nli": "x", "meaning_encoder": "none"}
    assert reasons(pairs, **options) == ["", "not-entailed", "not-entailed", "too-long"]
    assert reasons(pairs, adds=True, **options) == ["", "", "not-entailed", "too-long"]
    described = MeaningFilter(LanguageModelOptions(model="m", **options)).describe()
    assert described == {"encoder": "none", "nli": "x", "nli_fingerprint": "1"}


def classifier(folder, labels, winner=0):
    """Write a classifier that always says the same."""
    tokenizer, names = tiny.tokenizer_of("bert")
    config = transformers.BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=8, max_position_embeddings=32, id2label=dict(enumerate(labels)),
    )  # fmt: skip
    network = transformers.BertForSequenceClassification(config)
    torch.nn.init.zeros_(network.classifier.weight)
    network.classifier.bias.data = torch.eye(len(labels))[winner]
    network.save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    return str(folder)


def test_a_classifier_from_a_folder(tmp_path):
    labels = ["contradiction", "ENTAILMENT", "neutral"]
    yes = Entailment(classifier(tmp_path / "yes", labels, winner=1))
    pairs = [("tea", "green tea"), ("tea", " ".join(["tea"] * 40)), ("a b c", "d")]
    assert yes.verdicts(pairs) == [True, None, True]
    assert Entailment(classifier(tmp_path / "no", labels, winner=2)).verdicts(pairs) == [False, None, False]
    assert yes.verdicts([]) == []
    options = {"meaning_encoder": "none", "nli": str(tmp_path / "no")}
    assert reasons([("tea", "green tea")], **options) == ["not-entailed"]


def test_models_that_are_refused(tmp_path):
    with pytest.raises(InputError, match="has the labels yes, no: give a model with a label `entailment`"):
        Entailment(classifier(tmp_path / "other", ["yes", "no"]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="cannot load the network"):
        Entailment(str(tmp_path / "empty"))
    with pytest.raises((InputError, MissingPrerequisiteError)):
        Entailment(str(tmp_path / "absent"))
