"""Fitted feature work: the steps that make columns, applied, stored and loaded alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from modelwright.families.base import Examples, FloatArray, Inputs
from modelwright.families.feature_texts import Hashed, Tfidf
from modelwright.families.feature_work import FeatureWork

FILE = "features.json"
ARRAYS = "features.safetensors"


class Step(Protocol):
    """One fitted maker of columns; a row's columns depend on that row alone."""

    kind: ClassVar[str]

    def apply(self, X: Inputs) -> FloatArray:
        """The made columns, `[n, width]`; NaN where there is nothing to say."""

    def facts(self) -> dict[str, Any]:
        """The plain part of what must be stored."""
        ...

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What else must be stored, by name."""
        ...


STEPS: Mapping[str, Any] = {kind.kind: kind for kind in (Hashed, Tfidf)}


@dataclass(frozen=True)
class Features:
    """Fitted feature work: made columns stand after those that were there."""

    steps: tuple[Step, ...]

    def apply(self, X: Inputs) -> Inputs:
        """The rows with their made columns and without texts; `X` is not changed."""
        return _beside(X, [step.apply(X) for step in self.steps])

    def export(self, folder: Path) -> None:
        """Writes `features.json` and `features.safetensors` beside what lies there."""
        from safetensors.numpy import save_file

        listed = [{"kind": step.kind, **step.facts()} for step in self.steps]
        text = json.dumps({"steps": listed}, sort_keys=True)
        (folder / FILE).write_text(text, encoding="utf-8")
        arrays = {
            f"{i}.{name}": np.ascontiguousarray(array)
            for i, step in enumerate(self.steps)
            for name, array in step.arrays().items()
        }
        if arrays:
            save_file(arrays, str(folder / ARRAYS))

    @classmethod
    def load(cls, folder: Path) -> Features:
        """What `export` wrote there."""
        from safetensors.numpy import load_file

        told = json.loads((folder / FILE).read_text(encoding="utf-8"))
        path = folder / ARRAYS
        arrays = load_file(str(path)) if path.exists() else {}
        steps = []
        for i, facts in enumerate(told["steps"]):
            own = {k.removeprefix(f"{i}."): a for k, a in arrays.items() if k.startswith(f"{i}.")}
            steps.append(STEPS[facts["kind"]].from_parts(facts, own))
        return cls(tuple(steps))


def fit_features(work: FeatureWork, examples: Examples, seed: int) -> tuple[Features, Inputs]:
    """The fitted feature work, and the training rows with their made columns."""
    X = examples.X
    steps: list[Step] = []
    for j in range(len(X.texts)):
        steps.append(Hashed(j) if work.texts == "hashed" else Tfidf.fit(j, X, seed))
    features = Features(tuple(steps))
    return features, features.apply(X)


def _beside(X: Inputs, made: list[FloatArray]) -> Inputs:
    numeric = np.concatenate([X.numeric, *made], axis=1)
    return Inputs(numeric, X.codes, X.levels)
