"""The report of a study: one HTML page that needs nothing else, and its plots as files."""

from instrerank.study.report.page import write_report

__all__ = ["write_report"]
