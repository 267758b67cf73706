"""Small matrices, on one thread: what a designer computes beside busy workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any


@cache
def _libraries() -> Any:
    import scipy.linalg  # noqa: F401  (its BLAS is another than NumPy's, and must be loaded)
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Matrix products and factors inside use one thread; may also decorate a function.

    Threads of BLAS wait for one another by spinning. With other processes on the same cores,
    factors of 128 x 128 took tens of times as long on two threads as on one (2 cores, OpenBLAS).
    It holds for the whole process while it lasts.

    >>> from modelwright.designers.one_thread import one_thread
    >>> with one_thread():
    ...     pass
    """
    with _libraries().limit(limits=1, user_api="blas"):
        yield
