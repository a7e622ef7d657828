"""The study files: what a study's rows share, and each row as what it differs in."""

from wye.studies.load import Study, load_study, row_names, row_settings, studies

__all__ = ["Study", "load_study", "row_names", "row_settings", "studies"]
