"""What it would cost to be able to read the model: the glass box against the chosen one."""

from __future__ import annotations

from modelwright.core.view import Outcome, View
from modelwright.readers.leaderboard import family_of
from modelwright.stats import paired_interval

GLASS = "GlassBox"


def glass_box(view: View) -> Outcome | None:
    """The best glass-box trial of the search, at the highest rung that one reached."""
    for rung in range(view.rungs.top, -1, -1):
        for outcome in view.best(view.n_ranked(rung), rung):
            document = outcome.trial.candidate.document
            told = outcome.trial.role == "search" and GLASS in document  # parsing takes longer
            if told and family_of(document) == GLASS:
                return outcome
    return None


def price_of_glass(view: View) -> str | None:
    """A sentence on the price of the glass box; None where none was tried or nothing was chosen.

    The difference is that of the metric, paired on the folds that both were scored on (the first
    ones, where the glass box had fewer), with the corrected 95 % interval of `paired_interval`.
    """
    best = None if view.champion is None else view.outcome(view.champion)
    glass = glass_box(view)
    if best is None or glass is None:
        return None
    goal = view.goals[0]
    name = f"The glass-box model (trial {glass.trial.number})"
    score = f"{goal.metric} {glass.evidence.scores[goal.metric]:.5g}"
    if best is glass:
        return f"{name} is the chosen one, {score}: to be able to read it costs nothing."
    theirs = [goal.loss(x) for x in glass.evidence.folds.get(goal.metric, ())]
    mine = [goal.loss(x) for x in best.evidence.folds.get(goal.metric, ())][: len(theirs)]
    if len(mine) < len(theirs) or glass.evidence.protocol != best.evidence.protocol or not mine:
        return f"{name}, {score}, was not scored on the same folds as the chosen one."
    if len(mine) < 2:
        price = theirs[0] - mine[0]
        return f"{name}, {score}, would {_cost(price)} (one fold, so without an interval)."
    found = paired_interval(theirs, mine, overlap=best.overlap)
    doubt = "" if found.excludes_zero else ", which may be chance"
    return (
        f"{name}, {score}, would {_cost(found.estimate)} compared with the chosen one "
        f"(95 % interval {found.low:.3g} to {found.high:.3g} on {len(mine)} folds{doubt})."
    )


def _cost(price: float) -> str:
    """The price in words; below zero the glass box is the better one."""
    return f"cost {price:.3g}" if price >= 0 else f"gain {-price:.3g}"
