"""Networks from text: shapes, counts, the mirror rule, and errors instead of crashes."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from wye.errors import UsageError
from wye.network import build_network, describe
from wye.network.layers import ACTIVATIONS, TransposedConvolution
from wye.network.mirror import mirror
from wye.network.stack import Stack
from wye.network.symbols import SYMBOLS, Activation
from wye.network.whitening import initialise_whitening
from wye.notation import NotationError
from wye.recipe import recipe_from_row
from wye.recipe.schema import NetworkSettings
from wye.training.checks import check_range, output_range

# One line a symbol, fed with (3, 8, 8); a symbol without a line here fails the test.
EXAMPLES = {
    "C": "C(4, k=5, bn=before, act=gelu, pool=avg)",
    "C'": "C'(4, s=2, bn=after, bias=no)",
    "T": "T(4, bn=before)",
    "T'": "T'(4, k=3, s=1, p=1)",
    "L": "L(7, bn=after)",
    "L'": "L'(7)",
    "W": "W(12)",
    "P": "P(2, kind=avg)",
    "G": "G(max)",
    "U": "U(2, mode=bilinear)",
    "US": "P(4) > US",
    "AP": "AP(3, kind=avg)",
    "S": "S",
    "Y": "Y(4) > C(6) > J",
    "J": "Y(4, s=2) > C(6) > G > J",
    "PC": "PC(5) > C(6) > G > J",
    "PC'": "Y(4) > F > PC'(5, 3x8x8) > J",
    "RB": "RB(6, k=5, act=gelu)",
    "PS": "PU(2) > PS(2)",
    "PU": "PU(4)",
    "D": "D(0.3)",
    "BN": "BN(affine=no)",
    "A": "A(tanh)",
    "K": "K(2)",
    "F": "F",
    "R": "R(192)",
    "X": "X(0.125)",
    "vgg16": "vgg16(last=5)",
    "vgg16_bn": "vgg16_bn(last=7)",
    "resnet34": "resnet34(last=5)",
    "resnet50": "resnet50(last=5)",
    "mobilenet_v2": "mobilenet_v2(last=4)",
    "squeezenet1_1": "squeezenet1_1(last=2)",
    "efficientnet_lite0": "efficientnet_lite0(last=4)",
}


@pytest.mark.parametrize("name", SYMBOLS.symbols)
def test_every_symbol_builds_runs_and_passes_gradients(name: str) -> None:
    torch.manual_seed(0)
    stack = Stack(EXAMPLES[name], (3, 8, 8))
    initialise_whitening(stack.layers, torch.rand(50, 3, 8, 8))
    images = torch.rand(2, 3, 8, 8, requires_grad=True)
    outputs = stack(images)
    assert tuple(outputs.shape[1:]) == stack.outputs
    outputs.square().sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
    for parameter in stack.parameters():
        assert parameter.grad is not None


@pytest.mark.parametrize(
    ("row", "encoder", "decoder", "classifier", "latent"),
    [
        ("joint/v1", 1_737_600, 1_740_544, 17_802, 128),
        ("joint/v1.1", 3_671_552, 3_674_112, 66_954, 512),
        ("joint/v1.2", 8_916_480, 8_919_040, 66_954, 512),
        ("joint/v2", 553_440, 538_051, 66_954, 512),
        ("joint/v4", 10_144, 4_227, 656_426, 8_192),
        ("joint/v4-l2", 10_144, 4_227, 656_426, 8_192),
    ],
)
def test_parameter_counts_of_study_s0(
    row: str, encoder: int, decoder: int, classifier: int, latent: int
) -> None:
    network = build_network(recipe_from_row(row).network, (3, 32, 32), 10)
    counts = describe(network).parameters()
    assert counts["encoder"] == encoder
    assert counts["decoder"] == decoder
    assert counts["classifier"] == classifier
    assert counts["total"] == encoder + decoder + classifier == counts["trainable"]
    assert network.latent_size == latent


@pytest.mark.parametrize("act", get_args(Activation))
@pytest.mark.parametrize("pool", ["max", "avg"])
@pytest.mark.parametrize("bn", ["no", "before", "after"])
def test_a_pooled_convolution_is_convolution_activation_and_pooling(
    act: str, pool: str, bn: str
) -> None:
    torch.manual_seed(0)
    stack = Stack(f"C(4, act={act}, pool={pool}, bn={bn})", (3, 8, 8))
    images = torch.randn(5, 3, 8, 8).round()
    weight, bias = (parameter.detach() for parameter in list(stack.parameters())[:2])
    weight.mul_(8).round_()  # whole numbers, so that a window may hold its greatest value twice
    bias.zero_()
    plain = [weight.clone().requires_grad_(), bias.clone().requires_grad_()]
    features = F.conv2d(images, *plain, padding=1)
    if bn == "before":
        features = F.batch_norm(features, None, None, training=True)
    if act != "none":
        features = ACTIVATIONS[act]()(features)
    if bn == "after":
        features = F.batch_norm(features, None, None, training=True)
    expected = (F.max_pool2d if pool == "max" else F.avg_pool2d)(features, 2)
    found = stack(images)
    torch.testing.assert_close(found, expected)
    change = torch.randn(expected.shape)
    found.backward(change)
    expected.backward(change)
    for own, other in zip(list(stack.parameters())[:2], plain, strict=True):
        torch.testing.assert_close(own.grad, other.grad, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [
        ("L(512) > L(256) > L(128)", "L(256) > L(512) > L'(3072) > R(3x32x32)"),
        (
            "C(32) > C(32) > C(64) > L(512)",
            "L(1024) > R(64x4x4) > T(32, k=2, s=2) > T(32, k=2, s=2) > T'(3, k=2, s=2)",
        ),
        ("C'(32) > C(32)", "T(32, k=2, s=2) > T'(3, k=1, s=1)"),
        ("C'(32) > C'(32, s=2)", "T(32, k=2, s=2) > T'(3, k=1, s=1)"),
        ("C(8, act=gelu, bn=before) > D(0.3) > F > L(4)", None),
    ],
)
def test_mirror_follows_the_rule_of_study_s0(encoder: str, decoder: str | None) -> None:
    stack = Stack(encoder, (3, 32, 32))
    line = mirror(stack)
    if decoder is not None:
        assert line == decoder
    assert Stack(line, stack.outputs).outputs == (3, 32, 32)


@given(
    st.lists(
        st.sampled_from(["C(4)", "C'(6)", "C'(5, s=2)", "C'(4, p=0)", "P(2)", "C(3, k=5, p=1)"]),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from([(1, 28, 28), (3, 32, 32), (3, 33, 33)]),
    st.booleans(),
)
@settings(deadline=None, max_examples=40)
def test_a_mirror_leads_back_to_the_shape(
    symbols: list[str], shape: tuple[int, int, int], bottleneck: bool
) -> None:
    stack = Stack(" > ".join([*symbols, "L(5)"] if bottleneck else symbols), shape)
    try:
        line = mirror(stack)
    except NotationError as error:
        assert "write the decoder out" in str(error)
        return
    built = Stack(line, stack.outputs)
    # Pooling by itself rounds an odd side down, which no upsampling undoes.
    if "P(2)" not in symbols:
        assert built.outputs == shape


@given(st.text(alphabet="CLTPGUDBNAFRX'(),=> 0123456789kspn", max_size=40))
@settings(deadline=None, max_examples=300)
def test_any_text_is_a_network_or_an_error(text: str) -> None:
    with torch.device("meta"):
        try:
            stack = Stack(text, (3, 16, 16))
        except NotationError as error:
            assert "^" in str(error)
            return
    assert math.prod(stack.outputs) > 0


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        ("L(10) > C(3)", "C(3)", "needs an image"),
        ("C(8) > C(8) > C(8) > C(9)", "C(9)", "1x1"),
        ("L(60000) > L(60000) > L(60000)", "L(60000)", "parameters"),
        ("R(5x5)", "R", "cannot be laid out"),
        ("C(4, k=9, p=0)", "C", "cannot follow"),
        ("C(4) > K(5)", "K(5)", "only 4"),
    ],
)
def test_layers_that_do_not_fit_are_named(text: str, at: str, expected: str) -> None:
    with pytest.raises(NotationError) as caught, torch.device("meta"):
        Stack(text, (3, 8, 8))
    assert text[caught.value.position :].startswith(at)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"classifier": "L(128) > L'(12)"}, "must end in 10 values"),
        ({"decoder": "T'(3)"}, "must end in an image of 3x8x8"),
        ({"encoder": ""}, "at least one symbol"),
        ({"encoder": "G"}, "write the decoder out"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changed: dict[str, str], expected: str) -> None:
    lines = {"encoder": "C(4) > C(4)", "classifier": "L'(10)", **changed}
    with pytest.raises(UsageError) as caught:
        build_network(NetworkSettings(**lines), (3, 8, 8), 10)
    assert expected in str(caught.value)


def test_the_word_classes_stands_for_their_number() -> None:
    lines = NetworkSettings(encoder="C(4)", classifier="L'(classes)")
    network = build_network(lines, (3, 8, 8), 7)
    assert network(torch.rand(2, 3, 8, 8)).logits.shape == (2, 7)


def test_a_classifier_may_see_the_learned_part_of_the_latent_alone() -> None:
    lines = NetworkSettings(encoder="Y(4) > G > J", decoder="none", classifier="K(3) > L'(2)")
    network = build_network(lines, (3, 8, 8), 2)
    latent = torch.rand(5, 7)
    others = torch.cat([latent[:, :3], torch.rand(5, 4)], 1)
    torch.testing.assert_close(
        network.classifier(latent), network.classifier(others), rtol=0, atol=0
    )


@pytest.mark.parametrize(
    ("encoder", "decoder", "expected"),
    [
        ("Y(2) > C(4) > C(8) > L(5)", "L'(192) > R(3x8x8)", 5),
        ("Y(2) > C(4) > J > L(5)", "L'(192) > R(3x8x8)", 5),
        ("Y(2) > C(4) > C(8) > L(5)", "J > L'(192) > R(3x8x8)", 5 + 2 * 8 * 8),
        ("PC(7) > C(4) > C(8) > L(5)", "J > L'(192) > R(3x8x8)", 5 + 7),
        ("Y(2) > C(4) > C(8)", "U(2) > Y(6) > U(2) > J > C'(3)", 8 * 2 * 2),
        ("Y(2) > C(4) > C(8) > L(5)", "none", 5),
    ],
)
def test_a_side_path_into_the_decoder_counts_as_latent(
    encoder: str, decoder: str, expected: int
) -> None:
    lines = NetworkSettings(encoder=encoder, decoder=decoder, classifier="L'(10)")
    assert build_network(lines, (3, 8, 8), 10).latent_size == expected


def test_no_decoder_is_another_network_than_an_unweighted_one() -> None:
    without = build_network(recipe_from_row("joint/v4-no-decoder").network, (3, 32, 32), 10)
    unweighted = build_network(recipe_from_row("joint/v4-beta0").network, (3, 32, 32), 10)
    assert without.decoder is None
    assert without(torch.rand(1, 3, 32, 32)).reconstruction is None
    assert unweighted(torch.rand(1, 3, 32, 32)).reconstruction.shape == (1, 3, 32, 32)


def test_multiply_adds_agree_with_the_formulas() -> None:
    lines = NetworkSettings(encoder="C'(8, k=5)", decoder="T'(3, k=1, s=1)", classifier="L'(10)")
    layers = describe(build_network(lines, (3, 16, 16), 10)).layers
    assert [layer.multiply_adds for layer in layers] == [
        16 * 16 * 8 * 3 * 25,
        16 * 16 * 3 * 8,
        16 * 16 * 8 * 10,
    ]


def test_he_initialisation_has_the_deviation_of_he() -> None:
    lines = NetworkSettings(encoder="C'(64) > C'(64)", classifier="L'(10)", init="he")
    torch.manual_seed(0)
    network = build_network(lines, (3, 8, 8), 10)
    weight = network.encoder.layers[1].layer.weight
    assert weight.std().item() == pytest.approx(math.sqrt(2 / (64 * 9)), rel=0.02)


def test_glorot_initialisation_has_the_bounds_of_glorot() -> None:
    lines = NetworkSettings(encoder="C'(64) > C'(32)", classifier="L'(10)", init="glorot")
    layer = build_network(lines, (3, 8, 8), 10).encoder.layers[1].layer
    bound = math.sqrt(6 / (64 * 9 + 32 * 9))
    assert bound * 0.99 < layer.weight.abs().max().item() <= bound
    assert layer.bias.abs().sum() == 0


def test_dirac_initialisation_hands_channels_on() -> None:
    lines = NetworkSettings(
        encoder="C'(6, act=none, bias=no)", classifier="L'(10)", decoder="none", init="dirac"
    )
    network = build_network(lines, (3, 8, 8), 10)
    images = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(network.encoder(images)[:, :3], images)


@pytest.mark.parametrize(
    ("line", "target", "fits"),
    [
        ("T'(3)", (-2.1, 2.6), True),
        ("T(3)", (-2.1, 2.6), False),
        ("T(3)", (0.0, 1.0), True),
        ("T(3, act=sigmoid)", (0.0, 1.0), True),
        ("T(3, act=sigmoid)", (-2.1, 2.6), False),
        ("T(12, act=sigmoid, k=1, s=1) > PS(2)", (-1.0, 1.0), False),
        ("T(3, act=tanh)", (0.0, 1.0), True),
        ("T'(3) > A(clamp)", (0.0, 1.0), True),
    ],
)
def test_an_output_that_cannot_reach_its_target_is_refused(
    line: str, target: tuple[float, float], fits: bool
) -> None:
    lines = NetworkSettings(encoder="C(4)", decoder=line, classifier="L'(10)")
    network = build_network(lines, (3, 8, 8), 10)
    if fits:
        check_range(network, target)
        return
    with pytest.raises(UsageError, match="end it without an activation"):
        check_range(network, target)


def test_whitened_patches_are_uncorrelated_with_unit_variance() -> None:
    generator = torch.Generator().manual_seed(0)
    images = F.avg_pool2d(torch.randn(300, 3, 18, 18, generator=generator), 3, stride=1)
    stack = Stack("W(96, k=4, s=1, p=0, act=none)", (3, 16, 16))
    initialise_whitening(stack.layers, images)
    outputs = stack(images).permute(0, 2, 3, 1).reshape(-1, 96)
    half = outputs[:, :48].double()
    torch.testing.assert_close(outputs[:, :48], -outputs[:, 48:])
    moments = half.T @ half / len(half)
    torch.testing.assert_close(moments[:10, :10], torch.eye(10).double(), atol=0.05, rtol=0)
    with pytest.raises(NotationError, match="n must be even"):
        Stack("W(97)", (3, 16, 16))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("memory", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize(
    "geometry",
    [
        {"kernel_size": 2, "stride": 2},
        {"kernel_size": (3, 2), "stride": (3, 2)},
        {"kernel_size": 1, "stride": 1},
        {"kernel_size": 2, "stride": 2, "padding": 1, "output_padding": 1},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 2, "stride": 2, "dilation": 2},
        {"kernel_size": 2, "stride": 2, "groups": 2},
    ],
)
def test_a_transposed_convolution_is_that_of_plain_pytorch(
    geometry: dict[str, Any], memory: torch.memory_format, bias: bool
) -> None:
    torch.manual_seed(0)
    own = TransposedConvolution(6, 4, **geometry, bias=bias)
    plain = nn.ConvTranspose2d(6, 4, **geometry, bias=bias)
    plain.load_state_dict(own.state_dict())
    own.to(memory_format=memory)
    images = torch.randn(4, 6, 7, 3).to(memory_format=memory).requires_grad_()
    given = images.detach().clone().requires_grad_()
    found, expected = own(images), plain(given)
    torch.testing.assert_close(found, expected)
    change = torch.randn(expected.shape)
    found.backward(change)
    expected.backward(change)
    torch.testing.assert_close(images.grad, given.grad)
    for mine, other in zip(own.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, atol=1e-4, rtol=1e-4)


def test_a_residual_block_begins_as_the_identity_and_adds_what_it_learns() -> None:
    images = torch.rand(2, 3, 8, 8)
    stack = Stack("RB(6, k=5)", (3, 8, 8))
    assert torch.equal(stack(images), images)
    (block,) = stack.layers
    there, _, back = block.path
    with torch.no_grad():
        block.gate.fill_(0.5)
    hidden = F.relu(F.conv2d(images, there.weight, there.bias, padding=2))
    change = F.conv2d(hidden, back.weight, back.bias, padding=2)
    torch.testing.assert_close(stack(images), images + change / 2)


def test_output_ranges_hold_for_extreme_inputs() -> None:
    extreme = torch.linspace(-50, 50, 3 * 64).reshape(1, 3, 8, 8)
    for act in ("relu", "elu", "gelu", "silu", "tanh", "sigmoid", "clamp", "leaky", "none"):
        stack = Stack(f"A({act})", (3, 8, 8))
        low, high = output_range(stack)
        values = nn.Sequential(*stack.layers)(extreme)
        assert low <= values.min().item() + 1e-2
        assert values.max().item() <= high
