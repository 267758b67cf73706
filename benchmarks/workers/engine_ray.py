"""Ray core tasks on two processors: tasks a second; nothing is recorded, nothing survives.

Four hundred tasks are kept in flight, as many as hide the scheduler's latency; set-up includes
the cluster's own processes, and so does the memory.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import ray

from throughput import objective, timed
from worker import serve

IN_FLIGHT = 400


def cell(request: dict[str, Any]) -> dict[str, Any]:
    rng = random.Random(request["seed"])

    def setup() -> Callable[[Callable[[int], bool]], None]:
        ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR")
        task = ray.remote(objective)
        ray.get([task.remote(0.5) for _ in range(2)])  # the worker processes start here

        def run(tell: Callable[[int], bool]) -> None:
            running, done, going = [task.remote(rng.random()) for _ in range(IN_FLIGHT)], 0, True
            while going:
                finished, running = ray.wait(running, num_returns=min(50, len(running)))
                ray.get(finished)
                done += len(finished)
                going = tell(done)
                running += [task.remote(rng.random()) for _ in finished]
            ray.get(running)

        return run

    try:
        return timed(setup)
    finally:
        ray.shutdown()


if __name__ == "__main__":
    serve(cell, "ray")
