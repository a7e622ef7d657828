"""The report: a site of what was published and measured."""

from wye.report.site import write_report

__all__ = ["write_report"]
