"""What the jobs that make a run return."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.trec import Run, ScoredDoc


class RunResult(NamedTuple):
    """The run that a job made; it stands for the run wherever one is taken.

    Attributes:
        run: the rankings, in trec_eval's order.
        counts: counts of topics, documents, ties, …, as in the sidecar.
        output: the file that the run was written to; None if it was not written.
    """

    run: Run
    counts: Mapping[str, Any]
    output: Path | None

    @property
    def tag(self) -> str:
        """The tag of the run."""
        return self.run.tag

    @property
    def rankings(self) -> Mapping[str, list[ScoredDoc]]:
        """The rankings of the run, by qid."""
        return self.run.rankings
