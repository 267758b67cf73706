"""A trained network of the user's own classes: it answers, is saved, and is loaded again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.core.canonical import canonical
from modelwright.core.errors import InputError
from modelwright.core.reference import resolve
from modelwright.data.pairs import Array, as_rows, as_targets, task_of
from modelwright.evaluators.train_own import Choices, answers, design_text, packed
from modelwright.models.metrics import find_metric, score_predictions
from modelwright.spaces import Space

if TYPE_CHECKING:
    from torch import nn

WEIGHTS, ABOUT = "weights.safetensors", "network.json"


@dataclass(frozen=True)
class OwnModel:
    """A trained network, which answers.

    `module` is the PyTorch module, in the mode of answering: `[batch, *shape]` to one number for
    each of the `classes`, before softmax, or `[batch, 1]` values. `design` is the value that it was
    built from. `adapters` says what was put between its parts. `about` is what `save` writes.
    """

    module: nn.Module
    design: Any
    adapters: tuple[str, ...]
    about: Mapping[str, Any]

    @property
    def classes(self) -> tuple[str | int, ...]:
        """What the answers stand for; none where values are estimated."""
        return tuple(self.about["classes"])

    def shares(self, x: Any) -> Array:
        """Shares of the classes `[n, k]`, for examples like those that were learnt from."""
        if not self.classes:
            raise InputError("this network estimates values: it has no shares of classes.")
        return answers(self.module, self._inputs(x), True)

    def predict(self, x: Any) -> Array:
        """The likeliest class of each example, or its value, `[n]`."""
        if not self.classes:
            return answers(self.module, self._inputs(x), False)
        likeliest = self.shares(x).argmax(axis=1)
        return np.asarray(np.asarray(self.classes)[likeliest])

    def score(self, x: Any, y: Any, metric: str | None = None) -> float:
        """The metric (by default the one that was searched for) on examples kept aside."""
        task = task_of(self.classes) if self.classes else "regression"
        found = find_metric(metric or self.about["metric"], task)
        examples = self._inputs(x)
        told = as_targets(y, len(examples), "the examples")
        if not self.classes:
            return score_predictions(found, told.astype(float), self.predict(examples))
        places = {name: i for i, name in enumerate(self.classes)}
        labels = told.tolist()
        known = [
            places.get(label if isinstance(label, int) else str(label), -1) for label in labels
        ]
        if min(known, default=-1) < 0:
            raise InputError(f"y holds {labels[known.index(-1)]!r}, no class of this network.")
        return score_predictions(found, np.asarray(known), self.shares(examples))

    def save(self, folder: str | Path) -> Path:
        """Writes the weights (safetensors) and what they are of; `load_network` reads them."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        (place / WEIGHTS).write_bytes(packed(self.module))
        (place / ABOUT).write_text(canonical(dict(self.about)))
        return place

    def _inputs(self, x: Any) -> Array:
        found = as_rows(x, "the examples")
        shape, kind = tuple(self.about["shape"]), self.about["inputs"]
        if found.shape[1:] != shape or str(found.dtype) != kind:
            raise InputError(
                f"this network takes examples of shape {shape}, {kind}; got "
                f"{found.shape[1:]}, {found.dtype}."
            )
        return found


def load_network(folder: str | Path, space: Any, start: Any = ()) -> OwnModel:
    """The network that `save` wrote, built again by the user's classes and given its weights.

    `space` (and `start`, where there were networks to start from) are those of the search: the file
    holds a design and numbers, and no code. Raises InputError when they do not go together.
    """
    place = Path(folder)
    if not (place / ABOUT).is_file():
        raise InputError(f"{place} holds no network: {ABOUT} is not there.")
    about = json.loads((place / ABOUT).read_text())
    choices = choices_of(space, start)
    return restored(choices, choices.space(), about, place / WEIGHTS)


def restored(choices: Choices, space: Space, about: Mapping[str, Any], weights: Path) -> OwnModel:
    """A network from its description and the file with its weights."""
    import torch
    from safetensors.torch import load_file

    from modelwright.training.assemble import assemble

    design = space.load(design_text(about["document"]))
    whole = about["inputs"] == "int64"
    example = torch.zeros(2, *about["shape"], dtype=torch.int64 if whole else torch.float32)
    n = len(about["classes"])
    built = assemble(choices.thing(design), example, n or 1, None if n else (0.0, 1.0))
    try:
        built.module.load_state_dict(load_file(weights))
    except RuntimeError as error:
        told = str(error).strip().splitlines()
        raise InputError(
            f"{weights} does not fit what the classes build now; they were changed since: "
            f"{told[min(1, len(told) - 1)].strip()}"
        ) from error
    return OwnModel(built.module.eval(), design, built.adapters, dict(about))


def choices_of(space: Any, start: Any = ()) -> Choices:
    """The user's type and networks; either may be `module:name`."""
    kind = resolve(space) if isinstance(space, str) else space
    return Choices(kind, {name: thing for name, thing in started(kind, start) if name})


def started(kind: Any, start: Any) -> list[tuple[str, Any]]:
    """What to start from: networks (or what makes them) with their names, designs without one."""
    space = Space(kind)
    found: list[tuple[str, Any]] = []
    several = isinstance(start, list) or (isinstance(start, tuple) and not space.contains(start))
    for item in start if several else [start]:
        thing = resolve(item) if isinstance(item, str) else item
        if space.contains(thing):
            found.append(("", thing))
            continue
        if not callable(thing):
            space.check(thing)
        name = str(getattr(thing, "__name__", type(thing).__name__))
        n = sum(known.partition("-")[0] == name for known, _ in found)
        found.append((f"{name}-{n + 1}" if n else name, thing))
    return found
