"""What the charts of the page draw, as plain data: points, their words, and never too many.

Every chart is `{"title", "x", "y", "series", "table"}`. An axis has a `name` and a `type` (`value`,
`count`, `log`, `category`), a series a `name`, a `look` (`points`, `front`, `best`, `line`,
`other`, `pale`, `steps`, `bars`) and `points`, each `[x, y]` or `[x, y, words]`. The `table` under
it is made of the same points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from modelwright.core.record import Record
from modelwright.core.trial import Evidence
from modelwright.core.view import Outcome, View
from modelwright.readers.leaderboard import described, family_of, trivial_outcome
from modelwright.readers.network_charts import pareto_front

MOST = 1000  # points that one chart sends
CURVES = 12
# What a score may be weighed against, the first that is known; the last is known of every trial.
COSTS = {
    "latency_ms": "ms for one answer", "params": "learned weights", "size_kb": "kB",
    "seconds": "seconds the trial took",
}  # fmt: skip
Chart = dict[str, Any]


def pareto(record: Record) -> Chart:
    """Score against what it costs (or the second goal): the front whole, the rest thinned."""
    view, first = record.view, record.view.goals[0]
    cost, words, turned = _across(view)
    ranked = (o for o in view.best(view.n_ranked()) if o.trial.by != "trivial")
    found = [o for o in ranked if cost(o.evidence) is not None]
    costs = [float(cost(o.evidence) or 0.0) for o in found]
    ahead = pareto_front([turned * c for c in costs], [o.loss for o in found])
    rest = [i for i, is_ahead in enumerate(ahead) if not is_ahead]
    kept = {i for i, is_ahead in enumerate(ahead) if is_ahead}
    kept |= {i for i, o in enumerate(found) if o.trial.number == view.champion}
    kept |= set(thinned(rest, MOST - len(kept)))

    def points(wanted: Callable[[int], bool]) -> list[list[Any]]:
        chosen = [i for i in sorted(kept, key=lambda i: costs[i]) if wanted(i)]
        return [[costs[i], found[i].evidence.scores[first.metric], _name(found[i])] for i in chosen]

    def is_best(i: int) -> bool:
        return found[i].trial.number == view.champion

    series = [
        {"name": "candidates", "look": "points", "points": points(lambda i: not ahead[i])},
        {"name": "front", "look": "front", "points": points(lambda i: ahead[i])},
        {"name": "best so far", "look": "best", "points": points(is_best)},
    ]
    low = min((c for c in costs if c > 0), default=1.0)
    wide = bool(costs) and min(costs) > 0 and max(costs) / low > 30
    return chart(
        f"{first.metric} against {words}", (words, "log" if wide else "value"),
        (first.metric, "value"), series, ("candidate", words, first.metric),
    )  # fmt: skip


def progress(record: Record) -> Chart:
    """Each full trial in the order it was judged, and the best so far."""
    view, goal = record.view, record.view.goals[0]
    found = [o for o in view.finished if o.ok and o.trial.rung == view.rungs.top]
    found = [o for o in found if o.trial.role in ("search", "blend", "final")]
    best: list[list[Any]] = []
    for place, outcome in enumerate(found, 1):
        score = outcome.evidence.scores[goal.metric]
        if not best or goal.loss(score) < goal.loss(best[-1][1]):
            best.append([place, score, _name(outcome)])
    if best and best[-1][0] < len(found):
        best.append([len(found), best[-1][1], "still the best"])
    kept = thinned(list(enumerate(found, 1)), MOST)
    dots = [[place, o.evidence.scores[goal.metric], _name(o)] for place, o in kept]
    series = [
        {"name": "each trial", "look": "points", "points": dots},
        {"name": "best so far", "look": "steps", "points": best},
    ]
    base = trivial_outcome(view)
    told = "" if base is None else f"; the trivial baseline is {_score(base, view):.4g}"
    return chart(
        f"Progress of {goal.metric}{told}", ("full trials, in the order they were judged", "count"),
        (goal.metric, "value"), series, ("candidate", "trial", goal.metric),
    )  # fmt: skip


def curve(record: Record, candidates: Sequence[str] = ()) -> Chart:
    """Validation scores while training: of these candidates, or of the best that have curves."""
    view = record.view
    rungs = range(view.rungs.top, -1, -1)
    scored = (o for rung in rungs for o in view.best(view.n_ranked(rung), rung))
    wanted = (
        o for o in scored
        if len(o.evidence.curve) > 1 and (not candidates or o.trial.candidate.id in candidates)
    )  # fmt: skip
    chosen = list(islice(wanted, CURVES))
    rest = "other" if candidates else "pale"
    series = [
        {"name": _name(o), "look": "line" if i == 0 else rest,
         "points": thinned([list(p) for p in sorted(o.evidence.curve)], MOST // CURVES)}
        for i, o in enumerate(chosen)
    ]  # fmt: skip
    unit = record.settings.get("settings", {}).get("arguments", {}).get("unit", "epochs")
    return chart("Validation score while training", (str(unit), "value"), ("score", "value"),
                 series, ("candidate", str(unit), "score"))  # fmt: skip


def energy(record: Record) -> Chart:
    """Joules by family, counted or estimated like the account of the run."""
    watts, sums = record.view.brief.watts, dict[str, float]()
    for outcome in record.view.finished:
        name = family_of(outcome.trial.candidate.document) or outcome.trial.role
        sums[name] = sums.get(name, 0.0) + joules(outcome.evidence, watts)
    named = sorted(sums, key=lambda name: -sums[name])
    bars = [[name, round(sums[name], 3)] for name in named]
    return chart("Energy of finished trials by family", ("family", "category"), ("J", "value"),
                 [{"name": "J", "look": "bars", "points": bars[:30]}], ("family", "J"))  # fmt: skip


def joules(evidence: Evidence, watts: float) -> float:
    """What one trial took: counted, or processor seconds times the power of a busy core."""
    card = float(evidence.facts.get("accelerator_joules", 0.0) or 0.0)
    if evidence.joules is not None:
        return card + evidence.joules
    return card + (evidence.cpu_seconds or 0.0) * watts


def chart(
    title: str, x: tuple[str, str], y: tuple[str, str], series: Iterable[Mapping[str, Any]],
    columns: Sequence[str],
) -> Chart:  # fmt: skip
    """The plain data of one chart, with its table."""
    drawn = [s for s in series if s["points"]]
    named = [(s["name"], p) for s in drawn for p in s["points"]]
    if len(columns) == 2:
        rows = [p[:2] for _, p in named]
    else:
        rows = [[p[2] if len(p) > 2 else name, p[0], p[1]] for name, p in named]
    return {
        "title": title, "x": {"name": x[0], "type": x[1]}, "y": {"name": y[0], "type": y[1]},
        "series": drawn, "table": {"columns": list(columns), "rows": rows},
    }  # fmt: skip


def thinned(values: Sequence[Any], most: int) -> list[Any]:
    """At most so many of the values, evenly, the first and the last among them.

    >>> thinned([0, 1, 2, 3, 4, 5, 6], 3)
    [0, 3, 6]
    """
    if len(values) <= most:
        return list(values)
    if most < 2:
        return list(values[:most])
    step = (len(values) - 1) / (most - 1)
    return [values[round(i * step)] for i in range(most)]


def _across(view: View) -> tuple[Callable[[Evidence], float | None], str, float]:
    """What stands on the x axis: how it is read, its words, and -1 where more of it is better."""
    if len(view.goals) > 1:
        goal = view.goals[1]
        turned = 1.0 if goal.direction == "minimise" else -1.0
        return (lambda e: e.scores.get(goal.metric)), goal.metric, turned
    leader = view.best(1)
    for name, words in COSTS.items():
        if leader and name in leader[0].evidence.scores:
            return (lambda e, name=name: e.scores.get(name)), words, 1.0
    return (lambda e: e.seconds), COSTS["seconds"], 1.0


def _score(outcome: Outcome, view: View) -> float:
    return outcome.evidence.scores[view.goals[0].metric]


def _name(outcome: Outcome) -> str:
    return f"trial {outcome.trial.number}, {described(outcome)[:80]}"
