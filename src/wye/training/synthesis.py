"""New training images from the decoder, between neighbours in the latent space."""

from __future__ import annotations

import torch
from torch import Tensor

from wye.data.balance import smote
from wye.data.images import Images
from wye.data.prepare import Prepared
from wye.network.build import Network
from wye.network.layers import Route
from wye.training.precision import multiplying_in

BATCH = 250


@torch.no_grad()
def latent_smote(network: Network, data: Prepared, seed: int, precision: str) -> Images:
    """Images that fill the smaller classes up to the largest: SMOTE between latent codes, decoded.

    The idea is DeepSMOTE's (Dablain et al. 2021); study S0 names SMOTE and doesn't run it. The
    network works in inference mode, on images that are neither augmented nor corrupted.

    Args:
        network: an autoencoder, on the device of the data.
        data: its training part is filled up.
        seed: decides all draws.
        precision: `fp32` or `bf16`.

    Returns:
        The new images alone, on the device of the data: de-normalised to [0, 1], or uint8 where the
        training images are.
    """
    assert network.decoder is not None
    decoder, was_training = network.decoder, network.training
    images, device = data.train, data.train.pixels.device
    network.eval()
    # Classes of full size get nothing; one of them, to say what full size is, saves memory.
    sizes = torch.bincount(images.labels)
    needed = sizes < sizes.max()
    needed[sizes.argmax()] = True
    chosen = images.take(needed[images.labels].nonzero().flatten())

    def encoded(pixels: Tensor) -> Tensor:
        seen = data.inputs.apply(pixels).contiguous(memory_format=torch.channels_last)
        with multiplying_in(precision, device):
            latent: Tensor = network.encoder(seen)
        return latent.float().flatten(1).cpu()

    def decoded(codes: Tensor) -> Tensor:
        latent = codes.to(device).view(-1, *network.encoder.outputs)
        with multiplying_in(precision, device):
            made = decoder(latent, Route(network.inputs[1:]))
        pixels = data.targets.undo(made)
        if images.pixels.dtype == torch.uint8:
            pixels = pixels.mul(255).round_().to(torch.uint8)
        return pixels.contiguous()

    codes = torch.cat([encoded(part) for part in chosen.pixels.split(BATCH)])
    new, labels = smote(codes, chosen.labels.cpu(), seed)
    network.train(was_training)
    if not len(labels):
        return images.take(labels.to(device))
    pixels = torch.cat([decoded(part) for part in new.split(BATCH)])
    return Images(pixels, labels.to(device))
