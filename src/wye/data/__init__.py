"""Data sets: where they come from, what they hold, how they are kept."""

# Each import enters its data sets in DATASETS.
from wye.data import cifar10, idx, shapes
from wye.data.catalog import DATASETS, content_hash
from wye.data.folder import load_folder, read_image
from wye.data.images import DataSet, Images
from wye.data.sources import available, fetch, load

__all__ = [
    "DATASETS",
    "DataSet",
    "Images",
    "available",
    "cifar10",
    "content_hash",
    "fetch",
    "idx",
    "load",
    "load_folder",
    "read_image",
    "shapes",
]
