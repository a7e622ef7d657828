"""Evaluation: what a trained network gets right, and how well it rebuilds images."""

from wye.evaluation.measure import Answer, answers, measure

__all__ = ["Answer", "answers", "measure"]
