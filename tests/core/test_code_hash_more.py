from __future__ import annotations

import functools
import subprocess
import sys
from typing import Any

from modelwright.core.code_hash import code_hash


def doubled(function: Any) -> Any:
    def call(x: float) -> Any:
        return 2 * function(x)

    return call


def test_a_set_in_a_lambda_hashes_the_same_in_every_process() -> None:
    code = (
        "from modelwright.core.code_hash import code_hash\n"
        "print(code_hash(lambda x: x in {'a', 'b', 'c', 'd'}))"
    )
    seen = set()
    for seed in ("1", "2", "3"):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        )  # fmt: skip
        seen.add(done.stdout)
    assert len(seen) == 1


def test_what_a_decorator_hides_is_part_of_the_code() -> None:
    assert code_hash(doubled(lambda x: x)) != code_hash(doubled(lambda x: x + 1))
    cached = functools.lru_cache
    assert code_hash(cached(lambda x: x)) != code_hash(cached(lambda x: x + 1))
