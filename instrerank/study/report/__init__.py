"""The pages: of a study, with its plots as files, and of runs that are compared; each one self-contained HTML file."""

from instrerank.study.report.page import write_report
from instrerank.study.report.runs import RunsPage, RunsPageSettings, write_runs_page

__all__ = ["RunsPage", "RunsPageSettings", "write_report", "write_runs_page"]
