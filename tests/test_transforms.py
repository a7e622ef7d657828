"""Image transformations: what each computes, and what all of them promise."""

import math

import numpy as np
import pytest
import scipy.ndimage
import scipy.special
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kornia.geometry import transform as kornia
from skimage.color import hsv2rgb, rgb2gray, rgb2hsv
from skimage.transform import resize as skimage_resize
from torch import Tensor

from wye.data.transforms import TRANSFORMS, as_float, pipeline
from wye.data.transforms_geometry import MOVING, matrices, warp, windows
from wye.notation import NotationError

# A written form with settings that change every image, one or more for each symbol.
WRITTEN = {
    "flip": ["flip", "flip(1)"],
    "vflip": ["vflip", "vflip(0.2)"],
    "transpose": ["transpose"],
    "crop": ["crop", "crop(3, mode=zero)", "crop(7, edge)"],
    "randomcrop": ["randomcrop(9)"],
    "centre": ["centre(9)"],
    "resize": ["resize(7)", "resize(20)"],
    "cutout": ["cutout(5)", "cutout(4, value=0.5)"],
    "affine": [
        "affine(rotate=30, shift=0.2, scale=0.2, shear=10)",
        "affine(30, fill=zero, aspect=free)",
        "affine(30, fill=reflect)",
    ],
    "noise": [
        "noise(0.1, clip=yes)",
        "noise(0.1, clip=yes, kind=uniform)",
        "noise(0.1, clip=yes, mean=-0.1, p=0.5)",
    ],
    "blur": ["blur(1.5)", "blur(1.5, k=3)"],
    "brightness": ["brightness(0.5)", "brightness(0.5, p=0.7, space=logit)"],
    "contrast": ["contrast(0.5)", "contrast(0.5, p=0.7, space=logit)"],
    "saturation": ["saturation(0.5)"],
    "hue": ["hue(0.5)"],
    "lighting": ["lighting(0.5)"],
    "grey": ["grey"],
}
LINES = [line for lines in WRITTEN.values() for line in lines]
IDENTITIES = [
    "",
    "flip(0)",
    "vflip(p=0)",
    "transpose(0)",
    "crop(0)",
    "randomcrop(16)",
    "centre(16)",
    "resize(16)",
    "cutout(0)",
    "affine",
    "affine(fill=zero)",
    "noise(0)",
    "noise(0, kind=uniform)",
    "noise(0.5, p=0)",
    "blur(1, k=1)",
    "blur(0.01)",
    "brightness(0)",
    "brightness(0.5, p=0)",
    "brightness(0, space=logit)",
    "contrast(0)",
    "contrast(0, space=logit)",
    "contrast(0.5, p=0, space=logit)",
    "saturation(0)",
    "hue(0)",
    "lighting(0)",
]
KEEP_TYPE = {"flip", "vflip", "transpose", "crop", "randomcrop", "centre", "cutout"}
DETERMINISTIC = {"centre", "resize", "blur", "grey"}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(count: int = 12, channels: int = 3, height: int = 16, width: int = 16) -> Tensor:
    shape = (count, channels, height, width)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=seeded(1))


def smooth(count: int, height: int, width: int) -> Tensor:
    return pipeline("blur(1.5)")(batch(count, 3, height, width), seeded())


def apply(line: str, images: Tensor, seed: int = 0) -> Tensor:
    return pipeline(line)(images, seeded(seed))


def name_of(line: str) -> str:
    return line.partition("(")[0]


def test_every_symbol_has_a_written_form_here() -> None:
    assert set(WRITTEN) == set(TRANSFORMS.symbols)


@pytest.mark.parametrize("name", TRANSFORMS.symbols)
def test_every_symbol_says_what_it_computes(name: str) -> None:
    assert TRANSFORMS.symbols[name].summary


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("kind", ["uint8", "float"])
def test_shape_type_and_range(line: str, kind: str) -> None:
    images = batch() if kind == "uint8" else as_float(batch())
    result = apply(line, images)
    side = next((side for side in (7, 9, 20) if line.endswith(f"({side})")), 16)
    assert result.shape == (12, 3, side, side)
    assert result.dtype == (images.dtype if name_of(line) in KEEP_TYPE else torch.float32)
    scaled = as_float(result)
    assert scaled.min() >= -1e-6
    assert scaled.max() <= 1 + 1e-6


