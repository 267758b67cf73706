"""The runs of a workspace as the page reads them: one record each, folded on as rows come."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from modelwright.apps.inspecting import status_of
from modelwright.apps.verifying import shipped_head
from modelwright.core.errors import InputError, ModelwrightError, TamperedError
from modelwright.core.record import Record
from modelwright.ledger import Ledger, Verification
from modelwright.readers.runs import RunFolder, all_runs, open_run, study_of

AT_MOST_EVERY = 0.4  # seconds between two looks at a ledger, whoever asks
SLICE = 2.0  # seconds of reading rows that one request may take; the next one goes on
TICK = 5  # seconds after which a running run's status is shown anew, as its clock goes on
# Reading a whole chain takes a hundredth of the time at most, and the pause at least so long.
RESTS, PAUSE = 100, 20.0
MOST_ROWS = 1_000_000  # of all runs together that are held in memory
PARTS = ("status", "leaderboard", "trying", "decisions", "goals")
# Kinds of rows -> the parts of the page that they change; those that are not here change them all.
CHANGES: Mapping[str, tuple[str, ...]] = {
    "order": ("status", "trying"),
    "evidence": ("status", "leaderboard", "trying"),
    "verdict": ("status", "leaderboard", "goals", "decisions"),
    "ruling": ("decisions",),
    "request": ("status", "decisions"),
    "acted": ("status", "decisions"),
    "look": ("goals",),
}


class MissingError(InputError):
    """There is no such run, draft or file: status 404."""


class StillReadingError(ModelwrightError):
    """The run has so many rows that they are not all read yet: status 503, to be asked again."""


class Followed:
    """One run and its record, kept up to date. Hold `lock` while reading it: rows are folded in.

    `chain` is what the last whole reading of the chain found, None before the first.
    """

    def __init__(self, run: RunFolder) -> None:
        self.run, self.lock = run, threading.RLock()
        self.record: Record | None = None
        self.chain: Verification | None = None
        self._ledger: Ledger | None = None
        self._study, self._end, self._file = "", "", (0, 0)
        self._looked, self._verify_from = -1.0, 0.0
        self._marks: Counter[str] = Counter()
        self._verifying = self._whole = False

    def refresh(self) -> None:
        """Takes in the rows that came since, and has the chain verified when its time has come.

        Raises InputError before there are rows, StillReadingError when `SLICE` was not enough.
        A row that does not follow from the one before it is not taken in: `chain` then says so,
        and the record stays where it was.
        """
        with self.lock:
            if self._whole and time.monotonic() - self._looked < AT_MOST_EVERY:
                return
            self._looked = time.monotonic()
            try:
                self._fold(self._opened())
            except TamperedError as error:
                self.chain = Verification(False, self.n_rows, str(error), error.row)
                return
            if not self._verifying and time.monotonic() >= self._verify_from:
                self._verifying = True
                threading.Thread(target=self._verify, daemon=True, name="verify").start()

    def read(self) -> Record:
        """The record, up to date. Raises InputError before there are rows."""
        self.refresh()
        if self.record is None:
            told = "" if self.chain is None else f" {self.chain.message}"
            raise InputError(f"the run {self.run.name} has no rows that can be shown yet.{told}")
        return self.record

    def marks(self) -> Mapping[str, Any]:
        """For each part of the page a value that is another one when the part has changed."""
        with self.lock, contextlib.suppress(ModelwrightError):
            record = self.read()
            state = status_of(self.run, record)
            clock = time.monotonic() // TICK if state == "running" else 0
            marks: dict[str, Any] = {name: self._marks[name] for name in PARTS}
            return marks | {"status": (marks["status"], state, clock, self.chain)}
        return dict.fromkeys(PARTS, -1)

    @property
    def n_rows(self) -> int:
        """How many rows are held in memory."""
        return 0 if self.record is None else self.record.view.n_rows

    def let_go(self) -> None:
        """Forgets the record and closes the file, unless somebody is reading; both come again."""
        if self.lock.acquire(blocking=False):
            try:
                if self._ledger is not None:
                    self._ledger.close()
                self._ledger = self.record = None
                self._looked = -1.0
            finally:
                self.lock.release()

    def _opened(self) -> Ledger:
        """The ledger; opened anew, with an empty record, when the file is another one."""
        try:
            found = self.run.ledger_path.stat()
        except OSError:
            raise MissingError(f"the run {self.run.name} is not there any more.") from None
        file = (found.st_dev, found.st_ino)
        if self._ledger is not None and file == self._file:
            return self._ledger
        self.let_go()
        ledger = open_run(self.run)
        try:
            self._study = study_of(ledger)
        except ModelwrightError:
            ledger.close()
            raise
        if file != self._file:
            self.chain, self._verify_from = None, 0.0
        self._ledger, self._file, self._end = ledger, file, ""
        return ledger

    def _fold(self, ledger: Ledger) -> None:
        length, until = ledger.length(self._study), time.monotonic() + SLICE
        self._whole = False
        for row in ledger.rows(self._study, self.n_rows, length):
            if row.n > 0 and row.prev != self._end:
                error = TamperedError(f"row {row.n} does not follow from the row that was shown.")
                error.row = row.n
                raise error
            if self.record is None:
                self.record = Record.open(row.body)
            self.record.absorb(row.kind, row.body)
            self._end = row.hash
            self._marks.update(CHANGES.get(row.kind, PARTS))
            if time.monotonic() > until and row.n + 1 < length:
                told = f"{row.n + 1:,} of {length:,} rows"
                raise StillReadingError(f"the run {self.run.name} is being read: {told} so far.")
        self._whole = True

    def _verify(self) -> None:
        """Reads the whole chain with a connection of its own; nobody waits for it."""
        began = time.monotonic()
        try:
            with open_run(self.run) as ledger:
                found = ledger.verify(study_of(ledger), shipped_head(self.run))
        except ModelwrightError as error:
            found = Verification(False, 0, str(error))
        took = time.monotonic() - began
        with self.lock:
            self.chain, self._verifying = found, False
            self._verify_from = time.monotonic() + max(PAUSE, RESTS * took)


class Runs:
    """The runs of a workspace by name; nothing else is ever opened."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self._followed: dict[str, Followed] = {}  # the last used is the last
        self._lock, self._all = threading.Lock(), threading.Lock()

    def of(self, name: str) -> Followed:
        """The run of that name. Raises MissingError when the workspace has none."""
        found = next((run for run in all_runs(self.workspace) if run.name == name), None)
        if found is None:
            raise MissingError("there is no such run in this workspace.")
        with self._lock:
            followed = self._followed.pop(name, None) or Followed(found)
            others = [*reversed(self._followed.values())]
            self._followed[name] = followed
        rows = followed.n_rows
        for other in others:
            rows += other.n_rows
            if rows > MOST_ROWS:
                other.let_go()
        return followed

    @contextlib.contextmanager
    def reading(self, name: str) -> Iterator[tuple[Followed, Record]]:
        """The run and its record, which stands still until it is left."""
        followed = self.of(name)
        with followed.lock:
            yield followed, followed.read()

    @contextlib.contextmanager
    def reading_all(self) -> Iterator[Callable[[RunFolder], Record]]:
        """What gives the record of a run; all that it gave stand still until it is left."""
        # One at a time: two that take the runs' locks in another order would wait for each other.
        with self._all, contextlib.ExitStack() as held:
            yield lambda run: held.enter_context(self.reading(run.name))[1]
