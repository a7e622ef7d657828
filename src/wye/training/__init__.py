"""Training: the terms of the objective, optimisers, schedules, phases and the one loop."""

from wye.training.loop import Trainer

__all__ = ["Trainer"]
