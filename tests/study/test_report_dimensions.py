"""The report of a study with one encoder at several dimensions has curves over them."""

import pytest
import yaml
from invented import write_study

from instrerank.study.configuration import configure
from instrerank.study.report import write_report
from instrerank.study.report.dimensions import Curve, read_curves


def record(folder, *encoders):
    studied = configure({"collection": "pocket", "encoders": list(encoders)})
    (folder / "study.yaml").write_text(yaml.safe_dump({"configuration": studied.as_data()}))


SMALL = {"name": "small", "encoder": "minilm", "dim": 64}
LARGE = {"name": "large", "encoder": "minilm", "dim": 128}


@pytest.fixture
def folder(tmp_path):
    systems = [(name, condition) for name in ("small", "large", "minilm") for condition in ("none", "own")]
    return write_study(tmp_path, systems=systems, modes=("fixed",))


def test_one_encoder_at_several_dimensions_is_a_curve(folder):
    record(folder, LARGE, "minilm", SMALL, {"name": "mean", "encoder": "minilm", "pooling": "mean"})
    assert read_curves(folder) == [Curve("minilm", ("small", "large", "minilm"), ("64", "128", "all"))]
    page = write_report(folder).read_text()
    svg = (folder / "plots/fixed/dimensions.svg").read_text()
    for text in (">64<", ">128<", ">all<", ">dimensions<", ">drop of nDCG@10<", ">minilm + own<"):
        assert text in svg, text
    assert "<h3>Dimensions</h3>" in page


def test_one_dimension_is_none(folder):
    record(folder, SMALL, {"name": "minilm", "encoder": "instrerank-minilm"})
    assert read_curves(folder) == []
    assert "Dimensions" not in write_report(folder).read_text()
    assert not (folder / "plots/fixed/dimensions.svg").exists()


def test_a_dimension_that_failed_leaves_its_curve_out(folder):
    record(folder, SMALL, {"name": "gone", "encoder": "minilm", "dim": 32})
    assert len(read_curves(folder)) == 1
    assert "Dimensions" not in write_report(folder).read_text()
