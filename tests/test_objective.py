"""The terms of the objective against plain PyTorch and scikit-learn, and how they are weighed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from wye.batch import Batch
from wye.data.normalization import Normalization, normalization
from wye.errors import UsageError
from wye.network.build import Network, build_network
from wye.objective import TERMS, Step, Term, register
from wye.objective.classification import cross_entropy
from wye.objective.feature import feature_difference
from wye.objective.jigsaw import shuffled_tiles
from wye.objective.l2 import half_squares
from wye.objective.reconstruction import reconstruction_error
from wye.recipe.schema import FeatureSettings, LossSettings, NetworkSettings
from wye.training.features import FeatureNetwork
from wye.training.objective import Objective, class_weights


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(**lines: Any) -> Network:
    torch.manual_seed(0)
    settings = {"encoder": "C'(6) > C(6)", "classifier": "L'(classes)", **lines}
    return build_network(NetworkSettings.model_validate(settings), (3, 8, 8), 4)


BATCH = Batch(drawn(10, 3, 8, 8), drawn(10, 3, 8, 8, seed=1), torch.arange(10) % 4)


def test_images_without_a_label_are_rebuilt_and_not_classified() -> None:
    built, some = network(), Batch(BATCH.inputs, BATCH.targets, BATCH.labels[:4])
    found, output = Objective(LossSettings(alpha=2, beta=3))(built, some, generator())
    whole = built(BATCH.inputs)
    logits, rebuilt = whole.logits, whole.reconstruction
    assert output.logits is not None and output.logits.shape == (4, 4)
    entropy = F.cross_entropy(logits[:4], BATCH.labels[:4])
    error = F.mse_loss(rebuilt, BATCH.targets)
    torch.testing.assert_close(found["loss"], 2 * entropy + 3 * error)


def test_a_side_path_reaches_the_classifier_of_the_labelled_images() -> None:
    built = network(encoder="C'(6) > Y(4) > C(6)", classifier="J > G > L'(classes)")
    few = built(BATCH.inputs, labelled=3).logits
    torch.testing.assert_close(few, built(BATCH.inputs).logits[:3])


def test_the_gradient_of_the_latent_keeps_the_order_in_memory() -> None:
    """In another order than the layers' own each pooling before would copy its gradient twice."""
    order = torch.channels_last
    built = network(classifier="C(4) > L'(classes)").to(memory_format=order)  # type: ignore[call-overload]
    batch = Batch(BATCH.inputs.contiguous(memory_format=order), BATCH.targets, BATCH.labels)
    found, output = Objective(LossSettings())(built, batch, generator())
    (gradient,) = torch.autograd.grad(found["loss"], output.latent)
    assert output.latent.is_contiguous(memory_format=order)
    assert gradient.is_contiguous(memory_format=order)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("mse", lambda a, b: (a - b).square().mean()),
        ("mae", lambda a, b: (a - b).abs().mean()),
        ("log_mse", lambda a, b: ((a - b).square().mean((1, 2, 3)) + 1e-6).log().mean()),
        ("bce", lambda a, b: -(b * a.log() + (1 - b) * (1 - a).log()).mean()),
    ],
)
def test_reconstruction_errors(error: str, expected: Any) -> None:
    made, wanted = drawn(4, 3, 8, 8) * 0.9 + 0.05, drawn(4, 3, 8, 8, seed=1)
    assert reconstruction_error(made, wanted, error).item() == pytest.approx(
        expected(made, wanted).item(), rel=1e-6
    )


def test_class_weights_are_those_of_scikit_learn() -> None:
    labels = torch.tensor([0] * 7 + [1] * 2 + [2] * 13 + [3])
    found = class_weights("balanced", labels, "abcd", 6)
    assert found is not None
    wanted = compute_class_weight("balanced", classes=np.arange(4), y=labels.numpy())
    assert found[:4].numpy() == pytest.approx(wanted)
    assert found[4:].tolist() == [1, 1]
    named = class_weights({"b": 2.0}, labels, "abcd", 4)
    assert named is not None and named.tolist() == [1, 2, 1, 1]
    assert class_weights("none", labels, "abcd", 4) is None
    with pytest.raises(UsageError, match=r"loss\.class_weights: no class 'e'"):
        class_weights({"e": 2.0}, labels, "abcd", 4)


def test_a_weighted_cross_entropy_is_the_weighted_mean() -> None:
    logits, labels = drawn(10, 4) * 4, BATCH.labels
    weights = torch.tensor([1.0, 3.0, 0.5, 2.0])
    each = -logits.log_softmax(1)[torch.arange(10), labels] * weights[labels]
    expected = each.sum() / weights[labels].sum()
    found = cross_entropy(logits, labels, class_weights=weights)
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)


def tiles_of(image: torch.Tensor, grid: int) -> list[tuple[float, ...]]:
    side = image.shape[1] // grid
    return [
        tuple(image[:, r * side : (r + 1) * side, c * side : (c + 1) * side].flatten().tolist())
        for r in range(grid)
        for c in range(grid)
    ]


