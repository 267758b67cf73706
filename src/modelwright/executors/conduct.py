"""Runs one trial and turns whatever happens into messages: the same road inline and in workers."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from typing import Any

from modelwright.core.errors import InputError
from modelwright.core.roles import Evaluator
from modelwright.core.trial import Evidence, Progress, Trial
from modelwright.executors.frames import decode, encode, to_message
from modelwright.executors.meter import Meter
from modelwright.executors.toolbox import ToolBox

# What one trial may leave in the record; larger things belong in the artefact store.
MAX_EVIDENCE = 8 << 20
_MAX_TEXT = 20_000

Message = tuple[Progress | Evidence, bytes]


def conduct(
    evaluator: Evaluator,
    trial: Trial,
    tools: ToolBox,
    meter: Meter,
    word: Callable[[], str | None] = lambda: None,
) -> Generator[Message, None, None]:
    """The messages of a trial, any progress, then one evidence; each with its text of `frames`.

    The message is what the text reads back to, so that inline and in workers all is the same.

    Whatever the evaluator raises, returns or leaves out becomes failed evidence; only
    KeyboardInterrupt passes. `word` is asked after each progress; an evaluator that is a generator
    gets its answer ("continue", "stop", or orders to a coach) as the value of its `yield`, and may
    heed it.
    Closing the iterator closes the evaluator's.
    """
    stream: Iterator[Any] = iter(())
    started = False
    try:
        while True:
            try:
                if not started:
                    stream, started = iter(evaluator.evaluate(trial, tools)), True
                    message = next(stream)
                else:
                    message = _advance(stream, word())
                if isinstance(message, Evidence):
                    _close(stream)
                ready = _ready(message, trial, tools, meter)
            except KeyboardInterrupt:
                raise
            # The one place where anything at all becomes a failed record.
            except BaseException as error:
                evidence = meter.fill(failed_by(error, trial.number))
                yield evidence, encode("evidence", evidence.to_json())
                return
            yield ready
            if isinstance(message, Evidence):
                return
    finally:
        with contextlib.suppress(Exception):  # the trial's outcome is known by now
            _close(stream)


def failed_by(error: BaseException, number: int) -> Evidence:
    """Failed evidence for what a trial raised: cause, class, message and trace."""
    evidence = Evidence(number)
    if isinstance(error, _UnfitError):
        return evidence.failed(error.cause, error.message)
    if isinstance(error, StopIteration):
        return evidence.failed("error", "the evaluator ended without evidence")
    message = _safe(lambda: str(error))
    out_of_memory = isinstance(error, MemoryError) or "bad_alloc" in message
    trace = _safe(lambda: "".join(traceback.format_exception(error)))
    return evidence.failed(
        "memory" if out_of_memory else "error",
        message[:2000] or type(error).__name__,
        type(error).__name__,
        trace[-_MAX_TEXT:],
    )


class _UnfitError(Exception):
    """What the evaluator handed over is no message."""

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause, self.message = cause, message


def _advance(stream: Iterator[Any], word: str | None) -> Any:
    if word is not None and isinstance(stream, Generator):
        return stream.send(word)
    return next(stream)


def _close(stream: Iterator[Any]) -> None:
    close = getattr(stream, "close", None)
    if close is not None:
        close()


def _ready(message: Any, trial: Trial, tools: ToolBox, meter: Meter) -> Message:
    if not isinstance(message, (Progress, Evidence)):
        raise _UnfitError("error", f"expected Progress or Evidence, got {type(message).__name__}")
    if message.trial != trial.number:
        raise _UnfitError(
            "error", f"trial {trial.number} handed over a message of trial {message.trial!r}"
        )
    if isinstance(message, Progress):
        body = {
            name: getattr(message, name) for name in ("trial", "step", "scores", "message", "done")
        }
        return _there_and_back("progress", body)
    evidence = _with_size(meter.fill(message), tools)
    data = evidence.to_json()
    _check_shape(data)
    try:
        ready = _there_and_back("evidence", data)
    except (TypeError, ValueError, RecursionError) as error:
        raise _UnfitError(_cause(data), f"the evidence is not plain data: {error}") from error
    if len(ready[1]) > MAX_EVIDENCE:
        raise _UnfitError(
            "error",
            f"the evidence has {len(ready[1]) / 1e6:.1f} MB, over {MAX_EVIDENCE / 1e6:.1f}; "
            "put arrays in the artefact store",
        )
    return ready


def _there_and_back(kind: str, body: Mapping[str, Any]) -> Message:
    """The message as it will be read, and its text. What cannot be read back must not travel."""
    text = encode(kind, body)
    return to_message(*decode(text)), text


def _with_size(evidence: Evidence, tools: ToolBox) -> Evidence:
    """The evidence with the bytes of the artefacts it names, unless it says so itself."""
    if not evidence.artefacts or "artefact_bytes" in evidence.facts:
        return evidence
    try:
        sizes = [tools.store.path(name).stat().st_size for name in evidence.artefacts.values()]
    except InputError as error:
        raise _UnfitError(
            "error", f"the evidence names an artefact that was not kept: {error}"
        ) from error
    return replace(evidence, facts={**evidence.facts, "artefact_bytes": sum(sizes)})


def _check_shape(data: Mapping[str, Any]) -> None:
    """Refuses evidence whose parts are no mappings. What the scores are is checked by the loop."""
    for name in ("scores", "folds", "noise", "artefacts", "facts"):
        part = data.get(name)
        if part is None:
            continue
        if not isinstance(part, Mapping) or not all(isinstance(key, str) for key in part):
            cause = "bad_score" if name == "scores" else "error"
            raise _UnfitError(cause, f"{name} must map names to values; got {part!r:.200}")


def _cause(data: Mapping[str, Any]) -> str:
    try:
        encode("scores", data.get("scores", {}))
    except (TypeError, ValueError, RecursionError):
        return "bad_score"
    return "error"


def _safe(text: Callable[[], str]) -> str:
    """The text, or a note when making it fails, as an exception's own `__str__` may."""
    try:
        return text().encode(errors="replace").decode()
    except Exception as error:
        return f"(no text: making it raised {type(error).__name__})"
