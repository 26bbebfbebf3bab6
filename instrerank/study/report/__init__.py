"""The report of a study: one self-contained HTML page, and its plots as files."""

from instrerank.study.report.page import write_report

__all__ = ["write_report"]
