"""One honest page about a run, made from what its stages wrote."""

from haechi.report.page import build_report, write_report

__all__ = ["build_report", "write_report"]
