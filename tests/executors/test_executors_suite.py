"""The public suite of the role, over both executors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from modelwright.core.roles import Executor
from modelwright.executors import EvaluatorSpec, FileStore, Inline, Processes, ToolBox
from modelwright.testing.executor import KILLING, LIVING, MAKING, TOY, Make, Play


def _inline(spec: EvaluatorSpec, tools: ToolBox) -> Executor:
    return Inline(spec.build(), tools)


def _processes(spec: EvaluatorSpec, tools: ToolBox) -> Executor:
    return Processes(spec, tools, slots=2, preload=())


EXECUTORS: dict[str, Make] = {"inline": _inline, "processes": _processes}
CHECKS = [
    pytest.param(name, check, id=f"{name}-{check.__name__.strip('_')}")
    for name, checks in (("inline", LIVING), ("processes", LIVING + KILLING))
    for check in checks
]


@pytest.fixture(scope="module")
def plays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Play]]:
    folder = tmp_path_factory.mktemp("executor")
    tools = ToolBox(folder, FileStore(folder / "store"))
    plays = {name: Play(make(TOY, tools)) for name, make in EXECUTORS.items()}
    yield plays
    for play in plays.values():
        play.executor.close()


@pytest.mark.parametrize(("name", "check"), CHECKS)
def test_executors_keep_the_contract(
    plays: Mapping[str, Play], name: str, check: Callable[[Play], None]
) -> None:
    check(plays[name])


def test_who_can_kill() -> None:
    assert (Inline.interrupts, Processes.interrupts) == (False, True)


@pytest.mark.parametrize("make", list(EXECUTORS.values()), ids=list(EXECUTORS))
@pytest.mark.parametrize("check", MAKING, ids=lambda check: check.__name__)
def test_executors_made_and_closed(
    make: Make, check: Callable[[Make, ToolBox], None], tmp_path: Path
) -> None:
    check(make, ToolBox(tmp_path, FileStore(tmp_path / "store")))
