"""What all tests share: one thread to a process, and a key that is not the account's.

`make test` keeps every core busy: threads of two processes that share two cores wait for one
another, which made the slowest test thirty times as long. What a test starts with more threads says
so itself. The variables stand before NumPy or PyTorch is loaded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")


@pytest.fixture(autouse=True, scope="session")
def _own_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("config")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODELWRIGHT_KEY", str(folder / "key.pem"))
        patch.setenv("XDG_CONFIG_HOME", str(folder))
        yield