def test_those_move_pixels_that_are_said_to() -> None:
    """Where a bright dot comes to lie; cutout may cover it, resize only scales its place."""
    dark = torch.full((12, 3, 16, 16), 60, dtype=torch.uint8)
    dotted = dark.clone()
    dotted[:, :, 5, 9] = 200
    moving = set()
    for line in LINES:
        seen = (as_float(apply(line, dotted)) - as_float(apply(line, dark))).abs().sum(1)
        places = [divmod(int(each.argmax()), seen.shape[2]) for each in seen if each.any()]
        if any(place != (5, 9) for place in places):
            moving.add(name_of(line))
    assert moving - {"resize"} == MOVING


@pytest.mark.parametrize("line", LINES)
def test_a_seed_decides_the_result_and_the_input_stays(line: str) -> None:
    for images in (batch(), as_float(batch())):
        before = images.clone()
        state = torch.get_rng_state()
        result = apply(line, images)
        assert torch.equal(result, apply(line, images))
        assert torch.equal(images, before)
        assert torch.equal(torch.get_rng_state(), state)
        if name_of(line) not in DETERMINISTIC and line != "flip(1)":
            assert not torch.equal(result, apply(line, images, seed=1))


@pytest.mark.parametrize("line", LINES)
def test_uint8_and_float_agree(line: str) -> None:
    images = batch()
    torch.testing.assert_close(
        as_float(apply(line, images)), apply(line, as_float(images)), atol=2e-3, rtol=0
    )


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("view", ["channels_last", "strided"])
def test_memory_layout_makes_no_difference(line: str, view: str) -> None:
    images = batch(width=16)
    if view == "channels_last":
        same = images.contiguous(memory_format=torch.channels_last)
    else:
        same = torch.cat([images, images], 3)[..., :16]
    assert same.stride() != images.stride()
    torch.testing.assert_close(apply(line, same), apply(line, images))


@pytest.mark.parametrize("line", [line for line in LINES if name_of(line) != "lighting"])
@pytest.mark.parametrize("channels", [1, 3])
def test_other_shapes(line: str, channels: int) -> None:
    images = batch(4, channels, 12, 16)
    if name_of(line) == "transpose":
        images = images[..., :12]
    assert apply(line, images).shape[:2] == (4, channels)
    assert apply(line, images[:1]).shape[:2] == (1, channels)
    assert apply(line, images[:0]).shape[:2] == (0, channels)


@pytest.mark.parametrize(
    "line", [line for line in LINES if name_of(line) not in DETERMINISTIC and line != "flip(1)"]
)
def test_images_of_a_batch_draw_for_themselves(line: str) -> None:
    result = apply(line, batch(1).expand(32, -1, -1, -1))
    assert any(not torch.equal(result[0], other) for other in result[1:])


@pytest.mark.parametrize("line", IDENTITIES)
def test_settings_that_change_nothing(line: str) -> None:
    images = batch()
    torch.testing.assert_close(as_float(apply(line, images)), as_float(images), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("flop", "did you mean 'flip'"),
        ("flip(2)", "less than or equal to 1"),
        ("crop(-1)", "greater than or equal to 0"),
        ("crop(4, mode=wrap)", "reflect, zero or edge"),
        ("blur(0)", "greater than 0"),
        ("blur(1, k=4)", "odd"),
        ("noise", "needs a value for 'sd'"),
        ("affine(scale=1)", "less than 1"),
        ("resize(0)", "greater than 0"),
    ],
)
def test_lines_that_cannot_be_read(line: str, problem: str) -> None:
    with pytest.raises(NotationError, match=problem) as caught:
        pipeline(f"grey > {line}", where="data.augment")
    assert str(caught.value).startswith("data.augment: ")
    assert caught.value.position >= len("grey > ")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("randomcrop(17)", "16x14 have no window of 17x17"),
        ("centre(15)", "16x14 have no window of 15x15"),
        ("crop(14)", "14 pixels cannot be mirrored"),
        ("transpose", "square"),
    ],
)
def test_images_that_do_not_suit(line: str, problem: str) -> None:
    augment = pipeline(f"flip > {line}", where="data.augment")
    with pytest.raises(NotationError, match=problem) as caught:
        augment(batch(width=14), seeded())
    assert caught.value.position == len("flip > ")