@pytest.mark.parametrize("grid", [2, 4])
def test_a_jigsaw_is_a_permutation_of_the_tiles_of_each_image(grid: int) -> None:
    images = drawn(6, 3, 8, 8)
    mixed = shuffled_tiles(images, grid, generator())
    orders = set()
    for before, after in zip(images, mixed, strict=True):
        pieces = tiles_of(before, grid)
        found = [pieces.index(tile) for tile in tiles_of(after, grid)]
        assert sorted(found) == list(range(grid * grid))
        orders.add(tuple(found))
    assert len(orders) > 1  # an order for each image
    assert torch.equal(mixed, shuffled_tiles(images, grid, generator()))


def test_every_order_of_a_jigsaw_is_as_likely() -> None:
    images = torch.arange(4.0).view(1, 1, 2, 2).expand(24_000, -1, -1, -1)
    mixed = shuffled_tiles(images, 2, generator()).flatten(1)
    _, counts = mixed.unique(dim=0, return_counts=True)
    assert len(counts) == 24
    # Chi-squared of 23 degrees of freedom exceeds 49.7 once in a thousand.
    assert ((counts - 1000.0) ** 2 / 1000).sum().item() < 49.7


def test_a_grid_that_does_not_divide_the_image_is_refused() -> None:
    with pytest.raises(UsageError, match="3 does not divide images of 8x8; 2, 4, 8 would"):
        shuffled_tiles(drawn(1, 3, 8, 8), 3, generator())


def test_the_jigsaw_term_asks_for_the_image_that_was_not_shuffled() -> None:
    made = network().eval()
    settings = LossSettings(alpha=0, beta=0, delta=2, jigsaw_grid=2)
    named, _ = Objective(settings)(made, BATCH, generator(5))
    mixed = shuffled_tiles(BATCH.inputs, 2, generator(5))
    expected = F.mse_loss(made(mixed).reconstruction, BATCH.targets)
    assert named["jigsaw"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert named["loss"].item() == pytest.approx(2 * expected.item(), rel=1e-5)
    named["loss"].backward()
    assert made.decoder is not None and made.classifier is not None
    assert all(parameter.grad is not None for parameter in made.decoder.parameters())
    assert all(parameter.grad is None for parameter in made.classifier.parameters())


def plain_feature_term(
    blocks: list[nn.Module], settings: FeatureSettings, made: torch.Tensor, wanted: torch.Tensor
) -> torch.Tensor:
    """Sum over layers of w MSE(f) + w^2 g MSE(Gram), written out image by image."""
    total = torch.zeros(())
    for index, weight in zip(settings.layers, settings.weights, strict=True):
        first, second = (nn.Sequential(*blocks[: index + 1])(x) for x in (made, wanted))
        total = total + weight * ((first - second) ** 2).mean()
        grams = [
            torch.stack([torch.einsum("chw,dhw->cd", f, f) / f.numel() for f in features])
            for features in (first, second)
        ]
        total = total + weight**2 * settings.gram * ((grams[0] - grams[1]) ** 2).mean()
    return total


@pytest.mark.parametrize("normalize", [False, True])
def test_the_feature_term_is_the_formula_of_study_s4(normalize: bool) -> None:
    torch.manual_seed(0)
    blocks: list[nn.Module] = [nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 4, 3), nn.ReLU()]
    settings = FeatureSettings(layers=(1, 3), weights=(30, 20), gram=50, normalize=normalize)
    targets = Normalization(torch.full((3, 1, 1), 0.4), torch.full((3, 1, 1), 0.2))
    term = FeatureNetwork(blocks, settings, targets)
    made, wanted = (targets.apply(drawn(4, 3, 8, 8, seed=s)).requires_grad_() for s in (0, 1))
    with torch.no_grad():
        held = term(wanted)
    found = feature_difference(term(made), held, settings.weights, settings.gram)
    pixels = [drawn(4, 3, 8, 8, seed=s) for s in (0, 1)]
    if normalize:
        pixels = [normalization("imagenet", p).apply(p) for p in pixels]
    expected = plain_feature_term(blocks, settings, *pixels)
    assert found.item() == pytest.approx(expected.item(), rel=1e-4)
    found.backward()
    assert made.grad is not None and made.grad.abs().sum() > 0
    assert wanted.grad is None
    assert all(parameter.grad is None for block in blocks for parameter in block.parameters())


