"""What a limit of `build` may name, in words; docs/limits.md says how each is measured."""

from __future__ import annotations

from collections.abc import Mapping

# Measured on rows that validate (behaviour.py); better small, all of it.
BEHAVIOUR: Mapping[str, str] = {
    "flip_rate": "share of answers that change when numbers get a little noise",
    "monotone_violations": "share of rows where a declared direction is not kept",
    "invariance_gap": "largest change of an answer when an invariant column changes",
    "missing_drop": "what the score loses when the most needed column is missing",
    "broken_columns": "columns without which the model is worse than a constant answer",
    "hardest_ratio": "mean loss in the hardest region of the data, over the mean loss",
}
LIMITED: Mapping[str, str] = {
    "latency_ms": "median time of one prediction for one row, in milliseconds",
    "size_kb": "size of the exported model, in units of 1,000 bytes",
    "fit_seconds": "time to fit the model once on its training folds, in seconds",
    "energy_joules": "energy of 1,000 predictions of one row each, in joules",
    **BEHAVIOUR,
}
NETWORK_LIMITED: Mapping[str, str] = {
    "params": "learned numbers of the network",
    "macs": "multiplications for one example",
    "latency_ms": "median time of one answer by the ONNX file with one thread, in milliseconds",
    "size_kb": "size of the ONNX file, in units of 1,000 bytes",
    "fit_seconds": "time to train the network once, in seconds",
    "energy_joules": "energy of 1,000 answers for one example each, in joules",
    "peak_memory_kb": "memory for results and weights while answering, in units of 1,000 bytes",
    "foreign_operations": "kinds of operations that the device does not have",
}
