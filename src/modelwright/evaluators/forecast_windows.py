"""Fits a forecaster and scores it on windows of the past: what a build on series evaluates.

The documents it knows, by their `type`: a family's name (role `search` or `rival`), `Blend` and
`Refit`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.problem import Goal
from modelwright.core.roles import Tools
from modelwright.core.trial import Evidence, Progress, Trial
from modelwright.data.origins import Origins, plan_origins
from modelwright.data.panel import FloatArray, Panel, load_panel
from modelwright.evaluators.keep import keep_array, keep_model, read_array
from modelwright.evaluators.latency import measure
from modelwright.families.base import Fitted
from modelwright.families.series_all import SEARCHED, SERIES, series_family, series_model
from modelwright.families.series_base import SeriesFamily
from modelwright.models.series_blend import blocks_of, choose_weights, mixed
from modelwright.models.series_scores import (
    LEVELS,
    METRICS,
    Truth,
    coverage_of,
    crossed_quantiles,
    find_goal,
    scores_of,
)
from modelwright.spaces import Space

CODE = 3  # raise it when scores of equal designs change
_HUGE = 1 << 40


def load(
    metric: str | None = None, families: Sequence[str] = SEARCHED, sealed: str | None = None
) -> ForecastWindows:
    """The evaluator from plain data: a worker's entry point.

    `sealed` is the folder of the whole panel, read only by a `Refit` on all rows.
    """
    goal = find_goal(metric)
    space = Space(series_model(families))
    return ForecastWindows(goal, space, None if sealed is None else Path(sealed))


@dataclass(frozen=True)
class Windows:
    """A panel with its windows: which series each forecast is of, and what came."""

    panel: Panel
    origins: Origins
    series: Any
    lengths: Any
    truth: Truth


@lru_cache(maxsize=2)
def load_windows(folder: Path) -> Windows:
    """The panel in a folder and the windows that follow from it."""
    panel = load_panel(folder)
    origins = plan_origins(panel)
    windows, series = origins.cells()
    lengths = origins.lengths[windows, series]
    history = panel.cells(series.tolist(), lengths.tolist())
    horizon = panel.schema.horizon
    y = np.full((len(series), horizon), np.nan)
    for i, (s, n) in enumerate(zip(series, lengths, strict=True)):
        there = np.where(panel.seen[s], panel.y[s], np.nan)[n : n + horizon]
        y[i, : len(there)] = there
    truth = Truth.of(y, history.scales(), windows, series)
    return Windows(panel, origins, series, lengths, truth)


@dataclass(frozen=True)
class ForecastWindows:
    """An evaluator over the panel in `tools.data`.

    A design is fitted once for each fold of windows, on what came before the first of them, and
    forecasts each window from all that came before it. Evidence has all metrics (scores and parts
    of windows and series), `fit_seconds` (median of one fit), `latency_ms` (one series, with noise)
    and `size_kb`; artefacts `oof` (float32 `[2, c, horizon]`: centres and widths) and `model` (that
    of the newest fold); facts `family`, `n_folds`, `coverage` of the 80 % interval.
    """

    goal: Goal
    space: Space
    sealed: Path | None = None

    def protocol(self) -> Mapping[str, Any]:
        """Metric and version of this code; the data is named by who prepared it."""
        return {"kind": "forecast_windows", "metric": self.goal.metric, "code": CODE}

    def evaluate(self, trial: Trial, tools: Tools) -> Iterator[Progress | Evidence]:
        """Progress after each fit, then the evidence."""
        windows = load_windows(Path(tools.data))
        document = json.loads(trial.candidate.document)
        kind = document.get("type", "")
        if kind == "Blend":
            yield self._blend(windows, document, trial, tools)
        elif kind == "Refit":
            yield self._refit(windows, document, trial, tools)
        else:
            yield from self._fit(windows, self.design(trial.candidate.document), trial, tools)

    def design(self, document: str) -> SeriesFamily:
        """The design of a document: of the space, or of a family outside of it."""
        found = json.loads(document)
        name = found.pop("type", None)
        if name in SERIES:
            design: SeriesFamily = Space(series_family(name)).load(json.dumps(found))
            return design
        if name is not None:
            raise InputError(f"no family of forecasters is called {name!r}: {', '.join(SERIES)}.")
        inside: SeriesFamily = self.space.load(document)
        return inside

    def _fit(
        self, windows: Windows, design: SeriesFamily, trial: Trial, tools: Tools
    ) -> Iterator[Progress | Evidence]:
        panel, origins = windows.panel, windows.origins
        shape = windows.truth.y.shape
        centre, width = np.full(shape, np.nan), np.full(shape, np.nan)
        seconds: list[float] = []
        fold_of = origins.folds[windows.truth.windows]
        for fold in range(origins.n_folds):
            began = time.perf_counter()
            seed = Key.of(trial.seed).child("fit", fold).seed(31)
            past = panel.cut(origins.first_of(fold).tolist())
            model = design.fit(past, threads=tools.threads, seed=seed)
            seconds.append(time.perf_counter() - began)
            rows = fold_of == fold
            cells = panel.cells(windows.series[rows].tolist(), windows.lengths[rows].tolist())
            paths = model.forecast(cells)
            centre[rows], width[rows] = paths.centre, paths.width
            done = (fold + 1) / origins.n_folds
            yield Progress(trial.number, fold + 1.0, message=f"fold {fold + 1}", done=done)
        if not (np.isfinite(centre).all() and (width > 0).all()):
            raise InputError(f"{type(design).__name__} gave forecasts that are no numbers.")
        scored = self._scored(windows.truth, centre, width)
        name, size = keep_model(cast(Fitted, model), tools.store)
        latency, noise = measure(lambda: model.forecast(_one(panel)))
        scores = {
            **scored["scores"], "fit_seconds": float(np.median(seconds)), "latency_ms": latency,
            "size_kb": size / 1000,
        }  # fmt: skip
        artefacts = {"oof": _keep(centre, width, tools)}
        if name is not None:
            artefacts["model"] = name
        facts = {"family": type(design).__name__, **scored["facts"], **_facts(windows)}
        yield Evidence(
            trial.number, scores, scored["folds"], {"latency_ms": noise}, artefacts=artefacts,
            facts=facts,
        )  # fmt: skip

    def _scored(self, truth: Truth, centre: FloatArray, width: FloatArray) -> dict[str, Any]:
        quantiles = crossed_quantiles(truth, centre, width)
        scores, parts = scores_of(truth, quantiles)
        which = list(METRICS).index(self.goal.metric)
        return {
            "scores": scores,
            "folds": {self.goal.metric: tuple(parts[which].tolist())},
            "facts": {"coverage": round(coverage_of(truth, quantiles), 4)},
        }

    def _blend(
        self, windows: Windows, document: Mapping[str, Any], trial: Trial, tools: Tools
    ) -> Evidence:
        """Evidence of a `Blend`: `{"members": [{"trial", "oof", "latency_ms", ...}]}`.

        Scores are cross-fitted: the weights for a block of windows come from the others. The
        weights to ship are in facts `weights`. `picked_gain` is how much less loss it has than the
        best member, where both are chosen on the same other windows.
        """
        members: Sequence[Mapping[str, Any]] = document["members"]
        truth, squared = windows.truth, self.goal.metric == "rmse"
        kept = [np.asarray(read_array(m["oof"], tools.store), float) for m in members]
        centres, widths = [k[0] for k in kept], [k[1] for k in kept]
        centre, width = np.empty_like(truth.y), np.empty_like(truth.y)
        picked, picked_width = np.empty_like(truth.y), np.empty_like(truth.y)
        for mine, others in blocks_of(truth):
            around = truth.take(others)
            weights = choose_weights(around, [c[others] for c in centres], squared)
            centre[mine] = mixed([c[mine] for c in centres], weights)
            width[mine] = mixed([w[mine] for w in widths], weights)
            pairs = zip(centres, widths, strict=True)
            losses = [self._loss(around, c[others], w[others]) for c, w in pairs]
            best = int(np.argmin(losses))
            picked[mine], picked_width[mine] = centres[best][mine], widths[best][mine]
        weights = choose_weights(truth, centres, squared)
        scored = self._scored(truth, centre, width)
        gain = self._loss(truth, picked, picked_width) - scored["scores"][self.goal.metric]
        used = [m for m, w in zip(members, weights, strict=True) if w > 0]
        summed = [
            n for n in ("latency_ms", "size_kb", "fit_seconds")
            if all(isinstance(m.get(n), (int, float)) for m in used)
        ]  # fmt: skip
        scores = scored["scores"] | {n: float(sum(m[n] for m in used)) for n in summed}
        told = {str(m["trial"]): float(w) for m, w in zip(members, weights, strict=True)}
        facts = {
            "family": "Blend", "weights": told, "summed": summed, "picked_gain": float(gain),
            **scored["facts"], **_facts(windows),
        }  # fmt: skip
        artefacts = {"oof": _keep(centre, width, tools)}
        return Evidence(trial.number, scores, scored["folds"], artefacts=artefacts, facts=facts)

    def _loss(self, truth: Truth, centre: FloatArray, width: FloatArray) -> float:
        if self.goal.metric == "wql":
            quantiles = crossed_quantiles(truth, centre, width)
        else:  # the point forecast is all that counts
            quantiles = np.repeat(centre[:, :, None], len(LEVELS), axis=2)
        return scores_of(truth, quantiles)[0][self.goal.metric]

    def _refit(
        self, windows: Windows, document: Mapping[str, Any], trial: Trial, tools: Tools
    ) -> Evidence:
        """Evidence of a `Refit` of one member on all rows, the sealed ones too. It has no score."""
        panel = windows.panel if self.sealed is None else load_panel(self.sealed)
        (member,) = document["members"]
        design = self.design(member["document"])
        seed = Key.of(int(member.get("seed", trial.seed))).child("refit").seed(31)
        model = design.fit(panel, threads=tools.threads, seed=seed)
        name, size = keep_model(cast(Fitted, model), tools.store, limit=_HUGE)
        family = type(design).__name__
        return Evidence(
            trial.number, {"size_kb": size / 1000}, artefacts={"member0": str(name)},
            facts={
                "family": "Refit", "rows": "all", "n_rows": panel.rows,
                "members": [{"artefact": name, "weight": 1.0, "family": family}],
            },
        )  # fmt: skip


def _keep(centre: FloatArray, width: FloatArray, tools: Tools) -> str:
    return keep_array(np.stack([centre, width]).astype(np.float32), tools.store)


def _one(panel: Panel) -> Panel:
    """The longest series alone, a forecast before its end: what latency is measured on.

    Columns known ahead are sure to be there so far.
    """
    s = int(np.argmax(panel.lengths))
    return panel.cells([s], [max(1, len(panel.y[s]) - panel.schema.horizon)])


def _facts(windows: Windows) -> dict[str, Any]:
    """Facts that every candidate has: how many windows, and how much they share."""
    horizon = windows.panel.schema.horizon
    before = windows.origins.first_of(0)
    overlap = min(1.0, horizon * len(windows.origins.folds) / max(1, int(before.max())))
    return {
        "n_folds": windows.origins.n_folds, "n_windows": len(windows.origins.folds),
        "n_train": int(before.sum()), "overlap": round(overlap / len(windows.origins.folds), 6),
        "range": [0.0, None], "contains_rows": True,
    }  # fmt: skip
