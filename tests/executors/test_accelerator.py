"""The energy of a graphics card: through a stand-in for NVML's library; few machines have one.

What is proved is how its counter is read and told, not that the counter is right.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from modelwright.core.trial import Evidence
from modelwright.core.view import Energy
from modelwright.executors import accelerator
from modelwright.executors.accelerator import CardMeter


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A PyTorch that has used a card, whose counter is `millijoules`; without NVML at first."""
    cuda = types.SimpleNamespace(is_initialized=lambda: True, max_memory_allocated=lambda: 1)
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(cuda=cuda))
    found = types.SimpleNamespace(millijoules=5_000)
    nvml: Any = types.ModuleType("pynvml")
    nvml.NVMLError = type("NVMLError", (Exception,), {})
    nvml.nvmlInit = lambda: None
    nvml.nvmlDeviceGetCount = lambda: 1
    nvml.nvmlDeviceGetHandleByIndex = lambda i: i
    nvml.nvmlDeviceGetTotalEnergyConsumption = lambda handle: found.millijoules
    nvml.__spec__ = types.SimpleNamespace(name="pynvml")
    found.nvml = nvml
    accelerator._cards.cache_clear()
    yield found
    accelerator._cards.cache_clear()


def test_a_card_that_nothing_counts_is_said_to_be_unmeasured(card: Any) -> None:
    if find_spec("pynvml") is None:
        assert CardMeter().facts() == {"accelerator": "accelerator not measured"}


def test_the_joules_of_a_card_are_counted_beside_those_of_the_processor(
    card: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", card.nvml)
    meter = CardMeter()
    card.millijoules += 2_500
    facts = meter.facts()
    assert facts == {"accelerator_joules": 2.5}
    spent = Energy()
    spent.add(Evidence(0, {"loss": 1.0}, facts=facts, seconds=1.0, cpu_seconds=3.0))
    assert (spent.counted, spent.accelerator, spent.uncounted_cpu) == (2.5, 2.5, 3.0)
    sys.modules["torch"].cuda.is_initialized = lambda: False
    assert meter.facts() == {}
