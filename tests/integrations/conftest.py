"""Tests marked by a package run where it is installed: `make test` has pyterrier and mteb, nox brings the others."""

import pytest


@pytest.fixture(autouse=True)
def _package_of_the_mark(request):
    for package in ("rank_llm", "tira", "beir", "repro_eval", "pyterrier", "mteb"):
        if request.node.get_closest_marker(package):
            pytest.importorskip(package)
