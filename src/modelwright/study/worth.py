"""Whether it is worth going on: what an hour of search is still expected to bring."""

from __future__ import annotations

import math
from dataclasses import dataclass

from modelwright.core.view import View

LEAST = 10  # full trials before anything is said: fewer tell nothing of the best to come
TAIL = 0.1  # the best tenth of the losses, at least three of them, tell how far apart the best are
WINDOW = 4.0  # the curve of the best so far is read over the last three quarters of the time
LONG_SECONDS = 86_400.0


@dataclass(frozen=True)
class Prospect:
    """The best so far, `elapsed` seconds in, is expected to gain `per_log_time` * ln(1 + t/elapsed)
    in `t` more seconds. In units of the first goal's metric."""

    per_log_time: float
    elapsed: float

    @property
    def gain_per_hour(self) -> float:
        """What an hour brings at the pace of this moment; the pace falls with the time spent."""
        return 3600 * self.per_log_time / self.elapsed

    def seconds_for(self, gain: float) -> float:
        """How much longer it is expected to take to gain so much."""
        exponent = gain / self.per_log_time if self.per_log_time > 0 else math.inf
        return self.elapsed * math.expm1(exponent) if exponent < 500 else math.inf


def prospect(view: View) -> Prospect | None:
    """What more search may bring, from the rows alone; None where too little is known.

    The larger of two estimates, so that in doubt the search goes on:

    - *the tail*: were trials independent, the next would be the best with probability 1/(n + 1),
      by as much as the best are apart: of an exponential tail (what most tails look like from
      near; Pickands 1975) the mean distance of the best tenth from the next loss is the scale, and
      the best of n gains the scale times ln of the growth of n. For a tail that ends, as of a
      metric with a bound, this is too much rather than too little.
    - *the curve*: the gain of the best so far over the last three quarters of the time, for each
      factor e of time. It sees what the first cannot: a designer that learns.

    Noise of the scores is part of both. Only full trials within the limits count.
    """
    n, elapsed = view.n_ranked(), view.elapsed
    best = view.best(max(3, math.ceil(TAIL * n)) + 1)
    if (
        len(view.goals) > 1
        or n < LEAST
        or elapsed <= 0
        or any(outcome.violation > 0 for outcome in best)
    ):
        return None
    losses = [outcome.loss for outcome in best]
    scale = sum(losses[-1] - loss for loss in losses[:-1]) / (len(losses) - 1)
    curve = _gain_since(view, elapsed / WINDOW) / math.log(WINDOW)
    return Prospect(max(scale, curve), elapsed)


def _gain_since(view: View, since: float) -> float:
    """By how much the best so far fell after that second of the study; infinite without one."""
    met = [(at, outcome.loss) for at, outcome in view.improvements if outcome.violation == 0]
    before = [loss for at, loss in met if at <= since]
    return (before[-1] if before else math.inf) - met[-1][1] if met else math.inf


def not_worth(view: View, least_gain_per_hour: float) -> str:
    """Why the search should stop by that rate, as a sentence without its end; or nothing.

    The gain it names is what the rate asks of as much time as was spent already.
    """
    found = prospect(view)
    if found is None or found.gain_per_hour >= least_gain_per_hour:
        return ""
    gain = least_gain_per_hour * found.elapsed / 3600
    seconds, metric = found.seconds_for(gain), view.goals[0].metric
    long = f"more than {LONG_SECONDS / 3600:.0f} more hours"
    told = long if seconds > LONG_SECONDS else f"about {_words(seconds)} more"
    return (
        f"it would take {told} for {gain:.2g} of {metric}, and the policy gives "
        f"{_words(found.elapsed)}: stopping"
    )


def _words(seconds: float) -> str:
    """A time in words.

    >>> _words(40), _words(2400), _words(90 * 60)
    ('40 seconds', '40 minutes', '1.5 hours')
    """
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
