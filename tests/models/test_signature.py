"""Who vouches for a model: our own check, and that of the public tool where it is installed."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from modelwright.data.columns import ColumnInfo
from modelwright.data.schema import Schema
from modelwright.families.dummy import FittedDummy
from modelwright.ledger import load_or_make_curve_key, load_or_make_key, public_key
from modelwright.models import load_model, save_bundle
from modelwright.models.crossfit import Finish
from modelwright.models.signature import _encoded, check_signature, sign_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    schema = Schema((ColumnInfo("x", "numeric", low=0.0, high=9.0),), "y", "regression")
    folder = save_bundle(
        tmp_path / "model", [(FittedDummy((4.0,), regression=True), 1.0)], schema, Finish()
    )
    keys = load_or_make_key(tmp_path / "a.pem"), load_or_make_curve_key(tmp_path / "b.pem")
    sign_model(folder, "model", *keys, {"by": "ada", "request": "r"})
    return folder


def test_a_signature_names_its_signer_and_every_changed_file(model: Path, tmp_path: Path) -> None:
    found = check_signature(model)
    assert found.signer == public_key(load_or_make_key(tmp_path / "a.pem"))
    assert (found.problems, found.approval["by"]) == ((), "ada")
    assert load_model(model).predict({"x": 3.0}).tolist() == [4.0]  # and it still loads
    (model / "predict.py").write_text("other")  # a file more, with a manifest made to fit
    from modelwright.models import seal_bundle

    seal_bundle(model)
    assert check_signature(model).signer == ""
    assert "manifest.json is not the file that was signed" in check_signature(model).problems


@pytest.mark.parametrize("forged", ["payload", "signer", "text", "statement"])
def test_a_forged_signature_does_not_hold(model: Path, tmp_path: Path, forged: str) -> None:
    path = model / "signature.json"
    envelope = json.loads(path.read_text())
    if forged == "payload":
        text = base64.b64decode(envelope["payload"]).replace(b'"ada"', b'"eve"')
        envelope["payload"] = base64.b64encode(text).decode()
    elif forged == "signer":
        other = load_or_make_key(tmp_path / "other.pem")
        envelope["signatures"][0]["keyid"] = public_key(other)
    elif forged == "statement":  # anybody may sign anything
        payload, other = b"[]", load_or_make_key(tmp_path / "other.pem")
        made = base64.b64encode(other.sign(_encoded(payload))).decode()
        envelope["payload"] = base64.b64encode(payload).decode()
        envelope["signatures"] = [{"sig": made, "keyid": public_key(other)}]
    path.write_text("[]" if forged == "text" else json.dumps(envelope))
    found = check_signature(model)
    assert found.signer == ""
    assert len(found.problems) == 1


def test_the_public_tool_verifies_a_model_and_finds_a_change(model: Path) -> None:
    verifying = pytest.importorskip("model_signing").verifying
    config = verifying.Config().use_elliptic_key_verifier(public_key=model / "model.pub")
    config.verify(model, model / "model.sig")
    (model / "model.json").write_text("{}")
    with pytest.raises(ValueError, match=r"model\.json"):
        config.verify(model, model / "model.sig")
