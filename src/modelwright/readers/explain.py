"""Plain words for what happened: to a run, and to one candidate."""

from __future__ import annotations

import math

from modelwright.core.errors import InputError, did_you_mean
from modelwright.core.record import Record
from modelwright.core.view import Outcome, View
from modelwright.readers.doubts import reasons_to_doubt
from modelwright.readers.energy import trial_cost
from modelwright.readers.leaderboard import described, family_of, fold_bounds, trivial_outcome
from modelwright.readers.price import price_of_glass
from modelwright.stats import Interval, paired_interval


def find_outcome(view: View, candidate: str) -> Outcome:
    """The outcome of a candidate, by its id, the beginning of it, or its trial's number.

    Raises InputError when there is none or more than one.
    """
    full = [o for o in view.finished if o.trial.scored]
    if candidate.isdecimal() and int(candidate) in view.trials and len(candidate) < 8:
        found = view.outcome(int(candidate))
        if found is None:
            raise InputError(f"trial {candidate} has not finished; ask again later.")
        return found
    hits = {o.trial.candidate.id: o for o in full if o.trial.candidate.id.startswith(candidate)}
    if len(hits) == 1:
        return next(iter(hits.values()))
    if hits:
        raise InputError(f"{candidate!r} begins {len(hits)} candidates; give more of the id.")
    names = [o.trial.candidate.id for o in full]
    raise InputError(
        f"no candidate {candidate!r} in this run.{did_you_mean(candidate, names)} "
        f"'modelwright leaderboard' lists them."
    )


def explain_candidate(record: Record, outcome: Outcome) -> list[str]:
    """Why it was tried, what came of it, what it was compared with, and what to doubt."""
    view, trial, evidence = record.view, outcome.trial, outcome.evidence
    goal = view.goals[0]
    lines = [
        f"Candidate {trial.candidate.id} (trial {trial.number}, "
        f"{family_of(trial.candidate.document) or trial.role}), proposed by {trial.by}.",
        f"Why it was tried: {trial.reason}.",
        f"Design: {trial.candidate.document}",
    ]
    if evidence.failure is not None:
        lines.append(f"It failed ({evidence.failure.cause}): {evidence.failure.message}.")
        return lines
    if goal.metric not in evidence.scores:
        told = ", ".join(f"{name} {value:.5g}" for name, value in evidence.scores.items())
        return [*lines, f"Not scored, but measured: {told or 'nothing'}."]
    lines.append(f"It took {trial_cost(record, outcome)}.")
    bounds = fold_bounds(outcome, goal.metric)
    interval = f", 95 % interval {bounds[0]:.4g} to {bounds[1]:.4g}" if bounds else ""
    lines.append(f"Score: {goal.metric} {evidence.scores[goal.metric]:.5g}{interval}.")
    for limit in view.limits:
        score = evidence.scores.get(limit.metric, math.nan)
        noise = evidence.noise.get(limit.metric, 0.0)
        met = limit.violation(score, noise) == 0
        shown = "not measured" if math.isnan(score) else f"{score:.4g} ± {noise:.2g}"
        lines.append(f"Limit {limit}: {shown}, {'met' if met else 'NOT met'}.")
    for other, words in _others(view, outcome):
        lines.append(against(view, outcome, other, words, max(1, view.looks)))
    verdict = view.verdicts.get(trial.number)
    if verdict is not None:
        lines.append(f"Verdict: {verdict.word}, {verdict.reason}.")
        lines += [f"Reason to doubt: {doubt}." for doubt in verdict.doubts]
    return lines + [f"Reason to doubt: {doubt}." for doubt in reasons_to_doubt(record, outcome)]


def _others(view: View, outcome: Outcome) -> list[tuple[Outcome, str]]:
    """What a candidate is held against: the trivial baseline and the champion."""
    base = trivial_outcome(view)
    best = None if view.champion is None else view.outcome(view.champion)
    named = [(base, "the trivial baseline"), (best, "the champion")]
    return [(other, words) for other, words in named if other is not None and other is not outcome]


