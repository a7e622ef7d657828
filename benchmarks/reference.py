"""The studies' own way of training v4, in plain PyTorch, and the faithful row beside it.

The reference is row S0-25 as its study's scripts train it: images are PIL images that each go
through their transformations in the worker processes of a DataLoader; the network is plain modules,
in fp32 and the usual memory format; SGD, cross-entropy, squared error and the L2 term. It takes
nothing from the package but the data set.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from itertools import chain, count, islice
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks import speed
from benchmarks.result import Finding, Goal, Repeats, Result, Table, shown
from benchmarks.settings import Benchmark, Found, Settings
from wye.apart import peak_memory
from wye.data.images import Images
from wye.data.sources import load
from wye.machine import cores

ROW = "joint/v4-l2"
BATCHES = (32, 128)
WANTED = {"fp32": 1.8, "bf16": 3.5}
"""How many times as quick as the reference the row should be on a processor."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LR, MOMENTUM, WEIGHT_DECAY, GAMMA = 0.01, 0.9, 1e-4, 1e-3
MOST_WORKERS = 8


class PerImage(Dataset[tuple[Tensor, int]]):
    """Images one by one: a random flip, [0, 1], ImageNet's normalisation, as torchvision does."""

    def __init__(self, images: Images) -> None:
        self.pixels = images.pixels[:].permute(0, 2, 3, 1).contiguous().numpy()
        self.labels = images.labels.tolist()
        self.mean = torch.tensor(MEAN).view(-1, 1, 1)
        self.deviation = torch.tensor(DEVIATION).view(-1, 1, 1)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.pixels[index])
        if torch.rand(1) < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        tensor = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
        tensor = tensor.to(torch.float32).div(255)
        return tensor.sub_(self.mean).div_(self.deviation), self.labels[index]


class V4(nn.Module):
    """The network of row S0-25, for images of 32 px and ten classes."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(32, 32, 2, stride=2),
            nn.ReLU(),
            nn.ConvTranspose2d(32, 3, 1),
        )
        self.classifier = nn.Sequential(
            nn.Conv2d(32, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(1024, 512),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(512, 128),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(128, 10),
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits `(N, 10)` and reconstructions `(N, 3, 32, 32)`."""
        latent = self.encoder(images)
        return self.classifier(latent), self.decoder(latent)


