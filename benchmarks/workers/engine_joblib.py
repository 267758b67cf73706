"""joblib's loky processes, two of them: tasks a second; nothing is recorded, nothing survives."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from joblib import Parallel, delayed

from throughput import MARKS, objective, timed
from worker import serve


def cell(request: dict[str, Any]) -> dict[str, Any]:
    rng = random.Random(request["seed"])

    def setup() -> Callable[[Callable[[int], bool]], None]:
        pool = Parallel(n_jobs=2, backend="loky", return_as="generator_unordered")
        list(
            pool(delayed(objective)(0.5) for _ in range(2))
        )  # the processes start here, not in the first trial

        def run(tell: Callable[[int], bool]) -> None:
            stopped = False

            def orders() -> Iterator[Any]:
                for _ in range(MARKS[-1]):
                    if stopped:  # a plain end: closing joblib's generator early kills its workers
                        return
                    yield delayed(objective)(rng.random())

            for done, _value in enumerate(pool(orders()), start=1):
                stopped = stopped or not tell(done)

        return run

    return timed(setup)


if __name__ == "__main__":
    serve(cell, "joblib")
