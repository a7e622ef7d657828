"""The examples for clusters: their commands, between processes of this machine."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from study_processes import DEADLINE, assert_each_done_once, kill_group, recipe_file

from wye.runs.run import Run

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples" / "cluster"
PROGRAMS = {
    "srun": 'for node in $(seq "$SLURM_JOB_NUM_NODES"); do "$@" & done; wait',
    "scontrol": "echo 127.0.0.1",
    "wye": f'exec "{sys.executable}" -m wye "$@"',
    "python": f'exec "{sys.executable}" "$@"',
    "dask": f'exec "{sys.executable}" -m dask "$@"',
    "torchrun": f'exec "{sys.executable}" -m torch.distributed.run "$@"',
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small recipe, where the programs of the examples are found."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, script in PROGRAMS.items():
        (folder / name).write_text(f"#!/bin/bash\n{script}\n")
        (folder / name).chmod(0o755)
    for name, value in {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NUM_NODES": "1",
        "SLURM_JOB_NODELIST": "node1",
        # Gloo would take the address of the host's name, which need not be reachable.
        "GLOO_SOCKET_IFNAME": "lo",
    }.items():
        monkeypatch.setenv(name, value)
    recipe_file(tmp_path, "tiny", epochs=2)
    return tmp_path


@contextmanager
def started(words: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A command in a process group of its own, which is killed at the end."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        words, cwd=folder, stdout=pipe, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            kill_group(process)


def carried_out(words: list[str], folder: Path) -> None:
    """A command that ends well."""
    with started(words, folder) as process:
        out, _ = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, out


def free_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def script(name: str, folder: Path) -> str:
    """A script of SLURM's, with a port that nobody else here has."""
    text = (EXAMPLES / name).read_text().replace("29500", free_port())
    (folder / name).write_text(text)
    return name


def manifests(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((EXAMPLES / name).read_text()))


def commands(name: str, changed: dict[str, str]) -> dict[str, list[str]]:
    """The command of each container of a manifest, with some texts changed."""
    found: dict[str, list[str]] = {}
    for manifest in manifests(name):
        spec = manifest["spec"].get("template", {}).get("spec", {})
        for container in spec.get("containers", []):
            line = shlex.join(container["command"])
            for old, new in changed.items():
                line = line.replace(old, new)
            found[container["name"]] = shlex.split(line)
    return found


def test_a_study_on_slurm(place: Path) -> None:
    carried_out(["bash", script("study.sbatch", place), "tiny.yaml", "--seeds", "1"], place)
    assert_each_done_once(place / "runs", 1, epochs=2)
    assert not list(place.glob(".wye-scheduler*"))


def test_a_study_on_kubernetes(place: Path) -> None:
    port = free_port()
    here = {"8786": port, "wye-scheduler": "127.0.0.1", "fashion5": "tiny.yaml", "=5": "=1"}
    found = commands("study.yaml", here)
    with ExitStack() as stack:
        for name in ("scheduler", "worker"):
            folder = place / name
            folder.mkdir()
            stack.enter_context(started(found[name], folder))
        # As Kubernetes does, until the scheduler answers.
        carried_out(["bash", "-c", f"until {shlex.join(found['study'])}; do sleep 1; done"], place)
    assert_each_done_once(place / "runs", 1, epochs=2)


def test_one_run_on_two_nodes(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    carried_out(["bash", script("train.sbatch", place), "tiny.yaml", "--out", "slurm"], place)
    here = {"29500": free_port(), "wye-train-0.wye-train": "127.0.0.1", "joint/v4-l2": "tiny.yaml"}
    word = shlex.join(commands("train.yaml", here)["train"])
    carried_out(["bash", "-c", f"{word} --out pods & {word} --out pods; wait"], place)
    for name in ("slurm", "pods"):
        run = Run(place / name)
        assert run.complete and run.result is not None and run.result["processes"] == 2


def test_what_kubernetes_names_is_there() -> None:
    for name in ("study.yaml", "train.yaml"):
        claims, hosts, used, words = set(), set(), set(), ""
        for manifest in manifests(name):
            if manifest["kind"] == "PersistentVolumeClaim":
                claims.add(manifest["metadata"]["name"])
            if manifest["kind"] == "Service":
                hosts.add(manifest["metadata"]["name"])
            template = manifest["spec"].get("template")
            if template is None:
                continue
            selector = manifest["spec"].get("selector", {}).get("matchLabels")
            assert selector in (None, template["metadata"]["labels"])
            volumes = {volume["name"]: volume for volume in template["spec"].get("volumes", [])}
            used |= {
                volume["persistentVolumeClaim"]["claimName"]
                for volume in volumes.values()
                if "persistentVolumeClaim" in volume
            }
            for container in template["spec"]["containers"]:
                mounts = {mount["name"] for mount in container.get("volumeMounts", [])}
                assert mounts <= set(volumes)
                words += f" {shlex.join(container['command'])}"
        assert used == claims
        assert all(re.search(rf"\b{host}:\d+", words) for host in hosts)


def test_the_image_is_made_of_what_is_there() -> None:
    text = (ROOT / "Dockerfile").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}
    copied = {word for line in re.findall(r"^COPY (.*)$", text, re.M) for word in line.split()[:-1]}
    assert copied == kept and all((ROOT / name).exists() for name in copied)
    (extras,) = re.findall(r"^ARG EXTRAS=(.*)$", text, re.M)
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    assert project["readme"] in copied and set(project["license-files"]) <= copied
    assert re.search(r'^ENTRYPOINT \["wye"\]$', text, re.M) and "wye" in project["scripts"]