def test_the_feature_term_is_part_of_the_loss_and_its_network_of_nothing() -> None:
    made = network(classifier="none").eval()
    names = list(made.state_dict())
    settings = FeatureSettings(layers=(1,), weights=(3,), gram=0)
    blocks: list[nn.Module] = [nn.Conv2d(3, 5, 3), nn.ReLU()]
    features = FeatureNetwork(blocks, settings, normalization("none", BATCH.inputs))
    loss = LossSettings(alpha=0, beta=1, gamma=0.1, phi=2, features=settings)
    objective = Objective(loss, features=features)
    named, _ = objective(made, BATCH, generator())
    total = named["reconstruction"] + 0.1 * named["l2"] + 2 * named["feature"]
    assert named["loss"].item() == pytest.approx(total.item(), rel=1e-5)
    squares = sum(parameter.square().sum() for parameter in made.parameters())
    assert named["l2"].item() == pytest.approx(squares.item() / 2, rel=1e-5)
    assert list(made.state_dict()) == names


def test_the_gradient_of_l2_is_that_of_half_the_squares_in_plain_pytorch() -> None:
    shapes = [(4, 3, 3, 3), (4,), (), (5, 2)]
    own = [nn.Parameter(drawn(*shape, seed=seed) - 0.5) for seed, shape in enumerate(shapes)]
    own.append(nn.Parameter(torch.zeros(3)))
    own.append(nn.Parameter(drawn(6), requires_grad=False))
    plain = [parameter.detach().clone().requires_grad_() for parameter in own]
    found = half_squares(own)
    expected = torch.stack([(parameter**2).sum() for parameter in plain]).sum() / 2
    torch.testing.assert_close(found, expected)
    (0.3 * found).backward()
    (0.3 * expected).backward()
    for mine, other in zip(own[:-1], plain[:-1], strict=True):
        torch.testing.assert_close(mine.grad, other.grad)
    assert own[-1].grad is None


def test_a_layer_that_the_feature_network_lacks_is_refused() -> None:
    settings = FeatureSettings(layers=(7,), weights=(1,))
    with pytest.raises(UsageError, match=r"vgg16_bn has layers 0 to 0, no 7"):
        FeatureNetwork([nn.ReLU()], settings, normalization("none", BATCH.inputs))


def normalised(**lines: Any) -> Network:
    return network(
        encoder="C'(6, bn=before) > C(6, bn=after)",
        classifier="C'(4, bn=before) > L'(classes)",
        **lines,
    )


def statistics(of: nn.Module) -> list[torch.Tensor]:
    return [
        value.clone()
        for name, value in of.state_dict().items()
        if name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    ]


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("name", TERMS)
def test_no_term_moves_the_statistics_beyond_the_images_that_are_evaluated(name: str) -> None:
    """Whole images are evaluated; tiles, or whatever a term looks at, are not to be in them."""
    torch.manual_seed(1)
    blocks: list[nn.Module] = [nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU()]
    seen = FeatureSettings(layers=(2,), weights=(3,), gram=1)
    features = FeatureNetwork(blocks, seen, normalization("none", BATCH.inputs))
    term = TERMS[name]
    weights = {"alpha": 1.0, "beta": 1.0, term.weight: 1.0}
    settings = LossSettings.model_validate({**weights, "jigsaw_grid": 2, "features": seen})
    made, plain = normalised().train(), normalised().train()
    named, _ = Objective(settings, features=features)(made, BATCH, generator())
    named["loss"].backward()
    plain(BATCH.inputs)
    assert name in named
    assert same(statistics(made), statistics(plain))
    assert all(
        norm.track_running_stats for norm in made.modules() if "BatchNorm" in str(type(norm))
    )
    assert all(parameter.grad is None for block in blocks for parameter in block.parameters())
    assert blocks[1].num_batches_tracked == 0


def test_the_decoder_alone_sees_noisy_images_and_they_move_no_statistics() -> None:
    noisy = BATCH.inputs + torch.randn(BATCH.inputs.shape, generator=generator(3))
    batch = Batch(BATCH.inputs, BATCH.targets, BATCH.labels[:6], noisy)
    made, plain = normalised().train(), normalised().train()
    named, output = Objective(LossSettings())(made, batch, generator())
    clean = plain(BATCH.inputs[:6])
    assert same(statistics(made.encoder), statistics(plain.encoder))
    torch.testing.assert_close(output.logits, clean.logits)
    other = normalised().train()(noisy).reconstruction
    torch.testing.assert_close(output.reconstruction, other)
    expected = F.cross_entropy(clean.logits, BATCH.labels[:6]) + F.mse_loss(other, BATCH.targets)
    torch.testing.assert_close(named["loss"], expected)


def test_a_term_is_one_class_with_all_that_is_asked_of_it() -> None:
    class Unnamed(Term):
        weight, meaning, column = "upsilon", "Nothing.", "none"

        def compute(self, step: Step) -> torch.Tensor:
            return torch.zeros(())

    with pytest.raises(ValueError, match="Unnamed declares no name"):
        register(Unnamed)
    Unnamed.name = "unnamed"
    Unnamed.weight = "beta"
    with pytest.raises(ValueError, match="beta is the weight of reconstruction"):
        register(Unnamed)
    assert "unnamed" not in TERMS
