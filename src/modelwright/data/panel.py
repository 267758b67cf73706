"""Regular series with their covariates, as arrays that forecasters are fitted on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.data.steps import Step

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SeriesSchema:
    """What the columns of a file of series mean; travels with the model.

    `time` and `target` are columns, `series` the one that names the series (None: there is one).
    `past` are columns known up to the last observation, `known` those whose future is known,
    `static` those with one value per series. `levels` names the categories of columns that hold
    such, `full` the columns of which these are all, `spans` mean and deviation of static numbers.
    `season` is in steps, 1 for none; `periods` are all seasons that forecasts may use.
    """

    step: Step
    time: str
    target: str
    horizon: int
    season: int
    periods: tuple[float, ...]
    series: str | None = None
    past: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    full: tuple[str, ...] = ()
    spans: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def numbers(self, names: Sequence[str]) -> BoolArray:
        """Which of the inputs made of these columns are numbers, and not indicators, `[d]`."""
        found = [[n not in self.levels] * len(self.levels.get(n, " ")) for n in names]
        return np.array([x for part in found for x in part], bool)

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads back."""
        return {
            "step": self.step.to_json(), "time": self.time, "target": self.target,
            "horizon": self.horizon, "season": self.season, "periods": list(self.periods),
            "series": self.series, "past": list(self.past), "known": list(self.known),
            "static": list(self.static), "full": list(self.full),
            "levels": {k: list(v) for k, v in self.levels.items()},
            "spans": {k: list(v) for k, v in self.spans.items()},
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SeriesSchema:
        """The schema that `to_json` wrote."""
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        for name in ("levels", "spans"):
            plain[name] = {k: tuple(v) for k, v in data.get(name, {}).items()}
        return cls(**{**plain, "step": Step.from_json(data["step"])})


@dataclass(frozen=True)
class Panel:
    """Series on the grid of one step, with no gaps: what was missing is filled in.

    Per series: its name; the position of its first row; `y` `[n]`; `seen` `[n]`, False where the
    target was missing and has the value before; `past` `[n, p]`; `known` `[m, k]` with m >= n where
    the future is known; its row of `static` `[s, q]`. Categories are indicators. A panel may hold a
    series several times, cut at different rows.
    """

    schema: SeriesSchema
    names: tuple[str, ...]
    starts: IntArray
    y: tuple[FloatArray, ...]
    seen: tuple[BoolArray, ...]
    past: tuple[FloatArray, ...]
    known: tuple[FloatArray, ...]
    static: FloatArray

    def __len__(self) -> int:
        return len(self.y)

    @property
    def lengths(self) -> IntArray:
        """Rows of each series, `[s]`."""
        return np.array([len(y) for y in self.y], np.int64)

    @property
    def ends(self) -> IntArray:
        """Position of the first step after each series, `[s]`."""
        return self.starts + self.lengths

    @property
    def rows(self) -> int:
        """Rows of all series together."""
        return int(self.lengths.sum())

    def cells(self, which: Sequence[int], lengths: Sequence[int]) -> Panel:
        """The first `lengths[i]` rows of series `which[i]`, as a panel of views."""
        pairs = [(int(s), int(n)) for s, n in zip(which, lengths, strict=True)]
        ahead = self.schema.horizon
        return replace(
            self,
            names=tuple(self.names[s] for s, _ in pairs),
            starts=self.starts[[s for s, _ in pairs]],
            y=tuple(self.y[s][:n] for s, n in pairs),
            seen=tuple(self.seen[s][:n] for s, n in pairs),
            past=tuple(self.past[s][:n] for s, n in pairs),
            known=tuple(self.known[s][: n + ahead] for s, n in pairs),
            static=self.static[[s for s, _ in pairs]],
        )

    def cut(self, lengths: Sequence[int]) -> Panel:
        """The first rows of each series, those with none left out."""
        kept = [s for s, n in enumerate(lengths) if n > 0]
        return self.cells(kept, [lengths[s] for s in kept])

    def positions(self, s: int, ahead: int = 0) -> IntArray:
        """Positions of the rows of series `s`, and of the `ahead` steps after them."""
        return np.asarray(self.starts[s] + np.arange(len(self.y[s]) + ahead))

    def scales(self) -> FloatArray:
        """Per series the mean absolute step of one season, `[s]`: what the MASE divides by.

        It is the error of the seasonal naive forecast in the history; where that is 0, or the
        history is shorter than a season, that of one step, or failing that 1.
        """
        return np.array([scale_of(y, self.schema.season) for y in self.y])

    @property
    def hash(self) -> str:
        """SHA-256 of everything in it."""
        told = hashlib.sha256(json.dumps([self.schema.to_json(), self.names]).encode())
        for name, array in sorted(self._arrays().items()):
            told.update(name.encode())
            told.update(np.ascontiguousarray(array).tobytes())
        return told.hexdigest()

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {
            "starts": np.asarray(self.starts, np.int64),
            "lengths": self.lengths,
            "known_lengths": np.array([len(k) for k in self.known], np.int64),
            "y": np.concatenate(self.y),
            "seen": np.concatenate(self.seen).astype(np.uint8),
            "past": np.concatenate(self.past),
            "known": np.concatenate(self.known),
            "static": np.asarray(self.static, float),
        }

    def save(self, folder: Path) -> None:
        """Writes `panel.json` and `panel.safetensors` into the folder, which is made."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        arrays = {k: np.ascontiguousarray(a) for k, a in self._arrays().items()}
        save_file(arrays, str(folder / "panel.safetensors"))
        text = json.dumps({"schema": self.schema.to_json(), "names": list(self.names)})
        (folder / "panel.json").write_text(text, "utf-8")


def load_panel(folder: Path) -> Panel:
    """The panel that `save` wrote."""
    from safetensors.numpy import load_file

    facts = json.loads((folder / "panel.json").read_text("utf-8"))
    arrays = load_file(str(folder / "panel.safetensors"))
    ends = np.cumsum(arrays["lengths"])[:-1]
    ahead = np.cumsum(arrays["known_lengths"])[:-1]
    return Panel(
        SeriesSchema.from_json(facts["schema"]),
        tuple(facts["names"]),
        arrays["starts"],
        tuple(np.split(arrays["y"], ends)),
        tuple(np.split(arrays["seen"].astype(bool), ends)),
        tuple(np.split(arrays["past"], ends)),
        tuple(np.split(arrays["known"], ahead)),
        arrays.get("static", np.zeros((len(facts["names"]), 0))),  # older bundles have none
    )


def scale_of(y: FloatArray, season: int) -> float:
    """The mean absolute step of one season, of one row where that is 0 or too short; else 1.

    >>> scale_of(np.array([1.0, 2.0, 1.0, 3.0]), 2)
    0.5
    """
    for lag in (season, 1):
        if len(y) > lag:
            found = float(np.abs(y[lag:] - y[:-lag]).mean())
            if found > 1e-12:
                return found
    return 1.0
