"""One process's work on a study: what `run` does in each of its turns, and the rows it writes."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from modelwright.core.canonical import digest
from modelwright.core.keys import Key
from modelwright.core.record import Record, verdict_json
from modelwright.core.roles import Policy
from modelwright.core.trial import Action, Evidence, Progress, Proposal, Trial
from modelwright.core.version import VERSION
from modelwright.core.view import View
from modelwright.ledger import Ledger, Writer
from modelwright.policy import in_force
from modelwright.study.again import Kept, again_or_lost, nothing_kept
from modelwright.study.bounds import affordable, why_over
from modelwright.study.decisions import MOST_WAITING
from modelwright.study.inbox import gives_work, obey
from modelwright.study.oversight import set_approved, step_facts, why_paused
from modelwright.study.pace import Pace
from modelwright.study.permits import (
    beside_preferred,
    granted,
    held,
    held_plan,
    n_waiting,
    next_in_line,
    next_rival,
    why_nothing_left,
)
from modelwright.study.promotions import as_ruled, ask_to_promote, promote_approved, why_waiting
from modelwright.study.rungs import promotable
from modelwright.study.spending import end_of, rule_budget
from modelwright.study.study import Study

INBOX_SECONDS = 0.1  # how often people's messages are looked for: a stop acts well within 2 s
TRIES = 50  # proposals refused or tried already, before a designer counts as having none


class Session:
    """The open books of a running study. Only `study.run` makes one.

    Everything it decides is computed from rows (`record`), the study and, where the budget is in
    seconds, the clock, whose reading every row keeps.
    """

    def __init__(
        self, study: Study, writer: Writer, record: Record, began: float | None = None
    ) -> None:
        self.study, self.writer, self.record = study, writer, record
        self.key = Key.of(study.problem.seed)
        self.protocol = digest(study.protocol)
        self.interrupted = False
        self.evaluating = self.committing = False
        self.over = ""
        self.stuck = self.told = False
        self._entries: list[tuple[str, dict[str, Any]]] = []
        self._state = study.designer.start(study.brief)
        self._folded = 0
        self._orders: list[Trial] = []
        self._inbox_at = float("-inf")
        self._pace = Pace()
        self._rules: Mapping[str, Any] | None = None
        self._base = record.view.elapsed - (time.monotonic() if began is None else began)

    # -- opening -----------------------------------------------------------------------------

    @classmethod
    def open(
        cls,
        study: Study,
        ledger: Ledger,
        writer: Writer,
        description: Mapping[str, Any],
        began: float | None = None,
        elsewhere: bool = False,
        kept: Kept = nothing_kept,
    ) -> Session:
        """Folds the rows there are; a new study writes its first, a resumed one a `session` row.

        `elsewhere` tells that the caller runs the trials: none can take this process down. `kept`
        names what a trial would go on from.
        """
        record = Record(study.brief, study.budget)
        for row in ledger.rows(study.name):
            if row.n == 0:  # the budget it was begun with; later ones are rows of their own
                record = Record.open(row.body, study.space)
            record.absorb(row.kind, row.body)
        session = cls(study, writer, record, began)
        session.told = elsewhere
        began_before = record.status != "new"
        if not began_before:
            session.note("study", dict(description))
        else:
            session.read_inbox(stale=True)  # what was approved may let the plan begin
        if record.status in ("running", "refused", "waiting") and not record.sessions:
            session._rule_plan()
        if session.over:
            return session
        if not began_before:
            session.read_inbox()
        if record.status == "finished" and not gives_work(record, session._entries):
            session.over = record.reason
            return session
        if record.sessions and session._expired():
            return session
        again, lost, there = ([], [], {}) if elsewhere else again_or_lost(record, kept)
        facts = {"version": VERSION, "python": platform.python_version()}
        facts["protocol"] = session.protocol
        session.note("session", {**facts, "ordered_again": again, "kept": there})
        for number in lost:
            message = "the supervisor died twice while this trial ran, and it got no further"
            session.take(Evidence(number).failed("interrupted", message))
        session._orders = list(record.view.pending)
        if not study.repeatable:
            session.judge()
        return session

    def _rule_plan(self) -> None:
        ruling = rule_budget(self.study, self.policy, self.study.budget)
        if held_plan(self.record, self.note, ruling, str(self.study.budget)):
            self.end(ruling.reason, "refused" if ruling.word == "refuse" else "waiting")

    def _expired(self) -> bool:
        """Whether a run that goes on may no longer: its policy has expired meanwhile."""
        ruling = rule_budget(self.study, self.policy, self.record.view.budget)
        if ruling.word == "refuse":
            self.note("ruling", {"action": "run", **asdict(ruling)})
            self.end(ruling.reason, "refused")
        return ruling.word == "refuse"

    # -- rows --------------------------------------------------------------------------------

    @property
    def policy(self) -> Policy:
        """The rules in force: those the study began with, or those that were set since."""
        if self._rules is not self.record.policy:
            self._rules = self.record.policy
            self._policy: Policy = in_force(self.record, self.study.policy)
        return self._policy

    @property
    def at(self) -> float:
        """Seconds the study has been running, earlier sessions included."""
        return self._base + time.monotonic()

    def note(self, kind: str, body: dict[str, Any]) -> None:
        """Queues a row for the next commit, and lets the record know it."""
        body["at"] = round(self.at, 4)
        self._entries.append((kind, body))
        self.record.absorb(kind, body)

    def commit(self, durable: bool = False) -> None:
        """Writes the queued rows in one transaction."""
        if self._entries:
            self.committing = True  # a Ctrl-C now would leave in doubt what was written
            try:
                self.writer.append(self._entries, durable=durable)
                self._entries = []
            finally:
                self.committing = False

    def read_inbox(self, stale: bool = False) -> None:
        """Takes people's messages, at most every tenth of a second, and obeys them.

        `stale` messages were posted before this session: their stop or pause meant another.
        """
        if self.interrupted:
            self.interrupted = False
            self.note("message", {"kind": "stop", "by": "keyboard"})
            self.end("stopped by the user", "stopped")
        now = time.monotonic()
        if now < self._inbox_at:
            return
        self._inbox_at = now + INBOX_SECONDS
        for message in self.writer.inbox():
            obey(self, message, stale)
        set_approved(self.record, self.note)
        promote_approved(self.record, self.note)
        granted(self.record, self.note, "budget")

    def end(self, reason: str, status: str) -> None:
        """Closes the session; the loop leaves at its next turn. Only the first reason counts."""
        assert reason, "an end has a reason"
        if not self.over:
            self.note("end", {"status": status, "reason": reason})
            self.over = reason

    # -- evaluate, record, judge -------------------------------------------------------------

    def take(self, message: Progress | Evidence) -> None:
        """Records a trial's evidence; progress is not a row, but tells when a trial would end."""
        if isinstance(message, Progress):
            self._pace.hear(message)
            return
        if self.record.view.outcome(message.trial) is not None:
            return
        message = self._pace.explain(message)
        goals = tuple(goal.metric for goal in self.study.problem.goals)
        scored = self.record.view.trials[message.trial].scored
        checked = message.checked(goals if scored else ())
        if not checked.protocol:
            checked = replace(checked, protocol=self.protocol)
        body = checked.to_json()
        body["at"] = round(self.at, 4)
        self.record.evidence(checked, body["at"])  # first: it refuses what is no trial of ours
        self._entries.append(("evidence", body))
        if not self.study.repeatable:
            self.judge(only=checked.trial)

    def judge(self, upto: int | None = None, only: int | None = None) -> None:
        """Lets the gate speak on finished trials it has not judged, in order of their number.

        `upto` stops at a trial number, `only` names one. From its verdict on an outcome is seen by
        designers.
        """
        seen, everything = self.record.seen, self.record.view
        waiting = [only] if only is not None else self._unjudged(upto)
        for number in waiting:
            outcome = everything.outcome(number)
            if outcome is None:
                break
            champion = None if seen.champion is None else seen.outcome(seen.champion)
            verdict = self.study.gate.judge(outcome, champion, seen)
            verdict = as_ruled(self.policy, self.record, outcome, verdict)
            at = round(self.at, 4)
            self._entries.append(("verdict", {**verdict_json(verdict), "at": at}))
            self.record.verdict(verdict, at)
            if verdict.word == "ask":
                ask_to_promote(self.record, self.note, outcome, verdict)

    def _unjudged(self, upto: int | None) -> list[int]:
        first = len(self.record.seen.finished) if self.study.repeatable else 0
        stop = self.record.view.n_trials if upto is None else upto + 1
        judged = self.record.seen.outcome
        return [number for number in range(first, stop) if judged(number) is None]

    # -- propose, permit ---------------------------------------------------------------------

    def next_trial(self) -> Trial | None:
        """The next order, or None when there is nothing to do until a running trial finishes."""
        number, view = self.record.view.n_trials, self.record.view
        if not self.over and (reason := why_paused(self.policy, self.record)):
            self.end(reason, "paused")
        if self.over or len(view.pending) >= self.study.slots:
            return None
        if self.record.phase == "search":
            if self.study.repeatable:
                if any(t.number <= number - self.study.slots for t in view.pending):
                    return None  # its turn comes when all it has to see is known
                self.judge(upto=number - self.study.slots)
            reason = self.search_over()
            if not reason:
                proposal = self._permitted(number)
                if proposal is not None:
                    return self._order(number, proposal)
                if view.pending:
                    return None
                reason = why_nothing_left(self.record, TRIES if self.stuck else 0)
            if not self._close(reason):
                return None
        return self._closing_step(number)

    def search_over(self) -> str:
        """Why no further search trial may start, or the empty string."""
        cost = getattr(self.policy, "cost", None)
        return why_over(self.study, self.record, self.at, self.told, cost)

    def _close(self, reason: str) -> bool:
        """Ends the search once nothing runs; True when the closing steps may begin."""
        if self.record.view.pending:
            return False
        self.judge()
        asked = why_waiting(self.record)
        waits = asked or (n_waiting(self.record) > 0 and not self.search_over())
        if waits or self.study.closing is None or self.record.view.champion is None:
            self.end(asked or reason, "waiting" if waits else "finished")
            return False
        self.note("phase", {"phase": "closing", "reason": reason})
        return True

    def _closing_step(self, number: int) -> Trial | None:
        assert self.study.closing is not None, "a closing phase has closing steps"
        self.judge()
        for step in self.study.closing.propose(self.record.view):
            about = step_facts(self.study, self.policy, self.record, step)
            ruling = self.policy.rule(Action(step.role, about), self.record.view)
            if not held(self.record, self.note, step.role, step, ruling, self.study.space):
                return self._order(number, step)
        if not self.record.view.pending:
            asked = why_waiting(self.record)
            self.end(asked or self.record.search_reason, "waiting" if asked else "finished")
        return None

    def _permitted(self, number: int) -> tuple[Proposal, int | None] | None:
        """A proposal that is new and that the policy allows, and the trial it is promoted from."""
        seen = self.record.seen
        for attempt in range(TRIES):
            found = self._propose(number, attempt, seen)
            if found is None:
                return None
            proposal, _ = found
            candidate = proposal.candidate
            if seen.tried(candidate.id, proposal.rung) is not None or candidate.id in seen.banned:
                continue
            if candidate.id in seen.refused:
                continue
            about = step_facts(self.study, self.policy, self.record, proposal)
            ruling = self.policy.rule(Action("evaluate", about), seen)
            if not held(self.record, self.note, "evaluate", proposal, ruling, self.study.space):
                return found
            if n_waiting(self.record) >= MOST_WAITING:
                break
        self.stuck = True
        return None

    def _propose(self, number: int, attempt: int, seen: View) -> tuple[Proposal, int | None] | None:
        study = self.study
        if (rival := next_rival(study, seen)) is not None:
            return rival, None
        if (wish := next_in_line(self.record, self.note, study.space)) is not None:
            return Proposal(wish, "asked for by the user", by="enqueued"), None
        near = self.key.child("preferred", number, attempt)
        if attempt < TRIES // 2 and (beside := beside_preferred(seen, study.space, near)):
            return beside, None
        if attempt == 0 and (promoted := promotable(seen)) is not None:
            outcome, proposal = promoted
            if affordable(study, seen, proposal.rung, self.deadline()):
                return proposal, outcome.trial.number
        self._fold()
        key = self.key.child("propose", number, attempt)
        proposals = study.designer.propose(self._state, seen, 1, key)
        if not proposals:
            return None
        named = proposals[0]
        return (replace(named, by=study.designer.name) if not named.by else named), None

    def _fold(self) -> None:
        """Brings the designer's state up to the last full block of seen outcomes."""
        searched, block = self.record.seen.searched, self.study.designer.block
        while (self._folded + 1) * block <= len(searched):
            part = searched[self._folded * block : (self._folded + 1) * block]
            key = self.key.child("update", self._folded)
            self._state = self.study.designer.update(self._state, part, key)
            self._folded += 1

    def _order(self, number: int, found: tuple[Proposal, int | None] | Proposal) -> Trial:
        proposal, base = found if isinstance(found, tuple) else (found, None)
        fidelity, cost = self.study.rungs.at(proposal.rung)
        seed = self.key.child("trial", number).seed(31)
        if base is not None:  # a promoted trial goes on with the seed it had
            seed = self.record.view.trial(base).seed
        trial = Trial(
            number, proposal.candidate, proposal.rung, fidelity, cost, seed, proposal.role,
            proposal.by, proposal.reason, proposal.checkpoint, promoted_from=base,
        )  # fmt: skip
        at = round(self.at, 4)
        self._entries.append(("order", {**trial.to_json(), "at": at}))
        self.record.order(trial, at)
        self._orders.append(trial)
        return trial

    # -- clock -------------------------------------------------------------------------------

    def orders(self) -> Sequence[Trial]:
        """The trials ordered since the last call, durable by now."""
        orders, self._orders = self._orders, []
        self._pace.start(orders)
        return orders

    def deadline(self) -> float | None:
        """When running trials have to be stopped, in `time.monotonic()`; None without a clock."""
        end = end_of(self.study, self.record, self.at)
        if end is None:
            return None
        closing, search = self.study.closing, self.record.phase == "search"
        asked = None if closing is None else closing.reserve if search else closing.after
        reserve = self.study.kept_seconds + (asked(self.record.view) if asked else 0.0)
        return end - reserve - self._base

    def patience(self) -> float:
        """How long a poll may wait, in seconds."""
        deadline = self.deadline()
        left = INBOX_SECONDS if deadline is None else deadline - time.monotonic()
        return max(0.0, min(INBOX_SECONDS, left))

    def overdue(self) -> list[int]:
        """Trials to cancel: they run, or would run, past the end of what their phase may spend."""
        deadline = self.deadline()
        if deadline is None:
            return []
        if time.monotonic() < deadline:
            return self._pace.too_long(deadline)
        return [trial.number for trial in self.record.view.pending]