def test_lighting_needs_colour() -> None:
    with pytest.raises(NotationError, match="3 channels"):
        apply("lighting(0.1)", batch(channels=1))


def test_a_line_is_its_symbols_in_order() -> None:
    images, generator = batch(), seeded(3)
    expected = images
    for line in ("flip", "crop(2)", "noise(0.1)"):
        expected = pipeline(line)(expected, generator)
    assert torch.equal(apply("flip > crop(2) > noise(0.1)", images, seed=3), expected)


def test_autocast_does_not_reach_inside() -> None:
    images = batch()
    with torch.autocast("cpu", torch.bfloat16):
        inside = apply("blur(1.5) > affine(20)", images)
    assert torch.equal(inside, apply("blur(1.5) > affine(20)", images))


@pytest.mark.parametrize(
    ("symbol", "changed"),
    [
        ("flip", lambda images: images.flip(3)),
        ("vflip", lambda images: images.flip(2)),
        ("transpose", lambda images: images.transpose(2, 3)),
    ],
)
@given(count=st.integers(1, 40), p=st.sampled_from([0, 0.3, 1]), seed=st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_flips_are_flips(symbol: str, changed, count: int, p: float, seed: int) -> None:
    images = batch(count, width=16)
    result = apply(f"{symbol}({p})", images, seed)
    mask = torch.rand(count, generator=seeded(seed)) < p
    assert torch.equal(result, torch.where(mask.view(-1, 1, 1, 1), changed(images), images))


def test_half_of_the_images_flip() -> None:
    images = torch.arange(2, dtype=torch.uint8).expand(10_000, 1, 1, 2)
    assert apply("flip", images)[:, 0, 0, 0].float().mean() == pytest.approx(0.5, abs=0.02)


@given(
    channels=st.sampled_from([1, 3]),
    height=st.integers(5, 20),
    width=st.integers(5, 20),
    pad=st.integers(0, 4),
    mode=st.sampled_from(["reflect", "zero", "edge"]),
    last=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_crop_is_padding_and_slicing(
    channels: int, height: int, width: int, pad: int, mode: str, last: bool
) -> None:
    images = batch(8, channels, height, width)
    generator = seeded(5)
    top = torch.randint(2 * pad + 1, (8,), generator=generator).tolist()
    left = torch.randint(2 * pad + 1, (8,), generator=generator).tolist()
    sides = ((0, 0), (0, 0), (pad, pad), (pad, pad))
    padded = np.pad(images.numpy(), sides, mode="constant" if mode == "zero" else mode)
    expected = [
        image[:, y : y + height, x : x + width]
        for image, y, x in zip(padded, top, left, strict=True)
    ]
    if last:
        images = images.contiguous(memory_format=torch.channels_last)
    result = apply(f"crop({pad}, mode={mode})", images, 5)
    np.testing.assert_array_equal(result.numpy(), np.stack(expected))


def test_crop_reaches_every_offset() -> None:
    images = torch.zeros(2000, 1, 5, 5)
    images[:, :, 2, 2] = 1
    places = apply("crop(2, mode=zero)", images).flatten(1).argmax(1)
    assert len(places.unique()) == 25


@given(size=st.integers(1, 9), seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_randomcrop_is_a_slice(size: int, seed: int) -> None:
    images = batch(6, 3, 9, 12)
    generator = seeded(seed)
    top = torch.randint(9 - size + 1, (6,), generator=generator).tolist()
    left = torch.randint(12 - size + 1, (6,), generator=generator).tolist()
    for image, y, x, cut in zip(
        images, top, left, apply(f"randomcrop({size})", images, seed), strict=True
    ):
        assert torch.equal(cut, image[:, y : y + size, x : x + size])


def test_windows_of_another_shape() -> None:
    images = batch(2, 3, 8, 8)
    top, left = torch.tensor([0, 5]), torch.tensor([2, 0])
    cut = windows(images, top, left, 3, 6)
    assert torch.equal(cut[0], images[0, :, :3, 2:])
    assert torch.equal(cut[1], images[1, :, 5:, :6])


def test_centre_is_the_middle() -> None:
    images = batch(2, 3, 9, 12)
    assert torch.equal(apply("centre(6)", images), images[:, :, 1:7, 3:9])


def test_resize_to_twice_the_size_is_bilinear() -> None:
    images = as_float(batch(3, 2, 8, 8))
    expected = skimage_resize(
        images.permute(0, 2, 3, 1).numpy(), (3, 16, 16, 2), order=1, mode="edge"
    )
    np.testing.assert_allclose(apply("resize(16)", images).permute(0, 2, 3, 1), expected, atol=1e-6)


def test_resize_averages_what_it_shrinks() -> None:
    stripes = torch.zeros(1, 1, 32, 32)
    stripes[..., ::2] = 1
    middle = apply("resize(8)", stripes)[..., 2:-2]
    torch.testing.assert_close(middle, torch.full_like(middle, 0.5), atol=0.02, rtol=0)


@given(size=st.integers(0, 12), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_cutout_is_one_square(size: int, seed: int) -> None:
    images = batch(6, 3, 8, 10).clamp(min=1)
    generator = seeded(seed)
    rows = torch.randint(8, (6,), generator=generator).tolist()
    columns = torch.randint(10, (6,), generator=generator).tolist()
    expected = images.clone()
    for image, row, column in zip(expected, rows, columns, strict=True):
        top, left = row - size // 2, column - size // 2
        image[:, max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)] = 51
    assert torch.equal(apply(f"cutout({size}, value=0.2)", images, seed), expected)


SCIPY_MODES = {"nearest": "nearest", "zero": "grid-constant", "reflect": "reflect"}


@pytest.mark.parametrize("fill", SCIPY_MODES)
@pytest.mark.parametrize("aspect", ["keep", "free"])
def test_affine_is_that_of_keras(fill: str, aspect: str) -> None:
    """For the drawn numbers, the matrices of keras_preprocessing and scipy's interpolation."""
    count, height, width = 5, 14, 18
    images = smooth(count, height, width)
    line = f"affine(rotate=40, shift=0.2, scale=0.2, shear=15, fill={fill}, aspect={aspect})"
    draws = (torch.rand(6, count, generator=seeded(7)).double() * 2 - 1).numpy()
    result = apply(line, images, 7).numpy()
    middle = np.array([height - 1, width - 1]) / 2
    for index, draw in enumerate(draws.T):
        turn, slant = math.radians(40 * draw[0]), math.radians(15 * draw[3])
        rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        shear = np.array([[1, -math.sin(slant)], [0, math.cos(slant)]])
        zoom = np.diag([1 + 0.2 * draw[4], 1 + 0.2 * draw[5 if aspect == "free" else 4]])
        matrix = rotation @ shear @ zoom
        moved = rotation @ (0.2 * draw[1:3] * [height, width])
        for channel in range(3):
            expected = scipy.ndimage.affine_transform(
                images[index, channel].double().numpy(),
                matrix,
                offset=middle - matrix @ middle + moved,
                order=1,
                mode=SCIPY_MODES[fill],
            )
            np.testing.assert_allclose(result[index, channel], expected, atol=2e-5)


def test_affine_is_that_of_kornia() -> None:
    """For the drawn numbers, the matrices that kornia makes and the picture that it warps.

    kornia's say where a pixel of the image goes, in (x, y); ours where one of the result comes
    from, so that its turn comes first and its zoom, the inverse of ours, last.
    """
    count, height, width = 6, 20, 16
    images = smooth(count, height, width)
    draws = torch.rand(6, count, generator=seeded(4)) * 2 - 1
    zoom = 1 / (1 + 0.2 * draws[4:6])
    moved = torch.stack([-0.2 * width * draws[2], -0.2 * height * draws[1]], 1)
    scale = torch.stack([zoom[1], zoom[0]], 1)
    # kornia's matrix has another order of these, so each is asked for alone.
    centre = torch.tensor([(width - 1) / 2, (height - 1) / 2]).expand(count, 2)
    still, one, none = torch.zeros(count, 2), torch.ones(count, 2), torch.zeros(count)
    turn = kornia.get_affine_matrix2d(still, centre, one, 40 * draws[0])
    shift = kornia.get_affine_matrix2d(moved, centre, one, none)
    grow = kornia.get_affine_matrix2d(still, centre, scale, none)
    matrix = (grow @ shift @ turn)[:, :2]
    expected = kornia.warp_affine(
        images, matrix, (height, width), padding_mode="border", align_corners=True
    )
    result = apply("affine(rotate=40, shift=0.2, scale=0.2, aspect=free)", images, 4)
    torch.testing.assert_close(result, expected, atol=1e-4, rtol=0)


def test_directions_of_the_affine_transformation() -> None:
    images = torch.zeros(1, 1, 9, 9)
    images[..., 4, 7] = 1  # right of the middle
    zero, one = torch.zeros(1), torch.ones(1)
    still = torch.zeros(1, 2, 1)

    def place(matrix: Tensor, shift: Tensor = still) -> tuple[int, int]:
        return divmod(int(warp(images, matrix, shift, "zero").argmax()), 9)

    quarter = matrices(torch.tensor([math.pi / 2]), zero, one, one)
    assert place(quarter) == (7, 4)  # clockwise: right goes to the bottom
    unchanged = matrices(zero, zero, one, one)
    assert place(unchanged, torch.tensor([[[1.0], [2.0]]])) == (3, 5)  # up and left
    assert place(matrices(zero, zero, one, one * 3)) == (4, 5)  # shrinks


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_noise_has_the_stated_mean_and_deviation(kind: str) -> None:
    images = torch.full((64, 3, 32, 32), 0.5)
    added = apply(f"noise(0.3, kind={kind})", images) - images
    assert added.mean() == pytest.approx(0, abs=3e-3)
    assert added.std() == pytest.approx(0.3, abs=3e-3)
    fourth = added.div(0.3).pow(4).mean()
    assert fourth == pytest.approx(3 if kind == "normal" else 1.8, abs=0.1)
    assert apply("noise(1)", images).max() > 2
    assert apply("noise(1, clip=yes)", images).max() == 1


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.3, 6.0])
@pytest.mark.parametrize("k", [None, 3, 9])
@pytest.mark.parametrize("side", [5, 16])
def test_blur_is_that_of_scipy(sigma: float, k: int | None, side: int) -> None:
    images = as_float(batch(2, 3, side, 16))
    expected = scipy.ndimage.gaussian_filter(
        images.double().numpy(),
        sigma,
        axes=(2, 3),
        mode="mirror",
        radius=None if k is None else k // 2,
    )
    line = f"blur({sigma})" if k is None else f"blur({sigma}, k={k})"
    np.testing.assert_allclose(apply(line, images), expected, atol=1e-6)


def test_blur_of_a_single_pixel() -> None:
    images = as_float(batch(2, 3, 1, 1))
    torch.testing.assert_close(apply("blur(2)", images), images)


def test_brightness_and_contrast_of_one_factor() -> None:
    images = as_float(batch(4)) * 0.4 + 0.2
    brighter = apply("brightness(0.3)", images) / images
    factors = brighter.mean((1, 2, 3), keepdim=True)
    torch.testing.assert_close(brighter, factors.expand_as(brighter), atol=1e-5, rtol=0)
    assert ((factors > 0.7) & (factors < 1.3)).all()
    grey = np.stack([rgb2gray(image.permute(1, 2, 0).numpy()).mean() for image in images])
    mean = torch.from_numpy(grey).float().view(-1, 1, 1, 1)
    stretched = (apply("contrast(0.3)", images) - mean) / (images - mean)
    middle = stretched.flatten(1).median(1).values
    assert ((middle > 0.65) & (middle < 1.35)).all()
    assert len(middle.unique()) == 4


def test_grey_and_saturation_meet_at_the_luma() -> None:
    images = as_float(batch(4))
    grey = apply("grey", images)
    torch.testing.assert_close(
        grey[:, 0], (images * torch.tensor([0.2989, 0.587, 0.114]).view(3, 1, 1)).sum(1)
    )
    assert torch.equal(grey[:, 0], grey[:, 2])
    assert torch.equal(apply("grey", batch(channels=1)), as_float(batch(channels=1)))
    torch.testing.assert_close(apply("grey > saturation(1)", images), grey, atol=2e-4, rtol=0)


def test_hue_is_a_turn_of_the_hsv_circle() -> None:
    images = as_float(batch(4))
    images[:, :, 0, 0] = 0.5  # no hue at all
    turns = torch.empty(4, 1, 1, 1).uniform_(-0.4, 0.4, generator=seeded(2)).view(4, 1, 1)
    hsv = rgb2hsv(images.permute(0, 2, 3, 1).double().numpy())
    hsv[..., 0] = (hsv[..., 0] + turns.numpy()) % 1
    result = apply("hue(0.4)", images, 2).permute(0, 2, 3, 1)
    np.testing.assert_allclose(result, hsv2rgb(hsv), atol=1e-5)


def test_lighting_adds_one_colour_of_the_stated_size() -> None:
    images = torch.full((20_000, 3, 2, 2), 0.5)
    added = apply("lighting(0.1)", images) - 0.5
    assert torch.equal(added[:, :, 0, 0], added[:, :, 1, 1])
    deviation = math.hypot(0.2175 * 0.5675, 0.0188 * 0.7192, 0.0045 * 0.4009)
    assert added[:, 0, 0, 0].std() == pytest.approx(0.1 * deviation, rel=0.03)


def test_uniform_noise_of_unit_width_and_its_share_of_the_images() -> None:
    images = as_float(batch(2000))
    added = apply("noise(0.288675, kind=uniform, mean=0.5, p=0.3)", images) - images
    noisy = added.flatten(1).any(1)
    assert noisy.float().mean() == pytest.approx(0.3, abs=0.03)
    # scipy's test of the distribution that torch.rand has, and numpy's rand.
    values = added[noisy][:10].flatten().numpy()
    assert scipy.stats.kstest(values, "uniform").pvalue > 0.01
    assert -1e-4 < values.min() < 0.01 < 0.99 < values.max() < 1 + 1e-4


def test_brightness_in_logit_space_is_that_of_fastai() -> None:
    """logit(x) + logit(change), change uniform in 0.5*(1±amount); black and white stay put."""
    images = as_float(batch(5))
    images[:, :, 0, :2] = torch.tensor([0.0, 1.0])
    change = torch.empty(5, 1, 1, 1).uniform_(0.4, 0.6, generator=seeded(3)).double().numpy()
    cut = images.double().clip(1e-7, 1 - 1e-7).numpy()
    expected = scipy.special.expit(scipy.special.logit(cut) + scipy.special.logit(change))
    result = apply("brightness(0.2, space=logit)", images, 3)
    np.testing.assert_allclose(result.numpy(), expected, atol=1e-5)


def test_contrast_in_logit_space_is_that_of_fastai() -> None:
    """logit(x) * scale, scale from 1-amount to 1/(1-amount), uniform in its logarithm."""
    images = as_float(batch(5))
    low, high = math.log(0.8), math.log(1 / 0.8)
    scale = torch.empty(5, 1, 1, 1).uniform_(low, high, generator=seeded(3)).double().exp().numpy()
    cut = images.double().clip(1e-7, 1 - 1e-7).numpy()
    expected = scipy.special.expit(scipy.special.logit(cut) * scale)
    result = apply("contrast(0.2, space=logit)", images, 3)
    np.testing.assert_allclose(result.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("symbol", ["brightness", "contrast"])
def test_logit_space_has_no_whole_amount(symbol: str) -> None:
    with pytest.raises(NotationError, match="must be below 1"):
        apply(f"{symbol}(1, space=logit)", batch())


@pytest.mark.parametrize(
    "line",
    [
        *(f"{symbol}(0.5, p=0.75)" for symbol in ("brightness", "contrast", "saturation")),
        *(f"{symbol}(0.5, p=0.75, space=logit)" for symbol in ("brightness", "contrast")),
    ],
)
def test_a_photometric_change_has_a_probability(line: str) -> None:
    images = as_float(batch(1)).expand(2000, -1, -1, -1)
    changed = (apply(line, images) != images).flatten(1).any(1)
    assert changed.float().mean() == pytest.approx(0.75, abs=0.04)