def loss_of(network: V4, images: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy, mean squared error and the L2 term, a scalar."""
    logits, rebuilt = network(images)
    squares = sum((p.pow(2).sum() for p in network.parameters()), torch.zeros(()).to(logits))
    return F.cross_entropy(logits, labels) + F.mse_loss(rebuilt, images) + GAMMA * 0.5 * squares


def workers() -> int:
    """Worker processes of the reference: one a core, as is usual, and no more than eight."""
    return min(cores(), MOST_WORKERS)


def train_reference(
    data: str, device: str, batch_size: int, steps: int | None = None, warm_up: int = 0
) -> dict[str, Any]:
    """Train and take the time.

    Args:
        steps: that are timed; the whole of an epoch if None, with the start of its workers.
        warm_up: steps before those.

    Returns:
        `seconds`, the `images` and `steps` that were trained in them, the `epoch_steps` of a whole
        epoch, and `peak_mb`.
    """
    where = torch.device(device)
    torch.manual_seed(0)
    loader = DataLoader(
        PerImage(load(data).train),
        batch_size,
        shuffle=True,
        num_workers=workers(),
        pin_memory=where.type == "cuda",
    )
    network = V4().to(where).train()
    optimizer = torch.optim.SGD(
        network.parameters(), LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
    )
    total, images, timed = 0.0, 0, 0
    start = stop = time.perf_counter()
    for step, (batch, labels) in enumerate(_batches(loader, steps and warm_up + steps)):
        if step == warm_up:
            start, images, timed = stop, 0, 0
        optimizer.zero_grad()
        loss = loss_of(network, batch.to(where), labels.to(where))
        loss.backward()
        optimizer.step()
        total += loss.item()  # the scripts' running loss; on a GPU it waits for the step
        images, timed = images + len(batch), timed + 1
        stop = time.perf_counter()
    return {
        "seconds": stop - start,
        "images": images,
        "steps": timed,
        "epoch_steps": len(loader),
        "peak_mb": peak_memory(),
    }


def _batches(loader: DataLoader[Any], steps: int | None) -> Iterator[tuple[Tensor, Tensor]]:
    """So many batches, of as many epochs as that takes; those of one epoch if None."""
    if steps is None:
        yield from loader
        return
    yield from islice(chain.from_iterable(loader for _ in count()), steps)


class Pace(Finding):
    """Images/s of the row at one batch size and precision, and of the reference in fp32."""

    batch_size: int
    precision: str
    reference: Repeats
    wye: Repeats
    ratio: float


class Faithful(Result):
    """What `reference` found: the row in each precision at each batch size."""

    data: str
    on_cpu: bool
    workers: int
    paces: tuple[Pace, ...]

    def goals(self) -> list[Goal]:
        """The ratios, on a processor."""
        return [
            Goal(
                what=f"{ROW} at batch {pace.batch_size} in {pace.precision}, times the reference",
                measured=pace.ratio,
                wanted=WANTED[pace.precision],
            )
            for pace in self.paces
            if self.on_cpu
        ]

    def remarks(self) -> list[str]:
        """What the reference had."""
        return [f"Trained on {self.data}; the reference has {self.workers} worker processes."]

    def tables(self) -> list[Table]:
        """A line for each batch size and precision."""
        return [
            Table(
                ("batch, precision", "reference, images/s", "Wye, images/s", "ratio"),
                [
                    (
                        f"{pace.batch_size}, {pace.precision}",
                        str(pace.reference),
                        str(pace.wye),
                        shown(pace.ratio),
                    )
                    for pace in self.paces
                ],
            )
        ]


def run(settings: Settings) -> Faithful:
    """Reference and row in turn, each in a process of its own."""
    where = {"device": settings.device, "warm_up": settings.scale.warm_up}
    measures = {}
    for batch in BATCHES:
        steps = settings.scale.steps_of(batch)
        arguments: dict[str, Any] = {"data": settings.data, "batch_size": batch, "steps": steps}
        theirs = {**arguments, **where}
        measures[batch, "reference"] = partial(settings.carry_out, train_reference, theirs)
        for precision in settings.precisions:
            ours = {
                "target": ROW,
                "overrides": speed.plain(settings.data, {"train": {"batch_size": batch}}),
                "precision": precision,
                "steps": steps,
                **where,
            }
            measures[batch, precision] = partial(settings.carry_out, speed.measure, ours)
    found = settings.alternately(measures)
    paces = []
    for batch in BATCHES:
        theirs_found = Repeats.of(map(_pace, found[batch, "reference"]))
        for precision in settings.precisions:
            own = Repeats.of(each["images_per_second"] for each in found[batch, precision])
            paces.append(
                Pace(
                    batch_size=batch,
                    precision=precision,
                    reference=theirs_found,
                    wye=own,
                    ratio=own.median / theirs_found.median,
                )
            )
    return Faithful(
        data=settings.data,
        on_cpu=settings.on_cpu,
        workers=workers(),
        paces=tuple(paces),
        missing=settings.without_bf16,
    )


def _pace(found: Found) -> float:
    return float(found["images"] / found["seconds"])


BENCHMARK = Benchmark(
    "A faithful row beside the studies' own way",
    f"The network, loss and optimiser of `{ROW}` in plain PyTorch as the studies wrote them"
    " (PIL images that are flipped and normalised one by one in the worker processes of a"
    " DataLoader, fp32, the usual memory format), and the row itself through the training loop."
    " Both do the same mathematics: a test compares the loss and the gradients of a step.",
    run,
)
