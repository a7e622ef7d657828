"""How long a row of our own takes to its accuracy, beside the reference's forty epochs."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.reference import ROW as STUDIED
from benchmarks.reference import train_reference
from benchmarks.result import Finding, Goal, Repeats, Result, Table, percent, shown
from benchmarks.settings import Benchmark, Found, LeftOutError, Settings
from wye import api
from wye.apart import peak_memory
from wye.recipe.resolve import recipe_from_row, resolve
from wye.recipe.schema import Recipe
from wye.runs.launch import Launch
from wye.studies.load import row_names

QUICK_ROW, FAST_ROW = "wye/quick", "wye/fast94"


def train(
    row: str, seed: int, data: str, device: str, cut: int | None = None, warm_up: int = 0
) -> dict[str, Any]:
    """Train and measure a row from start to end, as `wye train` does.

    Args:
        cut: end training after so many steps.
        warm_up: steps of a training before, for devices that choose their ways in the first steps.

    Returns:
        `test`, the figures; `seconds` of training; `total`, the seconds with data and evaluation;
        `precision`; `peak_mb`.
    """
    with tempfile.TemporaryDirectory() as folder:

        def carry_out(name: str, max_steps: int | None) -> Any:
            place = Path(folder, name)
            recipe = resolve(row, {"data": {"name": data}, "seed": seed})
            launch = Launch(recipe=recipe, out=place, device=device, max_steps=max_steps)
            return api.run(launch).result

        if warm_up:
            carry_out("before", warm_up)
        result = carry_out("run", cut)
    return {
        "test": {name: result["test"].get(name) for name in ("accuracy", "psnr", "psnr_pca")},
        "seconds": result["seconds"]["train"],
        "total": result["seconds"]["total"],
        "precision": result["precision"],
        "peak_mb": peak_memory(),
    }


class Bounds(Finding):
    """What a row should reach; None where nothing was said.

    Attributes:
        accuracy: mean over the seeds.
        psnr: mean over the seeds, in dB.
        beats_pca: whether the decoder should beat PCA at its latent size.
        seconds: of training on a processor, and those that are tolerated.
        ratio: times as quick as the reference, on a processor.
    """

    accuracy: float | None = None
    psnr: float | None = None
    beats_pca: bool = False
    seconds: tuple[float, float] | None = None
    ratio: float | None = None


BOUNDS = {
    QUICK_ROW: Bounds(accuracy=0.8569, psnr=32.3, seconds=(60, 90), ratio=50),
    FAST_ROW: Bounds(accuracy=0.94, beats_pca=True, seconds=(1800, 2700)),
}


class Trained(Finding):
    """One training from start to end."""

    seed: int
    accuracy: float | None
    psnr: float | None
    psnr_pca: float | None
    seconds: float
    total_seconds: float
    peak_mb: float


class Extrapolated(Finding):
    """The time of the reference, of which some epochs alone were measured.

    Attributes:
        epoch: seconds of one.
        epochs: that its study trained for.
        seconds: of all of them, were each like the median one.
        accuracy: that its study published.
    """

    epoch: Repeats
    epochs: int
    seconds: float
    accuracy: float


class Reached(Result):
    """What `accuracy` found of a row.

    Attributes:
        cut: steps that trainings and epochs ended after; None if they were whole.
        reference: None where the row isn't compared with it.
        ratio: seconds of the reference over the median ones of our trainings.
        wanted: what the row should reach on this device.
    """

    row: str
    data: str
    precision: str
    cut: int | None
    trained: tuple[Trained, ...]
    seconds: Repeats
    reference: Extrapolated | None
    ratio: float | None
    wanted: Bounds

    def mean(self, name: str) -> float | None:
        """Over the seeds; None where one has no such figure."""
        values = [getattr(each, name) for each in self.trained]
        return None if None in values else fmean(values)

    def goals(self) -> list[Goal]:
        """Accuracy, reconstruction and time of whole trainings on CIFAR-10."""
        if self.data != "cifar10" or self.cut is not None:
            return []
        wanted, row = self.wanted, self.row
        goals: list[Goal] = []
        accuracy, psnr, pca = map(self.mean, ("accuracy", "psnr", "psnr_pca"))
        if wanted.accuracy is not None and accuracy is not None:
            what = f"{row}, test accuracy, mean of {self.seconds.n}"
            goals.append(Goal(what=what, measured=accuracy, wanted=wanted.accuracy, unit="%"))
        bound = pca if wanted.beats_pca else wanted.psnr
        if bound is not None and psnr is not None:
            what = f"{row}, PSNR" + (" beside PCA's at its latent size" if wanted.beats_pca else "")
            goals.append(Goal(what=what, measured=psnr, wanted=bound, unit="dB"))
        if wanted.seconds is not None:
            goal, most = wanted.seconds
            goals.append(
                Goal(
                    what=f"{row}, training",
                    measured=self.seconds.median,
                    wanted=goal,
                    tolerated=most,
                    unit="s",
                    at_most=True,
                )
            )
        if wanted.ratio is not None and self.reference is not None and self.ratio is not None:
            what = f"{row}, times as quick as the reference's {self.reference.epochs} epochs"
            goals.append(Goal(what=what, measured=self.ratio, wanted=wanted.ratio))
        return goals

    def remarks(self) -> list[str]:
        """How the reference's time was come by."""
        cut = "" if self.cut is None else f" Trainings were cut after {self.cut} steps."
        trained = f"Trained on {self.data} in {self.precision}.{cut}"
        if (reference := self.reference) is None:
            return [trained]
        epoch = "epoch" if self.cut is None else f"epoch (from {self.cut} steps of it)"
        return [
            trained,
            f"The reference's time is extrapolated: {reference.epochs} times the median"
            f" {epoch} of {reference.epoch.n}, {reference.epoch} s, is"
            f" {shown(reference.seconds / 60, 'minutes')}. That it reaches"
            f" {percent(reference.accuracy)} by then is what its study published; it was not"
            " trained to its end here.",
        ]

    def tables(self) -> list[Table]:
        """A line for each seed."""

        def cells(each: Trained) -> tuple[str, ...]:
            return (
                str(each.seed),
                "" if each.accuracy is None else percent(each.accuracy),
                "" if each.psnr is None else shown(each.psnr),
                "" if each.psnr_pca is None else shown(each.psnr_pca),
                shown(each.seconds),
                shown(each.total_seconds),
                shown(each.peak_mb),
            )

        figures = ("seed", "test accuracy", "PSNR, dB", "PCA's PSNR, dB")
        costs = ("training, s", "with data and evaluation, s", "peak memory, MB")
        return [Table((*figures, *costs), map(cells, self.trained))]


