"""Fitted feature work: the steps that make columns, applied, stored and loaded alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from modelwright.families.base import Examples, FloatArray, Inputs, IntArray
from modelwright.families.feature_codes import (
    Lookup,
    Recode,
    choose_crosses,
    fit_shares,
    fit_targets,
)
from modelwright.families.feature_filter import MAX_ROWS, Probe, targets_of, useful
from modelwright.families.feature_numbers import (
    Aggregate,
    Combine,
    Gaps,
    choose_aggregates,
    choose_combinations,
)
from modelwright.families.feature_texts import Hashed, Tfidf
from modelwright.families.feature_work import FeatureWork

FILE = "features.json"
ARRAYS = "features.safetensors"
MAX_ENCODED = 200


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


STEPS: Mapping[str, Any] = {
    kind.kind: kind for kind in (Hashed, Tfidf, Lookup, Combine, Aggregate, Gaps)
}


@dataclass(frozen=True)
class Features:
    """Fitted feature work: made columns stand after the numbers that were there.

    `kept` are the places of the made columns that say something, None for all; `recode` changes
    the codes, None when they stay. `single`: the training rows came in single precision, and rows
    to predict do too.
    """

    steps: tuple[Step, ...]
    kept: IntArray | None = None
    recode: Recode | None = None
    single: bool = False

    @property
    def idle(self) -> bool:
        """True when nothing was found worth making: rows stay as they are."""
        return self.recode is None and (
            not self.steps or (self.kept is not None and not len(self.kept))
        )

    def apply(self, X: Inputs) -> Inputs:
        """The rows with their made columns and without texts; `X` is not changed."""
        return self._beside(X, [step.apply(X) for step in self.steps])

    def _beside(self, X: Inputs, made: list[FloatArray]) -> Inputs:
        numeric, codes, levels = X.numeric, X.codes, X.levels
        if made:
            columns = made[0] if len(made) == 1 else np.concatenate(made, axis=1)
            if self.kept is not None:
                columns = columns[:, self.kept]
            # Single precision stays single: half the memory.
            columns = columns.astype(numeric.dtype, copy=False)
            numeric = np.concatenate([numeric, columns], axis=1)
        if self.recode is not None:
            codes, levels = self.recode.apply(X), self.recode.new_levels
        return Inputs(numeric, codes, levels)

    def export(self, folder: Path) -> None:
        """Writes `features.json` and `features.safetensors` beside what lies there."""
        from safetensors.numpy import save_file

        parts: dict[str, Mapping[str, npt.NDArray[Any]]] = {
            str(i): step.arrays() for i, step in enumerate(self.steps)
        }
        parts["recode"] = {} if self.recode is None else self.recode.arrays()
        parts["kept"] = {} if self.kept is None else {"kept": self.kept}
        listed = [{"kind": step.kind, **step.facts()} for step in self.steps]
        text = json.dumps({"steps": listed, "single": self.single}, sort_keys=True)
        (folder / FILE).write_text(text, encoding="utf-8")
        arrays = {
            f"{part}.{name}": np.ascontiguousarray(array)
            for part, own in parts.items()
            for name, array in own.items()
        }
        if arrays:
            save_file(arrays, str(folder / ARRAYS))

    @classmethod
    def load(cls, folder: Path) -> Features:
        """What `export` wrote there."""
        from safetensors.numpy import load_file

        told = json.loads((folder / FILE).read_text(encoding="utf-8"))
        path = folder / ARRAYS
        parts: dict[str, dict[str, npt.NDArray[Any]]] = {}
        for name, array in (load_file(str(path)) if path.exists() else {}).items():
            part, _, own = name.partition(".")
            parts.setdefault(part, {})[own] = array
        steps = [
            STEPS[facts["kind"]].from_parts(facts, parts.get(str(i), {}))
            for i, facts in enumerate(told["steps"])
        ]
        recode = Recode.from_arrays(parts["recode"]) if "recode" in parts else None
        kept = parts["kept"]["kept"] if "kept" in parts else None
        return cls(tuple(steps), kept, recode, told["single"])


def fit_features(work: FeatureWork, examples: Examples, seed: int) -> tuple[Features, Inputs]:
    """The fitted feature work, and the training rows with their made columns.

    What rests on answers is out of fold for the training rows. Columns declared monotone are in no
    combination and no aggregate, which could turn with them. Made columns that are constant or
    nearly one that is there already are dropped; texts' stay. Targets make 200 columns at most:
    the categories with most levels come first.
    """
    X, w = examples.X, examples.weight
    steps: list[Step] = []
    made: list[FloatArray] = []
    probe = None
    if work.crosses or work.combinations or work.aggregates:
        probe = Probe.of(examples, seed)

    def add(step: Step | None, columns: FloatArray | None = None) -> None:
        if step is not None:
            steps.append(step)
            made.append(step.apply(X) if columns is None else columns)

    T = targets_of(examples)
    encoded = work.encoded(X, max(1, MAX_ENCODED // T.shape[1]))
    pairs = [(j, -1) for j in encoded] if work.targets != "none" else []
    if probe is not None and work.crosses:
        pairs += choose_crosses(probe, work.crosses)
    if pairs:
        add(*fit_targets(X, pairs, T, w, work.smoothing, seed))
    if work.shares and encoded:
        add(fit_shares(X, [(j, -1) for j in encoded], w))
    if probe is not None:
        barred = [j for j, sign in enumerate(examples.monotone) if sign]
        if work.combinations:
            add(choose_combinations(probe, work.combinations, barred))
        told = choose_aggregates(probe, work.aggregates, barred, seed) if work.aggregates else []
        add(Aggregate.fit(X, told, w, seed) if told else None)
    if work.gaps:
        add(Gaps.fit(X))
    kept = _useful(X, made, seed) if made else None
    for j in range(len(X.texts)):
        add(Hashed(j) if work.texts == "hashed" else Tfidf.fit(j, X, seed))
    if kept is not None:  # the texts' columns come last and all stay
        before = sum(m.shape[1] for m in made[: len(made) - len(X.texts)])
        after = sum(m.shape[1] for m in made)
        kept = np.concatenate([kept, np.arange(before, after)])
        kept = None if len(kept) == after else kept
    single = X.numeric.dtype == np.float32
    features = Features(tuple(steps), kept, _recode(work, X, encoded), single)
    return features, features._beside(X, made)


def _useful(X: Inputs, made: list[FloatArray], seed: int) -> IntArray:
    """The places of the made columns that say something new, by at most 5,000 rows."""
    rows: Any = slice(None)
    if len(X) > MAX_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(len(X), MAX_ROWS, replace=False))
    columns = np.concatenate([m[rows] for m in made], axis=1)
    return np.flatnonzero(useful(columns, X.numeric[rows]))


def _recode(work: FeatureWork, X: Inputs, encoded: list[int]) -> Recode | None:
    dropped = set(encoded) if work.targets == "instead" else set()
    kept = [j for j in range(len(X.levels)) if j not in dropped]
    return Recode.fit(X, kept, work.rare) if dropped or work.rare > 1 else None
