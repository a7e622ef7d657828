"""What a term of the objective is, and the registry of all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, TypeVar

from wye.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from wye.batch import Batch, Shard

Need = Literal["classifier", "decoder", "features"]
"""A branch of the network, or the frozen network whose features are compared."""


class FeatureSettings(Protocol):
    """What the feature term reads of `loss.features`."""

    @property
    def layers(self) -> Sequence[int]: ...
    @property
    def weights(self) -> Sequence[float]: ...
    @property
    def gram(self) -> float: ...


class LossSettings(Protocol):
    """What terms read of a recipe's `loss`."""

    @property
    def error(self) -> str: ...
    @property
    def jigsaw_grid(self) -> int: ...
    @property
    def label_smoothing(self) -> float: ...
    @property
    def features(self) -> FeatureSettings: ...


@dataclass
class Step:
    """What a term is computed from: a batch, and what the network made of it.

    Attributes:
        settings: of the objective.
        batch: inputs, targets and labels; in training on several devices the shard of this one.
        whole: the batch of all devices, for what is drawn for all of them.
        shard: of this device; None if it is alone.
        logits: `(M, K)` of the labelled images; None without a classifier.
        reconstruction: `(N, C, H, W)`; None without a decoder.
        class_weights: `(K,)`, the weight of each class; None where all weigh the same.
        training: whether the network learns from this step.
        parameters: those of the network.
        generator: source of what a term draws.
        reconstruct: reconstructs other inputs than the batch's, in a pass of its own: from
            `(N, C, H, W)` of the batch of all devices to `(N, C, H, W)` of this one's shard. The
            running statistics, which are of what the network is evaluated on, stay as they are.
        features: what the frozen network sees in images `(N, C, H, W)` of the target's range.
    """

    settings: LossSettings
    batch: Batch
    whole: Batch
    shard: Shard | None
    logits: Tensor | None
    reconstruction: Tensor | None
    class_weights: Tensor | None
    training: bool
    parameters: Iterable[nn.Parameter]
    generator: torch.Generator
    reconstruct: Callable[[Tensor], Tensor]
    features: Callable[[Tensor], Sequence[Tensor]]


class Term(ABC):
    """A named part of the objective, with a weight.

    A term is one file of this folder, found by being there. Its module imports torch where it
    computes and not at its top: recipes are checked by the terms' declarations, which must be quick
    to read.

    Attributes:
        name: in `metrics.jsonl` and in messages.
        weight: its weight's name in a recipe's `loss`.
        meaning: of the weight, one line.
        column: its heading in the progress of a training, at most 6 letters.
        place: among the terms, wherever they are listed or added up.
        needs: the branches it learns through, and `features`. A term without any says nothing of
            the images.
        own_pass: it learns through a pass of its own, not from the reconstruction or the logits of
            the batch.
        always: computed and reported at weight 0 too, where the network has what it needs.
    """

    name: ClassVar[str]
    weight: ClassVar[str]
    meaning: ClassVar[str]
    column: ClassVar[str]
    place: ClassVar[int] = 100
    needs: ClassVar[frozenset[Need]] = frozenset()
    own_pass: ClassVar[bool] = False
    always: ClassVar[bool] = False

    @abstractmethod
    def compute(self, step: Step) -> Tensor:
        """The value on the batch, a scalar."""

    def fraction(self, step: Step, shard: Shard) -> float | Tensor:
        """What the value on one device's shard of a batch weighs in that on the whole batch.

        Of a mean over images that is the fraction of the images.
        """
        return shard.fraction(len(step.batch.inputs))

    def check(  # noqa: B027 (most terms take any images)
        self, settings: LossSettings, height: int, width: int
    ) -> None:
        """Refuse images that the term cannot be computed on.

        Raises:
            UsageError: what is wrong with a size, and what would be right.
        """


class _Terms(Registry[Term]):
    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries, key=lambda name: (self._entries[name].place, name)))


TERMS: Registry[Term] = _Terms("term")
"""The terms by name, in the order of their places."""

T = TypeVar("T", bound=type[Term])


def register(term: T) -> T:
    """Class decorator: enter a term.

    Raises:
        ValueError: its name or its weight's name is taken, or something is not declared.
    """
    for declared in ("name", "weight", "meaning", "column"):
        if not getattr(term, declared, ""):
            raise ValueError(f"{term.__name__} declares no {declared}")
    if taken := [other.name for other in TERMS.values() if other.weight == term.weight]:
        raise ValueError(f"{term.weight} is the weight of {taken[0]}")
    TERMS.register(term.name)(term())
    return term
