"""A recipe made concrete: its images and its network, tried on two images before anything runs."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from wye.data.batches import training_batches
from wye.data.folder import Own, is_own
from wye.data.inspection import Inspection
from wye.data.prepare import Prepared, prepare
from wye.data.sources import load
from wye.data.storage import taken
from wye.data.transforms import Transform, pipeline
from wye.errors import UsageError
from wye.evaluation.pca import fit_pca
from wye.network.build import Network, build_network
from wye.network.components import Components, ImageOfComponents
from wye.network.freezing import freeze
from wye.network.weights import load_weights, takes_weights
from wye.network.whitening import initialise_whitening
from wye.recipe.schema import Recipe, ResolvedPhase
from wye.streams import Streams
from wye.training.checks import check_range
from wye.training.features import FeatureNetwork, build_features

WHITENING_IMAGES = 2000
COMPONENT_IMAGES = 20_000

logger = logging.getLogger("wye")


@dataclass(frozen=True)
class Setup:
    """A recipe made concrete."""

    recipe: Recipe
    data: Prepared
    network: Network
    streams: Streams
    features: FeatureNetwork | None = None
    corrupt: Transform | None = None
    """Of the test images, `evaluation.corrupt`."""


def set_up(
    recipe: Recipe,
    weighted: bool = True,
    *,
    source: Path | None = None,
    before: Inspection | None = None,
    strict: bool = False,
) -> Setup:
    """Data and untrained network of a recipe, on the CPU; nothing is written.

    Args:
        source: where own images are now, if not where the recipe says.
        before: the own images of a run, which keep their parts; see `as_in_run`.
        strict: refuse own images that cannot be read instead of leaving them out.
        weighted: give backbones, and the network of the feature term, the weights that the recipe
            names, and the network the images' principal components; not needed where weights of a
            run follow.

    Raises:
        WyeError: the recipe cannot be carried out, or its data cannot be had.
    """
    if weighted and recipe.weights not in ("imagenet", "random") and not takes_weights(recipe):
        raise UsageError(
            f"weights={recipe.weights}: no layer takes them, as the network has no backbone such as"
            " resnet18; transfer.row=RUN (`wye train --from RUN`) begins with the weights of a run"
        )
    streams = Streams(recipe.seed, recipe.seeds)
    dataset = load(
        _source(recipe.data.name, source, before),
        image_size=recipe.data.image_size,
        generator=streams.generator("split", "test"),
        own=Own(
            fit=recipe.data.fit,
            duplicates=recipe.data.duplicates,
            validation=recipe.data.validation,
            before=before,
            strict=strict,
        ),
    )
    data = prepare(dataset, recipe.data, streams)
    with streams.applied("weights"):
        network = build_network(recipe.network, data.shape, len(data.classes))
    if weighted:
        load_weights(network, recipe.weights)
    initialise_whitening(
        network.encoder.layers, data.inputs.apply(data.train.pixels[:WHITENING_IMAGES])
    )
    if weighted:
        _initialise_components(network, data)
    if recipe.network.range_check:
        check_range(network, data.target_range)
    if (shift := recipe.evaluation.shifted_views) >= min(data.shape[1:]):
        raise UsageError(
            f"evaluation.shifted_views={shift}: images of {data.shape[1]}x{data.shape[2]} cannot be"
            " moved so far"
        )
    features = build_features(recipe, data) if weighted else None
    line = recipe.evaluation.corrupt
    corrupt = pipeline(line, "evaluation.corrupt") if line else None
    setup = Setup(recipe, data, network, streams, features, corrupt)
    _warn(setup)
    extra = dataset.unlabelled if weighted else None
    if extra and not any(phase.train.unlabelled for phase in recipe.resolved_phases()):
        logger.info(
            "%d images without a label are not used in this run; train.unlabelled=64, say, lets the"
            " decoder learn from so many more a step",
            len(extra),
        )
    for phase in recipe.resolved_phases():
        _rehearse(setup, phase)
    freeze(network, ())
    return setup


def _source(name: str, source: Path | None, before: Inspection | None) -> str:
    """Where a recipe's images are: as `--data` says, as the recipe does, or where they were."""
    if source is not None:
        return str(source)
    if before is None or is_own(name):
        return name
    if not is_own(before.root):
        raise UsageError(f"{before.root} is no longer there; --data PATH says where its images are")
    return before.root


def _initialise_components(network: Network, data: Prepared) -> None:
    """Give `PC` and `PC'` at the heads of the parts the components of the training images."""
    layer = network.encoder.layers[0]
    if not isinstance(layer, Components):
        return
    pixels = taken(data.train.pixels, slice(COMPONENT_IMAGES))
    if pixels.dtype != torch.uint8:
        raise UsageError(
            "network.encoder: PC is of images that are stored as whole levels; data.copies adds"
            " noise that leaves their range, where data.corrupt adds it to each batch"
        )
    if tuple(pixels.shape[1:]) != layer.shape:
        seen, stored = ("x".join(map(str, shape)) for shape in (layer.shape, pixels.shape[1:]))
        raise UsageError(
            f"network.encoder: PC is of the images as stored, {stored}; data.view makes them {seen}"
        )
    pca = fit_pca(pixels, layer.count, exact=False)
    if (found := pca.basis.shape[1]) < layer.count:
        logger.warning(
            "%d training images have no more than %d components, so the others of PC(%d) are 0",
            *(len(pixels), found, layer.count),
        )
    deviations = pca.codes(pixels).std(0).nan_to_num()  # a single image has none
    found_of = (pca.mean, pca.basis, deviations)
    layer.initialise(*found_of, data.inputs.mean, data.inputs.deviation)
    back = network.decoder.layers[0] if network.decoder is not None else None
    if isinstance(back, ImageOfComponents):
        back.initialise(*found_of, data.targets.mean, data.targets.deviation)


def _warn(setup: Setup) -> None:
    """Say what is allowed and hardly meant."""
    recipe, data = setup.recipe, setup.data
    if len(data.classes) == 1 and recipe.network.classifier != "none":
        logger.warning("%s has one class, so every accuracy will be 100 %%", data.name)
    if recipe.data.validation > 0 and data.validation is None:
        logger.warning(
            "no image is held out for validation: the classes have too few for data.validation=%g",
            recipe.data.validation,
        )


@torch.no_grad()
def _rehearse(setup: Setup, phase: ResolvedPhase) -> None:
    """Put two images through a phase, so that what doesn't fit is said before a run begins."""
    network, data = setup.network, setup.data
    where = f"phase {phase.name!r}" if setup.recipe.phases else "training"
    freeze(network, phase.freeze)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise UsageError(f"{where}: everything is frozen, so nothing is learned")
    two = replace(data, train=data.train.take(torch.arange(min(2, len(data.train)))))
    batch = next(training_batches(two, 2, setup.streams, 0, phase.image_size))
    shape = "x".join(map(str, batch.inputs.shape[1:]))
    try:
        rebuilt = network.eval()(batch.inputs).reconstruction
        if batch.noisy is not None:
            rebuilt = network(batch.noisy).reconstruction
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"{where}: the network cannot take images of {shape}: {reason}") from None
    if rebuilt is not None and rebuilt.shape != batch.targets.shape:
        made, wanted = ("x".join(map(str, t.shape[1:])) for t in (rebuilt, batch.targets))
        raise UsageError(
            f"{where}: the decoder makes images of {made} where the target is of {wanted}; the"
            " lines of data.augment and data.corrupt must leave both at one size"
        )
