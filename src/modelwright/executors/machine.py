"""What this machine offers: cores, memory, and the name of its class for the protocol's hash.

Linux's control groups (containers, batch systems, `systemd-run`) are respected; elsewhere only
what the operating system tells of the whole machine.
"""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")


def hardware_class(root: Path = _ROOT) -> str:
    """Processor model and usable cores, such as `AMD EPYC 9554, 8 cores`.

    Times measured on two machines are comparable only when this text is equal. `root` is the folder
    that has `proc` and `sys`.
    """
    n = cpu_slots(root)
    return f"{_processor(root)}, {n} core{'s' if n > 1 else ''}"


def cpu_slots(root: Path = _ROOT) -> int:
    """Cores that this process may use: affinity and the quota of its control groups, 1 or more."""
    affinity = getattr(os, "sched_getaffinity", None)
    n = len(affinity(0)) if affinity else os.cpu_count() or 1
    quotas = [q for q in _cpu_quotas(root) if q > 0]
    return max(1, int(min([float(n), *quotas])))


def default_slots() -> int:
    """How many trials run at a time where nobody says: one for each core, four at most."""
    return min(4, cpu_slots())


def memory_bytes(root: Path = _ROOT) -> int:
    """Bytes of memory that this process and its children may use together."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [
        int(text)
        for name, controller in (("memory.max", ""), ("memory.limit_in_bytes", "memory"))
        for text in _values(root, controller, name)
        if text.isdigit() and int(text) > 0
    ]
    return min([total, *limits])


def _cpu_quotas(root: Path) -> Iterator[float]:
    for text in _values(root, "", "cpu.max"):  # version 2: "150000 100000" or "max 100000"
        quota, _, period = text.partition(" ")
        if quota.isdigit() and period.isdigit():
            yield int(quota) / int(period)
    quotas = _values(root, "cpu", "cpu.cfs_quota_us")
    periods = _values(root, "cpu", "cpu.cfs_period_us")
    for quota, period in zip(quotas, periods, strict=False):
        if quota.isdigit() and period.isdigit():  # no limit is "-1"
            yield int(quota) / int(period)


def _values(root: Path, controller: str, name: str) -> Iterator[str]:
    """A setting's values in this process's control group and in all above it.

    `controller` is "" for version 2 of the interface. Inside a container the group's path may be
    the host's; then only the root that the container sees is found.
    """
    with contextlib.suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controller not in controllers.split(","):
                continue
            for folder in (Path(path), *Path(path).parents):
                file = root / "sys/fs/cgroup" / controller / str(folder).lstrip("/") / name
                with contextlib.suppress(OSError):
                    yield file.read_text().strip()


def _processor(root: Path) -> str:
    with contextlib.suppress(OSError):
        found: dict[str, str] = {}
        for line in (root / "proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            found.setdefault(name.strip(), value.strip())
        if found.get("model name"):
            return " ".join(found["model name"].split())
        if "CPU part" in found:  # ARM names no model
            return f"ARM implementer {found.get('CPU implementer')} part {found['CPU part']}"
    if platform.system() == "Darwin":
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            return subprocess.run(
                command, stdout=subprocess.PIPE, text=True, check=True, timeout=5
            ).stdout.strip()
    return platform.processor() or platform.machine() or "unknown processor"
