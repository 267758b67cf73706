"""Does the metric fit the decision? Rare positives, skewed numbers, unstated costs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from modelwright.recipes.points import Asked, Point

RARE, FEW_POSITIVES = 0.2, 100
COUNTED = ("accuracy",)
AT_A_THRESHOLD = ("accuracy", "balanced_accuracy", "f1", "macro_f1", "mcc", "precision",
                  "sensitivity", "specificity")  # fmt: skip


def metric_points(asked: Asked) -> Iterator[Point]:
    """What the metric would hide, what a model that looks at nothing gets, and costs not stated."""
    yield _trivial(asked)
    if asked.target.classes:
        yield from _classes(asked)
    else:
        yield from _numbers(asked)
    names = asked.metric.name in AT_A_THRESHOLD or asked.metric.name == "roc_auc"
    if (
        asked.target.classes
        and names
        and not asked.question.costs
        and not asked.question.constraint
    ):
        a, b = asked.target.classes[-1], asked.target.classes[0]
        yield Point(
            "costs", "hint",
            f"No cost of errors is stated, so that a missed {a!r} counts as much as a false one; "
            f'if they differ, state them in a problem file: [costs] "{a}>{b}" = 5, "{b}>{a}" = 1.',
        )  # fmt: skip


def _trivial(asked: Asked) -> Point:
    from modelwright.models.metrics import score_predictions

    y = np.asarray(asked.target.y)
    y = y[np.isfinite(y)]
    if asked.target.classes:
        out = np.tile(asked.shares, (len(y), 1))
        what = "the classes' shares"
    else:
        middle = np.median(y) if asked.metric.loss == "absolute" else y.mean()
        out = np.full(len(y), float(middle))
        what = "one number"
    score = score_predictions(asked.metric, y, out)
    return Point(
        "trivial model", "fact",
        f"A model that looks at no column and always answers {what} gets {asked.metric.name} "
        f"{score:.4g}: only what goes beyond it is learned.",
    )  # fmt: skip


def _classes(asked: Asked) -> Iterator[Point]:
    shares, classes, n = asked.shares, asked.target.classes, asked.table.info.n_rows
    least, most = int(shares.argmin()), int(shares.argmax())
    name = asked.metric.name
    if name in COUNTED and shares[least] < RARE / max(1, len(classes) - 1):
        better = "average_precision, f1 or" if len(classes) == 2 else "macro_f1 or"
        yield Point(
            "metric", "warning",
            f"Always answering {classes[most]!r} has accuracy {shares[most]:.3f}, because "
            f"{classes[least]!r} is only {shares[least]:.1%} of the rows: accuracy would hide "
            f"whether any of them is found; consider {better} balanced_accuracy, or costs.",
        )  # fmt: skip
    if name == "roc_auc" and len(classes) == 2 and shares[1] < 0.05:
        yield Point(
            "metric", "hint",
            f"With {shares[1]:.1%} of {classes[1]!r} a high roc_auc can go with mostly false "
            "alarms; average_precision shows how many alarms are right.",
        )  # fmt: skip
    rows = round(float(shares[least]) * n)
    if rows < FEW_POSITIVES:
        yield Point(
            "imbalance", "warning" if rows < 30 else "hint",
            f"There are only {rows} rows of {classes[least]!r}: scores about it are uncertain, "
            f"whatever is built (of {rows} rows, half found is known within "
            f"± {1.96 * 0.5 / np.sqrt(max(1, rows)):.2f}).",
        )  # fmt: skip


def _numbers(asked: Asked) -> Iterator[Point]:
    y = np.asarray(asked.target.y, float)
    y = y[np.isfinite(y)]
    name = asked.metric.name
    errors = np.sort((y - np.mean(y)) ** 2)[::-1]
    top = errors[: max(1, len(y) // 100)].sum() / (errors.sum() or 1.0)
    if name in ("rmse", "r2") and top > 0.3:
        yield Point(
            "metric", "hint",
            f"One row in a hundred carries {top:.0%} of the squared spread of "
            f"{asked.target.name!r}: {name} would be about these few; mae, or rmsle for amounts, "
            "counts all rows alike.",
        )  # fmt: skip
    if name == "mape" and (y == 0).any():
        yield Point(
            "metric", "warning",
            f"{int((y == 0).sum())} rows have {asked.target.name!r} = 0, where a share of the "
            "value means nothing: mape would be about them; use mae.",
        )  # fmt: skip
    if name == "rmsle" and (y < 0).any():
        yield Point(
            "metric", "warning",
            f"{int((y < 0).sum())} rows have {asked.target.name!r} below 0, where rmsle has no "
            "logarithm; use rmse or mae.",
        )  # fmt: skip
