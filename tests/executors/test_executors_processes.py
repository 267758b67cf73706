"""Processes, with real ones: bounds, deaths, start-up, and what is left behind."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from modelwright.core.errors import InputError, ModelwrightError
from modelwright.core.trial import Evidence, Progress
from modelwright.executors import EvaluatorSpec, FileStore, Processes, ToolBox
from modelwright.testing.executor import TOY, Play, ended, toy_trial

MB = 1 << 20
Open = Callable[..., Play]


@pytest.fixture
def tools(tmp_path: Path) -> ToolBox:
    return ToolBox(tmp_path, FileStore(tmp_path / "store"))


@pytest.fixture
def play(tools: ToolBox) -> Iterator[Open]:
    opened = []

    def make(spec: EvaluatorSpec = TOY, **options: Any) -> Play:
        executor = Processes(spec, tools, **{"slots": 1, "preload": (), **options})
        opened.append(executor)
        return Play(executor)

    yield make
    for executor in opened:
        executor.close()


def workers() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if "executors.worker" in " ".join(p.cmdline())]


# -- bounds --------------------------------------------------------------------------------------


def test_memory_without_end_is_a_failed_record(play: Open) -> None:
    run = play(memory_bytes=300 * MB)
    evidence = run.fails("memory", "more than 315 MB", do="allocate")
    assert evidence.peak_bytes is not None
    assert 300 * MB < evidence.peak_bytes < 2000 * MB
    run.works()


def test_memory_of_children_counts(play: Open) -> None:
    # Each child may take what the worker may, as the system sees it: the look every 50 ms adds up.
    run = play(EvaluatorSpec("modelwright.testing.evaluators:toy"), memory_bytes=300 * MB)
    evidence = run.fails("memory", "MB of memory", do="hungry", n=4, bytes=120 * MB)
    assert evidence.peak_bytes is not None
    assert evidence.peak_bytes > 300 * MB
    run.works()


def test_pages_that_forked_children_share_count_once(play: Open) -> None:
    run = play(memory_bytes=400 * MB)
    [evidence] = run.evidence(run.submit(do="shared", n=6, bytes=150 * MB))
    assert evidence.ok, evidence


def test_mapped_data_does_not_count(play: Open, tools: ToolBox) -> None:
    data = tools.data / "rows.bin"
    with data.open("wb") as file:
        for _ in range(200):
            file.write(b"x" * MB)
    run = play(memory_bytes=100 * MB)
    [evidence] = run.evidence(run.submit(do="map", file="rows.bin"))
    assert evidence.ok, evidence
    assert evidence.peak_bytes is not None
    assert evidence.peak_bytes > 200 * MB


def test_memory_left_behind_is_not_the_next_trials_fault(play: Open) -> None:
    run = play(memory_bytes=150 * MB)
    for _ in range(3):  # together far over the bound
        [evidence] = run.evidence(run.submit(do="leak", bytes=90 * MB))
        assert evidence.ok, evidence


def test_libraries_load_within_the_memory_bound(play: Open) -> None:
    run = play(memory_bytes=500 * MB)  # they ask for more than they touch
    for module in ("numpy", "lightgbm"):
        [evidence] = run.evidence(run.submit(do="load", module=module))
        assert evidence.ok, evidence


def test_numpy_is_told_at_once_that_there_is_no_memory(play: Open) -> None:
    run = play(memory_bytes=500 * MB, preload=("numpy",))
    evidence = run.fails("memory", "Unable to allocate", do="array", bytes=20_000 * MB)
    assert evidence.seconds is not None
    assert evidence.seconds < 1
    [good] = run.evidence(run.submit(do="array", bytes=100 * MB))
    assert good.ok


def test_trial_seconds(play: Open) -> None:
    run = play(trial_seconds=0.4)
    start = time.monotonic()
    run.fails("timeout", "longer than 0.4 s", do="stubborn")
    assert time.monotonic() - start < 3
    run.works()


def test_silence_is_a_hang_and_progress_is_a_sign_of_life(play: Open) -> None:
    run = play(hang_seconds=0.5)
    alive = run.submit(do="progress", n=20, pause=0.05)
    [evidence] = run.evidence(alive)
    assert evidence.ok
    run.fails("hang", "no sign of life", do="sleep")
    run.works()


def test_bounds_hold_while_nobody_polls(play: Open) -> None:
    run = play(trial_seconds=0.3)
    run.works()
    run.submit(do="stubborn")
    [worker] = workers()
    end = time.monotonic() + 2
    while time.monotonic() < end:
        sum(range(10_000))  # the caller computes, as a designer does
    assert ended(worker.pid, 0.0)


def test_a_fork_bomb_is_killed_whole(play: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelwright.executors.bounds.MAX_PROCESSES", 60)
    run = play()
    run.works()
    [worker] = workers()
    run.fails("crash", "more than 60 processes", do="bomb", times=8)
    for process in psutil.process_iter(["pid"]):
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getsid(process.pid) == worker.pid:
                assert ended(process.pid, 2.0)
    run.works()


def test_many_detached_children_end(play: Open) -> None:
    run = play()
    number = run.submit(do="children", n=30)
    messages = run.until(lambda seen: len(seen) == 30)
    run.executor.cancel(number)
    run.evidence(number)
    for message in messages:
        assert isinstance(message, Progress)
        assert ended(int(message.message), 2.0)


# -- deaths --------------------------------------------------------------------------------------


def test_a_segfault_shows_where_it_was(play: Open) -> None:
    evidence = play().fails("crash", "SIGSEGV", do="segfault")
    assert evidence.failure is not None
    assert "Segmentation fault" in evidence.failure.trace
    assert "in _segfault" in evidence.failure.trace


def test_output_of_a_crashed_trial_is_kept_and_of_others_not(play: Open) -> None:
    run = play()
    run.evidence(run.submit(do="print", bytes=2000))
    evidence = run.fails("crash", do="exit")
    assert evidence.failure is not None
    assert evidence.failure.trace == ""


def test_floods_of_output_neither_block_nor_fill_the_disk(play: Open) -> None:
    run = play()
    [evidence] = run.evidence(run.submit(do="print", bytes=80 * MB))
    assert evidence.ok
    assert evidence.facts["read"] == ""
    time.sleep(0.1)
    [worker] = workers()
    assert Path(f"/proc/{worker.pid}/fd/2").stat().st_size < 40 * MB


def test_floods_of_progress_arrive_whole(play: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelwright.executors.crew._MAX_BACKLOG", 500)
    run = play()
    n = 5_000
    number = run.submit(do="progress", n=n)
    time.sleep(0.5)
    assert len(run.executor._crew._said) < 4_000  # type: ignore[attr-defined]
    messages = run.until(lambda seen: any(isinstance(m, Evidence) for m in seen[-1:]))
    assert [m.step for m in messages[:-1] if isinstance(m, Progress)] == list(range(n))
    assert messages[-1].trial == number


def test_kills_lose_and_double_nothing(play: Open) -> None:
    run = play(slots=2)
    numbers = [run.submit(do="sleep", seconds=0.02) for _ in range(24)]
    killed: set[int] = set()
    found: list[Evidence] = []
    end = time.monotonic() + 100
    while len(found) < len(numbers) and time.monotonic() < end:
        for message in run.executor.poll(0.05):
            if isinstance(message, Evidence):
                found.append(message)
            elif message.trial % 4 == 0:
                os.kill(int(message.message), signal.SIGKILL)
                killed.add(message.trial)
    assert sorted(m.trial for m in found) == numbers
    crashed = {m.trial for m in found if m.failure is not None and m.failure.kind == "SIGKILL"}
    assert crashed <= killed  # the rest was faster than the signal
    assert len(crashed) >= 3
    run.works()


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_happens_each_trial_comes_back_once(play: Open, seed: int) -> None:
    luck = random.Random(seed)
    run = play(slots=3, trial_seconds=20.0)
    harmless = ("score", "progress", "raise", "nan", "twice", "artefact", "fork", "print", "huge")
    deadly = ("segfault", "exit", "garbage", "shut", "orphan", "abort")
    endless = ("stubborn", "spin", "sleep")
    wanted: dict[int, str] = {}
    for _ in range(50):
        behaviour = luck.choice(luck.choices([harmless, deadly, endless], [7, 2, 1])[0])
        deadline = luck.uniform(1.0, 3.0) if behaviour in endless else None
        wanted[run.submit(deadline=deadline, do=behaviour)] = behaviour
    cancelled = set(luck.sample(sorted(wanted), 8))
    found: dict[int, Evidence] = {}
    end = time.monotonic() + 100
    while len(found) < len(wanted) and time.monotonic() < end:
        for message in run.executor.poll(0.05):
            if isinstance(message, Evidence):
                assert message.trial not in found
                found[message.trial] = message
        if luck.random() < 0.3 and cancelled:
            run.executor.cancel(cancelled.pop())
    assert sorted(found) == sorted(wanted)
    for number, evidence in found.items():
        cause = evidence.failure.cause if evidence.failure else "none"
        if wanted[number] in endless:
            assert cause in ("timeout", "cancelled"), evidence
        elif wanted[number] in ("score", "progress", "twice", "artefact", "fork", "print"):
            assert cause in ("none", "cancelled"), evidence
    assert list(run.executor.poll(0.1)) == []
    run.works()


_SUPERVISOR = """
import sys, time
from pathlib import Path
from modelwright.executors import FileStore, Processes, ToolBox
from modelwright.testing.executor import TOY, Play
folder = Path(sys.argv[1])
executor = Processes(TOY, ToolBox(folder, FileStore(folder / "store")), slots=2, preload=())
play = Play(executor)
play.submit(do=sys.argv[2], n=2)
play.submit(do="spin")
wanted = 3 if sys.argv[2] == "children" else 2
messages = play.until(lambda seen: len(seen) == wanted)
import psutil
print(*[p.pid for p in psutil.Process().children(recursive=True)], flush=True)
{end}
"""


@pytest.mark.parametrize("behaviour", ["stubborn", "children"])
def test_workers_die_with_a_killed_supervisor(tmp_path: Path, behaviour: str) -> None:
    code = _SUPERVISOR.replace("{end}", "time.sleep(60)")
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), behaviour], stdout=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stdout is not None
        pids = [int(pid) for pid in supervisor.stdout.readline().split()]
        detached = [p for p in pids if os.getsid(p) == p and "worker" not in _command(p)]
        supervisor.kill()
        start = time.monotonic()
    assert len(pids) == (4 if behaviour == "children" else 2)
    for pid in set(pids) - set(detached):
        assert ended(pid, 2.0), f"{pid} lives {time.monotonic() - start:.1f} s later"
    for pid in detached:  # only a process in a session of its own may live on
        os.kill(pid, signal.SIGKILL)


def test_a_forked_copy_of_the_supervisor_keeps_no_worker_alive(tmp_path: Path) -> None:
    fork = """
