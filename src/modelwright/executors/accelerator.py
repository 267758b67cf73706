"""The energy counters of graphics cards, where a trial trains on one (NVIDIA: NVML)."""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

UNMEASURED = "accelerator not measured"  # a fact of evidence: a card worked and nothing counted


@cache
def _cards() -> tuple[Any, tuple[Any, ...]]:
    """NVML and the handles of the cards that count; nothing where the library is not there.

    `pip install nvidia-ml-py` brings it as `pynvml`. Cards count from the generation Volta on.
    """
    if find_spec("pynvml") is None:
        return None, ()
    pynvml: Any = import_module("pynvml")

    handles = []
    try:
        pynvml.nvmlInit()
        for i in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(i)
            pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
            handles.append(handle)
    except pynvml.NVMLError:  # no driver, or a card that does not count
        pass
    return pynvml, tuple(handles)


class CardMeter:
    """Counts the joules of all cards from when it is made.

    A card is taken to work for this trial alone: what others do on it meanwhile is in the figure,
    and so is what it draws when idle.
    """

    def __init__(self) -> None:
        self._start = _millijoules()

    def facts(self) -> dict[str, Any]:
        """For the evidence: `accelerator_joules`; that nothing counted; or nothing without a card
        that this process trained on."""
        if not _trained_on_one():
            return {}
        end = _millijoules()
        if end is None or self._start is None:
            return {"accelerator": UNMEASURED}
        return {"accelerator_joules": round((end - self._start) / 1000, 3)}


def _millijoules() -> int | None:
    """Since the driver was loaded, of all cards; None where none counts."""
    nvml, handles = _cards()
    if not handles:
        return None
    try:
        return int(sum(nvml.nvmlDeviceGetTotalEnergyConsumption(handle) for handle in handles))
    except nvml.NVMLError:
        return None


def _trained_on_one() -> bool:
    """Whether this process used a card through PyTorch, which is not loaded to find out."""
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    return bool(cuda is not None and cuda.is_initialized() and cuda.max_memory_allocated() > 0)
