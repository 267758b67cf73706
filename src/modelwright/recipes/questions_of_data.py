"""Does the table answer the question? Leaks, time, groups, repeats, few rows; what budgets buy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from modelwright.core.problem import Budget
from modelwright.data.suspects import suspects
from modelwright.recipes.points import Asked, Level, Point

MAX_ROWS = 50_000
FIT_ROWS = 4000
MIN_DATES = 8  # with fewer, quarters tell nothing


def data_points(asked: Asked) -> Iterator[Point]:
    """Points about single columns, the way rows are split, and how many there are."""
    question = asked.question
    aside = [n for n in (question.group, question.weight, *question.drop) if n is not None]
    for suspect in suspects(asked.table, asked.target, aside):
        level: Level = "warning" if suspect.warning else "hint"
        if suspect.kind == "constant" or (suspect.kind == "id" and "left out" in suspect.sentence):
            level = "fact"
        yield Point("suspicious columns", level, suspect.sentence)
    yield from _times(asked)
    yield from _groups(asked)
    yield from _repeats(asked)
    yield from _sizes(asked)


def _times(asked: Asked) -> Iterator[Point]:
    if asked.question.time is not None or asked.question.group is not None:
        return
    y = np.asarray(asked.target.y, float)
    for info in asked.part.schema.dates:
        seconds = asked.table.frame[info.name].to_numpy(dtype="datetime64[s]")
        there = np.flatnonzero(~np.isnat(seconds))
        if len(there) < MIN_DATES:
            continue
        order = there[np.argsort(seconds[there], kind="stable")]
        quarter = len(order) // 4
        first, last = y[order[:quarter]], y[order[-quarter:]]
        yield Point(
            "time", "hint",
            f"{info.name!r} holds dates and rows are split at random, so that a model may learn "
            f"from rows after those it is scored on ({_drift(asked, first, last)}); if the future "
            f"is to be predicted, --time {info.name}.",
        )  # fmt: skip


def _drift(asked: Asked, first: Any, last: Any) -> str:
    name = asked.target.name
    if len(asked.target.classes) == 2:
        label = asked.target.classes[1]
        return f"{label!r}: {first.mean():.1%} of the first quarter, {last.mean():.1%} of the last"
    if asked.target.classes:
        top = int(asked.shares.argmax())
        a, b = (first == top).mean(), (last == top).mean()
        return f"{asked.target.classes[top]!r}: {a:.1%} of the first quarter, {b:.1%} of the last"
    a, b = np.nanmean(first), np.nanmean(last)
    return f"the mean of {name!r} is {a:.4g} in the first quarter and {b:.4g} in the last"


def _groups(asked: Asked) -> Iterator[Point]:
    if asked.question.group is not None:
        return
    n = asked.table.info.n_rows
    for info in asked.table.info.columns:
        if info.name in (asked.target.name, asked.question.time, *asked.question.drop):
            continue
        per = n / max(1, info.n_unique)
        named = "if it names a group" in info.note
        many = info.kind == "categorical" and info.n_unique >= 50 and 1.5 <= per <= 30
        if named or many:
            yield Point(
                "groups", "hint",
                f"{info.name!r} has {info.n_unique} values with {per:.1f} rows each: if new rows "
                f"come from new ones, splitting at random flatters the score; --group {info.name}.",
            )  # fmt: skip


def _repeats(asked: Asked) -> Iterator[Point]:
    frame = asked.table.frame.iloc[:MAX_ROWS]
    names = [c.name for c in asked.part.schema.columns if c.kind != "text"]
    if len(names) < 3 or not len(frame):
        return
    alike = int(frame[names].duplicated(keep=False).sum())
    same = int(frame[[*names, asked.target.name]].duplicated(keep=False).sum())
    if alike < 0.05 * len(frame):
        return
    unlike = alike - same
    contrary = f", {unlike} of them with another {asked.target.name!r}" if unlike else ""
    yield Point(
        "repeated rows", "hint",
        f"{alike} of {len(frame)} rows ({alike / len(frame):.1%}) agree with another in all "
        f"columns{contrary}: when copies stand on both sides of a split the score flatters; drop "
        "copies, or --group by what they share.",
    )  # fmt: skip


def _sizes(asked: Asked) -> Iterator[Point]:
    n, p = asked.table.info.n_rows, len(asked.part.schema.columns)
    if n < 1000:
        held = asked.n_sealed or len(asked.part)
        how = "kept for the last look" if asked.n_sealed else "scored by cross-validation"
        half = 1.96 * np.sqrt(0.85 * 0.15 / max(1, held))
        yield Point(
            "small data", "warning" if n < 100 else "hint",
            f"With {n} rows, {held} of them {how}, a share of right answers of 0.85 is "
            f"known within ± {half:.2f}: small gains cannot be told from chance.",
        )  # fmt: skip
    if n < 10 * p:
        yield Point(
            "small data", "hint",
            f"There are {n / p:.1f} rows per column: some column fits by chance; prefer simple "
            "models and trust the interval.",
        )  # fmt: skip


def budget_points(asked: Asked, budget: Budget, plan: Any) -> Iterator[Point]:
    """What a default model gets from one fit, and about how many trials the budget buys."""
    from modelwright.evaluators.table import examples_of
    from modelwright.families import available
    from modelwright.families.pipeline import fit_design
    from modelwright.models.metrics import score_predictions

    types, _ = available(["LightGbm", "Linear"])
    part = asked.part
    train = np.flatnonzero(np.asarray(part.parts[0]) == 1)
    held = np.flatnonzero(np.asarray(part.parts[0]) == 2)
    if not types or not len(held):
        return
    rng = np.random.default_rng(0)
    used = train if len(train) <= FIT_ROWS else np.sort(rng.choice(train, FIT_ROWS, replace=False))
    small = held if len(held) <= FIT_ROWS else np.sort(rng.choice(held, FIT_ROWS, replace=False))
    rows = np.concatenate([used, small])
    few = replace(part, features=part.features.take(rows), y=np.asarray(part.y)[rows],
                  weights=None)  # fmt: skip
    examples = examples_of(few, asked.metric.loss)
    learn, check = np.arange(len(used)), np.arange(len(used), len(rows))
    tiny = examples.take(np.arange(0, len(used), -(-len(used) // 50)))
    fit_design(types[0](), tiny, rounds=1)  # loads the library, which is not part of a fit
    began = time.process_time()  # of one thread; a busy machine shall not change what is told
    fitted = fit_design(types[0](), examples.take(learn), seed=asked.question.seed,
                        validation=examples.take(check))  # fmt: skip
    seconds = time.process_time() - began
    score = score_predictions(asked.metric, few.y[check], fitted.predict(examples.X.take(check)))
    name = types[0].__name__
    yield Point(
        "simple model", "fact",
        f"{name} with its defaults, fitted once on {len(used)} rows, gets {asked.metric.name} "
        f"{score:.4g} on {len(small)} others: the search has to beat this.",
    )  # fmt: skip
    n_folds = max(1, len(part.parts) // max(1, part.repeats))
    each = max(0.05, seconds * len(train) / len(used)) * n_folds
    families = len(plan.arguments["families"])
    if budget.seconds is not None:
        trials = int(0.7 * budget.seconds * asked.slots / each)
        told = f"so that {budget} buy about {trials} trials of that size in {asked.slots} workers"
        level: Level = (
            "warning" if trials < families else "hint" if trials < 3 * families else "fact"
        )
        if trials < 3 * families:
            told += f"; that is few for {families} families, give more time"
        yield Point("budget", level, f"A full run of {name} ({n_folds} fits) takes about "
                    f"{each:.1f} s here, {told}.")  # fmt: skip
    elif budget.trials is not None:
        total = budget.trials * each / asked.slots
        yield Point(
            "budget", "fact",
            f"A full run of {name} ({n_folds} fits) takes about {each:.1f} s here, so that "
            f"{budget} take about {total:.0f} s in {asked.slots} workers.",
        )  # fmt: skip
