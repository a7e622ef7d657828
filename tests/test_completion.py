"""What a shell completes, asked as bash and zsh ask."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import CommandLine

Complete = Callable[[str], list[str]]


@pytest.fixture
def bash(command_line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Complete:
    """What bash gets for a line, whose words it takes apart at `=`, too."""

    def ask(line: str) -> list[str]:
        words = line.replace("=", " = ").split(" ")
        words = [word for word in words[:-1] if word] + [words[-1]]
        if line.endswith("="):
            words.pop()
        monkeypatch.setenv("_WYE_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", " ".join(words))
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        return command_line().out.split()

    return ask


def test_rows_studies_and_data_sets(bash: Complete) -> None:
    assert bash("wye train joint/v1.") == [
        *("joint/v1.1", "joint/v1.2", "joint/v1.1-beta0", "joint/v1.2-beta0")
    ]
    assert bash("wye list fash") == ["fashion5"]
    assert {"fashion5", "fashion5/cnn"} <= set(bash("wye study fash"))
    assert bash("wye data check fash") == ["fashion-mnist"]
    assert bash("wye train no-such") == []
    assert "joint/v4-l2" in bash("wye compare joint/v1 ")


def test_settings_and_their_values(bash: Complete) -> None:
    assert {"train.momentum=", "train.monitor="} == set(bash("wye train joint/v1 train.mo"))
    assert bash("wye train joint/v1 train.opt")[:2] == [
        *("train.optimizer=sgd", "train.optimizer=adam")
    ]
    assert bash("wye train joint/v1 train.optimizer=ad") == ["adam", "adamw", "adagrad"]
    assert bash("wye train joint/v1 train.optimizer=")[0] == "sgd"
    assert bash("wye train joint/v1 train.batch") == ["train.batch_size=128"]
    assert bash("wye train joint/v1 train.nesterov=") == ["true", "false"]
    assert "cosine" in bash("wye show joint/v1 train.schedule=")
    assert "shapes" in bash("wye gain joint/v1 data=")
    assert bash("wye tune joint/v1 alp") == ["alpha=1.0"]
    assert bash("wye study joint train.epo") == ["train.epochs=10"]


def test_zsh_gets_whole_words(command_line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_WYE_COMPLETE", "complete_zsh")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "wye train joint/v1 train.optimizer=adagr")
    assert '"train.optimizer=adagrad"' in command_line().out


def test_run_folders(bash: Complete, in_empty_folder: Path) -> None:
    for path in ("runs/joint/v1/seed-0", "runs/joint/v1/seed-1", "elsewhere/mine"):
        Path(path).mkdir(parents=True)
        (Path(path) / "recipe.yaml").touch()
    assert bash("wye predict ru") == ["runs/joint/v1/seed-0", "runs/joint/v1/seed-1"]
    assert bash("wye predict runs/joint/v1/seed-1") == ["runs/joint/v1/seed-1"]
    assert bash("wye export elsewhere/") == ["elsewhere/mine"]
    assert bash("wye train joint/v1 --from runs/joint/v1/seed-0") == ["runs/joint/v1/seed-0"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_itself_completes(tmp_path: Path) -> None:
    command = tmp_path / "wye"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m wye "$@"\n')
    command.chmod(0o755)
    script = f"""
        PATH="{tmp_path}:$PATH"
        eval "$(wye --show-completion bash)"
        COMP_WORDS=(wye train joint/v1 train.optimizer = adagr) COMP_CWORD=5
        _wye_completion wye
        echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["adagrad"], done.stderr
