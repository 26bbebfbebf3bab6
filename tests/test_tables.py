import pytest

from instrerank.tables import render


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        *((5.1e-05, "5.1e-05"), (9.99e-05, "1.0e-04"), (0.0001, "0.0001"), (3e-07, "3.0e-07"), (-2e-05, "-2.0e-05")),
        *((0.0, "0.0000"), (0.60625, "0.6062"), (1, "1"), (None, "–"), ("x", "x")),
    ],
)
def test_cells(value, cell):
    assert render(["p"], [[value]], "csv").splitlines()[1] == cell
