"""8-bit networks of OpenVINO: near transformers' states, independent of the batch, kept for the next time."""

import importlib.util
import sys

import numpy as np
import pytest
from tiny import PASSAGES

from instrerank.encoders.networks import openvino as our_openvino
from instrerank.errors import InputError, MissingPrerequisiteError
from instrerank.jobs.models import load_encoder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("INSTRERANK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "openvino"


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta"])
def test_vectors_are_near_float32_whatever_the_batch_and_kept(models, cache, capfd, monkeypatch, kind):
    if importlib.util.find_spec("nncf") is None:
        pytest.skip("the extra openvino is not installed")
    folder = models(kind, "unknown")
    exact = load_encoder(folder, pooling="mean").encode_passages(PASSAGES).vectors
    encoder = load_encoder(folder, pooling="mean", dtype="int8-openvino", store=cache / "store")
    found = encoder.encode_passages(PASSAGES).vectors
    assert (found * exact).sum(1).min() > 0.99
    assert np.abs(found - exact).max() > 0
    assert encoder.dtype == encoder.store.key.dtype == "int8-openvino"
    assert capfd.readouterr().out == ""
    assert sys.modules["openvino_telemetry"] is None
    again = load_encoder(folder, pooling="mean", dtype="int8-openvino")
    monkeypatch.setattr(our_openvino, "_converted", None)  # it is not quantised twice
    alone = np.concatenate([again.encode_passages([text]).vectors for text in PASSAGES])
    np.testing.assert_allclose(alone, found, atol=1e-5)
    network = next(cache.glob("*/network.xml"))
    network.write_text("<net")
    with pytest.raises(InputError, match="remove its folder, and it will be rebuilt"):
        load_encoder(folder, pooling="mean", dtype="int8-openvino")


def test_other_networks_have_no_such_precision(models):
    with pytest.raises(InputError, match="modernbert networks do not support `dtype` int8-openvino"):
        load_encoder(models("modernbert", "modernbert-base"), dtype="int8-openvino")


def test_a_missing_package_is_reported(models, monkeypatch):
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(MissingPrerequisiteError, match=r"pip install 'instrerank\[openvino\]'"):
        load_encoder(models("bert", "unknown"), pooling="mean", dtype="int8-openvino")
