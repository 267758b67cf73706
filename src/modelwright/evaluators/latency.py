"""How long one prediction for one row takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from modelwright.data.prepare import Part
from modelwright.data.schema import encode_rows
from modelwright.families.base import Fitted
from modelwright.families.inputs import inputs_of
from modelwright.models.one_row import RowReader, row_of

BATCHES, CALLS = 7, 5
_LONGEST = 0.5


def one_prediction(fitted: Fitted, part: Part) -> Callable[[], None]:
    """What is measured of a model: predicting one raw row of the part, preparing it included."""
    reader, schema = RowReader(part.schema), part.schema
    rows = (row_of(schema, part.features, i) for i in range(min(20, len(part))))
    row = next((r for r in rows if reader.read(r) is not None), None)
    row = row or row_of(schema, part.features, 0)

    def predict() -> None:
        features = reader.read(row)
        if features is None:
            features = encode_rows(schema, [row]).features
        fitted.predict(inputs_of(features, schema))

    return predict


def measure(call: Callable[[], object]) -> tuple[float, float]:
    """Median milliseconds of a call after a warm-up, and the noise, on this machine.

    The noise is half the distance between the quartiles of the medians of batches. Slow calls are
    made less often: one of over half a second once, and its noise is half of that.
    """
    first = time.perf_counter()
    call()
    began = time.perf_counter()
    if began - first > _LONGEST:  # no warm-up could make a call of seconds one of milliseconds
        return 1000 * (began - first), 500 * (began - first)
    call()
    calls = max(1, min(CALLS, int(_LONGEST / BATCHES / max(time.perf_counter() - began, 1e-9))))
    medians = []
    for _ in range(BATCHES):
        times = []
        for _ in range(calls):
            began = time.perf_counter()
            call()
            times.append(1000 * (time.perf_counter() - began))
        medians.append(statistics.median(times))
    low, _, high = statistics.quantiles(medians, n=4)
    return statistics.median(medians), (high - low) / 2
