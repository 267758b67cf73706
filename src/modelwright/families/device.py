"""What a network will run on: a named device's speed, memory, storage, operations and power."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from modelwright.core.errors import InputError, did_you_mean
from modelwright.core.problem import Limit
from modelwright.families.net_costs import KINDS, TRAINING_ONLY, peak_bytes
from modelwright.families.net_ops import Ops


@dataclass(frozen=True)
class Device:
    """A device profile; what is None is not known, and bounds nothing.

    `macs_per_second` are the multiplications of one network that it does in a second with all of
    its `threads`: with it latency is estimated, without it the latency is measured on this machine
    with as many threads. `memory_kb` holds results and, where there is no `flash_kb`, the weights
    too; a device with flash reads them from there. `operations` are the kinds that it can do.
    `watts` is its power while it computes. `source` says where the figures are from.
    A kB is 1,000 bytes.
    """

    name: str
    threads: int = 1
    macs_per_second: float | None = None
    memory_kb: float | None = None
    flash_kb: float | None = None
    operations: tuple[str, ...] | None = None
    watts: float | None = None
    source: str = ""

    def __post_init__(self) -> None:
        whole = isinstance(self.threads, int) and not isinstance(self.threads, bool)
        if not whole or self.threads < 1:
            raise InputError(f"a device's threads are 1 or more; got {self.threads!r}.")
        for name in ("macs_per_second", "memory_kb", "flash_kb", "watts"):
            value = getattr(self, name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if value is not None and not (number and 0 < value < math.inf):
                raise InputError(f"a device's {name} is a number over 0; got {value!r}.")
        for kind in self.operations or ():
            if kind not in KINDS:
                raise InputError(
                    f"a device's operations are kinds of operations; got {kind!r}."
                    f"{did_you_mean(str(kind), KINDS)} Known: {', '.join(KINDS)}."
                )

    @property
    def limits(self) -> tuple[Limit, ...]:
        """The hard limits that follow from it."""
        found = []
        if self.memory_kb is not None:
            found.append(Limit("peak_memory_kb", "<=", float(self.memory_kb)))
        if self.flash_kb is not None:
            found.append(Limit("size_kb", "<=", float(self.flash_kb)))
        if self.operations is not None:
            found.append(Limit("foreign_operations", "<=", 0.0))
        return tuple(found)

    def foreign(self, ops: Ops) -> tuple[str, ...]:
        """The kinds of a network's operations that it cannot do.

        To scale an answer, or to leave out rows of an example, needs no operation of a network.
        """
        used = {op.kind for op in ops.steps} - TRAINING_ONLY - {"unit", "take"}
        return () if self.operations is None else tuple(sorted(used - set(self.operations)))

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads back; what is not known is left out."""
        return {k: v for k, v in asdict(self).items() if v is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: str = "the device profile") -> Device:
        """The device of plain data. Raises InputError for an unknown key, with the nearest."""
        known = [f.name for f in fields(cls)]
        for key in data:
            if key not in known:
                raise InputError(
                    f"unknown key {key!r} in {where}.{did_you_mean(key, known)} "
                    f"Known: {', '.join(known)}."
                )
        if not isinstance(data.get("name"), str) or not data["name"]:
            raise InputError(f'{where} needs a name: "name": "my_board".')
        told = dict(data)
        if told.get("operations") is not None:
            if not isinstance(told["operations"], (list, tuple)):
                raise InputError(f'the operations of {where} are a list: ["conv", "linear"].')
            told["operations"] = tuple(told["operations"])
        return cls(**told)


def read_device(named: str) -> Device:
    """The device of that name, or of a `.json` file.

    Raises InputError for an unknown name, with the nearest, and for a file that is no profile.
    """
    if not named.endswith(".json"):
        if named in DEVICES:
            return DEVICES[named]
        raise InputError(
            f"a device is {', '.join(DEVICES)} or a .json file; got {named!r}."
            f"{did_you_mean(named, DEVICES)}"
        )
    where = f"the device profile {Path(named).name}"
    try:
        data = json.loads(Path(named).read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{where} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise InputError(f"{where} is not valid JSON: {error}.") from None
    if not isinstance(data, Mapping):
        raise InputError(f'{where} is an object, {{"name": "my_board", "memory_kb": 512}}.')
    return Device.from_json(data, where)


def known_costs(ops: Ops, device: Device | None = None) -> dict[str, float]:
    """What is known of a network before it is trained, by the names that limits have.

    `params`, `macs`, `peak_memory_kb`; with a device that has operations `foreign_operations`, with
    one that has a speed the estimated `latency_ms`, and with power too `energy_joules` of 1,000
    answers (milliseconds of one times watts).
    """
    flash = device is not None and device.flash_kb is not None
    memory = peak_bytes(ops) + (0 if flash else 4 * ops.weights)
    found = {
        "params": float(ops.weights), "macs": float(ops.macs), "peak_memory_kb": memory / 1000,
    }  # fmt: skip
    if device is None:
        return found
    if device.operations is not None:
        found["foreign_operations"] = float(len(device.foreign(ops)))
    if device.macs_per_second is not None:
        found["latency_ms"] = 1000 * ops.macs / device.macs_per_second
        if device.watts is not None:
            found["energy_joules"] = found["latency_ms"] * device.watts
    return found


def bounds_of(limits: Iterable[Limit], device: Device | None = None) -> dict[str, float]:
    """The upper limits on what is known before a network is trained, the lowest of each."""
    known, found = known_costs(Ops((1,)), device), dict[str, float]()
    for limit in limits:
        if limit.metric in known and limit.op == "<=":
            found[limit.metric] = min(limit.value, found.get(limit.metric, limit.value))
    return found


def beyond(ops: Ops, bounds: Mapping[str, float], device: Device | None = None) -> tuple[str, str]:
    """The first bound that a network is beyond, and that in words; two empty texts for none."""
    for name, has in known_costs(ops, device).items():
        most = bounds.get(name)
        if most is not None and has > most:
            told = f"it has {has:,.6g} {name}, {most:,g} are allowed"
            if name == "foreign_operations" and device is not None:
                told = f"{device.name} has no operation {', '.join(device.foreign(ops))}"
            return name, told
    return "", ""


# Every figure has a source or is said to be assumed. Latency by multiplications alone is rough:
# what a network reads and writes is not in it. A profile of one's own with a measured speed is
# better.
DEVICES: Mapping[str, Device] = {
    "laptop": Device(
        "laptop", threads=4, memory_kb=8e6,
        source="latency and energy measured on this machine with 4 threads; 8 GB of memory for the "
        "network are assumed",
    ),
    "raspberry_pi_4": Device(
        "raspberry_pi_4", threads=4, macs_per_second=5e9, memory_kb=1e6, watts=6.4,
        source="assumed: 5e9 multiplications a second, a fifth of what 4 cores at 1.5 GHz with 4 "
        "float32 multiplications a cycle could do, and half of the memory of the 2 GB model; 6.4 W "
        "is the whole board with 4 busy cores (J. Geerling, pidramble.com, power consumption)",
    ),
    "microcontroller_256k": Device(
        "microcontroller_256k", threads=1, macs_per_second=8e6, memory_kb=262.144,
        flash_kb=1048.576, watts=0.01,
        operations=("conv", "norm", "act", "add", "scale", "pool", "smooth", "mean", "largest",
                    "join", "linear"),
        source="memory and flash of the nRF52840 (Cortex-M4F, 64 MHz), all of it: a program needs "
        "some; 3.3 mA at 3 V while computing (its product specification); assumed: 8 cycles for a "
        "float32 multiplication with its loads, and the operations",
    ),
}  # fmt: skip
