"""Figures of classification and reconstruction, against scikit-learn and scikit-image."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits
from torch import Tensor

from wye.evaluation import pca as pca_module
from wye.evaluation.classification import classification_report, confusion_matrix
from wye.evaluation.measure import Gathered
from wye.evaluation.pca import fit_pca, psnr_pca
from wye.evaluation.reconstruction import ReconstructionQuality, ssim, ssim_range2
from wye.metrics import METRICS

NAMES = ("plane", "cat", "dog", "ship")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """The pools of torch and of numpy wait for each other on a busy machine."""
    with threadpool_limits(1):
        yield


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def floats(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=seeded(seed))


def natural(count: int, channels: int = 3, side: int = 8, seed: int = 0) -> Tensor:
    """uint8 images whose variance falls from component to component, as that of photographs."""
    values = channels * side * side
    directions = torch.linalg.qr(torch.randn(values, values, generator=seeded(99))).Q
    sizes = 500 / torch.arange(1, values + 1)
    flat = (torch.randn(count, values, generator=seeded(seed)) * sizes) @ directions.T
    return (flat + 128).clamp(0, 255).to(torch.uint8).view(count, channels, side, side)


def test_the_recall_of_rare_classes_is_the_mean_of_theirs() -> None:
    truth, answers = torch.tensor([0, 0, 1, 1, 1, 1, 2, 3]), torch.tensor([0, 1, 1, 1, 0, 1, 0, 3])
    report = classification_report(confusion_matrix(truth, answers, 4), NAMES)
    found = Gathered(8, rare=("plane", "cat"))
    found.report = report
    compute = METRICS["rare_recall"].compute
    assert compute is not None and compute(found) == (0.5 + 0.75) / 2
    assert compute(Gathered(8)) is None


pairs_of_classes = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60
)


@given(pairs_of_classes)
@settings(max_examples=100, deadline=None)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
def test_the_report_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, answers = (list(side) for side in zip(*pairs, strict=True))
    confusion = confusion_matrix(torch.tensor(truth), torch.tensor(answers), 4)
    assert confusion.dtype == torch.int64
    expected = sklearn.metrics.confusion_matrix(truth, answers, labels=range(4))
    np.testing.assert_array_equal(confusion, expected)
    report = classification_report(confusion, NAMES)
    assert report["confusion"] == expected.tolist()
    assert report["accuracy"] == pytest.approx(sklearn.metrics.accuracy_score(truth, answers))
    assert report["balanced_accuracy"] == pytest.approx(
        sklearn.metrics.balanced_accuracy_score(truth, answers)
    )
    assert report["macro_f1"] == pytest.approx(
        sklearn.metrics.f1_score(truth, answers, average="macro", zero_division=0)
    )
    theirs = sklearn.metrics.classification_report(
        truth, answers, labels=range(4), target_names=NAMES, output_dict=True, zero_division=0
    )
    assert list(report["per_class"]) == list(NAMES)
    for name in NAMES:
        mine = report["per_class"][name]
        assert mine["precision"] == pytest.approx(theirs[name]["precision"])
        assert mine["recall"] == pytest.approx(theirs[name]["recall"])
        assert mine["f1"] == pytest.approx(theirs[name]["f1-score"])
        assert mine["support"] == theirs[name]["support"]
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_confusion_matrices_of_batches_add_up() -> None:
    labels, answers = torch.randint(0, 4, (2, 100), generator=seeded())
    parts = [
        confusion_matrix(labels[part], answers[part], 4) for part in (slice(30), slice(30, None))
    ]
    assert torch.equal(sum(parts, torch.zeros(4, 4)), confusion_matrix(labels, answers, 4))


def test_a_report_without_images_is_finite() -> None:
    empty = torch.zeros(0, dtype=torch.int64)
    report = classification_report(confusion_matrix(empty, empty, 4), NAMES)
    assert (report["accuracy"], report["balanced_accuracy"], report["macro_f1"]) == (0, 0, 0)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0 \.\.\. 3"):
        confusion_matrix(torch.tensor([0, 4]), torch.tensor([0, 1]), 4)
    with pytest.raises(ValueError, match=r"0 \.\.\. 3"):
        confusion_matrix(torch.tensor([0, 1]), torch.tensor([0, -1]), 4)
    with pytest.raises(ValueError, match=r"must both be \(N,\)"):
        confusion_matrix(torch.tensor([0, 1]), torch.tensor([0]), 4)
    for names in (NAMES[:3], ("a", "b", "b", "c")):
        with pytest.raises(ValueError, match="do not fit"):
            classification_report(torch.zeros(4, 4), names)


def quality(originals: Tensor, reconstructions: Tensor, batch: int = 5) -> dict[str, float]:
    running = ReconstructionQuality()
    for start in range(0, len(originals), batch):
        part = slice(start, start + batch)
        running.update(originals[part], reconstructions[part])
    assert running.count == len(originals)
    return running.compute()


@pytest.mark.parametrize(("channels", "height", "width"), [(3, 32, 32), (1, 28, 28), (3, 11, 17)])
def test_reconstruction_figures_are_those_of_scikit_image(
    channels: int, height: int, width: int
) -> None:
    originals = floats(12, channels, height, width)
    blend = torch.linspace(0.05, 0.9, 12).view(-1, 1, 1, 1)
    copies = originals.lerp(floats(12, channels, height, width, seed=1), blend)
    measured = quality(originals, copies)
    both = [
        (first.double().numpy(), second.double().numpy())
        for first, second in zip(originals, copies, strict=True)
    ]
    ratios = [peak_signal_noise_ratio(*pair, data_range=1) for pair in both]
    similarities = [
        structural_similarity(
            *pair,
            data_range=1,
            channel_axis=0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for pair in both
    ]
    difference = (originals - copies).double()
    assert measured["mse"] == pytest.approx(float(difference.square().mean()), rel=1e-6)
    assert measured["mae"] == pytest.approx(float(difference.abs().mean()), rel=1e-6)
    assert measured["psnr"] == pytest.approx(np.mean(ratios), abs=1e-5)
    assert measured["ssim"] == pytest.approx(np.mean(similarities), abs=2e-6)


def test_ssim_of_range_2_is_the_default_of_an_older_scikit_image() -> None:
    originals, copies = floats(4, 3, 16, 20), floats(4, 3, 16, 20, seed=1)
    copies = originals.lerp(copies, 0.3)
    similarities = [
        structural_similarity(a.numpy(), b.numpy(), channel_axis=0, data_range=2)
        for a, b in zip(originals.double(), copies.double(), strict=True)
    ]
    values = ssim_range2(originals, copies)
    assert values.numpy() == pytest.approx(similarities, abs=1e-9)
    assert (values > ssim(originals, copies)).all()
    running = ReconstructionQuality(range2=True)
    running.update(originals, copies)
    assert running.compute()["ssim_range2"] == pytest.approx(np.mean(similarities), abs=1e-6)


@given(batch=st.integers(1, 12))
@settings(max_examples=6, deadline=None)
def test_batches_make_no_difference(batch: int) -> None:
    originals, copies = floats(12, 3, 16, 16), floats(12, 3, 16, 16, seed=1)
    assert quality(originals, copies, batch) == pytest.approx(
        quality(originals, copies, 12), rel=1e-6
    )


def test_an_exact_reconstruction_has_a_finite_psnr() -> None:
    originals = floats(3, 3, 16, 16)
    measured = quality(originals, originals)
    assert measured == pytest.approx({"mse": 0, "mae": 0, "psnr": 100, "ssim": 1})


def test_values_are_clamped_to_the_range() -> None:
    originals = (floats(3, 3, 16, 16) > 0.5).float()
    assert quality(originals, originals * 3 - 1)["psnr"] == pytest.approx(100)


def test_half_precision_and_autocast_are_measured_in_full() -> None:
    originals, copies = floats(4, 3, 16, 16), floats(4, 3, 16, 16, seed=1).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        assert quality(originals, copies) == quality(originals, copies.float())


@pytest.mark.parametrize("side", [2, 3, 4, 8, 10])
def test_small_images_get_a_smaller_window(side: int) -> None:
    originals, copies = floats(4, 3, side, 12), floats(4, 3, side, 12, seed=1)
    values = ssim(originals, copies)
    assert values.shape == (4,)
    assert (values < 0.9).all()
    torch.testing.assert_close(ssim(originals, originals), torch.ones(4))


def test_reconstructions_that_do_not_fit_are_refused() -> None:
    running = ReconstructionQuality()
    with pytest.raises(ValueError, match="no images"):
        running.compute()
    with pytest.raises(ValueError, match=r"must both be \(N, C, H, W\)"):
        running.update(floats(2, 3, 8, 8), floats(2, 3, 8, 9))
    with pytest.raises(ValueError, match="2 pixels"):
        running.update(floats(2, 3, 1, 8), floats(2, 3, 1, 8))
    running.update(floats(0, 3, 8, 8), floats(0, 3, 8, 8))
    assert running.count == 0


def theirs(train: Tensor, test: Tensor, d: int, clamp: bool = True) -> float:
    """The PSNR of scikit-learn's PCA."""
    unit, tested = (part.flatten(1).double().numpy() / 255 for part in (train, test))
    model = PCA(d, svd_solver="full").fit(unit)
    rebuilt = model.inverse_transform(model.transform(tested))
    error = (rebuilt.clip(0, 1) if clamp else rebuilt) - tested
    return float(np.mean(-10 * np.log10(np.square(error).mean(1).clip(1e-10))))


