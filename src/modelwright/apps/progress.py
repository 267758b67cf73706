"""Live progress of a run, read from its ledger: the loop itself calls nobody back."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

from modelwright.core.errors import ModelwrightError
from modelwright.core.record import Record
from modelwright.ledger import Ledger, open_ledger
from modelwright.readers.leaderboard import described, family_of, fold_bounds, trivial_outcome

EVERY_SECONDS = 0.5


class Progress:
    """A thread that follows a study's rows and tells what is new, until it is left.

    In a terminal one line is rewritten; elsewhere a plain line is written for each new best, each
    phase and every tenth of the budget. All of it goes to `out` (standard error by default).
    """

    def __init__(self, ledger_path: Path, out: Any = None) -> None:
        self.path, self.out = ledger_path, out or sys.stderr
        self.live = bool(getattr(self.out, "isatty", lambda: False)())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True, name="progress")
        self._told_share = 0

    def __enter__(self) -> Progress:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _follow(self) -> None:
        ledger: Ledger | None = None
        record: Record | None = None
        while not self._stop.wait(EVERY_SECONDS):
            try:
                if ledger is None and self.path.exists():
                    ledger = open_ledger(self.path, create=False, read_only=True)
                if ledger is not None:
                    record = self._read(ledger, record)
            except ModelwrightError:
                continue  # the file is being made; the next look will find it
        if ledger is not None:
            self._read(ledger, record)
            ledger.close()
        self._clear()

    def _read(self, ledger: Ledger, record: Record | None) -> Record | None:
        studies = ledger.studies()
        if not studies:
            return record
        for row in ledger.rows(studies[0], 0 if record is None else record.view.n_rows):
            if record is None:
                record = Record.open(row.body)
            record.absorb(row.kind, row.body)
            if row.kind == "verdict" and row.body["word"] == "promote":
                self._say(best_line(record, row.body["trial"]))
            elif row.kind == "phase":
                self._say(f"search over: {row.body['reason']}; closing steps begin")
        if record is not None:
            self._tell(record)
        return record

    def _tell(self, record: Record) -> None:
        line = status_line(record)
        if self.live:
            self.out.write(f"\r\x1b[2K{line[: _width()]}")
            self.out.flush()
            return
        share = int(record.view.share_spent * 10)
        if share > self._told_share:
            self._told_share = share
            self._say(line)

    def _say(self, line: str) -> None:
        self._clear()
        self.out.write(line + "\n")
        self.out.flush()

    def _clear(self) -> None:
        if self.live:
            self.out.write("\r\x1b[2K")
            self.out.flush()


def _width() -> int:
    import shutil

    return max(40, shutil.get_terminal_size((100, 24)).columns - 1)


def best_line(record: Record, number: int) -> str:
    """One line for a new best: its score, its interval, and the trivial baseline beside it."""
    outcome = record.view.outcome(number)
    assert outcome is not None, "a verdict follows its evidence"
    metric = record.view.goals[0].metric
    bounds = fold_bounds(outcome, metric)
    interval = f" [{bounds[0]:.4g}, {bounds[1]:.4g}]" if bounds else ""
    family = described(outcome)
    line = (
        f"{record.view.elapsed:6.1f} s  best so far: {metric} "
        f"{outcome.evidence.scores[metric]:.5g}{interval}  {family} (trial {number})"
    )
    base = trivial_outcome(record.view)
    if base is not None and base is not outcome:
        line += f"; trivial baseline {base.evidence.scores[metric]:.5g}"
    return line


def status_line(record: Record) -> str:
    """One line on where the run is: trials, what runs, the best, what is left of the budget."""
    view = record.view
    running = ", ".join(family_of(trial.candidate.document) or trial.role for trial in view.pending)
    parts = [f"{view.elapsed:.0f} s", f"{view.done[0]} trials done"]
    if view.measured:
        parts.append(f"{len(view.measured)} designs measured untrained")
    if running:
        parts.append(f"running {running}")
    if view.champion is not None:
        best = view.outcome(view.champion)
        if best is not None:
            metric = view.goals[0].metric
            parts.append(f"best {metric} {best.evidence.scores[metric]:.5g}")
    left = [f"{max(0.0, 1 - view.share_spent):.0%} of the budget left"]
    return ", ".join(parts + left)
