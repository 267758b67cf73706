from __future__ import annotations

import functools
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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


def test_what_a_class_names_and_is_built_on_is_part_of_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        "from dataclasses import dataclass\n"
        "class Base:\n    def forward(self): return {0}\n"
        "class Block(Base):\n    pass\n"
        "@dataclass(frozen=True)\nclass Net:\n    n: int = 1\n"
        "    def build(self): return Block()\n"
        "@dataclass(frozen=True)\nclass Other:\n    n: int = 1\n"
        "    def build(self): return self.n\n"
    )
    for i in (1, 2):
        (tmp_path / f"blocks_{i}.py").write_text(text.format(i))
    monkeypatch.syspath_prepend(str(tmp_path))
    one, two = importlib.import_module("blocks_1"), importlib.import_module("blocks_2")
    assert code_hash(one.Net) != code_hash(two.Net)
    assert code_hash(one.Other) == code_hash(two.Other)
