"""What is asked: goals, limits, budget, rungs, and the problem that holds them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from modelwright.core.canonical import digest
from modelwright.core.errors import InputError, did_you_mean

Direction = Literal["minimise", "maximise"]


@dataclass(frozen=True, slots=True)
class Goal:
    """A metric and the direction that is better."""

    metric: str
    direction: Direction = "minimise"

    @classmethod
    def parse(cls, text: str) -> Goal:
        """`"minimise"`, `"maximise auc"`, `"loss"` (minimised): the word and the metric's name.

        >>> Goal.parse("maximise auc")
        Goal(metric='auc', direction='maximise')
        """
        words = text.split()
        turned = {"minimize": "minimise", "maximize": "maximise"}
        first = turned.get(words[0], words[0]) if words else ""
        if first in ("minimise", "maximise") and len(words) <= 2:
            return cls(words[1] if len(words) == 2 else "value", first)  # type: ignore[arg-type]
        if len(words) == 1:
            return cls(words[0], "minimise")
        raise InputError(f"a goal is 'minimise', 'maximise' or 'maximise METRIC'; got {text!r}.")

    def loss(self, score: float) -> float:
        """The score turned so that smaller is better."""
        return score if self.direction == "minimise" else -score


@dataclass(frozen=True, slots=True)
class Limit:
    """A hard constraint on a measured value, `metric <= value` or `metric >= value`."""

    metric: str
    op: Literal["<=", ">="]
    value: float

    @classmethod
    def parse(cls, text: str, known: Mapping[str, str] | None = None) -> Limit:
        """Reads `latency_ms<=1`. With `known` (metric -> meaning) an unknown metric is refused.

        >>> Limit.parse("latency_ms <= 1.5")
        Limit(metric='latency_ms', op='<=', value=1.5)
        """
        match = re.fullmatch(r"\s*([A-Za-z_]\w*)\s*(<=|>=)\s*([-+0-9.eE]+)\s*", text)
        try:
            value = float(match.group(3)) if match else math.nan
        except ValueError:
            value = math.nan
        if match is None or not math.isfinite(value):
            raise InputError(
                f"a limit is METRIC<=NUMBER or METRIC>=NUMBER, such as 'latency_ms<=1'; "
                f"got {text!r}."
            )
        metric, op = match.group(1), match.group(2)
        if known is not None and metric not in known:
            raise InputError(
                f"limit {text!r} names the unknown metric {metric!r}."
                f"{did_you_mean(metric, known)} Known: {', '.join(sorted(known))}."
            )
        return cls(metric, op, value)  # type: ignore[arg-type]

    def violation(self, score: float, noise: float = 0.0) -> float:
        """How far the measured value is outside, in the metric's unit; 0 when it is met.

        `noise` is the half-width of the measurement: a value within it of the limit is not met.
        """
        if not math.isfinite(score):
            return math.inf
        over = score - self.value if self.op == "<=" else self.value - score
        return max(0.0, over + noise) if over + noise > 0 else 0.0

    def __str__(self) -> str:
        return f"{self.metric}{self.op}{self.value:g}"


_TIME = {"s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = {"kb": 1e3, "mb": 1e6, "gb": 1e9}
_ENERGY = {"j": 1.0, "kj": 1e3, "mj": 1e6, "wh": 3600.0, "kwh": 3.6e6}


@dataclass(frozen=True, slots=True)
class Budget:
    """What a study may spend; None is no bound. At least one bound is set.

    `seconds` is wall time; `trials` counts trial orders of the search; `full_runs` counts declared
    cost, where one trial at the last rung costs 1; `bytes` bounds what the run leaves on disk;
    `energy_joules` what its trials take, counted or estimated.
    """

    seconds: float | None = None
    trials: int | None = None
    full_runs: float | None = None
    bytes: int | None = None
    energy_joules: float | None = None

    def __post_init__(self) -> None:
        bounds = tuple(asdict(self).values())
        if all(b is None for b in bounds):
            raise InputError(f"a budget needs a bound: one of {', '.join(asdict(self))}.")
        if any(b is not None and not (b > 0 and math.isfinite(b)) for b in bounds):
            raise InputError(f"a budget must be positive and finite; got {self}.")

    @classmethod
    def parse(cls, text: str | int | float | Budget) -> Budget:
        """Reads `5m`, `1h30m`, `90s`, `200trials`, `10runs`, `2GB`, `50kJ`, `0.2kWh`, or several
        joined by commas.

        A bare whole number is a number of trials.

        >>> Budget.parse("1h30m,200trials")
        Budget(seconds=5400.0, trials=200, full_runs=None, bytes=None, energy_joules=None)
        """
        if isinstance(text, Budget):
            return text
        if isinstance(text, int) and not isinstance(text, bool):
            return cls(trials=text)
        found: dict[str, Any] = {}
        for part in str(text).lower().split(","):
            bound = _bound(part.strip(), str(text))
            if set(bound) & set(found):
                raise InputError(f"the budget {text!r} bounds {', '.join(bound)} twice.")
            found.update(bound)
        return cls(**found)

    def within(self, caps: Mapping[str, float | None]) -> Budget:
        """The tighter of both, unit by unit.

        >>> str(Budget(seconds=60, trials=9).within({"trials": 5, "bytes": None}))
        '60 s, 5 trials'
        """
        both = {unit: (own, caps.get(unit)) for unit, own in asdict(self).items()}
        least = {unit: [b for b in pair if b is not None] for unit, pair in both.items()}
        return Budget(**{unit: min(b, default=None) for unit, b in least.items()})  # type: ignore[arg-type]

    def bounded(self, caps: Mapping[str, float]) -> Budget:
        """With the caps where it has no bound of its own.

        >>> str(Budget(trials=9).bounded({"seconds": 60, "trials": 5}))
        '60 s, 9 trials'
        """
        open_units = {unit for unit, own in asdict(self).items() if own is None}
        told = {unit: cap for unit, cap in caps.items() if unit in open_units}
        return replace(self, **told)  # type: ignore[arg-type]

    def __str__(self) -> str:
        parts = []
        if self.seconds is not None:
            parts.append(f"{round(self.seconds, 1):g} s")
        if self.trials is not None:
            parts.append(f"{self.trials} trials")
        if self.full_runs is not None:
            parts.append(f"{self.full_runs:g} full runs")
        if self.bytes is not None:
            parts.append(f"{self.bytes / 1e6:g} MB")
        if self.energy_joules is not None:
            parts.append(f"{self.energy_joules / 1e3:g} kJ")
        return ", ".join(parts)


def _bound(part: str, whole: str) -> dict[str, float | int]:
    if match := re.fullmatch(r"(\d+)\s*(trials?)?", part):
        return {"trials": int(match.group(1))}
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:full)?[ _]?runs?", part):
        return {"full_runs": float(match.group(1))}
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*(kb|mb|gb)", part):
        return {"bytes": int(float(match.group(1)) * _SIZE[match.group(2)])}
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*(k?j|mj|k?wh)", part):
        return {"energy_joules": float(match.group(1)) * _ENERGY[match.group(2)]}
    pieces = re.findall(r"(\d+(?:\.\d+)?)\s*(sec|min|s|m|h|d)", part)
    if pieces and "".join(n + u for n, u in pieces) == re.sub(r"\s", "", part):
        return {"seconds": sum(float(n) * _TIME[u] for n, u in pieces)}
    raise InputError(
        f"a budget is a time (60s, 5m, 1h30m), a number of trials (200trials), "
        f"a size (2GB) or an energy (50kJ, 0.2kWh), joined by commas; got {whole!r}."
    )


ZERO_COST = -1  # the rung below the first: a design is measured without being trained


@dataclass(frozen=True, slots=True)
class Rungs:
    """The fidelities of a study, cheapest first, and what one trial costs at each.

    `fidelities` are in the objective's own unit (epochs, rows); `costs` are shares of a full run,
    the last being 1 (default: proportional to the fidelity). Of the trials at one rung the best
    1/`eta` are promoted to the next.
    """

    fidelities: tuple[float, ...]
    costs: tuple[float, ...] = ()
    eta: float = 3.0

    def __post_init__(self) -> None:
        f = self.fidelities
        if not f or any(not x > 0 for x in f) or list(f) != sorted(set(f)):
            raise InputError(f"rungs are positive and rising, such as (2, 6, 17, 52); got {f}.")
        if self.eta <= 1:
            raise InputError(f"eta must be over 1; got {self.eta}.")
        if not self.costs:
            object.__setattr__(self, "costs", tuple(x / f[-1] for x in f))
        if len(self.costs) != len(f) or any(not c > 0 for c in self.costs):
            raise InputError(f"one positive cost per rung; got {self.costs} for {f}.")

    @classmethod
    def timed(cls, top: float, least: float, eta: float = 3.0) -> Rungs:
        """At most four lengths in seconds: `top`, at least 1, and below it each shorter by `eta`.

        None but the top is shorter than `least`.

        >>> Rungs.timed(60.0, 5.0).fidelities
        (6.667, 20.0, 60.0)
        """
        found = [max(1.0, top)]
        while found[0] / eta >= least and len(found) < 4:
            found.insert(0, found[0] / eta)
        return cls(tuple(round(seconds, 3) for seconds in found), eta=eta)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Rungs:
        """The rungs that the first row of a study tells."""
        return cls(tuple(told["fidelities"]), tuple(told["costs"]), told["eta"])

    @property
    def top(self) -> int:
        """Index of the last rung: the full run."""
        return len(self.fidelities) - 1

    def at(self, rung: int) -> tuple[float, float]:
        """Fidelity and cost of a trial at a rung; both are 0 at the zero-cost rung."""
        if rung == ZERO_COST:
            return 0.0, 0.0
        return self.fidelities[rung], self.costs[rung]


ONE_RUNG = Rungs((1.0,))


@dataclass(frozen=True)
class Problem:
    """What is asked, as plain data: frozen, JSON, hashed.

    `kind` is `"function"` or a kind of data (`"table"`); `about` is what that kind needs to know
    (file, target, task, columns...), plain JSON. `goals` has one entry, or several for a Pareto
    front; the first decides where one must.
    """

    kind: str
    goals: tuple[Goal, ...]
    limits: tuple[Limit, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.goals:
            raise InputError("a problem needs at least one goal.")

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads back to an equal problem."""
        return {
            "kind": self.kind,
            "goals": [asdict(g) for g in self.goals],
            "limits": [asdict(x) for x in self.limits],
            "about": dict(self.about),
            "seed": self.seed,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Problem:
        """The problem that `to_json` wrote."""
        return cls(
            kind=data["kind"],
            goals=tuple(Goal(**g) for g in data["goals"]),
            limits=tuple(Limit(**x) for x in data["limits"]),
            about=data["about"],
            seed=data["seed"],
        )

    @property
    def hash(self) -> str:
        """Identity of the question, 64 hexadecimal characters."""
        return digest(self.to_json())
