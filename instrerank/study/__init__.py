"""The experiment: models × instructions × query sets × seeds × modes, as runs and tables."""

from instrerank.study.configuration import Configuration, EncoderChoice, configure, read_configuration
from instrerank.study.plan import Plan, make_plan
from instrerank.study.study import StudyResult, run_study

__all__ = [
    "Configuration",
    "EncoderChoice",
    "Plan",
    "StudyResult",
    "configure",
    "make_plan",
    "read_configuration",
    "run_study",
]
