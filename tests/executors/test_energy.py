"""Energy: counters as Linux lays them out, and what is said where there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelwright.evaluators.energy import energy_joules
from modelwright.executors.energy import EnergyMeter, counters, spent_joules


def zone(folder: Path, number: str, name: str, now: int, largest: int = 1000) -> Path:
    place = folder / f"intel-rapl:{number}"
    place.mkdir(parents=True)
    (place / "name").write_text(f"{name}\n")
    (place / "max_energy_range_uj").write_text(f"{largest}\n")
    (place / "energy_uj").write_text(f"{now}\n")
    return place / "energy_uj"


def test_packages_and_memory_count_and_a_counter_may_start_again(tmp_path: Path) -> None:
    package = zone(tmp_path, "0", "package-0", 900_000, 1_000_000)
    memory = zone(tmp_path, "0:2", "dram", 0, 1_000_000)
    cores = zone(tmp_path, "0:0", "core", 0, 1_000_000)
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 0 100 7 7 7 7\n")
    assert len(counters(tmp_path)) == 2
    meter = EnergyMeter(tmp_path, stat)
    package.write_text("400000")  # went past its end: 0.5 J
    memory.write_text("250000")
    cores.write_text("400000")
    stat.write_text("cpu  250 0 150 7 7 7 7\n")  # all processes: 200 ticks, 2 s
    assert meter.joules(2.0) == pytest.approx(0.75)
    assert meter.joules(0.5) == pytest.approx(0.75 / 4)  # others had the rest


def test_counters_that_cannot_be_read_are_none(tmp_path: Path) -> None:
    place = zone(tmp_path, "0", "package-0", 5)
    place.write_text("nonsense")
    assert counters(tmp_path) == ()
    assert EnergyMeter(tmp_path).joules(1.0) is None


def test_an_estimate_says_that_it_is_one_and_follows_the_power(tmp_path: Path) -> None:
    joules, how = spent_joules(EnergyMeter(tmp_path / "none"), -3.0, 2.0)
    assert joules > 6.0
    assert how == "estimated: processor seconds times 2 W for a busy core"
    work = list(range(20_000))
    one, noise, how = energy_joules(lambda: sum(work), 10.0)
    ten, _, _ = energy_joules(lambda: [sum(work) for _ in range(10)], 10.0)
    assert 0 < one < ten  # how much less is a matter of what else runs
    assert noise >= 0
