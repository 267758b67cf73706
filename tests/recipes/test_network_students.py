"""A build under limits: the person's teacher, students beside controls, 8 bits in numbers."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import modelwright as mw
from modelwright.models.int8 import NAME
from modelwright.readers.report import report_html
from modelwright.readers.student import student_facts


def test_a_file_of_predictions_teaches_a_student_within_limits(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 120, (120, 8, 8))
    y = np.arange(120) % 2
    for i in range(120):
        at = int(rng.integers(0, 8))
        x[(i, at) if y[i] else (i, slice(None), at)] += 120
    np.savez(tmp_path / "bars.npz", x=x.astype(np.uint8), y=y, class_names=np.array(["up", "over"]))
    with (tmp_path / "told.csv").open("w") as file:
        out = csv.writer(file)
        out.writerow(["up", "over"])
        out.writerows([[0.9 - 0.8 * one, 0.1 + 0.8 * one] for one in y])
    result = mw.build(
        tmp_path / "bars.npz", budget=2, workspace=tmp_path / "runs", slots=0,
        limits=["params<=1000", "size_kb<=100"], teacher=tmp_path / "told.csv",
    )  # fmt: skip
    view = result.record.view
    (teacher,) = (o for o in view.finished if o.trial.by == "teacher")
    assert teacher.evidence.scores["accuracy"] == 1
    taught, control = (o for o in view.finished if o.trial.role == "student")
    for one in (taught, control):
        assert one.evidence.scores["params"] <= 1000
        told = json.loads(one.trial.candidate.document)["teacher"]
        assert told["trial"] == teacher.trial.number
    (facts,) = student_facts(result.record)
    assert facts["trial"] == taught.trial.number
    assert facts["control_score"] == control.evidence.scores["accuracy"]
    assert facts["teacher_may_have_seen_rows"]
    int8 = result.model.card["int8"]
    assert int8["kept"] == (result.run.model_path / NAME).exists()
    assert {"faster", "lost", "size_kb", "float_size_kb", "why"} <= set(int8)
    assert "whole numbers of 8 bits" in report_html(result.run, result.record)
