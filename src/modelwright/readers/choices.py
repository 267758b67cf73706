"""Which design choices mattered over a run, from the ledger's trials alone."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelwright.core.keys import Key
from modelwright.core.view import Outcome, View
from modelwright.readers.leaderboard import family_of

MIN_TRIALS = 20  # of a family; with fewer, chance decides which choice looks important
MAX_TRIALS = 120  # looked at, evenly spaced: the work grows with them
MIN_FIT = 0.2  # share of the variance explained at unseen trials, below which nothing is told


@dataclass(frozen=True)
class Choice:
    """One field of a design: the share of the scores' variance it explains alone, and its error.

    `best` tells what the best quarter of the trials had: a range, or the most frequent value.
    """

    name: str
    share: float
    error: float
    best: str


@dataclass(frozen=True)
class FamilyChoices:
    """What mattered within a family, most important first; `refused` says why nothing is told.

    `fit` is the share of the scores' variance that the choices explain at trials that were not
    looked at; `combined` the share that only several choices together explain.
    """

    family: str
    n_trials: int
    choices: tuple[Choice, ...] = ()
    combined: float = 0.0
    fit: float = 0.0
    refused: str = ""


def between_families(view: View) -> tuple[float, int] | None:
    """Share of the variance of scores that lies between families, and the number of trials.

    None with fewer than `MIN_TRIALS` trials, or a single family.
    """
    groups: dict[str, list[float]] = {}
    for outcome in _searched(view):
        groups.setdefault(family_of(outcome.trial.candidate.document), []).append(outcome.loss)
    losses = [loss for group in groups.values() for loss in group]
    if len(losses) < MIN_TRIALS or len(groups) < 2:
        return None
    bound = _fence(losses)
    centre = sum(min(x, bound) for x in losses) / len(losses)
    whole = sum((min(x, bound) - centre) ** 2 for x in losses)
    if whole == 0:
        return None
    between = 0.0
    for group in groups.values():
        mean = sum(min(x, bound) for x in group) / len(group)
        between += len(group) * (mean - centre) ** 2
    return between / whole, len(losses)


def important_choices(view: View, seed: int = 0) -> list[FamilyChoices]:
    """The importance of each family's choices, the family with most trials first.

    Only trials at the last rung count, which are scored on the same rows; of a family at most 120.
    Random in `seed`; see `stats.variance_parts` for the method and its source.
    """
    groups: dict[str, list[Outcome]] = {}
    for outcome in _searched(view):
        groups.setdefault(family_of(outcome.trial.candidate.document), []).append(outcome)
    order = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return [_of_family(name, outcomes, seed) for name, outcomes in order]


def _searched(view: View) -> list[Outcome]:
    return [
        o
        for o in view.finished
        if o.ok and o.trial.rung == view.rungs.top and o.trial.role == "search"
    ]


def _of_family(name: str, outcomes: Sequence[Outcome], seed: int) -> FamilyChoices:
    import numpy as np

    from modelwright.stats.variance_parts import ranks, variance_parts

    n = len(outcomes)
    outcomes = outcomes[:: -(-n // MAX_TRIALS)]
    if n < MIN_TRIALS:
        return FamilyChoices(name, n, refused=f"{n} trials, and {MIN_TRIALS} are needed")
    rows = [dict(_flat(json.loads(o.trial.candidate.document))) for o in outcomes]
    names = sorted({key for row in rows for key in row})
    varied = [key for key in names if len({row.get(key) for row in rows}) > 1]
    losses = [o.loss for o in outcomes]
    bound = _fence(losses)
    y = np.array([min(x, bound) for x in losses])
    if not varied:
        return FamilyChoices(name, n, refused="all its trials have the same design")
    X = np.column_stack([ranks(np.array(_numbers([row.get(k) for row in rows]))) for k in varied])
    parts = variance_parts(X, y, Key.of(seed).child("choices", name))
    if parts is None:
        return FamilyChoices(name, n, refused="all its trials have the same score")
    if parts.fit < MIN_FIT:
        told = f"its choices explain {max(0.0, parts.fit):.0%} of the scores of unseen trials"
        return FamilyChoices(name, n, fit=parts.fit, refused=told)
    best = sorted(range(len(losses)), key=lambda i: losses[i])[: max(3, len(losses) // 4)]
    found = [
        Choice(key, float(parts.shares[j]), float(parts.spread[j]),
               _told([rows[i].get(key) for i in best]))
        for j, key in enumerate(varied)
    ]  # fmt: skip
    found.sort(key=lambda choice: -choice.share)
    return FamilyChoices(name, n, tuple(found), parts.combined, parts.fit)


def _fence(losses: Sequence[float]) -> float:
    """A bound on losses (Tukey's fence), so that a few disasters do not hide all else."""
    ordered = sorted(losses)
    low, high = ordered[len(ordered) // 4], ordered[(3 * len(ordered)) // 4]
    return high + 1.5 * (high - low)


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a design by their path, `features.crosses`; a type inside is a leaf too."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            if path or key != "type":
                yield from _flat(part, f"{path}.{key}" if path else str(key))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield f"{path} (how many)", len(value)
        for i, part in enumerate(value[:8]):
            yield from _flat(part, f"{path}[{i}]")
    else:
        yield path, value


def _numbers(values: Sequence[Any]) -> list[float]:
    """Numbers as they are; anything else by its place among the values; nothing as NaN."""
    if all(isinstance(v, (int, float, type(None))) for v in values):
        return [math.nan if v is None else float(v) for v in values]
    places = {text: i for i, text in enumerate(sorted({str(v) for v in values}))}
    return [float(places[str(v)]) for v in values]


def _told(values: Sequence[Any]) -> str:
    plain = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if plain and len(plain) == len(values):
        low, high = min(plain), max(plain)
        return f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
    texts = [("none" if v is None else str(v)) for v in values]
    often = max(sorted(set(texts)), key=texts.count)
    return f"{often} in {texts.count(often)} of {len(texts)}"
