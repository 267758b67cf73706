"""Approval as state: what waits, who may decide, and every way in which a word does not count."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import modelwright as mw
from modelwright.core.approvals import Asked
from modelwright.core.errors import InputError, LedgerError, RefusedError
from modelwright.ledger import Message, open_ledger, public_key
from modelwright.policy import RulePolicy
from modelwright.policy.roster import Person, Roster
from modelwright.readers.requests import answer_request, read_request, request_lines
from modelwright.readers.runs import RunFolder, read_record, study_of
from modelwright.recipes import deciding
from modelwright.recipes.closing import winner
from modelwright.recipes.deciding import decide, decisions, export_request, settle, take_answer
from modelwright.recipes.handing_over import check_chosen

ALLOWED = tuple(a for a in RulePolicy().allow if a not in ("ship", "student"))
ASKS = RulePolicy("asks", ALLOWED, ("ship",), families=("Linear",))
ANA, BEN, EVE = (Ed25519PrivateKey.generate() for _ in range(3))


def frame(n: int = 90) -> pd.DataFrame:
    x = np.random.default_rng(0).normal(size=(n, 2))
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": np.where(x.sum(1) > 0, "yes", "no")})


def built(where: Path, policy: RulePolicy, **more: Any) -> mw.BuildResult:
    options: dict[str, Any] = {"budget": 1, "slots": 0, "student": False} | more
    return mw.build(frame(), "y", workspace=where, policy=policy, **options)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The account's key, in a place of the test's own."""
    monkeypatch.setenv("MODELWRIGHT_KEY", str(tmp_path / "own" / "key.pem"))
    return tmp_path / "own" / "key.pem"


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run whose model waits, under a roster; tests work on copies of it."""
    people = (
        Person("ana", public_key(ANA), ("approver",)),
        Person("ben", public_key(BEN), ("auditor",)),
    )
    tomorrow = (date.today() + timedelta(days=1)).isoformat()
    policy = replace(ASKS, roster=Roster(people), expires=tomorrow, expires_days=5.0)
    return built(tmp_path_factory.mktemp("runs"), policy).run


@pytest.fixture
def run(waiting: RunFolder, own: Path, tmp_path: Path) -> RunFolder:
    shutil.copytree(waiting.path, tmp_path / "ws" / waiting.name)
    return RunFolder(tmp_path / "ws" / waiting.name)


def test_a_lone_user_approves_with_a_key_of_their_own_and_the_model_ships(
    own: Path, tmp_path: Path
) -> None:
    result = built(tmp_path, ASKS)
    assert result.exit_code == 5
    assert not result.run.model_path.exists()
    (asked,) = decisions(result.run)
    assert own.stat().st_mode & 0o077 == 0
    shown = "\n".join(request_lines(asked))
    assert asked.request.subject["row"]["bundle"] in shown
    assert "to doubt:" in shown
    said = decide("approve", result.run, reason="looks right")
    assert said.shipped == (result.run.model_path,)
    record = read_record(result.run)
    assert record.ships[-1]["bundle"] == asked.request.subject["row"]["bundle"]
    assert record.messages[-1]["signer"] == asked.request.owner
    assert not decisions(result.run)
    with pytest.raises(InputError, match="does not wait: done"):
        decide("approve", result.run, asked.request.id, reason="again")
    model = mw.load_model(result.run.model_path)
    assert len(model.predict(frame().drop(columns="y"))) == 90


def test_what_was_rejected_or_asked_back_is_not_shipped(run: RunFolder) -> None:
    asked = decide("ask", run, reason="how many rows?", key=BEN)
    assert not asked.ignored
    assert not decide("answer", run, asked.about, reason="ninety", key=BEN).ignored
    assert [t["kind"] for t in decisions(run)[0].talk] == ["ask", "answer"]
    assert not decide("reject", run, reason="too few rows", key=ANA).ignored
    assert not decisions(run)
    assert not run.model_path.exists()
    with pytest.raises(InputError, match="no request waits"):
        decide("approve", run, reason="all the same", key=ANA)


def test_what_was_banned_since_does_not_ship(run: RunFolder) -> None:
    (asked,) = decisions(run)
    candidate = asked.request.candidate
    assert not decide("ban", run, candidate, reason="it leaks", key=ANA).ignored
    assert decide("approve", run, reason="all the same", key=ANA).shipped == ()
    record = read_record(run)
    assert next(iter(record.approvals)).why == "it was banned since"
    outcome = record.view.outcome(asked.request.subject["trial"])
    assert outcome is not None
    assert winner(record.view) is not outcome
    with open_ledger(run.ledger_path, create=False) as ledger, pytest.raises(RefusedError):
        check_chosen(RulePolicy(), record, ledger, outcome, run.path / "mine")
    faked = Asked(replace(asked.request, reason="x\x1b[2J\n  for: sure"))
    assert all(line.isprintable() for line in request_lines(faked))


def taken(run: RunFolder, body: dict[str, Any], key: Any, forge: bool = False) -> str:
    """Posts a message as given and gives the reason with which it is refused, from its row."""
    with open_ledger(run.ledger_path, create=False) as ledger:
        study = study_of(ledger)
        if forge:  # signed for other words: put in as a forger with the database would
            message = Message.signed(study, {**body, "reason": "other"}, time.time(), key)
            text = json.dumps(body, sort_keys=True, separators=(",", ":"))
            ledger._post(study, text, message.posted_at, message.signer, message.signature)
        else:
            ledger.post(study, body, key)
        settle(run, ledger)
    record = read_record(run)
    assert not run.model_path.exists()
    assert not record.ships
    return str(record.messages[-1].get("ignored", ""))


def test_words_that_do_not_count_are_refused_with_a_reason_in_the_record(run: RunFolder) -> None:
    (asked,) = decisions(run)
    request = asked.request
    good = {"kind": "approve", "request": request.hash, "policy": request.policy, "reason": "yes"}
    assert "forged, or not signed" in taken(run, good, None)
    assert "forged, or not signed" in taken(run, good, ANA, forge=True)
    assert "not in the policy's roster" in taken(run, good, EVE)
    assert "ben is auditor, not approver" in taken(run, good, BEN)
    assert "another policy" in taken(run, {**good, "policy": "0" * 64}, ANA)
    assert "no such request" in taken(run, {**good, "request": "0" * 64}, ANA)
    assert "gives no reason" in taken(run, {**good, "reason": " "}, ANA)
    assert "no such request" in taken(run, {"kind": "approve"}, ANA)
    assert decisions(run), "none of it decided anything"


def test_an_expired_request_a_revoked_key_and_a_changed_policy_void_it(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from modelwright.study.decisions import trouble_before_acting

    with open_ledger(run.ledger_path, create=False) as ledger:
        monkeypatch.setattr(deciding, "ship_approved", lambda *_: [])  # held just before acting
        said = decide("approve", run, reason="yes", key=ANA)
        assert not said.ignored
        asked = next(iter(read_record(run).approvals))
        record = read_record(run)
        check = trouble_before_acting
        assert check(asked, record) == ""
        request = asked.request
        assert request.expires - request.asked_at == pytest.approx(5 * 86_400)
        assert "request expired" in check(asked, record, now=request.expires)
        assert "policy expired" in check(asked, record, now=request.expires - 2 * 86_400)
        people = [dict(p) | {"revoked": "2020-01-01"} for p in record.policy["roster"]]
        record.policy = {**record.policy, "roster": people}
        assert "revoked on 2020-01-01" in check(asked, record)
        record.policy = {**read_record(run).policy, "name": "other"}
        assert "policy was changed" in check(asked, record)
        monkeypatch.undo()
        draft = run.path / "waiting" / asked.request.subject["draft"]
        (draft / "model.json").write_text("{}")
        assert settle(run, ledger) == ()
    asked = next(iter(read_record(run).approvals))
    assert asked.state == "void"
    assert "model.json was changed" in asked.why
    assert not run.model_path.exists()


def test_a_detached_answer_counts_once(run: RunFolder, tmp_path: Path) -> None:
    question, answer = tmp_path / "request.json", tmp_path / "answer.json"
    asked = export_request(question, run, None, "")
    there = read_request(question)  # as on a machine without the run
    assert request_lines(there) == request_lines(asked)
    answer.write_text(json.dumps(answer_request(there, "approve", "fine", "ana", ANA)))
    said = take_answer(answer, run)
    assert said.shipped == (run.model_path,)
    with pytest.raises(LedgerError, match="posted before"):
        take_answer(answer, run)
    replayed = json.loads(answer.read_text())
    replayed["body"]["reason"] = "something else"
    answer.write_text(json.dumps(replayed))
    with pytest.raises(InputError, match="does not hold"):
        take_answer(answer, run)
    fresh = answer_request(there, "approve", "once more", "ana", ANA)
    answer.write_text(json.dumps(fresh))
    assert "decided before: done" in take_answer(answer, run).ignored
    changed = json.loads(question.read_text())
    changed["policy"]["name"] = "kinder"
    question.write_text(json.dumps(changed))
    with pytest.raises(InputError, match="not the one that the request names"):
        read_request(question)


def test_the_command_line_speaks_the_same_words(run: RunFolder, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from modelwright.apps.cli import app

    def says(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, list(words))
        return result.exit_code, result.output + str(result.exception or "")

    name = str(run.path)
    assert "ship a model?" in says("decisions", name)[1]
    told = json.loads(says("decisions", name, "--json")[1])
    assert told["waiting"][0]["request"]["action"] == "ship"
    code, said = says("approve", name, "--reason", "fine")
    assert code == 4
    assert "not in the policy's roster" in said
    assert "say why" in says("reject", name)[1]
    key, out = str(tmp_path / "new.pem"), str(tmp_path / "request.json")
    public = says("keys", "new", key)[1].strip()
    assert public in says("keys", "show", "--key", key)[1].splitlines()
    assert "is there already" in says("keys", "new", key)[1]
    assert says("decisions", name, "--export", out)[0] == 0
    answer = str(tmp_path / "answer.json")
    assert "is one of" in says("decide", out, "--out", answer)[1]
    signs = ("decide", out, "--approve", "--reason", "fine", "--key", key, "--out", answer)
    assert says(*signs)[0] == 0
    assert "not in the policy's roster" in says("decisions", name, "--import", answer)[1]
    assert not run.model_path.exists()
