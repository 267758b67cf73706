"""Inline: one trial a poll, exceptions become records, Ctrl-C passes."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelwright.core.errors import InputError, ModelwrightError
from modelwright.core.roles import Executor, Tools
from modelwright.core.trial import Candidate, Evidence, Progress, Trial
from modelwright.executors import EvaluatorSpec, FileStore, Inline, ToolBox
from modelwright.testing.evaluators import toy


def trial(number: int, **document: Any) -> Trial:
    return Trial(number, Candidate(json.dumps({"x": 0.5, **document})), 0, 1.0, 1.0, seed=number)


@pytest.fixture
def tools(tmp_path: Path) -> ToolBox:
    return ToolBox(tmp_path, FileStore(tmp_path / "store"))


@pytest.fixture
def inline(tools: ToolBox) -> Inline:
    return Inline(toy(), tools)


def one(inline: Inline, **document: Any) -> Evidence:
    inline.submit(trial(0, **document))
    evidence = inline.poll()[-1]
    assert isinstance(evidence, Evidence)
    return evidence


class Custom:
    """Hands over what it is given."""

    def __init__(self, evaluate: Any) -> None:
        self._evaluate = evaluate

    def protocol(self) -> Mapping[str, Any]:
        return {}

    def evaluate(self, trial: Trial, tools: Tools) -> Iterator[Progress | Evidence]:
        return self._evaluate(trial)  # type: ignore[no-any-return]


def test_it_is_an_executor_that_cannot_interrupt(inline: Inline) -> None:
    assert isinstance(inline, Executor)
    assert (inline.slots, inline.interrupts) == (1, False)


def test_one_trial_a_poll_in_order(inline: Inline) -> None:
    for number in (2, 0, 1):
        inline.submit(trial(number))
    assert [[m.trial for m in inline.poll()] for _ in range(4)] == [[2], [0], [1], []]


def test_measured_fields_and_sizes(inline: Inline) -> None:
    evidence = one(inline, do="artefact", bytes=1234)
    assert evidence.seconds is not None
    assert evidence.cpu_seconds is not None
    assert 0 < evidence.seconds < 5
    assert 0 <= evidence.cpu_seconds < 5
    assert evidence.peak_bytes is None
    assert evidence.facts == {"artefact_bytes": 1234}


def test_an_exception_is_a_failed_record(inline: Inline) -> None:
    evidence = one(inline, do="raise")
    assert evidence.failure is not None
    assert evidence.failure.cause == "error"
    assert evidence.failure.kind == "ZeroDivisionError"
    assert evidence.failure.message == "the objective divides by zero"
    assert "evaluators.py" in evidence.failure.trace
    assert evidence.seconds is not None


@pytest.mark.parametrize(
    ("document", "cause", "words"),
    [
        ({"do": "quit"}, "error", "enough"),
        ({"do": "nothing"}, "error", "ended without evidence"),
        ({"do": "other"}, "error", "message of trial 1"),
        ({"do": "junk", "part": "scores"}, "bad_score", "not plain data"),
        ({"do": "junk", "part": "facts"}, "error", "not plain data"),
        ({"do": "huge"}, "error", "artefact store"),
        ({"do": "lost"}, "error", "not kept"),
        ({"do": "unheard of"}, "error", "unheard of"),
    ],
)
def test_unfit_evidence(inline: Inline, document: Any, cause: str, words: str) -> None:
    evidence = one(inline, **document)
    assert evidence.failure is not None
    assert evidence.failure.cause == cause
    assert words in evidence.failure.message
    assert evidence.scores == {}


@pytest.mark.parametrize(
    "evaluate",
    [
        lambda t: None,
        lambda t: 0.5,
        lambda t: Evidence(t.number, {"loss": 1.0}),
        lambda t: iter([0.5]),
        lambda t: iter([Evidence(t.number, [1.0])]),  # type: ignore[arg-type]
        lambda t: iter([Evidence(t.number, {1: 1.0})]),  # type: ignore[dict-item]
        lambda t: iter([Evidence(t.number, {"a": 10**5000})]),
        lambda t: iter([Evidence(t.number, {"a": 1.0}, folds={"a": 3})]),  # type: ignore[dict-item]
        lambda t: iter([Evidence(t.number, {"a": 1.0}, curve=((1.0,),))]),  # type: ignore[arg-type]
        lambda t: iter([Evidence(t.number, np.ones(3))]),  # type: ignore[arg-type]
        lambda t: iter([Progress(t.number, 1, {"a": object()})]),  # type: ignore[dict-item]
        lambda t: iter([Progress(t.number + 1, 1)]),
    ],
)
def test_whatever_comes_is_a_record(tools: ToolBox, evaluate: Any) -> None:
    evidence = one(Inline(Custom(evaluate), tools))
    assert evidence.failure is not None
    assert evidence.failure.cause in ("error", "bad_score")
    assert Evidence.from_json(json.loads(json.dumps(evidence.to_json()))) == evidence


def test_an_exception_without_text(tools: ToolBox) -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    def evaluate(_: Trial) -> Iterator[Evidence]:
        raise MuteError

    evidence = one(Inline(Custom(evaluate), tools))
    assert evidence.failure is not None
    assert evidence.failure.kind == "MuteError"


def test_out_of_memory_has_its_own_cause(tools: ToolBox) -> None:
    def evaluate(_: Trial) -> Iterator[Evidence]:
        raise MemoryError

    failure = one(Inline(Custom(evaluate), tools)).failure
    assert failure is not None
    assert (failure.cause, failure.message) == ("memory", "MemoryError")


def test_numpy_scalars_become_numbers_and_nan_passes(tools: ToolBox) -> None:
    scores = {"a": np.float32(0.5), "b": np.int64(3), "c": math.nan}
    evidence = one(Inline(Custom(lambda t: iter([Evidence(t.number, scores)])), tools))  # type: ignore[arg-type]
    assert evidence.ok
    assert {k: type(v) for k, v in evidence.scores.items()} == {"a": float, "b": int, "c": float}
    assert evidence.checked().failure is not None


def test_only_the_first_evidence_counts_and_the_generator_is_closed(tools: ToolBox) -> None:
    closed = []

    def evaluate(trial: Trial) -> Iterator[Evidence]:
        try:
            yield Evidence(trial.number, {"a": 1.0})
            yield Evidence(trial.number, {"a": 2.0})
        finally:
            closed.append(True)

    inline = Inline(Custom(evaluate), tools)
    inline.submit(trial(0))
    assert [m.scores for m in inline.poll()] == [{"a": 1.0}]
    assert closed == [True]


def test_progress_comes_before_the_evidence(inline: Inline) -> None:
    inline.submit(trial(0, do="progress", n=3))
    *progress, evidence = inline.poll()
    assert [m.step for m in progress if isinstance(m, Progress)] == [0, 1, 2]
    assert isinstance(evidence, Evidence)


def test_a_word_is_heard_at_the_first_progress(inline: Inline) -> None:
    inline.submit(trial(0, do="progress", n=50))
    inline.send(0, "stop")
    evidence = inline.poll()[-1]
    assert isinstance(evidence, Evidence)
    assert evidence.facts == {"steps": 1}


def test_keyboard_interrupt_passes_and_the_trial_is_not_lost(tools: ToolBox) -> None:
    def evaluate(_: Trial) -> Iterator[Evidence]:
        raise KeyboardInterrupt

    inline = Inline(Custom(evaluate), tools)
    inline.submit(trial(0))
    with pytest.raises(KeyboardInterrupt):
        inline.poll()
    [evidence] = inline.poll()
    assert isinstance(evidence, Evidence)
    assert evidence.failure is not None
    assert evidence.failure.cause == "cancelled"


def test_deadlines_are_looked_at_between_messages(inline: Inline) -> None:
    inline.submit(trial(0), deadline=time.monotonic() - 1)
    inline.submit(trial(1, do="progress", n=10**6), deadline=time.monotonic() + 0.1)
    start = time.monotonic()
    causes = [
        m.failure.cause
        for _ in range(2)
        for m in inline.poll()
        if isinstance(m, Evidence) and m.failure
    ]
    assert causes == ["timeout", "timeout"]
    assert time.monotonic() - start < 2


def test_cancel_and_close(inline: Inline) -> None:
    inline.submit(trial(0))
    inline.submit(trial(1))
    inline.cancel(0)
    inline.cancel(7)
    with pytest.raises(InputError, match="submitted already"):
        inline.submit(trial(1))
    [cancelled] = inline.poll()
    assert isinstance(cancelled, Evidence)
    assert cancelled.failure is not None
    assert cancelled.failure.cause == "cancelled"
    assert [m.trial for m in inline.poll()] == [1]
    inline.close()
    inline.close()
    with pytest.raises(ModelwrightError, match="closed"):
        inline.submit(trial(2))


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("nonsense", "package.module:function"),
        ("__main__:f", "evaluate inline"),
        ("modelwright.nowhere:f", "cannot be found"),
        ("modelwright.testing.evaluators:toi", "Did you mean 'toy'"),
        ("json:dumps", "must return an evaluator"),
    ],
)
def test_specs_that_cannot_be_built(entry: str, words: str) -> None:
    arguments = {"obj": 1} if entry == "json:dumps" else {}
    with pytest.raises(InputError, match=words):
        EvaluatorSpec(entry, arguments).build()


def test_arguments_are_plain_data() -> None:
    with pytest.raises(InputError, match="plain JSON"):
        EvaluatorSpec("a:b", {"x": object()})  # type: ignore[dict-item]
