"""The report: pictures for each run folder, and a site of what was published and measured."""

from wye.report.figures import draw_confusion, draw_curves, draw_run_figures
from wye.report.gallery import draw_gallery
from wye.report.site import write_report

__all__ = ["draw_confusion", "draw_curves", "draw_gallery", "draw_run_figures", "write_report"]
