"""The page of recipes: every setting with its type, default and meaning, from the models."""

from __future__ import annotations

import inspect
from typing import Any

import yaml
from markup import cell, table
from pydantic import BaseModel

from wye.recipe import schema
from wye.recipe.overrides import validated
from wye.recipe.schedules import KINDS, ScheduleSettings
from wye.recipe.schema import (
    DataSettings,
    EarlyStopping,
    EvaluationSettings,
    FeatureSettings,
    LossSettings,
    NetworkSettings,
    Phase,
    Recipe,
    TrainSettings,
    TransferSettings,
)
from wye.recipe.settings import Settings
from wye.studies.load import normalized
from wye.wording import written

EXAMPLE = """\
# mine.yaml
title: A small network, autoencoder first
data: {name: cifar10, augment: "flip > crop(4)"}
encoder: "C'(32) > C(32)"
classifier: "C(64) > L(128) > L'(classes)"
train: {epochs: 10, lr: 0.05, momentum: 0.9, schedule: cosine}
phases:
  - {name: autoencoder, epochs: 4, loss: {alpha: 0}}
  - {name: classifier, epochs: 6, loss: {beta: 0}, lr: 0.01, freeze: [encoder]}
"""

PARTS: dict[str, type[Settings]] = {
    "data": DataSettings,
    "network": NetworkSettings,
    "loss": LossSettings,
    "loss.features": FeatureSettings,
    "train": TrainSettings,
    "train.early_stopping": EarlyStopping,
    "train.schedule": ScheduleSettings,
    "phases": Phase,
    "evaluation": EvaluationSettings,
    "transfer": TransferSettings,
}


def recipes() -> str:
    """The page of recipes."""
    validated(normalized({"row": "mine", **yaml.safe_load(EXAMPLE)}))
    return f"""# Recipes

A recipe is everything that defines a run. A row of a study is one; a file is one too:

```yaml
{EXAMPLE}```

    wye train mine.yaml

What a file leaves out is at its default. `wye show ROW` prints a recipe with its network, and each
run keeps its own, everything explicit, in `recipe.yaml`. `wye train` and `wye show` take a row, a
recipe file, a run folder (the recipe that was carried out there) or a folder of images by class,
which is trained by `wye/quick` under the name `own/<folder>`. Files larger than 1 MB are refused.

This page is written by `make docs` from the models that check recipes.

## Short forms

- `encoder`, `decoder` and `classifier` may stand at the top instead of under `network`.
- `data: cifar10` is short for `data: {{name: cifar10}}`.
- A phase may hold settings of `train` directly: `{{epochs: 6, lr: 0.01}}` is short for
  `{{epochs: 6, train: {{lr: 0.01}}}}`.
- `schedule: cosine` is that kind with its defaults; a schedule with `every` and no `kind` is a step
  schedule.
- `early_stopping: 5` is short for `early_stopping: {{patience: 5}}`.

## Overriding

A setting is changed from outside by its path, joined by dots, and a value in YAML:

    wye train joint/v4-l2 data=shapes train.epochs=10 network.decoder=none loss.beta=0

Mappings are laid over what is there, key by key; lists such as `phases` and a schedule with another
`kind` are replaced whole. Where `train.epochs` is overridden,
schedules and the lengths of phases are fitted to it, unless they are overridden too: a step
schedule is stretched over more epochs, and becomes a straight line to nought over fewer.

These can be overridden; the rest says which recipe it is:

{", ".join(f"`{name}`" for name in schema.SETTINGS)}

In Python: `wye.train("joint/v4-l2", seed=1, train={{"epochs": 10}})`.

## Runs that build on others

- Backbones (`encoder: "resnet34 > G"`) and the network of the feature loss begin with the weights
  that `weights` names: `imagenet` are their makers', fetched once into the cache folder;
  `weights=PATH` takes a file (.pth, .safetensors) or a folder of files under their usual names;
  `weights=random` none. All but EfficientNet-Lite0 need torchvision (`pip install '.[backbones]'`).
- `transfer` copies layers from the run of another row, and `evaluation.judge` lets another row's
  classifier name the reconstructions. Where no run of that row is found under `runs`, it is
  carried out first.

## The recipe

{_settings(Recipe)}

{_parts()}

## Environment

- `WYE_CACHE`: the folder of what is kept between runs, above all the data sets, one file each. If
  not set: `wye` in `$XDG_CACHE_HOME`, else `~/.cache/wye`.
- `WYE_DATA`: folders that hold copies of data sets, separated as in `PATH`. They are searched
  before `data`, `datasets`, `~/data`, `~/datasets`, `~/.keras/datasets` and
  `/usr/share/datasets`, and all of these before anything is downloaded.
- `WYE_MEMORY`: how much memory the pixels of a folder of images may take, as `40%` of the machine's
  or `2GB`; if not set, 25%. Those of a larger folder are decoded once into a file in `WYE_CACHE`,
  which ends with the process, and read from it batch by batch, with the same results.
"""


