from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelwright.core.errors import InputError
from modelwright.families.onnx_graph import run_graph
from modelwright.models import load_model, seal_bundle
from modelwright.models.onnx_inputs import feed
from modelwright.models.onnx_model import onnx_bytes

FIXTURES = Path(__file__).with_name("fixtures")
OLD = FIXTURES / "format1"


def answers() -> Any:
    return json.loads((OLD / "answers.json").read_text())


def test_a_bundle_of_format_1_answers_as_it_did() -> None:
    model, known = load_model(OLD / "model"), answers()
    assert json.loads((OLD / "model" / "manifest.json").read_text())["format"] == 1
    np.testing.assert_allclose(model.predict_proba(known["rows"]), known["shares"], rtol=1e-9)
    assert model.predict(known["rows"]).tolist() == known["labels"]
    singly = np.concatenate([model.predict_proba(row) for row in known["rows"]])
    np.testing.assert_allclose(singly, known["shares"], rtol=1e-9)


def test_and_can_be_written_as_onnx() -> None:
    from modelwright.data import encode_rows

    model, known = load_model(OLD / "model"), answers()
    rows = feed(model.schema, encode_rows(model.schema, known["rows"]).features)
    labels, shares = run_graph(onnx_bytes(model), rows)
    np.testing.assert_allclose(shares, known["shares"], rtol=1e-9)
    assert labels.tolist() == known["labels"]


def test_dates_of_format_1_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(OLD / "model", folder)
    facts = json.loads((folder / "model.json").read_text())
    facts["schema"]["columns"].append({"name": "day", "kind": "date"})
    (folder / "model.json").write_text(json.dumps(facts))
    seal_bundle(folder)
    with pytest.raises(InputError, match="dates and texts were read otherwise"):
        load_model(folder)