@pytest.mark.parametrize("count", [60, 400])
@pytest.mark.parametrize("d", [1, 7, 32])
def test_pca_is_that_of_scikit_learn(count: int, d: int) -> None:
    train, test = natural(count), natural(30, seed=1)
    assert psnr_pca(train, test, d) == pytest.approx(theirs(train, test, d), abs=1e-4)
    pca = fit_pca(train, d)
    assert pca.basis.shape == (3 * 8 * 8, d)
    torch.testing.assert_close(pca.basis.T @ pca.basis, torch.eye(d), atol=1e-5, rtol=0)
    model = PCA(d, svd_solver="full").fit(train.flatten(1).double().numpy() / 255)
    overlap = np.abs((model.components_ * pca.basis.T.numpy()).sum(1))
    np.testing.assert_allclose(overlap, 1, atol=1e-3)
    np.testing.assert_allclose(pca.mean, model.mean_, atol=1e-6)
    rebuilt = model.inverse_transform(model.transform(test.flatten(1).double().numpy() / 255))
    np.testing.assert_allclose(pca.reconstruct(test), rebuilt, atol=1e-4)


@pytest.mark.parametrize("count", [80, 600])
@pytest.mark.parametrize("d", [4, 24])
def test_large_problems_are_nearly_exact(
    count: int, d: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, test = natural(count), natural(30, seed=1)
    exact = theirs(train, test, d)
    monkeypatch.setattr(pca_module, "LARGEST_EXACT", 16)
    assert psnr_pca(train, test, d) == pytest.approx(exact, abs=1e-3)


def test_more_components_than_images_are_all_there_are() -> None:
    train = natural(10)
    assert fit_pca(train, 50).basis.shape[1] == 9
    assert psnr_pca(train, train, 50) == pytest.approx(100, abs=1e-3)


def test_equal_images_have_a_mean_only() -> None:
    train = natural(1).expand(5, -1, -1, -1)
    assert psnr_pca(train, train, 3) == pytest.approx(100, abs=1e-3)


def test_no_bar_where_the_code_is_as_large_as_the_image() -> None:
    train = natural(20)
    assert psnr_pca(train, train, 192) is None
    assert psnr_pca(train, train, 191) is not None


def test_components_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train, test, folder = natural(300), natural(20, seed=1), tmp_path / "new" / "pca"
    first = psnr_pca(train, test, 8, folder)
    (kept,) = folder.iterdir()
    assert first == psnr_pca(train, test, 8)
    other = psnr_pca(train, test, 20)
    with monkeypatch.context() as patched:
        patched.setattr(pca_module, "fit_pca", None)  # not needed again, for any size
        assert psnr_pca(train, test, 8, folder) == first
        assert psnr_pca(train, test, 20, folder) == pytest.approx(other, abs=1e-6)
    changed = train.clone()
    changed[0, 0, 0, 0] ^= 1
    psnr_pca(changed, test, 8, folder)
    assert len(list(folder.iterdir())) == 2
    kept.write_bytes(kept.read_bytes()[:1000])
    assert psnr_pca(train, test, 8, folder) == first
    assert psnr_pca(train, test, 8, folder) == first


def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    train = natural(50)
    with pytest.warns(UserWarning, match="not kept"):
        value = psnr_pca(train, train, 8, tmp_path / "file" / "pca")
    assert value == psnr_pca(train, train, 8)


def test_pca_refuses_what_does_not_fit() -> None:
    train = natural(20)
    for pixels, components in ((train.float(), 3), (train[:0], 3), (train, 0)):
        with pytest.raises(ValueError, match="must be"):
            fit_pca(pixels, components)
    with pytest.raises(ValueError, match="do not suit"):
        psnr_pca(train, train[..., :4], 3)
    with pytest.raises(ValueError, match="do not suit"):
        psnr_pca(train, train[:0], 3)
