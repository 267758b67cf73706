from __future__ import annotations

import time
from pathlib import Path

from modelwright.core.trial import Candidate, Evidence, Trial
from modelwright.executors import EvaluatorSpec, FileStore, Processes, ToolBox


def trial(number: int, document: str) -> Trial:
    return Trial(number, Candidate(document), 0, 1.0, 1.0, seed=0)


def test_a_spare_takes_over_at_once_and_runs_nothing_before(tmp_path: Path) -> None:
    """With one slot, a second trial waits although a second worker is ready."""
    tools = ToolBox(tmp_path, FileStore(tmp_path / "store"))
    spec = EvaluatorSpec("modelwright.testing.evaluators:toy")
    with Processes(spec, tools, slots=1, spares=1) as executor:
        executor.submit(trial(0, '{"x":0.5}'))
        assert executor.poll(60)
        time.sleep(1)  # the spare gets ready
        executor.submit(trial(1, '{"x":0.5,"do":"hang"}'))
        executor.submit(trial(2, '{"x":0.5}'))
        assert executor.poll(0.5) == []
        executor.cancel(1)
        found: list[int] = []
        while len(found) < 2:
            found += [m.trial for m in executor.poll(60) if isinstance(m, Evidence)]
        assert sorted(found) == [1, 2]
