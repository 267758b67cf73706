"""What small networks are taught at the end of a run: of which design, by whom, and how."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modelwright.core.canonical import canonical
from modelwright.core.trial import Candidate, Proposal
from modelwright.core.view import Outcome, View

SMALLER = 10.0  # times fewer weights than the winner a student has, at least
EACH_SECONDS = 25.0  # of a lesson: as many lessons as there is time for
MOST = 3  # designs
WAY = "answers"  # of teaching, by a network: no other way was shown to be better (docs/networks.md)
BACKBONE = '"type":"BackboneDesign"'  # in the document of a design on a pretrained backbone
KEEP = 0.5  # of the channels of a network that is thinned


def n_lessons(lesson: float, timed: bool) -> int:
    """How many students, each beside its control, the time `lesson` is divided among.

    >>> n_lessons(18.0, False), n_lessons(30.0, True), n_lessons(120.0, True)
    (1, 1, 3)
    """
    return max(1, min(MOST, int(lesson / EACH_SECONDS))) if timed else 1


def lessons(
    view: View, lesson: float, timed: bool, narrow: Sequence[tuple[str, float]],
    searched: Sequence[Outcome],
) -> Iterator[Proposal]:  # fmt: skip
    """Students and controls that were not tried yet; `lesson` is the length of all together.

    `narrow` are documents of small designs with their weights, the largest first; `searched` are
    the outcomes of the search, best first. The teacher is the person's, where one was named; else
    the best network, limits or not. A student learns from it, its control from the labels alone.
    """
    # Students are measured by what nobody taught: one that wins is no reason for smaller ones.
    untaught = (
        o for o in view.best(view.n_ranked())
        if o.trial.role in ("search", "final", "blend") and "params" in o.evidence.scores
    )  # fmt: skip
    best, teacher = next(untaught, None), teacher_of(view)
    if not lesson or best is None or teacher is None:
        return
    told = _told(view, teacher)
    n = n_lessons(lesson, timed)
    for design, why in _designs(view, best, narrow, searched)[:n]:
        for teach in (True, False):
            document: dict[str, Any] = {
                "type": "Student", **design, "length": round(lesson / n, 3), "teach": teach,
                "teacher": told,
            }  # fmt: skip
            if teach and "told" not in told:
                document["way"] = WAY
            candidate = Candidate(canonical(document), (teacher.trial.candidate.id,))
            reason = f"learns from trial {teacher.trial.number}, {why}"
            if not teach:
                reason = "the same design without a teacher: what the teacher is worth"
            new = view.tried(candidate.id, view.rungs.top) is None
            if new and candidate.id not in view.refused:
                yield Proposal(candidate, reason, view.rungs.top, "student", "closing")


def teacher_of(view: View) -> Outcome | None:
    """The person's model that was named as teacher; else the network with the least loss.

    It may be outside of the limits, such as an ensemble that its students have to fit into.
    None where the named one could not be scored: another is not what was asked for.
    """
    named = [o for o in view.finished if o.trial.by == "teacher"]
    if named:
        return named[0] if named[0].ok else None
    able = [
        o for o in view.finished
        if o.ok and o.trial.rung == view.rungs.top and o.trial.role in ("search", "final", "blend")
        and "model" in o.evidence.artefacts
    ]  # fmt: skip
    return min(able, key=lambda o: (o.loss, o.trial.number), default=None)


def _told(view: View, teacher: Outcome) -> dict[str, Any]:
    """A teacher as a `Student` names it."""
    evidence, metric = teacher.evidence, view.goals[0].metric
    told: dict[str, Any] = {
        "trial": teacher.trial.number, "candidate": teacher.trial.candidate.id,
        "shares": evidence.artefacts["shares"], "folds": list(evidence.folds.get(metric, ())),
    }  # fmt: skip
    if "told" in evidence.artefacts:
        return told | {"told": evidence.artefacts["told"]}
    document = teacher.trial.candidate.document
    return told | {"document": document, "model": evidence.artefacts["model"]}


def _designs(
    view: View, best: Outcome, narrow: Sequence[tuple[str, float]], searched: Sequence[Outcome]
) -> list[tuple[Mapping[str, Any], str]]:
    """What to teach, the likeliest first, and why: never the same design twice.

    Under limits that is the winner's own design; else the best design of the search with a tenth of
    the winner's weights at most, or a known one; the winner thinned; and a known one, smaller yet.
    """
    most = best.evidence.scores["params"] / SMALLER
    own = [o for o in searched if BACKBONE not in o.trial.candidate.document]
    small = [o.trial.candidate.document for o in own if o.evidence.scores["params"] <= most]
    known = [text for text, params in narrow if params <= most]
    of_winner = _single(view)
    if of_winner is not None and BACKBONE in of_winner.trial.candidate.document:
        of_winner = None  # what was pretrained is a teacher here
    found: list[tuple[Mapping[str, Any], str]] = []
    if view.limits and of_winner is not None:
        design = json.loads(of_winner.trial.candidate.document)
        found.append(({"design": design.get("design", design)}, "of its own design, within limits"))
    for text in (small + known)[:1]:
        found.append(({"design": json.loads(text)}, "with a tenth of the winner's weights at most"))
    if of_winner is not None:
        document = of_winner.trial.candidate.document
        design = json.loads(document)
        thin = {
            "document": document, "model": of_winner.evidence.artefacts["model"], "keep": KEEP,
        }  # fmt: skip
        found.append(({"design": design.get("design", design), "thin": thin},
                      f"begun with the {KEEP:.0%} of its channels that count most"))  # fmt: skip
    smaller = [text for text in known if json.loads(text) not in [d["design"] for d, _ in found]]
    found += [({"design": json.loads(text)}, "smaller yet") for text in smaller[-1:]]
    return found


def _single(view: View) -> Outcome | None:
    """The best single network of a full training, the longest trainings first, within limits."""
    able = [o for o in view.best(view.n_ranked())
            if o.trial.role in ("search", "final") and o.violation == 0
            and "model" in o.evidence.artefacts]  # fmt: skip
    return min(able, key=lambda o: (o.trial.role != "final", o.loss), default=None)
