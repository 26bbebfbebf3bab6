"""Every value of a study's YAML is checked before any work."""

import datetime

import pytest

from instrerank.errors import InputError
from instrerank.study import configure, make_plan, read_configuration

POCKET = {"collection": "pocket", "encoders": ["minilm"]}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"encoders": [{"encoder": "minilm", "fusion": "interpolated"}]},
            "fusion must be one of none, interpolate, rrf",
        ),
        (
            {"encoders": [{"encoder": "minilm", "max_passage": 3}]},
            "max_passage must be one of max, first, mean, got 3",
        ),
        ({"encoders": [{"encoder": "minilm", "alpha": True}]}, "alpha must be a number, got True"),
        ({"encoders": [{"encoder": "minilm", "dtype": 16}]}, "dtype must be text, got 16"),
        ({"encoders": [{"encoder": "minilm", "name": "../x"}]}, "name of an encoder must be"),
        ({"encoders": [{"encoder": "minilm", "name": "a.b"}, {"encoder": "minilm", "name": "a-b"}]}, "the same name"),
        ({"name": "x/../../.."}, "name must be 1 to 100 letters"),
        ({"name": datetime.date(2024, 1, 2)}, "name must be text, got date 2024-01-02"),
        ({"topics": 5}, "topics must be text, got 5"),
        ({"hits": True}, "hits must be a whole number, got True"),
        ({"hits": 1.5}, "hits must be a whole number, got 1.5"),
        ({"hits": 0}, "hits must be at least 1, got 0"),
        ({"k1": float("nan")}, "k1 must be a number, got nan"),
        ({"b": 1.5}, "b must be between 0 and 1, got 1.5"),
        ({"seeds": [-1]}, "seeds must be at least 0, got -1"),
        ({"seeds": "5..1"}, "`seeds` must be like 1,2,3 or 1..10, got '5..1'"),
        ({"seeds": "1..100000000"}, "`seeds` must be at most 10000"),
        ({"seeds": []}, "seeds must not be empty"),
        ({"perturbations": [datetime.date(2024, 1, 2)]}, "each of perturbations must be text, got date 2024-01-02"),
        ({"pairs": [["minilm"]]}, r"must be a list of 2, got list \['minilm'\]"),
        ({1: 2}, "unknown key of a study: 1"),
    ],
)
def test_wrong_values_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        configure({**POCKET, **settings})


@pytest.mark.parametrize(
    ("value", "seeds"), [("1..5", (1, 2, 3, 4, 5)), ("1,3..4", (1, 3, 4)), (7, (7,)), ([2, 1], (2, 1))]
)
def test_seeds_are_taken_as_the_flag_takes_them(value, seeds):
    assert configure({**POCKET, "seeds": value}).seeds == seeds


def test_an_unknown_measure_is_refused_before_any_work():
    with pytest.raises(InputError, match="unknown measure ndgc_cut.10, did you mean ndcg_cut.10"):
        make_plan(configure({**POCKET, "measures": ["ndgc_cut.10"]}))


BILLION = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: 2024-13-45", "month must be in 1..12"),
        ("name: !!bool x", "is not valid YAML"),
        ("a: " + "[" * 5000, "nested too deeply"),
        (BILLION, "more than 100,000 values once its aliases are expanded"),
        ("a: &a [*a]", "more than 100,000 values"),
        ("seeds: [1]\nseeds: [2]", "duplicate key 'seeds'"),
        ("- pocket", "must be a YAML mapping"),
        ("name: \x07", "is not valid YAML"),
        ("a: !!python/object/apply:os.system [x]", "could not determine a constructor"),
    ],
)
def test_yaml_that_is_not_a_study(tmp_path, text, message):
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_configuration(tmp_path / "study.yaml")


def test_merge_keys_may_recur(tmp_path):
    (tmp_path / "study.yaml").write_text("a: &a {x: 1}\nb: {<<: *a, y: 2}\n")
    assert read_configuration(tmp_path / "study.yaml")["b"] == {"x": 1, "y": 2}
