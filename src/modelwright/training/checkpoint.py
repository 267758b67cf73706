"""The state of a training in a file, so that one that was killed goes on from there."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import Tensor

FORMAT = 2  # raise it when states of equal trainings change
EVERY = 5.0  # seconds between two checkpoints, at least
SHARE = 0.01  # of the time of a training that writing them takes, about; larger states wait longer
Arrays = dict[str, npt.NDArray[Any]]


@dataclass
class Checkpoint:
    """One training's file at `path`: tensors by number, and beside them a header of JSON.

    `about` is plain data that says which training this is. What another left, or what was harmed,
    is not taken, and `note` says why. A file is there whole or not at all, whenever the process is
    killed; a power cut may take it. Nothing of it changes a training's numbers.

    >>> import tempfile
    >>> here = Path(tempfile.mkdtemp()) / "0.safetensors"
    >>> Checkpoint(here, {"seed": 1}, every=0).keep(lambda: {"step": 3, "w": torch.ones(2)})
    >>> Checkpoint(here, {"seed": 1}).read()
    {'step': 3, 'w': tensor([1., 1.])}
    >>> other = Checkpoint(here, {"seed": 2})
    >>> other.read(), other.note
    (None, 'a checkpoint was left aside: its seed is another')
    """

    path: Path
    about: Mapping[str, Any]
    every: float = EVERY
    share: float = SHARE
    clock: Callable[[], float] = time.perf_counter
    written: int = 0
    n_bytes: int = 0  # of the newest
    seconds: float = 0.0  # that writing took
    note: str = ""
    _due: float = field(init=False)

    def __post_init__(self) -> None:
        self._due = self.clock() + self.every

    def keep(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Writes what `state` gives, where it is time to.

        A disk that takes no more ends this, not the training; nor does an optimiser of the user's
        that holds what is neither plain nor a tensor.
        """
        began = self.clock()
        if began < self._due:
            return
        try:
            self._write(state())
        except (OSError, SafetensorError, TypeError, ValueError) as error:
            self.note, self._due = f"no more checkpoints: {error}", math.inf
            with contextlib.suppress(OSError):
                self.path.with_suffix(".partial").unlink(missing_ok=True)
            return
        ended = self.clock()
        self.written += 1
        self.seconds += ended - began
        self._due = ended + max(self.every, (ended - began) / self.share)

    def _write(self, state: Mapping[str, Any]) -> None:
        arrays: Arrays = {}
        tree = _apart(state, arrays, {})
        header = json.dumps({"format": FORMAT, "about": dict(self.about), "state": tree})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        save_file(arrays, partial, {"header": header, "hash": _hash(header, arrays)})
        self.n_bytes = partial.stat().st_size
        partial.replace(self.path)

    def read(self, device: torch.device | None = None) -> dict[str, Any] | None:
        """The state that was kept, its tensors on `device`; None where there is none to take."""
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, "np") as file:
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                told = file.metadata() or {}
            whole = told["hash"] == _hash(told["header"], arrays)
            found = json.loads(told["header"])
            why = self._unfit(found) if whole else "its content is not what was written"
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            why = f"it cannot be read ({type(error).__name__})"
        if why:
            self.note = f"a checkpoint was left aside: {why}"
            return None
        out: dict[str, Any] = _together(found["state"], arrays, device or torch.device("cpu"), {})
        return out

    def _unfit(self, found: Mapping[str, Any]) -> str:
        """Why a whole checkpoint is of another training, or nothing."""
        wanted, has = (
            {"format": FORMAT, **self.about},
            {"format": found["format"], **found["about"]},
        )
        another = [name for name in {**wanted, **has} if wanted.get(name) != has.get(name)]
        return f"its {another[0]} is another" if another else ""

    def remove(self) -> None:
        """Deletes the file: the training is over."""
        for path in (self.path, self.path.with_suffix(".partial")):
            path.unlink(missing_ok=True)

    def facts(self) -> dict[str, Any]:
        """What was kept and what it took, plain."""
        told = {"written": self.written, "bytes": self.n_bytes, "seconds": round(self.seconds, 4)}
        return {**told, **({"note": self.note} if self.note else {})}


def _apart(value: Any, arrays: Arrays, seen: dict[int, dict[str, str]]) -> Any:
    """The value as plain data, arrays and tensors in `arrays`; one that comes twice is kept once.

    `seen` goes by identity: `value` keeps everything in it alive.
    """
    if isinstance(value, Tensor | np.ndarray):
        if id(value) not in seen:
            tensor = isinstance(value, Tensor)
            name = f"{'t' if tensor else 'a'}{len(arrays)}"
            plain = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
            arrays[name] = np.ascontiguousarray(plain).reshape(plain.shape)
            seen[id(value)] = {"$": name}
        return seen[id(value)]
    if isinstance(value, Mapping):
        return {str(k): _apart(v, arrays, seen) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_apart(v, arrays, seen) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def _together(tree: Any, arrays: Arrays, device: torch.device, seen: dict[str, Any]) -> Any:
    """The inverse of `_apart`; tuples come back as lists."""
    if isinstance(tree, dict) and set(tree) == {"$"}:
        name = tree["$"]
        if name not in seen:
            found = arrays[name]
            seen[name] = torch.from_numpy(found).to(device) if name[0] == "t" else found
        return seen[name]
    if isinstance(tree, dict):
        return {k: _together(v, arrays, device, seen) for k, v in tree.items()}
    if isinstance(tree, list):
        return [_together(v, arrays, device, seen) for v in tree]
    return tree


def _hash(header: str, arrays: Arrays) -> str:
    """SHA-256 of the header and of all arrays."""
    total = hashlib.sha256(header.encode())
    for name in sorted(arrays):
        total.update(np.ascontiguousarray(arrays[name]).data)
    return total.hexdigest()
