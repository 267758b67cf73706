"""The roles: what a space, designer, evaluator, gate, policy, executor and ledger promise.

Whoever writes one of these runs the public suite of its role in `modelwright.testing`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from modelwright.core.keys import Key
from modelwright.core.trial import (
    Action,
    Candidate,
    Evidence,
    Progress,
    Proposal,
    Ruling,
    Trial,
    Verdict,
)
from modelwright.core.view import Brief, Outcome, View


@runtime_checkable
class Space(Protocol):
    """A type compiled for search. Every operator is a pure function of its arguments."""

    def default(self) -> Any: ...
    def sample(self, key: Key) -> Any: ...
    def mutate(self, design: Any, key: Key, size: Literal["small", "large"] = "small") -> Any: ...
    def cross(self, a: Any, b: Any, key: Key) -> Any: ...
    def neighbours(self, design: Any) -> Iterator[Any]: ...
    def encode(self, design: Any) -> Sequence[float]: ...
    def contains(self, design: Any) -> bool: ...
    def dump(self, design: Any) -> str: ...
    def load(self, document: str) -> Any: ...
    def candidate(self, design: Any, parents: Sequence[str] = ()) -> Candidate: ...
    def design(self, candidate: Candidate) -> Any: ...


@runtime_checkable
class Designer(Protocol):
    """Writes candidates, knowing the record of how earlier ones scored. Frozen, its fields plain.

    `start` gives the state before the first outcome. `update` folds exactly `block` outcomes, in
    the order they are seen, into a new state; equal calls give equal states. `propose` answers up
    to `n` proposals (fewer or none when the space holds no more). It may read the whole view,
    pending trials included, and keeps nothing. All randomness comes from `key`.
    """

    @property
    def name(self) -> str: ...
    @property
    def block(self) -> int: ...
    def start(self, brief: Brief) -> Any: ...
    def update(self, state: Any, outcomes: Sequence[Outcome], key: Key) -> Any: ...
    def propose(self, state: Any, view: View, n: int, key: Key) -> Sequence[Proposal]: ...


class Tools(Protocol):
    """What an evaluator gets besides the trial: data, an artefact store, threads, its time.

    `scratch` is a folder for what a trial that is ordered again may go on from. `deadline` is a
    time of `time.monotonic()` past which the trial is stopped, None without one.
    """

    @property
    def data(self) -> Path: ...
    @property
    def store(self) -> ArtefactStore: ...
    @property
    def threads(self) -> int: ...
    @property
    def scratch(self) -> Path: ...
    @property
    def deadline(self) -> float | None: ...


class ArtefactStore(Protocol):
    """Files named by their content's hash (SHA-256, 64 hexadecimal characters)."""

    def put(self, content: bytes, suffix: str = "") -> str: ...
    def put_file(self, path: Path) -> str: ...
    def path(self, name: str) -> Path: ...


@runtime_checkable
class Evaluator(Protocol):
    """Runs a trial, in a worker. Yields any number of `Progress`, then one `Evidence`.

    It never waits for an answer; a generator may look at the value of its `yield`, which is the
    newest word sent to the trial ("continue", "stop") or None. `protocol` is plain data naming all
    that makes two pieces of evidence comparable: data, split, metric, code of the objective.
    """

    def protocol(self) -> Mapping[str, Any]: ...
    def evaluate(self, trial: Trial, tools: Tools) -> Iterator[Progress | Evidence]: ...


@runtime_checkable
class Gate(Protocol):
    """Judges a finished trial against the champion."""

    def judge(self, challenger: Outcome, champion: Outcome | None, view: View) -> Verdict: ...


@runtime_checkable
class Policy(Protocol):
    """Rules on an action before it is done. When no rule speaks the answer is `refuse`."""

    def rule(self, action: Action, view: View | None = None) -> Ruling: ...


@runtime_checkable
class Executor(Protocol):
    """Runs trials in `slots` places. `poll` hands back each trial's evidence exactly once.

    A trial that dies, hangs or breaks a limit comes back as failed evidence; a cancelled one as
    failed with cause `cancelled`. `deadline` in `submit` is a time of `time.monotonic()`: past it
    the trial is killed (inline executors cannot, and say so in `interrupts`).
    """

    @property
    def slots(self) -> int: ...
    @property
    def interrupts(self) -> bool: ...
    def submit(self, trial: Trial, deadline: float | None = None) -> None: ...
    def send(self, number: int, word: str) -> None: ...
    def poll(self, timeout: float) -> Sequence[Progress | Evidence]: ...
    def cancel(self, number: int) -> None: ...
    def close(self) -> None: ...