def chosen_lines(view: View) -> list[str]:
    """What was chosen, in numbers: against the trivial baseline and the best of other families.

    Differences are paired on the same folds, and corrected for the number of looks (verdicts).
    """
    best = None if view.champion is None else view.outcome(view.champion)
    if best is None:
        return ["Nothing was chosen: no trial has a valid result."]
    metric, looks = view.goals[0].metric, max(1, view.looks)
    name = described(best)
    lines = [f"Chosen: {name} (trial {best.trial.number}), {metric} "
             f"{best.evidence.scores[metric]:.5g}."]  # fmt: skip
    base = trivial_outcome(view)
    if base is not None and base is not best:
        lines.append("  " + against(view, best, base, "the trivial baseline", 1))
    seen = {_kind(best), _kind(base) if base is not None else ""}
    for other in view.best(view.n_ranked()):
        if _kind(other) not in seen and len(seen) < 6:
            seen.add(_kind(other))
            words = f"the best {described(other).split(' of ')[0]} (trial {other.trial.number})"
            lines.append("  " + against(view, best, other, words, looks))
    return lines


def _kind(outcome: Outcome) -> str:
    if outcome.trial.brought:
        return outcome.trial.by
    return family_of(outcome.trial.candidate.document)


def against(view: View, one: Outcome, other: Outcome, name: str, looks: int) -> str:
    """A sentence on the difference of two outcomes on the same folds, with its interval."""
    goal = view.goals[0]
    gain = other.loss - one.loss
    word = "better" if gain > 0 else "worse" if gain < 0 else "different"
    told = f"Against {name}, {other.evidence.scores[goal.metric]:.5g}: {word} by {abs(gain):.4g}"
    found = gain_interval(view, one, other, looks)
    if found is None:
        return f"{told}; not scored on the same folds, so without an interval."
    n_folds = len(one.evidence.folds[goal.metric])
    counted = f" after {looks} looks" if looks > 1 else ""
    doubt = "" if found.excludes_zero else ", which may be chance"
    interval = f"95 % interval {found.low:.4g} to {found.high:.4g}{counted}"
    return f"{told}, {interval} on {n_folds} folds{doubt}."


def gain_interval(view: View, one: Outcome, other: Outcome, looks: int) -> Interval | None:
    """How much smaller the loss of `one` is, paired on the same folds; None where they have none.

    The interval is widened for the number of `looks`.
    """
    goal = view.goals[0]
    mine = [goal.loss(x) for x in one.evidence.folds.get(goal.metric, ())]
    theirs = [goal.loss(x) for x in other.evidence.folds.get(goal.metric, ())]
    same = one.evidence.protocol == other.evidence.protocol
    if len(mine) < 2 or len(mine) != len(theirs) or not same:
        return None
    return paired_interval(theirs, mine, looks=looks, overlap=one.overlap)


def explain_run(record: Record) -> list[str]:
    """The run in words: what was chosen against what, what was tried, what failed, why it ended."""
    view = record.view
    searched, (finished, failed) = len(view.searched), view.done
    lines = chosen_lines(view)
    best = None if view.champion is None else view.outcome(view.champion)
    if best is not None:
        lines += [f"  Reason to doubt it: {doubt}." for doubt in reasons_to_doubt(record, best)]
    price = price_of_glass(view)
    lines += [f"  {price}"] if price else []
    lines.append(f"{finished} trials finished, {searched} of them proposed by the search.")
    if view.measured:
        seconds = sum(o.evidence.seconds or 0.0 for o in view.measured)
        lines.append(
            f"{len(view.measured)} designs were also measured without training, in {seconds:.1f} s."
        )
    if failed:
        causes: dict[str, int] = {}
        for failed_one in view.finished:
            if failed_one.evidence.failure is not None and failed_one.trial.role != "zero_cost":
                cause = failed_one.evidence.failure.cause
                causes[cause] = causes.get(cause, 0) + 1
        told = ", ".join(f"{n} by {cause}" for cause, n in sorted(causes.items()))
        lines.append(f"{failed} of them failed ({told}).")
    lines.append("The best so far changed hands:")
    goal = view.goals[0]
    for _, outcome in view.improvements:
        number, score = outcome.trial.number, outcome.evidence.scores[goal.metric]
        verdict, family = view.verdicts[number], family_of(outcome.trial.candidate.document)
        told = f"  trial {number} ({family}): {goal.metric} {score:.5g}; {verdict.reason}"
        lines.append(told + "".join(f"; doubt: {d}" for d in verdict.doubts))
    for ruling in record.rulings:
        lines.append(f"Policy: {ruling['word']} {ruling['action']}: {ruling['reason']}.")
    for look in record.looks:
        lines.append(look["sentence"])
    lines.append(f"Why it ended: {record.reason or 'it is running, or was killed'}.")
    return lines