def _parts() -> str:
    parts = []
    for path, model in PARTS.items():
        about = _about(model)
        if model is ScheduleSettings:
            about, settings = f"{about}\n\n{_kinds()}", _schedule_settings()
        else:
            settings = _settings(model)
        parts.append(f"## `{path}`\n\n{about}\n\n{settings}")
    return "\n\n".join(parts)


def _about(model: type[BaseModel]) -> str:
    """The first paragraph of a model's docstring."""
    return " ".join((inspect.getdoc(model) or "").partition("\n\n")[0].split())


def _kinds() -> str:
    """The kinds of schedule, what each does, and their settings with the defaults."""
    rows = []
    for kind, model in KINDS.items():
        own = [(name, field.default) for name, field in model.model_fields.items()]
        shown = ", ".join(_default(*entry) for entry in own if entry[0] != "kind")
        rows.append((f"`{kind}`", shown, " ".join((inspect.getdoc(model) or "").split())))
    return table(("kind", "its settings and their defaults", "the rate"), rows)


def _schedule_settings() -> str:
    """A table of the settings of all kinds of schedule, each once."""
    rows: dict[str, tuple[str, str, str]] = {}
    for model in KINDS.values():
        properties = model.model_json_schema()["properties"]
        for name, meaning in model.meanings().items():
            if name != "kind":
                rows.setdefault(name, (f"`{name}`", _type(properties[name]), cell(meaning)))
    return table(("setting", "type", "meaning"), list(rows.values()))


def _default(name: str, value: Any) -> str:
    return f"`{name}`" if value is None else f"`{name}: {_plain(value)}`"


def _settings(model: type[Settings]) -> str:
    """A table of a model's settings."""
    schema = model.model_json_schema()
    rows = []
    for name, field in model.model_fields.items():
        entry = schema["properties"][name]
        default = field.get_default(call_default_factory=True, validated_data={})
        if field.is_required():
            shown = "needed"
        elif default in ("", (), {}) or default is None or isinstance(default, BaseModel):
            shown = "" if not isinstance(default, ScheduleSettings) else f"`{default.kind}`"
        else:
            shown = f"`{_plain(default)}`"
        rows.append((f"`{name}`", _type(entry), shown, cell(model.meanings()[name])))
    return table(("setting", "type", "default", "meaning"), rows)


def _plain(default: Any) -> str:
    if isinstance(default, tuple):
        return f"[{', '.join(map(_plain, default))}]"
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}".replace("e+0", "e") if isinstance(default, float) else written(default)


def _type(entry: dict[str, Any]) -> str:
    """A property of a JSON schema in words."""
    if "anyOf" in entry:
        forms = [_type(one) for one in entry["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(forms))
    if "$ref" in entry:
        return "settings, below"
    if "enum" in entry:
        return ", ".join(f"`{choice}`" for choice in entry["enum"])
    kind = entry.get("type")
    if kind == "array":
        return _list(entry)
    if kind == "object":
        inner = entry.get("additionalProperties")
        return f"name to {_type(inner)}" if isinstance(inner, dict) else "settings"
    words = {"integer": "whole number", "number": "number", "string": "text"}
    return f"{words.get(str(kind), 'true or false')}{_bounds(entry)}"


def _list(entry: dict[str, Any]) -> str:
    if "prefixItems" in entry:  # as many entries as there are types, here all of one
        each = _type(entry["prefixItems"][0])
        return f"list of {len(entry['prefixItems'])} {each.replace('number', 'numbers', 1)}"
    return f"list of {_type(entry['items']).replace('number', 'numbers', 1)}"


def _bounds(entry: dict[str, Any]) -> str:
    words = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most"}
    words["exclusiveMaximum"] = "below"
    given = [
        f"{word} {'2^63' if entry[key] == 2**63 else format(entry[key], ',')}"
        for key, word in words.items()
        if key in entry
    ]
    return f", {' and '.join(given)}" if given else ""
