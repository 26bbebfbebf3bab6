"""Tests marked by a package run where it is installed: `make test` has all but rank_llm and tira, for which see nox."""

import pytest


@pytest.fixture(autouse=True)
def _package_of_the_mark(request):
    for package in ("rank_llm", "tira", "pyterrier", "mteb"):
        if request.node.get_closest_marker(package):
            pytest.importorskip(package)
