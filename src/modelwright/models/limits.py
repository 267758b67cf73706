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
# Measured by group of the protected columns (fairness.py), from out-of-fold answers.
FAIRNESS: Mapping[str, str] = {
    "selection_rate_gap": "largest difference between groups in the share of positive answers",
    "selection_rate_ratio": "smallest share of positive answers of a group, over the largest",
    "tpr_gap": "largest difference between groups in the true positive rate",
    "fpr_gap": "largest difference between groups in the false positive rate",
    "equalized_odds_gap": "the larger of tpr_gap and fpr_gap",
    "calibration_gap": "largest difference between groups in predicted less true share",
    "error_gap": "largest difference between groups in the share of wrong answers",
    "worst_group_error": "share of wrong answers in the group with most of them",
    "mean_error_gap": "largest difference between groups in the mean of prediction less truth",
    "mae_gap": "largest difference between groups in the mean size of the error",
    "worst_group_mae": "mean size of the error in the group where it is largest",
    "inherited_loss": "of a student: most that a group's error rose over its teacher's; others: 0",
}
LIMITED: Mapping[str, str] = {
    "latency_ms": "median time of one prediction for one row, in milliseconds",
    "size_kb": "size of the exported model, in units of 1,000 bytes",
    "fit_seconds": "time to fit the model once on its training folds, in seconds",
    "energy_joules": "energy of 1,000 predictions of one row each, in joules",
    **BEHAVIOUR,
    **FAIRNESS,
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
