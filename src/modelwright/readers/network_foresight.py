"""The report's sections on what was known early: before training, and from half a curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modelwright.core.record import Record
from modelwright.core.view import Outcome
from modelwright.readers.page import paragraph, section, table
from modelwright.stats import Interval
from modelwright.stats.extrapolate import CONFIDENCE, extrapolate
from modelwright.stats.proxies import MIN_PAIRS, PROXIES, judged
from modelwright.stats.rank_agreement import kendall_tau

HALF = 0.5  # of a training: from what was seen by then its end is foretold
MIN_TRAININGS = 3  # below which their order says nothing


def foresight_sections(record: Record) -> str:
    """The sections as HTML; what the run does not have is left out."""
    return _proxies(record) + _curves(record)


def proxy_table(record: Record) -> list[dict[str, Any]]:
    """A row for each proxy that was measured: how it ranked the designs that were then trained.

    `rho` is Spearman's correlation with the first rung's results, `low` and `high` its 95 %
    interval, over `n` designs; `top` and `n_top` the same at the last rung. None where there are
    fewer than 8 designs. `kept` and `why` are what the search makes of it.
    """
    view, used = record.view, _used(record.settings.get("designer"))
    measured = {name for o in view.measured for name in o.evidence.scores}
    first, last = judged(view), judged(view, rung=view.rungs.top)
    return [
        {"proxy": a.name, "n": a.n, **_bounds(a.agreement), "kept": a.kept and a.name in used,
         "why": a.why if a.name in used else "not used: this run is to repeat, without a clock",
         "top": _bounds(b.agreement)["rho"], "n_top": b.n}
        for a, b in zip(first, last, strict=True)
        if a.name in measured
    ]  # fmt: skip


def _used(designer: Any) -> Sequence[str]:
    """The proxies that the run's designer may use, as its first row has them."""
    while isinstance(designer, Mapping) and "measures" not in designer:
        designer = designer.get("then")
    return tuple(PROXIES) if designer is None else tuple(designer["measures"])


def _bounds(found: Interval | None) -> dict[str, float | None]:
    if found is None:
        return {"rho": None, "low": None, "high": None}
    return {"rho": found.estimate, "low": found.low, "high": found.high}


def _proxies(record: Record) -> str:
    view, found = record.view, proxy_table(record)
    if not found:
        return ""
    rows = [
        {"proxy": row["proxy"], "n": row["n"], "why": row["why"],
         "rho": "not measured" if row["rho"] is None else f"{row['rho']:.2f}",
         "interval": "" if row["rho"] is None else f"{row['low']:.2f} to {row['high']:.2f}",
         "top": "not measured" if row["top"] is None else f"{row['top']:.2f} ({row['n_top']})"}
        for row in found
    ]  # fmt: skip
    columns = {
        "proxy": "measured", "n": "networks", "rho": "Spearman's correlation",
        "interval": "95 % interval", "why": "in the search", "top": "at the last rung",
    }  # fmt: skip
    untrained = [o for o in view.measured if view.tried(o.trial.candidate.id) is None]
    spent = sum(o.evidence.seconds or 0.0 for o in view.measured)
    trained = sum(o.evidence.seconds or 0.0 for o in view.searched)
    share = f", {spent / trained:.1%} of what training took" if trained else ""
    told = paragraph(
        f"{len(view.measured)} networks were measured before or without training, in {spent:.1f} s"
        f"{share}; {len(untrained)} of them were never trained. Compared with the results of the "
        f"first rung; more of it with better results is positive. A measure is used to choose "
        f"what is trained only while its interval leaves 0 out, from {MIN_PAIRS} networks on.",
        "soft",
    )  # fmt: skip
    return section("How well networks were ranked before training", table(rows, columns) + told)


def curve_table(record: Record) -> list[dict[str, Any]]:
    """For each length of training: how well half a curve foretold its end.

    `n` trainings had looks in both halves; `held` is the share of ends within the 90 % interval;
    `newest` and `foretold` are Kendall's tau of the newest look, and of the end foretold, with the
    end; None for fewer than 3 trainings.
    """
    view = record.view
    unit = record.settings.get("settings", {}).get("arguments", {}).get("unit", "epochs")
    levels: dict[int, list[tuple[float, Interval, float]]] = {}
    for outcome in view.finished:
        level = view.rungs.top + 1 if outcome.trial.role == "final" else outcome.trial.rung
        seen = _halfway(outcome)
        if seen is not None:
            levels.setdefault(level, []).append(seen)
    names = [f"{x:.3g} {unit}" for x in view.rungs.fidelities] + ["final training"]
    return [{"length": names[level], **_told(levels[level])} for level in sorted(levels)]


def _halfway(outcome: Outcome) -> tuple[float, Interval, float] | None:
    """The newest look at half of the training, the end foretold from there, and the end."""
    curve = outcome.evidence.curve
    if not outcome.ok or len(curve) < 2 or outcome.trial.role not in ("search", "final"):
        return None
    end, came = curve[-1]
    seen = [point for point in curve if point[0] <= HALF * end]
    found = extrapolate(seen, end)
    return None if found is None else (seen[-1][1], found, came)


def _told(seen: Sequence[tuple[float, Interval, float]]) -> dict[str, Any]:
    ends = [came for _, _, came in seen]
    held = sum(found.low <= came <= found.high for _, found, came in seen) / len(seen)
    few = len(seen) < MIN_TRAININGS
    newest = None if few else kendall_tau([look for look, _, _ in seen], ends)
    foretold = None if few else kendall_tau([found.estimate for _, found, _ in seen], ends)
    return {"n": len(seen), "held": held, "newest": newest, "foretold": foretold}


def _curves(record: Record) -> str:
    found = curve_table(record)
    if not found:
        return ""
    rows = [
        {"length": row["length"], "n": row["n"], "held": f"{row['held']:.0%}",
         **{k: "not measured" if row[k] is None else f"{row[k]:.2f}"
            for k in ("newest", "foretold")}}
        for row in found
    ]  # fmt: skip
    columns = {
        "length": "training", "n": "networks", "held": f"in the {CONFIDENCE:.0%} interval",
        "newest": "tau, newest look", "foretold": "tau, end foretold",
    }  # fmt: skip
    told = paragraph(
        "From the looks in the first half of each training its accuracy (of values R²) at the end "
        "was foretold, by power laws, exponentials and lines. Ends foretold decide nothing: where "
        "this was measured they put networks in no better order than the newest looks did "
        "(Kendall's tau here).",
        "soft",
    )  # fmt: skip
    return section("How well half a learning curve told its end", table(rows, columns) + told)
