"""What the rows of one study say, folded row by row: the shared reading of the ledger.

| kind of row | body |
|---|---|
| `study` | the frozen study: problem, space, designer, gate, policy, budget, rungs, slots, seed |
| `session` | a process took the study up: versions, trials ordered again and what of them is kept |
| `order` | a trial: candidate, rung, seed, who proposed it and why |
| `evidence` | what was measured in a trial |
| `verdict` | the gate's word on it |
| `ruling` | the policy refused or asks about an action |
| `message` | a person's message taken from the inbox: stop, pause, budget, approve, ban, ... |
| `request` | a person is asked whether something may be done: what exactly, why, until when |
| `acted` | what a person approved was done, or was not since a check just before failed |
| `policy` | the rules from here on: a person set others while the study ran |
| `phase` | the search is over, the closing steps begin, and why |
| `dropped` | a design in line that is not tried, and why |
| `end` | the session ended, why, and whether the study is finished |
| `look` | one look at the sealed part, with its score |
| `ship` | a model was written: candidate, files, hash |
| `child` | a nested study finished: its hash |

Every body has `at`: seconds the study has been running, summed over sessions.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from modelwright.core.approvals import NEIGHBOURS, Approvals, Asked
from modelwright.core.problem import Budget, Goal, Limit, Rungs
from modelwright.core.trial import WATTS_PER_CORE, Evidence, Trial, Verdict
from modelwright.core.view import Brief, Outcome, View, ViewBuilder

Status = Literal["new", "running", "paused", "stopped", "finished", "refused", "waiting"]


def brief_of(settings: Mapping[str, Any], space: Any = None) -> tuple[Brief, Budget]:
    """The brief and the first budget in the body of a `study` row."""
    problem = settings["problem"]
    brief = Brief(
        space=space,
        goals=tuple(Goal(**g) for g in problem["goals"]),
        limits=tuple(Limit(**x) for x in problem["limits"]),
        rungs=Rungs.of(settings["rungs"]),
        slots=settings["slots"],
        seed=problem["seed"],
        watts=watts_of(problem["about"]),
    )
    return brief, Budget(**settings["budget"])


def watts_of(about: Mapping[str, Any]) -> float:
    """The power of one busy core that a problem was asked with, or the one that is assumed."""
    return float(about.get("question", {}).get("power_watts") or WATTS_PER_CORE)


def hard_caps(policy: Mapping[str, Any]) -> dict[str, float]:
    """A policy's hard caps by unit. Money is time at a price: its cap bounds the seconds.

    >>> hard_caps({"max_trials": 5, "max_money": 2.0, "cost": {"per_hour": 0.5}})
    {'trials': 5, 'money': 2.0, 'seconds': 14400.0}
    """
    caps = {k[4:]: cap for k, cap in policy.items() if k.startswith("max_") and cap is not None}
    price = (policy.get("cost") or {}).get("per_hour")
    if price and "money" in caps:
        affordable = round(3600 * caps["money"] / price, 3)
        caps["seconds"] = min(affordable, caps.get("seconds", affordable))
    return caps


# What a ruling may refuse of one candidate.
CANDIDATE_ACTIONS = ("evaluate", "blend", "student", "refit", "final")


class Record:
    """A study as its rows tell it.

    `view` holds every row. `seen` is what designers and gates see: an outcome joins it with its
    verdict. The two differ only while outcomes wait for their turn in a repeatable parallel run,
    and it is the verdict rows that fix the order, so a replay sees exactly the same.

    `status` is `new` before the first row; `running` while a session is open (a killed one stays
    so until the next); after an `end` row `finished`, `paused` or `stopped` by a person, `refused`
    by the policy or `waiting` for an approval.
    """

    def __init__(self, brief: Brief, budget: Budget) -> None:
        self._all, self._judged = ViewBuilder(brief, budget), ViewBuilder(brief, budget)
        self.settings: Mapping[str, Any] = {}
        self.policy: Mapping[str, Any] = {}  # as plain data: the first row's, or the last set since
        self.unread: list[int] = []  # promotions, oldest first, that no person has read
        self.ordered_at: dict[int, float] = {}  # of running trials
        self.status: Status = "new"
        self.phase: Literal["search", "closing"] = "search"
        self.reason = ""
        self.search_reason = ""
        self._session_open = False
        self.sessions: list[Mapping[str, Any]] = []
        self.messages: list[Mapping[str, Any]] = []
        self.enqueued: list[str] = []
        self.coach_orders: list[Mapping[str, Any]] = []
        self.rulings: list[Mapping[str, Any]] = []
        self.looks: list[Mapping[str, Any]] = []
        self.ships: list[Mapping[str, Any]] = []
        self.approvals = Approvals()
        # Deaths of the supervisor while a trial ran, since it last got further; and what was kept.
        self.ordered_again: Counter[int] = Counter()
        self.kept: dict[int, str] = {}

    @classmethod
    def open(cls, first: Mapping[str, Any], space: Any = None) -> Record:
        """The record that begins with this `study` row's body (the row itself is not absorbed)."""
        return cls(*brief_of(first, space))

    @property
    def view(self) -> View:
        """All rows."""
        return self._all.view

    @property
    def seen(self) -> View:
        """All orders, and the outcomes that were judged."""
        return self._judged.view

    def absorb(self, kind: str, body: Mapping[str, Any]) -> None:
        """Takes the next row in; rows come in order, each once."""
        if kind == "order":
            self.order(Trial.from_json(body), body["at"])
        elif kind == "evidence":
            self.evidence(Evidence.from_json(body), body["at"])
        elif kind == "verdict":
            plain = {k: v for k, v in body.items() if k != "at"}
            self.verdict(Verdict(**plain | {"doubts": tuple(body["doubts"])}), body["at"])
        else:
            self._tick(body["at"])
            self._other(kind, body)

    def order(self, trial: Trial, at: float) -> None:
        """An `order` row, as the object it holds."""
        self._tick(at)
        self._all.order(trial)
        self._judged.order(trial)
        self.ordered_at[trial.number] = at
        if trial.by == "enqueued" and trial.candidate.document in self.enqueued:
            self.enqueued.remove(trial.candidate.document)
        if trial.by == "preferred":
            self._count_neighbour(trial.candidate.parents[0])

    def evidence(self, evidence: Evidence, at: float) -> Outcome:
        """An `evidence` row, as the object it holds."""
        self._tick(at)
        began = self.ordered_at.pop(evidence.trial, at)
        if evidence.joules is None and evidence.cpu_seconds is None:
            self.view.energy.slot_seconds += at - began
        return self._all.evidence(evidence)

    def verdict(self, verdict: Verdict, at: float) -> None:
        """A `verdict` row, as the object it holds."""
        self._tick(at)
        outcome = self.view.outcome(verdict.trial)
        assert outcome is not None, "a verdict row follows its evidence row"
        self._judged.evidence(outcome.evidence)
        self._judged.verdict(verdict)
        self._all.verdict(verdict)
        if verdict.word == "promote" and outcome.trial.role != "rival":
            self.unread.append(verdict.trial)

    def _tick(self, at: float) -> None:
        for view in (self.view, self.seen):
            view.n_rows += 1
            view.elapsed = max(view.elapsed, at)

    def _other(self, kind: str, body: Mapping[str, Any]) -> None:
        if kind == "study":
            self.settings, self.status = body, "running"
            self.policy = body.get("policy", {})
        elif kind == "session":
            told = {int(n): name for n, name in body.get("kept", {}).items()}
            if self._session_open:  # the one before was killed: its trials may be to blame
                for n in body.get("ordered_again", ()):
                    further = self.got_further(n, told.get(n, ""))
                    self.ordered_again[n] = 1 if further else self.ordered_again[n] + 1
            self.kept |= told
            self.sessions.append(body)
            self.status, self.reason, self._session_open = "running", "", True
        elif kind == "message":
            self._message(body)
        elif kind == "phase":
            self.phase, self.search_reason = body["phase"], body["reason"]
        elif kind == "policy":
            self.policy = body["policy"]
            budget = self.view.budget.within(hard_caps(self.policy))
            self.view.budget = self.seen.budget = budget
        elif kind == "end":
            self.status, self.reason = body["status"], body["reason"]
            self._session_open = False
        elif kind == "dropped":
            self.enqueued.remove(body["document"])
        elif kind == "ruling":
            self.rulings.append(body)
            if body["action"] in CANDIDATE_ACTIONS and "candidate" in body:
                self.view.refused.add(body["candidate"])
                self.seen.refused.add(body["candidate"])
        elif kind == "request":
            self.approvals.request(body)
        elif kind == "acted":
            self.approvals.acted(body)
            request = self.approvals[body["request"]].request
            if request.action == "budget" and body["state"] == "done":
                self._extend(request.subject["add"])
            elif request.action == "promote" and body["state"] == "done":
                for builder in (self._all, self._judged):
                    builder.promote(request.subject["trial"])
        elif kind in ("look", "ship"):
            (self.looks if kind == "look" else self.ships).append(body)

    def got_further(self, number: int, kept: str) -> bool:
        """Whether what is kept of a trial that was ordered is no longer what it was then."""
        return bool(kept) and kept != self.kept.get(number)

    def _message(self, body: Mapping[str, Any]) -> None:
        self.messages.append(body)
        said = {} if "ignored" in body else body
        if said.get("kind") == "budget":
            self._extend(said["add"])
        elif said.get("kind") in ("ban", "pin", "prefer"):
            self._mark(said["kind"], said["candidate"])
        elif said.get("kind") == "read":
            self.unread = [number for number in self.unread if number not in said["promotions"]]
        elif (asked := self.approvals.message(said)) is not None:
            self._decided(asked)
        elif said.get("kind") == "enqueue":
            self.enqueued.append(said["document"])
        elif said.get("kind") == "coach":
            running = [trial.number for trial in self.view.pending]
            self.coach_orders.append({**said, "n": len(self.coach_orders), "running": running})

    def wanted(self, add: Budget) -> Budget:
        """The budget with `add` on top, for the policy to rule on.

        Of a run that is over, bounds that `add` does not name are dropped (`View.extended`): then
        those of the policy hold.
        """
        over = self.phase == "closing" or self.status == "finished"
        return self.view.extended(add, over).bounded(hard_caps(self.policy))

    def _extend(self, add: Mapping[str, Any]) -> None:
        budget = self.wanted(Budget(**add)).within(hard_caps(self.policy))
        self.view.budget = self.seen.budget = budget
        self.phase = "search"

    def _mark(self, kind: str, candidate: str) -> None:
        """What a person thinks of a design; the newest word on it counts."""
        for view in (self.view, self.seen):
            view.banned.discard(candidate)
            if view.pinned == candidate:
                view.pinned = None
            if kind == "ban":
                view.banned.add(candidate)
            elif kind == "pin":
                view.pinned = candidate
            else:
                view.preferred[candidate] = NEIGHBOURS

    def _count_neighbour(self, parent: str) -> None:
        for view in (self.view, self.seen):
            view.preferred[parent] = max(0, view.preferred.get(parent, 0) - 1)

    def _decided(self, asked: Asked) -> None:
        """An approved design may be tried again; one of the search gets in line for it."""
        request = asked.request
        if asked.state == "approved" and request.action in CANDIDATE_ACTIONS:
            self.view.refused.discard(request.candidate)
            self.seen.refused.discard(request.candidate)
        searched = request.action == "evaluate" and request.subject.get("role") == "search"
        if searched and asked.state == "approved":
            self.enqueued.append(request.subject["document"])
        elif asked.state == "changed":
            self.enqueued.append(asked.decision["document"])

    def orders_to(self, number: int) -> list[Mapping[str, Any]]:
        """The orders to the coach of a trial: to it by number, or to all trainings.

        What is to be set is for those that ran when it was said, the rest for later ones too.
        """
        return [
            order for order in self.coach_orders
            if order["trial"] == number
            or (order["trial"] is None and (order["do"] != "set" or number in order["running"]))
        ]  # fmt: skip


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """The plain data of a `verdict` row."""
    return {
        "trial": verdict.trial,
        "word": verdict.word,
        "reason": verdict.reason,
        "champion": verdict.champion,
        "numbers": {k: v for k, v in verdict.numbers.items() if math.isfinite(v)},
        "doubts": list(verdict.doubts),
    }
