"""How close reconstructions come to their originals, gathered batch by batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# The mean squared error of an exact reconstruction counts as this much: 100 dB, not infinity.
MSE_FLOOR = 1e-10
SSIM_WINDOW = 11
SSIM_SIGMA = 1.5


def psnr(mse: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB for data range 1, at most 100 (`MSE_FLOOR`)."""
    return -10 * mse.clamp_min(MSE_FLOOR).log10()


def ssim(originals: Tensor, reconstructions: Tensor) -> Tensor:
    """Structural similarity of each image, data range 1: `(N,)`.

    Gaussian window of 11 pixels and sigma 1.5 (the largest odd window that fits smaller images),
    mean over the places where the window lies inside the image, then over channels. It equals
    scikit-image's `structural_similarity(gaussian_weights=True, sigma=1.5, data_range=1,
    use_sample_covariance=False)` (Wang et al., 2004).
    """
    # Imported here: not every command that imports this module measures anything.
    from pytorch_msssim import ssim as measure

    smallest = min(originals.shape[2:])
    window = min(SSIM_WINDOW, smallest - 1 + smallest % 2)
    values: Tensor = measure(
        originals,
        reconstructions,
        data_range=1,
        size_average=False,
        win_size=window,
        win_sigma=SSIM_SIGMA,
    )
    return values


def ssim_range2(originals: Tensor, reconstructions: Tensor) -> Tensor:
    """Structural similarity of each image as scikit-image 0.18 has it by default: `(N,)`.

    A uniform window of 7 pixels, sample covariance, and data range 2, which floats are taken to
    span (-1 to 1): for images in [0, 1] it flatters. Study S1 printed it. float64.
    """
    window = 7
    pairs = torch.cat([originals, reconstructions]).double()
    first, second = pairs.chunk(2)

    def mean(images: Tensor) -> Tensor:
        return F.avg_pool2d(images, window, stride=1)

    sample = window**2 / (window**2 - 1)
    mean1, mean2 = mean(first), mean(second)
    variance1 = sample * (mean(first * first) - mean1 * mean1)
    variance2 = sample * (mean(second * second) - mean2 * mean2)
    covariance = sample * (mean(first * second) - mean1 * mean2)
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    values = (2 * mean1 * mean2 + c1) * (2 * covariance + c2)
    values /= (mean1**2 + mean2**2 + c1) * (variance1 + variance2 + c2)
    return values.mean((1, 2, 3))


class ReconstructionQuality:
    """mse, mae, psnr and ssim of each image, and their means in float64.

    Every metric is computed for each image and then averaged, so that the division into batches
    makes no difference. PSNR is thus the mean of the images' PSNR, which lies above the PSNR of
    the mean error.

    Args:
        range2: also `ssim_range2`, for images of at least 7 pixels a side.
        errors_only: leave out the similarities, which take most of the time.
    """

    def __init__(self, range2: bool = False, errors_only: bool = False) -> None:
        self.range2 = range2
        self.errors_only = errors_only
        self.count = 0
        self._parts: dict[str, list[Tensor]] = {}

    @torch.no_grad()
    def update(self, originals: Tensor, reconstructions: Tensor) -> None:
        """Add a batch.

        Args:
            originals: float `(N, C, H, W)`, clamped here to [0, 1].
            reconstructions: the same shape, clamped likewise.

        Raises:
            ValueError: shapes that differ, or images of fewer than 2 pixels a side.
        """
        if originals.shape != reconstructions.shape or originals.ndim != 4:
            raise ValueError(
                f"originals {tuple(originals.shape)} and reconstructions "
                f"{tuple(reconstructions.shape)} must both be (N, C, H, W)"
            )
        if min(originals.shape[2:]) < 2:
            raise ValueError("images must have at least 2 pixels a side")
        if not len(originals):
            return
        # Under autocast the filters of SSIM would run in half precision.
        with torch.autocast(originals.device.type, enabled=False):
            first, second = originals.float().clamp(0, 1), reconstructions.float().clamp(0, 1)
            difference = (first - second).flatten(1)
            mse = difference.square().mean(1)
            found = {
                "mse": mse,
                "mae": difference.abs().mean(1),
                "psnr": psnr(mse),
            }
            if not self.errors_only:
                found["ssim"] = ssim(first, second)
            if self.range2:
                found["ssim_range2"] = ssim_range2(first, second)
        for name, values in found.items():
            self._parts.setdefault(name, []).append(values.double().cpu())
        self.count += len(originals)

    def of_each(self) -> dict[str, Tensor]:
        """The metrics of each image so far, float64 `(N,)` on the CPU; nothing without images."""
        return {name: torch.cat(parts) for name, parts in self._parts.items()}

    def compute(self) -> dict[str, float]:
        """The means over all images so far: `mse`, `mae`, `psnr` (dB) and `ssim`.

        Raises:
            ValueError: no image was added.
        """
        if not self.count:
            raise ValueError("no images were added")
        return {name: float(values.mean()) for name, values in self.of_each().items()}