import os
copy = os.fork()
if copy:
    print(copy, flush=True)
time.sleep(30)
"""
    with subprocess.Popen(
        [sys.executable, "-c", _SUPERVISOR.replace("{end}", fork), str(tmp_path), "stubborn"],
        stdout=subprocess.PIPE, text=True,
    ) as supervisor:  # fmt: skip
        assert supervisor.stdout is not None
        pids = [int(pid) for pid in supervisor.stdout.readline().split()]
        copy = int(supervisor.stdout.readline())
        supervisor.kill()
        try:
            assert all(ended(pid, 2.0) for pid in pids)
            assert not ended(copy, 0.0)
        finally:
            os.kill(copy, signal.SIGKILL)


@pytest.mark.parametrize("ending", ["raise SystemExit(0)", "1 / 0", "del executor, play"])
def test_workers_end_with_the_program(tmp_path: Path, ending: str) -> None:
    code = _SUPERVISOR.replace("{end}", ending)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path), "stubborn"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ("ZeroDivisionError" in done.stderr) if ending == "1 / 0" else done.stderr == ""
    for pid in done.stdout.split():
        assert ended(int(pid), 0.5)


def test_ctrl_c_in_the_terminal_does_not_reach_workers(play: Open) -> None:
    run = play()
    number = run.submit(do="progress", n=20, pause=0.02)
    run.until(lambda seen: len(seen) > 0)
    [worker] = workers()
    assert os.getsid(worker.pid) == worker.pid != os.getsid(0)
    worker.send_signal(signal.SIGINT)
    messages = run.until(lambda seen: any(isinstance(m, Evidence) for m in seen))
    assert isinstance(messages[-1], Evidence)
    assert messages[-1].trial == number
    assert messages[-1].ok


# -- start ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "arguments", "words"),
    [
        ("modelwright.nowhere:f", {}, "module 'modelwright.nowhere' cannot be found"),
        ("modelwright.testing.evaluators:toi", {}, "Did you mean 'toy'"),
        ("modelwright.testing.evaluators:toy", {"a": 1}, "unexpected keyword argument 'a'"),
        ("modelwright.testing.evaluators:broken", {}, "ValueError: no such table: rows.npy"),
        ("modelwright.testing.evaluators:broken", {"how": "exit"}, "exit status 7"),
        ("json:dumps", {"obj": 1}, "must return an evaluator"),
    ],
)
def test_an_evaluator_that_cannot_be_built_is_one_clear_error(
    play: Open, entry: str, arguments: Any, words: str
) -> None:
    run = play(EvaluatorSpec(entry, arguments))
    run.submit()
    with pytest.raises(InputError, match=words):
        run.until(lambda seen: False)
    with pytest.raises(InputError, match=words):
        run.executor.submit(toy_trial(1))
    assert workers() == []


def test_the_callers_import_path_reaches_workers(
    play: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_objective.py").write_text(
        "from modelwright.testing.evaluators import toy as mine\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    play(EvaluatorSpec("my_objective:mine")).works()


def test_an_evaluator_that_breaks_later_is_reported_too(play: Open, tmp_path: Path) -> None:
    module = tmp_path / "fragile.py"
    module.write_text("from modelwright.testing.evaluators import toy as mine\n")
    sys.path.insert(0, str(tmp_path))
    try:
        run = play(EvaluatorSpec("fragile:mine"))
        run.works()
        module.write_text("raise OSError('the data is gone')\n")
        run.fails("crash", do="exit")
        run.submit()
        with pytest.raises(ModelwrightError, match="the data is gone"):
            run.until(lambda seen: False)
    finally:
        sys.path.remove(str(tmp_path))


@pytest.mark.parametrize(
    "options",
    [{"slots": 0}, {"memory_bytes": -1}, {"trial_seconds": 0.0}, {"hang_seconds": float("nan")}],
)
def test_bounds_are_positive(tools: ToolBox, options: Any) -> None:
    with pytest.raises(InputError, match="must be positive"):
        Processes(TOY, tools, **options)


def test_workers_get_the_threads_they_may_use(tmp_path: Path) -> None:
    tools = ToolBox(tmp_path, FileStore(tmp_path / "store"), threads=3)
    with Processes(TOY, tools, slots=1, preload=()) as executor:
        run = Play(executor)
        [evidence] = run.evidence(run.submit(do="threads"))
    assert evidence.scores == {"loss": 3}
    assert evidence.facts == {"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "3"}


def test_global_generators_start_from_the_trials_seed(play: Open) -> None:
    run = play(slots=2)
    run.evidence(*[run.submit(do="random") for _ in range(5)])
    values = set()
    for _ in range(3):
        run.executor.submit(toy_trial(77, do="random"))
        [evidence] = run.evidence(77)
        values.add(evidence.scores["loss"])
    assert len(values) == 1


def test_a_spare_takes_over_at_once_and_runs_nothing_before(play: Open) -> None:
    run = play(spares=1)
    run.works()
    end = time.monotonic() + 30
    while len(workers()) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(1.5)  # the spare gets ready
    held = run.submit(do="stubborn")
    pid = run.pid()
    waits = run.submit(do="sleep", seconds=0.0)
    assert list(run.executor.poll(0.5)) == []  # one slot, although a second worker is ready
    run.executor.cancel(held)
    start = time.monotonic()
    messages = run.until(lambda seen: sum(isinstance(m, Evidence) for m in seen) == 2)
    assert time.monotonic() - start < 1.0
    assert [m.trial for m in messages] == [held, waits, waits]
    assert str(pid) not in [m.message for m in messages if isinstance(m, Progress)]


# -- what is left --------------------------------------------------------------------------------


def _files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_nothing_is_left_after_close(play: Open, tools: ToolBox) -> None:
    play().works()  # what is opened once and for all
    gc.collect()
    before, threads = _files(), threading.active_count()
    for _ in range(2):
        with Processes(TOY, tools, slots=2, preload=()) as executor:
            run = Play(executor)
            run.fails("crash", do="segfault")
            run.works()
            run.submit(do="stubborn")
            mine = [w.pid for w in workers()]
    assert _files() <= before  # fewer, when the collector closed what an earlier test left
    assert threading.active_count() <= threads
    assert len(mine) >= 2
    assert len(workers()) == 1  # the first executor's


def test_a_dropped_executor_ends_its_workers(tools: ToolBox) -> None:
    executor = Processes(TOY, tools, slots=1, preload=())
    Play(executor).works()
    [worker] = workers()
    del executor
    gc.collect()
    assert ended(worker.pid, 2.0)


def test_a_full_disk_is_a_failed_record(play: Open) -> None:
    run = play()
    evidence = run.fails("error", "the disk is full", do="fill")
    assert evidence.failure is not None
    assert evidence.failure.kind == "ModelwrightError"


def test_thousand_trivial_trials_each_once(play: Open) -> None:
    run = play(slots=2)
    run.works()
    start = time.monotonic()
    numbers = [run.submit(x=i) for i in range(1000)]
    for i, evidence in enumerate(run.evidence(*numbers)):
        assert evidence.scores == {"loss": i}
    assert 1000 / (time.monotonic() - start) > 100  # 300 and more on a machine that is not busy


def test_documents_over_the_bound_are_refused(play: Open) -> None:
    with pytest.raises(InputError, match="over 33554432"):
        play().executor.submit(toy_trial(0, text="x" * (33 * MB)))


def test_large_documents_pass(play: Open) -> None:
    run = play()
    run.executor.submit(toy_trial(5, text="x" * (5 * MB)))
    [evidence] = run.evidence(5)
    assert evidence.ok


def _command(pid: int) -> str:
    return json.dumps(psutil.Process(pid).cmdline())
