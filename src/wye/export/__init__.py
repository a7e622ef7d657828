"""A trained model as one file for other programs."""

from wye.export.write import FORMATS, PARTS, Exported, export

__all__ = ["FORMATS", "PARTS", "Exported", "export"]
