"""What a term of the objective is, and the registry of all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar

from wye.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from wye.data.batches import Batch
    from wye.data.parts import Part
    from wye.recipe.schema import LossSettings

Need = Literal["classifier", "decoder", "features"]
"""A branch of the network, or the frozen network whose features are compared."""


@dataclass
class Step(ABC):
    """What a term is computed from: a batch, and what the network made of it.

    Attributes:
        settings: of the objective.
        batch: inputs, targets and labels; in training on several devices the part of this one.
        logits: `(M, K)` of the labelled images; None without a classifier.
        reconstruction: `(N, C, H, W)`; None without a decoder.
        class_weights: `(K,)`, the weight of each class; None where all weigh the same.
        training: whether the network learns from this step.
        parameters: those of the network.
        generator: source of what a term draws.
    """

    settings: LossSettings
    batch: Batch
    logits: Tensor | None
    reconstruction: Tensor | None
    class_weights: Tensor | None
    training: bool
    parameters: Iterable[nn.Parameter]
    generator: torch.Generator

    @abstractmethod
    def whole_inputs(self) -> Tensor:
        """`(N, C, H, W)`: the inputs of the batch of all devices, for what is drawn for all."""

    @abstractmethod
    def reconstruct(self, inputs: Tensor) -> Tensor:
        """Reconstruct other inputs than the batch's, in a pass of its own.

        Whatever the network isn't evaluated on leaves its running statistics alone.

        Args:
            inputs: `(N, C, H, W)`, of the batch of all devices.

        Returns:
            `(N, C, H, W)`, of the part of this device.
        """

    @abstractmethod
    def features(self, images: Tensor) -> Sequence[Tensor]:
        """What the frozen network sees in images `(N, C, H, W)` of the target's range."""


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

    def fraction(self, part: Part, own: Batch, whole: Batch, step: Step) -> float | Tensor:
        """What the value on one device's part of a batch weighs in that on the whole batch.

        Of a mean over images that is the fraction of the images.
        """
        return part.share(len(own.inputs))

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
