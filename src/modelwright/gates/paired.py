"""The gate of trained models: compares fold by fold, counts the looks, says what is noise."""

from __future__ import annotations

from dataclasses import dataclass, replace

from modelwright.core.trial import Verdict
from modelwright.core.view import Outcome, View
from modelwright.gates.best import first_checks
from modelwright.stats import Interval, paired_interval

SEEN = "its teacher, your model, may have seen the validation rows"

TIE = "log_loss"  # what decides between networks with exactly equal scores


@dataclass(frozen=True)
class Paired:
    """Promotes the better mean on the same folds, and prints how sure that is.

    Between candidates of this run a better mean is enough: choosing costs nothing, and the doubt is
    written down when the interval, corrected for overlapping folds and for the number of looks,
    includes zero. The person's present model (role `rival`, `by` = `yours`) is only replaced when
    the interval excludes zero: replacing a model that works has a price.

    An ensemble is compared with picking its best member on the same other rows (facts
    `picked_gain`), not with that member's own score, which is the best of many and owes part of
    that to luck.
    """

    confidence: float = 0.95

    def judge(self, challenger: Outcome, champion: Outcome | None, view: View) -> Verdict:
        """Verdict with `numbers` gain, low, high (champion's loss minus challenger's) and looks.

        An ensemble that was compared with picking has that gain too, as `picked_gain`; it decides.
        """
        verdict = first_checks(challenger, champion, view)
        if verdict is None and champion is not None:
            verdict = self._compared(challenger, champion, view)
        verdict = verdict or Verdict(challenger.trial.number, "promote", "first valid result")
        if challenger.evidence.facts.get("student", {}).get("teacher_may_have_seen_rows"):
            return replace(verdict, doubts=(SEEN, *verdict.doubts))
        return verdict

    def _compared(self, challenger: Outcome, champion: Outcome, view: View) -> Verdict:
        number, other = challenger.trial.number, champion.trial.number
        looks = max(1, view.looks)
        fair = _picked_gain(challenger, champion)
        gain = champion.loss - challenger.loss
        interval = self.compare(challenger, champion, view, looks)
        numbers: dict[str, float] = {"gain": gain, "looks": looks}
        if fair is not None:
            numbers["picked_gain"] = gain = fair
        doubts: tuple[str, ...] = ()
        if interval is not None:
            numbers |= {"low": interval.low, "high": interval.high}
            if not interval.low > 0:
                doubts = (f"within noise after {looks} looks: {interval}",)
        finer = _finer(challenger, champion) if gain == 0 else 0.0
        if finer > 0 and not champion.trial.brought:
            reason = f"as good as trial {other}, with {finer:.4g} less {TIE}"
            return Verdict(number, "promote", reason, other, numbers, doubts)
        if gain <= 0:
            reason = f"not better than trial {other}: {-gain:.4g} worse"
            return Verdict(number, "reject", reason, other, numbers)
        if champion.trial.by == "yours" and (interval is None or not interval.low > 0):
            reason = f"better than your model by {gain:.4g}, but within noise: keep yours"
            return Verdict(number, "hold", reason, other, numbers, doubts)
        reason = f"better than trial {other} by {gain:.4g}"
        if fair is not None:
            reason = f"better by {gain:.4g} than picking the best member on the same other rows"
        return Verdict(number, "promote", reason, other, numbers, doubts)

    def compare(self, a: Outcome, b: Outcome, view: View, looks: int) -> Interval | None:
        """Interval of b's loss minus a's over their common folds; None without comparable folds."""
        goal = view.goals[0]
        mine = a.evidence.folds.get(goal.metric, ())
        theirs = b.evidence.folds.get(goal.metric, ())
        if len(mine) < 2 or len(mine) != len(theirs) or a.evidence.protocol != b.evidence.protocol:
            return None
        return paired_interval(
            [goal.loss(x) for x in theirs],
            [goal.loss(x) for x in mine],
            looks=looks,
            confidence=self.confidence,
            overlap=a.overlap,
        )


def _finer(challenger: Outcome, champion: Outcome) -> float:
    """How much less log loss a network has than another; 0 where it was not asked for."""
    pair = (challenger.evidence, champion.evidence)
    if not all(e.facts.get("tie_break") == TIE and TIE in e.scores for e in pair):
        return 0.0
    return champion.evidence.scores[TIE] - challenger.evidence.scores[TIE]


def _picked_gain(challenger: Outcome, champion: Outcome) -> float | None:
    """An ensemble's gain over picking the best of its members; None for other pairs."""
    found = challenger.evidence.facts.get("picked_gain")
    own = champion.trial.role in ("search", "rival") and not champion.trial.brought
    if challenger.trial.role != "blend" or not own or not isinstance(found, float):
        return None
    return found
