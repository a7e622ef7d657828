"""The recipe: its identity, its parts and its phases, checked together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from wye.cards import as_html, as_text
from wye.metrics import METRICS
from wye.objective import TERMS
from wye.recipe.parts import (
    DataSettings,
    EarlyStopping,
    EvaluationSettings,
    FeatureSettings,
    LossSettings,
    NetworkSettings,
    PhaseTraining,
    TrainSettings,
    TransferSettings,
)
from wye.recipe.settings import Count, ImageSize, Number, Seed, Settings
from wye.registry import suggest
from wye.streams import STREAMS
from wye.studies.load import PARTS

__all__ = [
    "DataSettings",
    "EarlyStopping",
    "EvaluationSettings",
    "FeatureSettings",
    "LossSettings",
    "NetworkSettings",
    "Phase",
    "PhaseTraining",
    "Recipe",
    "ResolvedPhase",
    "TrainSettings",
    "TransferSettings",
]

SETTINGS = (
    *("data", "network", "loss", "train", "phases", "evaluation", "transfer", "weights"),
    *("seed", "seeds"),
)
"""The parts of a recipe that say what is done; the others say which one it is."""

ROW = re.compile(r"[\w.+-]+(/[\w.+-]+)*")


def row_name(name: str) -> str:
    """`name` if it may be a row's: the run folder is made of it.

    Raises:
        PydanticCustomError: it may not.
    """
    plain = ROW.fullmatch(name) and ".." not in name and len(name) <= 200
    if not plain or not all(part.strip(".") for part in name.split("/")):
        raise PydanticCustomError(
            "row_name", "it should be letters, digits and ._+- in parts joined by single slashes"
        )
    return name


def _or_none(value: Any) -> Any:
    return None if value == "none" else value


@dataclass(frozen=True)
class SomeOf:
    """Annotation of a mapping that holds some of a model's settings, checked as that model's."""

    settings_of: type[Settings]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.checked, handler(source))

    def checked(self, settings: dict[str, Any]) -> dict[str, Any]:
        """What is set, as the model reads it."""
        return self.settings_of.model_validate(settings).model_dump(exclude_unset=True)


class Phase(Settings):
    """One stretch of training. What is not given is as in `train` and `loss`."""

    name: str = ""
    """How it is called in curves and messages; `phase 1` and so on if not given."""
    epochs: Count
    """Its length."""
    loss: Annotated[dict[str, Any], SomeOf(LossSettings)] = Field(default_factory=dict)
    """Weights that differ from those of `loss`."""
    train: Annotated[dict[str, Any], SomeOf(PhaseTraining)] = Field(default_factory=dict)
    """Settings that differ from those of `train`; they may also stand in the phase itself."""
    freeze: tuple[str, ...] = ()
    """Parts or layers that are held: `encoder`, `encoder[0:3]`, `classifier[2]`."""
    carry_on: bool = False
    """Go on with the optimiser and the schedule of the phase before, as one stretch of training;
    such a phase has no `train` settings and freezes nothing of its own."""
    image_size: ImageSize | None = None
    """Side that training images are resized to in this phase; their own if not given. Validation
    and test keep theirs, so the network must take both."""
    synthesize: Literal["none", "latent-smote"] = "none"
    """latent-smote: before the phase begins, fill the smaller classes up with images that the
    decoder makes of SMOTE's points between the latent codes of neighbours."""

    @model_validator(mode="after")
    def _carries_on_unchanged(self) -> Phase:
        if self.carry_on and (self.train or self.freeze or self.synthesize != "none"):
            raise ValueError(
                "a phase with carry_on has no train settings, freeze or synthesize of its own"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        """`{epochs: 20, lr: 0.001}` stands for `{epochs: 20, train: {lr: 0.001}}`."""
        if not isinstance(value, dict):
            return value
        flat = {key: value[key] for key in value if key in FLAT}
        kept = {key: entry for key, entry in value.items() if key not in FLAT}
        train = value.get("train", {})
        if not isinstance(train, dict):
            return kept  # the field's own check says what is wrong with it
        if twice := sorted(flat.keys() & train.keys()):
            raise ValueError(f"{twice[0]} is given twice, in the phase and under its train")
        return {**kept, "train": {**train, **flat}}

    @classmethod
    def known(cls) -> list[str]:
        """Its own settings and those of `train`."""
        return [*cls.model_fields, *FLAT]


FLAT = tuple(PhaseTraining.model_fields)
"""Training settings that may stand in a phase itself."""


class Recipe(Settings):
    """Everything that defines a run. Two runs of equal recipes on one device give equal weights.

    Examples:
        >>> import wye
        >>> recipe = wye.recipe.resolve("joint/v1", {"train": {"epochs": 2}})
        >>> recipe.network.encoder, recipe.train.epochs
        ('L(512) > L(256) > L(128)', 2)
    """

    row: Annotated[str, AfterValidator(row_name)]
    """Name; the run folder is `runs/<row>/seed-<n>`. That of a recipe file unless it is given."""
    study: str | None = None
    """The study file that the row is from."""
    source: str | None = None
    """Id of the published system in the fact sheet, for instance S0-25."""
    title: str = ""
    """One line about it."""
    constraint: str = "complete"
    """The study's restriction on its data: few labels, unequal classes, blur."""
    notes: Annotated[tuple[str, ...], Field(max_length=1000)] = ()
    """What was chosen where the study is silent, and faults it is known to have."""
    published: dict[str, Number | None] = Field(default_factory=dict)
    """Metrics that the study printed."""
    corrected: dict[str, Number] = Field(default_factory=dict)
    """What a printed value should have been, by the study's own records, where it is known to be
    wrong or missing."""
    published_data: str | None = None
    """The data set that they are of."""
    control_of: str | None = None
    """The faithful row that this row is the corrected or matched form of."""
    factors: dict[str, str] = Field(default_factory=dict)
    """The row's level of each factor, where a grid made it."""
    protocol: Literal["paper", "short"] = "paper"
    """paper: the row as its file has it. short: its study's fewer epochs, the same for all rows."""

    data: DataSettings = Field(default_factory=DataSettings)
    """Which images, and how they are prepared."""
    network: NetworkSettings
    """The network in the notation."""
    loss: LossSettings = Field(default_factory=LossSettings)
    """Weights of the terms of the objective."""
    train: TrainSettings = Field(default_factory=TrainSettings)
    """How the weights change."""
    phases: tuple[Phase, ...] = ()
    """Stretches of training in order; none means one that lasts all `train.epochs`."""
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings)
    """How the trained network is measured."""
    transfer: Annotated[TransferSettings | None, BeforeValidator(_or_none)] = None
    """Weights taken over from another row's run."""
    weights: Annotated[str, Field(min_length=1)] = "imagenet"
    """Where backbones have their first weights from: `imagenet` (the weights that their makers
    published), `random`, or the path of a weight file or of a folder of them."""
    seed: Seed = 0
    """Seed of everything that is drawn."""
    seeds: dict[str, Seed] = Field(default_factory=dict, examples=["subset=1"])
    """Seeds of single streams: subset, split, weights, order, augmentation, noise."""

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if unknown := sorted(set(self.seeds) - set(STREAMS)):
            raise ValueError(f"seeds.{unknown[0]}: no such stream; known: {', '.join(STREAMS)}")
        for key in ("published", "corrected"):
            if stray := [name for name in getattr(self, key) if name not in METRICS]:
                raise ValueError(f"{key}.{stray[0]}: no such metric; {suggest(stray[0], METRICS)}")
        if self.network.decoder == "none" and self.network.classifier == "none":
            raise ValueError("network: without a decoder and a classifier nothing is trained")
        branches = {"decoder": self.network.decoder, "classifier": self.network.classifier}
        if self.data.corrupt and self.data.corrupt_in == "decoder" and "none" in branches.values():
            missing = next(name for name, line in branches.items() if line == "none")
            raise ValueError(
                "data.corrupt_in=decoder tells what the decoder sees from what the classifier sees,"
                f" and network.{missing} is none; data.corrupt_in=training is for one branch"
            )
        for index, phase in enumerate(self.resolved_phases()):
            where = f"phases.{index}: " if self.phases else ""
            if phase.train.nesterov and phase.train.optimizer == "sgd" and not phase.train.momentum:
                raise ValueError(
                    f"{where}train.nesterov=true is a form of momentum, and train.momentum is 0;"
                    " set train.momentum=0.9, say, or train.nesterov=false"
                )
            if phase.train.first_lr is not None and phase.train.encoder_lr is not None:
                raise ValueError(
                    f"{where}train.first_lr and train.encoder_lr both give the encoder's rates;"
                    " one of them should be left out"
                )
            self._check_weights(phase.loss, where)
            unit = self.data.normalize == "none" or self.data.target == "unit"
            if phase.loss.error == "bce" and not unit:
                raise ValueError(
                    f"{where}loss.error=bce needs a target in [0, 1]; set data.target=unit"
                )
        if self.phases and sum(p.epochs for p in self.phases) != self.train.epochs:
            raise ValueError(
                f"train.epochs is {self.train.epochs}, but the phases last"
                f" {sum(p.epochs for p in self.phases)} epochs in all"
            )
        return self

    def _check_weights(self, loss: LossSettings, where: str) -> None:
        weights = loss.weights()
        for name, weight in weights.items():
            term = TERMS[name]
            for branch in ("decoder", "classifier"):
                if weight and branch in term.needs and getattr(self.network, branch) == "none":
                    give = "network.decoder=mirror" if branch == "decoder" else "give a classifier"
                    raise ValueError(
                        f"{where}loss.{term.weight}={weight:g} needs a {branch}, and"
                        f" network.{branch} is none; set loss.{term.weight}=0 or {give}"
                    )
        learning = [name for name in weights if TERMS[name].needs]
        if not any(weights[name] for name in learning):
            keys = ", ".join(TERMS[name].weight for name in learning)
            raise ValueError(f"{where}loss: {keys} are all 0, so nothing is learned")

    @classmethod
    def known(cls) -> list[str]:
        """Its settings, and the parts of a network, which may stand beside them."""
        return [*cls.model_fields, *PARTS]

    def printed(self) -> dict[str, float | None]:
        """The published values by the metric that they are of.

        An SSIM that was computed with data range 2 (study S1) is not the one that `ssim` is.
        """
        wide = {"ssim": "ssim_range2"} if self.evaluation.ssim_range2 else {}
        return {wide.get(name, name): value for name, value in self.published.items()}

    def reference(self, name: str) -> float | None:
        """What metric `name` is compared with: the corrected one if known, else the published."""
        return self.corrected.get(name, self.printed().get(name))

    def facts(self) -> dict[str, str]:
        """What matters most of it, in words."""
        train, lines = self.train, self.network
        parts = {"encoder": lines.encoder, "decoder": lines.decoder, "classifier": lines.classifier}
        weights = [
            f"{TERMS[name].weight} {weight:g}" for name, weight in self.loss.weights().items()
        ]
        trained = f"{train.epochs} epochs, batches of {train.batch_size}, {train.optimizer}"
        facts = {"data": self.data.name, **parts, "loss": ", ".join(weights), "training": trained}
        return {**facts, "seed": str(self.seed)}

    def __repr__(self) -> str:
        return as_text("wye.Recipe", self.row, self.facts())

    def _repr_html_(self) -> str:
        return as_html("wye.Recipe", self.row, self.facts())

    def resolved_phases(self) -> tuple[ResolvedPhase, ...]:
        """The phases with every setting explicit."""
        if not self.phases:
            return (ResolvedPhase(name="joint", loss=self.loss, train=self.train),)
        resolved: list[ResolvedPhase] = []
        for index, phase in enumerate(self.phases, start=1):
            carried = resolved[-1] if phase.carry_on and resolved else None
            base = carried.train if carried else self.train
            resolved.append(
                ResolvedPhase(
                    name=phase.name or f"phase {index}",
                    loss=LossSettings.model_validate({**self.loss.model_dump(), **phase.loss}),
                    train=TrainSettings.model_validate(
                        {**base.model_dump(), **phase.train, "epochs": phase.epochs}
                    ),
                    freeze=carried.freeze if carried else phase.freeze,
                    carry_on=carried is not None,
                    image_size=phase.image_size,
                    synthesize=phase.synthesize,
                )
            )
        return tuple(resolved)


class ResolvedPhase(Settings):
    """A phase with nothing left to look up elsewhere."""

    name: str
    loss: LossSettings
    train: TrainSettings
    freeze: tuple[str, ...] = ()
    carry_on: bool = False
    image_size: int | None = None
    synthesize: str = "none"
