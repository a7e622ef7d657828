"""Evaluation: what a trained network gets right, and how well it rebuilds images."""

from wye.evaluation.measure import Answer, Measurement, answers, measure

__all__ = ["Answer", "Measurement", "answers", "measure"]
