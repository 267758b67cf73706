"""The plain gate of a search over a function: the better measured value wins."""

from __future__ import annotations

from dataclasses import dataclass

from modelwright.core.trial import Verdict
from modelwright.core.view import Outcome, View


def first_checks(challenger: Outcome, champion: Outcome | None, view: View) -> Verdict | None:
    """What every gate asks first; None when the scores have to be compared.

    Failed trials and trials below the full rung are not champions; a trial outside the limits
    never replaces one within them.
    """
    number = challenger.trial.number
    if not challenger.trial.scored and not challenger.failed:
        if challenger.trial.role == "zero_cost":
            return Verdict(number, "hold", "measured without training, which is no result")
        return Verdict(number, "hold", "a fit of a candidate that was judged already")
    if not challenger.ok:
        failure = challenger.evidence.failure
        return Verdict(number, "reject", f"failed: {failure.cause if failure else 'no scores'}")
    if challenger.trial.rung != view.rungs.top:
        rung = challenger.trial.rung
        return Verdict(number, "hold", f"judged at the full rung only; this was rung {rung}")
    if challenger.trial.by == "teacher":
        return Verdict(number, "hold", "your teacher: it teaches, and is no rival")
    if champion is None:
        return Verdict(number, "promote", "first valid result")
    about = challenger.evidence.facts.get("student", {})
    if about.get("teacher_may_have_seen_rows") and not about.get("teacher_named"):
        return Verdict(number, "hold", "its teacher, your model, may have seen the validation rows")
    if challenger.trial.role == "student" and not view.limits:
        return Verdict(number, "hold", "a student: without limits it goes beside the champion")
    if challenger.violation > champion.violation:
        return Verdict(
            number,
            "reject",
            f"outside the limits by {challenger.violation:.3g}, the champion by "
            f"{champion.violation:.3g}",
            champion.trial.number,
        )
    if champion.violation > challenger.violation:
        word = "within the limits" if challenger.violation == 0 else "nearer to the limits"
        return Verdict(number, "promote", f"{word}; the champion is not", champion.trial.number)
    return None


@dataclass(frozen=True)
class Best:
    """Promotes whatever is better by the first goal, after limits."""

    def judge(self, challenger: Outcome, champion: Outcome | None, view: View) -> Verdict:
        """Verdict on the challenger; `numbers["gain"]` is the champion's loss minus its own."""
        early = first_checks(challenger, champion, view)
        if early is not None or champion is None:
            return early or Verdict(challenger.trial.number, "promote", "first valid result")
        gain = champion.loss - challenger.loss
        number, other = challenger.trial.number, champion.trial.number
        reason = f"{'better' if gain > 0 else 'not better'} than trial {other} by {abs(gain):.4g}"
        return Verdict(number, "promote" if gain > 0 else "reject", reason, other, {"gain": gain})
