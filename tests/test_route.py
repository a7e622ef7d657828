"""Symbols that see more than the features before them: Y, PC, J, AP, US; and what S smooths."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA
from torch import nn

from wye.errors import UsageError
from wye.network import build_network, describe
from wye.network.stack import Stack
from wye.notation import NotationError
from wye.recipe.resolve import resolve
from wye.recipe.schema import NetworkSettings
from wye.runs.setup import Setup, set_up

IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def network(**lines: str) -> nn.Module:
    settings = NetworkSettings.model_validate({"classifier": "L'(classes)", **lines})
    return build_network(settings, (3, 8, 8), 5).eval()


def test_a_side_path_is_joined_behind_the_features_and_pooled_to_their_size() -> None:
    stack = Stack("C'(4) > Y(6, s=2) > C(5) > P > J", (3, 8, 8))
    first, side, second, _, _ = stack.layers
    low = first(IMAGES)
    high = F.max_pool2d(second(low), 2)
    aside = F.relu(F.conv2d(low, side.path.layer.weight, side.path.layer.bias, 2, 1))
    expected = torch.cat([high, F.adaptive_avg_pool2d(aside, 2)], 1)
    assert torch.equal(stack(IMAGES), expected)
    assert stack.outputs == (11, 2, 2)


def test_flat_features_are_joined_by_the_means_of_the_channels() -> None:
    stack = Stack("Y(6) > C(5) > G > J", (3, 8, 8))
    aside = F.relu(stack.layers[0].path.layer(IMAGES))
    assert torch.allclose(stack(IMAGES)[:, 5:], aside.mean((2, 3)))


def test_a_side_path_of_the_encoder_reaches_the_classifier_and_not_the_latent() -> None:
    made = network(encoder="C'(4) > Y(6) > C(5)", classifier="J > G > L'(classes)")
    output = made(IMAGES)
    assert output.latent.shape == (2, 5, 4, 4)
    assert output.reconstruction.shape == IMAGES.shape
    assert output.logits.shape == (2, 5)
    output.logits.sum().backward()
    assert made.encoder.layers[1].path.layer.weight.grad.abs().sum() > 0
    assert made.decoder.layers[0].layer.weight.grad is None
    described = describe(made)
    assert [layer.shape for layer in described.layers if layer.symbol == "J"] == [(11, 4, 4)]
    assert described.parameters()["classifier"] == 11 * 5 + 5


def test_a_join_without_a_side_path_points_at_itself() -> None:
    with pytest.raises(NotationError, match="no Y before it") as caught:
        network(encoder="C(4)", classifier="C(4) > J > L'(classes)")
    assert caught.value.position == len("C(4) > ")


def components(target: str = "normalized", per_class: int = 40, **lines: str) -> Setup:
    encoder = "PC(7) > C(5) > G > J"
    settings = {"encoder": encoder, "decoder": "L'(values) > R(image)", **lines}
    data = {"name": "shapes", "per_class": per_class, "normalize": "dataset", "target": target}
    return set_up(resolve("joint/v2", {"data": data, "network": settings}))


def test_principal_components_are_those_of_the_training_images() -> None:
    setup = components()
    network, data = setup.network, setup.data
    pixels = data.train.pixels[:].flatten(1).float() / 255
    expected = PCA(7, whiten=True, svd_solver="full").fit(pixels.numpy())
    test = data.test.pixels[:50]
    with torch.inference_mode():
        codes = network.encoder(data.inputs.apply(test))[:, 5:].numpy()
    wanted = expected.transform(test.flatten(1).float().numpy() / 255)
    signs = np.sign((codes * wanted).sum(0))
    np.testing.assert_allclose(codes * signs, wanted, atol=2e-3)
    assert not any(name.startswith("layers.0") for name, _ in network.encoder.named_parameters())


@pytest.mark.parametrize("target", ["normalized", "unit"])
def test_a_decoder_of_components_begins_where_pca_ends(target: str) -> None:
    setup = components(target, decoder="PC'(7, image)")
    network, data = setup.network.eval(), setup.data
    train, test = (
        images.pixels[:].flatten(1).float().numpy() / 255 for images in (data.train, data.test)
    )
    expected = PCA(7, svd_solver="full").fit(train)
    wanted = expected.inverse_transform(expected.transform(test))
    rebuilt = network(data.inputs.apply(data.test.pixels[:])).reconstruction
    pixels = rebuilt * data.targets.deviation + data.targets.mean
    np.testing.assert_allclose(pixels.detach().flatten(1).numpy(), wanted, atol=2e-3)
    # What is learned from there on: a linear layer from the five values before.
    assert [p.shape for p in network.decoder.parameters()] == [(3072, 5)]


def test_principal_components_see_a_smaller_image_at_their_own_size() -> None:
    network = components().network.eval()
    small = torch.rand(2, 3, 20, 20)
    large = F.interpolate(small, (32, 32), mode="bilinear", antialias=True)
    codes = [network.encoder(images)[:, 5:] for images in (small, large)]
    torch.testing.assert_close(*codes)


def test_principal_components_go_beside_features_that_are_images() -> None:
    network = components(encoder="PC(7) > C(5) > J", decoder="L'(values) > R(image)").network
    latent = network.encoder(torch.rand(2, 3, 32, 32))
    assert latent.shape == (2, 12, 16, 16)
    assert torch.equal(latent[:, 5:], latent[:, 5:, :1, :1].expand(-1, -1, 16, 16))


def test_fewer_images_than_components_leave_the_others_0(caplog: pytest.LogCaptureFixture) -> None:
    setup = components(per_class=3, encoder="PC(40) > C(5) > G > J")
    images = len(setup.data.train)
    assert images < 40
    assert f"{images} training images" in caplog.text and "PC(40) are 0" in caplog.text
    codes = setup.network.encoder(setup.data.inputs.apply(setup.data.train.pixels[:]))[:, 5:]
    assert (codes[:, images:] == 0).all() and codes.isfinite().all()


def test_principal_components_are_of_images_that_a_view_leaves_as_they_are() -> None:
    data = {"name": "shapes", "per_class": 5, "view": "resize(16)", "augment": "resize(16)"}
    network = {"encoder": "PC(4) > C(5) > G > J", "decoder": "none"}
    recipe = resolve("joint/v2", {"data": data, "network": network, "loss": {"beta": 0}})
    with pytest.raises(UsageError, match=r"as stored, 3x32x32; data\.view makes them 3x16x16"):
        set_up(recipe)


def test_principal_components_are_of_images_stored_as_whole_levels() -> None:
    data = {"name": "shapes", "per_class": 5, "copies": ["noise(0.5, clip=no)"]}
    network = {"encoder": "PC(4) > C(5) > G > J", "decoder": "none"}
    recipe = resolve("joint/v2", {"data": data, "network": network, "loss": {"beta": 0}})
    with pytest.raises(UsageError, match=r"PC is of images that are stored as whole levels"):
        set_up(recipe)


@pytest.mark.parametrize(
    ("encoder", "decoder", "problem"),
    [
        ("C(4) > PC(3) > J", "none", "PC is of the images, so it comes first in the encoder"),
        ("C'(4)", "PC(3) > C'(3)", "PC is of the images"),
        ("PC(193) > C(4) > J", "none", "at least 193 values"),
        ("PC(3) > C(4) > G > J", "PC'(4, image)", r"behind an encoder PC\(4\) > ... > J"),
        ("C(4) > G", "PC'(4, image)", "PC' comes first in the decoder"),
        ("PC(4) > C(4) > G > J", "L'(8) > PC'(4, image)", "PC' comes first in the decoder"),
        ("PC(4) > C(4) > G > J > L'(9)", "PC'(4, image)", "ends in J and has no Y"),
        ("PC(4) > Y(6) > C(4) > G > J", "PC'(4, image)", "ends in J and has no Y"),
        ("PC(4) > C(4) > J", "PC'(4, image)", "needs flat values"),
        ("C(4) > G", "PC'(5, image)", "5 components cannot be among 4 values"),
    ],
)
def test_components_stand_where_something_fills_them(
    encoder: str, decoder: str, problem: str
) -> None:
    with pytest.raises(NotationError, match=problem):
        network(encoder=encoder, decoder=decoder)


def test_each_branch_joins_by_itself() -> None:
    made = network(encoder="Y(6) > C(5)", decoder="J > T'(3)", classifier="J > G > L'(classes)")
    assert made(IMAGES).reconstruction.shape == IMAGES.shape


def test_adaptive_pooling_and_upsampling_to_the_image_take_images_of_any_size() -> None:
    """Progressive resizing of study S4: one latent for 16 and 32 pixels."""
    made = network(
        encoder="C'(6) > AP(4) > L'(20)",
        decoder="L'(96) > R(6x4x4) > U(2) > C'(6) > US > C'(3, act=none)",
    )
    for side in (8, 16):
        images = torch.rand(2, 3, side, side)
        output = made(images)
        assert output.latent.shape == (2, 20)
        assert output.reconstruction.shape == images.shape


def test_smoothing_is_the_mean_of_a_pixel_with_its_neighbours_above_and_left() -> None:
    smoothed = Stack("S", (3, 8, 8))(IMAGES)
    above = torch.cat([IMAGES[:, :, :1], IMAGES[:, :, :-1]], 2)
    both = above + IMAGES
    expected = (both + torch.cat([both[..., :1], both[..., :-1]], 3)) / 4
    assert torch.allclose(smoothed, expected)


def test_global_pooling_of_both_kinds_is_maxima_then_means() -> None:
    expected = torch.cat([IMAGES.amax((2, 3)), IMAGES.mean((2, 3))], 1)
    assert torch.equal(Stack("G(both)", (3, 8, 8))(IMAGES), expected)


@pytest.mark.parametrize("init", ["he", "glorot"])
def test_initial_values_reach_a_weight_that_is_normalised(init: str) -> None:
    torch.manual_seed(0)
    made = network(encoder="C'(64, k=1, wn=yes) > C'(64, wn=yes)", decoder="none", init=init)
    weight = made.encoder.layers[1].layer.weight
    fans = {"he": 2 / (64 * 9), "glorot": 2 / (64 * 9 + 64 * 9)}
    assert weight.var().item() == pytest.approx(fans[init], rel=0.05)


def test_weight_normalisation_keeps_length_and_direction_apart() -> None:
    layer = Stack("C'(4, k=1, wn=yes, act=none)", (3, 8, 8)).layers[0].layer
    before = layer(IMAGES) - layer.bias.view(-1, 1, 1)
    with torch.no_grad():
        layer.parametrizations.weight.original1.mul_(3)
    assert torch.allclose(layer(IMAGES) - layer.bias.view(-1, 1, 1), before, atol=1e-6)


def test_outputs_beyond_the_classes_are_allowed_where_they_are_meant() -> None:
    assert network(encoder="C(4)", outputs=8)(IMAGES).logits.shape == (2, 8)
    with pytest.raises(UsageError, match=r"network\.outputs=3: there are 5 classes"):
        network(encoder="C(4)", outputs=3)
    with pytest.raises(NotationError, match=r"8 values, by network\.outputs"):
        network(encoder="C(4)", classifier="L'(5)", outputs=8)


def test_words_for_the_image_stand_in_a_decoder() -> None:
    made = network(encoder="L(7)", decoder="L'(values) > R(image)")
    assert made(IMAGES).reconstruction.shape == IMAGES.shape
