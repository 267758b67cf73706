"""Whether what is measured of untrained designs tells, on this problem, how well they will do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modelwright.core.view import View
from modelwright.stats.intervals import Interval
from modelwright.stats.rank_agreement import places, spearman_interval

# What is measured at the zero-cost rung: 1 where it is said that more is better, 0 where the
# problem decides whether more is better or worse.
PROXIES: Mapping[str, int] = {
    "params": 0, "macs": 0, "latency_ms": 0, "synflow": 1, "naswot": 1, "jacobian_covariance": 1,
}  # fmt: skip
CLOCKED = frozenset({"latency_ms"})  # not used where a study has to repeat
MIN_PAIRS = 8  # designs that were measured and trained, before a proxy is judged


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy beside the results so far.

    `agreement` is Spearman's correlation of the proxy with the result (more with better is
    positive) over the `n` designs that have both, with a 95 % interval; None where it cannot be
    told. `weight` is the bound of the interval next to 0, signed; 0 where the proxy is dropped,
    and `why` says it in words.
    """

    name: str
    n: int
    agreement: Interval | None
    weight: float
    why: str

    @property
    def kept(self) -> bool:
        """True when its usefulness is shown."""
        return self.weight != 0


def judged(view: View, names: Sequence[str] = tuple(PROXIES), rung: int = 0) -> list[Proxy]:
    """Each proxy against the results of the designs that were trained at a rung."""
    losses = {o.trial.candidate.id: o.loss for o in view.searched if o.ok and o.trial.rung == rung}
    found = []
    for name in names:
        values = {
            o.trial.candidate.id: o.evidence.scores[name]
            for o in view.measured
            if name in o.evidence.scores and o.trial.candidate.id in losses
        }
        pairs = [(value, -losses[identity]) for identity, value in values.items()]
        found.append(_judge(name, pairs))
    return found


def _judge(name: str, pairs: Sequence[tuple[float, float]]) -> Proxy:
    n = len(pairs)
    if n < MIN_PAIRS:
        return Proxy(name, n, None, 0.0, f"not judged with fewer than {MIN_PAIRS} designs")
    found = spearman_interval([value for value, _ in pairs], [result for _, result in pairs])
    if found is None:
        return Proxy(name, n, None, 0.0, "dropped: it is the same for all")
    if not found.excludes_zero:
        return Proxy(name, n, found, 0.0, "dropped: not shown to be useful here")
    if found.estimate * PROXIES.get(name, 0) < 0:
        return Proxy(name, n, found, 0.0, "dropped: it misleads here")
    weight = found.low if found.low > 0 else found.high
    way = "more" if weight > 0 else "less"
    return Proxy(name, n, found, weight, f"kept: {way} of it goes with better results here")


def ensemble(kept: Sequence[Proxy], measured: Sequence[Mapping[str, float]]) -> list[float]:
    """A value for each design, more is better: the mean of its places by the kept proxies.

    Places are among the designs given, from 0 to 1, weighted as the proxies are. A design that
    lacks a proxy stands in the middle of it.
    """
    total = [0.0] * len(measured)
    for proxy in kept:
        having = [i for i, scores in enumerate(measured) if proxy.name in scores]
        shares = dict.fromkeys(range(len(measured)), 0.5)
        ranked = places([measured[i][proxy.name] for i in having])
        shares |= {i: (place - 0.5) / len(having) for i, place in zip(having, ranked, strict=True)}
        total = [sum_ + proxy.weight * shares[i] for i, sum_ in enumerate(total)]
    return total
