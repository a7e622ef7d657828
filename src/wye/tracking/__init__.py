"""A run as it goes, and what came of it, in TensorBoard, Weights & Biases or MLflow."""

from wye.tracking.track import TRACKERS, Tracking, check

__all__ = ["TRACKERS", "Tracking", "check"]