def row_reached(settings: Settings, row: str) -> Reached:
    """Train a row, and epochs of the reference between.

    Raises:
        LeftOutError: there is no such row.
    """
    if row not in row_names():
        raise LeftOutError(f"there is no row {row}")
    bounds = BOUNDS.get(row, Bounds())
    if not settings.on_cpu:
        bounds = bounds.model_copy(update={"seconds": None, "ratio": None})
    scale, where = settings.scale, {"data": settings.data, "device": settings.device}
    # A long training is repeated where it is short: on a GPU.
    count = 1 if row == FAST_ROW and settings.on_cpu else settings.seeds
    # What reaches another accuracy is no quicker way to the reference's.
    beside = 0 if row == FAST_ROW else settings.repeats
    warm_up = 0 if settings.on_cpu else scale.warm_up
    studied = recipe_from_row(STUDIED)
    epoch = partial(
        settings.carry_out,
        train_reference,
        {
            **where,
            "batch_size": studied.train.batch_size,
            "steps": scale.cut,
            "warm_up": scale.warm_up if scale.cut else 0,
        },
    )
    trained: list[Found] = []
    epochs: list[Found] = []
    for turn in range(max(count, beside)):
        if turn < count:
            arguments = {"row": row, "seed": turn, "cut": scale.cut, "warm_up": warm_up, **where}
            trained.append(settings.carry_out(train, arguments))
        if turn < beside:
            epochs.append(epoch())
    seconds = Repeats.of(each["seconds"] for each in trained)
    reference = _extrapolated(epochs, studied) if epochs else None
    return Reached(
        row=row,
        data=settings.data,
        precision=trained[0]["precision"],
        cut=scale.cut,
        trained=tuple(
            Trained(
                seed=seed,
                **each["test"],
                seconds=each["seconds"],
                total_seconds=each["total"],
                peak_mb=each["peak_mb"],
            )
            for seed, each in enumerate(trained)
        ),
        seconds=seconds,
        reference=reference,
        ratio=None if reference is None else reference.seconds / seconds.median,
        wanted=bounds,
    )


def _extrapolated(epochs: list[Found], studied: Recipe) -> Extrapolated:
    """The reference's whole training from some epochs, or parts of them."""
    seconds = Repeats.of(
        float(found["seconds"] * found["epoch_steps"] / found["steps"]) for found in epochs
    )
    count, published = studied.train.epochs, studied.published["accuracy"]
    assert published is not None
    return Extrapolated(
        epoch=seconds, epochs=count, seconds=count * seconds.median, accuracy=published
    )


def to_accuracy(row: str) -> Benchmark:
    """The benchmark of one row."""
    how = (
        "with several seeds on a GPU and with one on a processor"
        if row == FAST_ROW
        else f"with several seeds; whole epochs of the reference (`{STUDIED}` as its study trains"
        " it) between them"
    )
    return Benchmark(
        f"From nothing to its accuracy: {row}",
        f"`{row}` trained from start to end, as `wye train` does, {how}. How its settings were"
        f" chosen, its notes say (`wye show {row}`).",
        partial(row_reached, row=row),
    )
