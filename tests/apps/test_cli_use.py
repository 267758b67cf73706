"""A finished run in use: predictions and their contract, choosing, explaining, tampering."""

from __future__ import annotations

import csv
import io
import shutil
import sqlite3
from pathlib import Path

import pandas as pd
import pytest
from command_line import Built, call, finish, shop, spawn

from modelwright.models import load_model


@pytest.fixture
def new(built: Built) -> pd.DataFrame:
    return shop(40, seed=1).drop(columns="bought")


def predicted(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_reloaded_model_predicts_the_same(built: Built, new: pd.DataFrame) -> None:
    new.to_csv(built.folder / "new.csv", index=False)
    apart = finish(spawn(built.folder, "predict", "shop", "new.csv"))  # a process that never fitted
    assert apart.code == 0, apart.err
    here = call(built.folder, "predict", built.run / "model", "new.csv", "--out", "p.csv")
    assert here.out == "40 rows written to p.csv\n"
    assert (built.folder / "p.csv").read_text() == apart.out
    shares = load_model(built.run / "model").answer(new).shares
    told = [float(row["share_yes"]) for row in predicted(apart.out)]
    assert shares is not None
    assert told == [round(float(share), 6) for share in shares[:, 1]]
    assert len(set(told)) > 10


def test_the_order_of_columns_and_more_columns_do_not_matter(
    built: Built, new: pd.DataFrame
) -> None:
    new.to_csv(built.folder / "a.csv", index=False)
    new[["colour", "visits", "price"]].assign(extra=1).to_csv(built.folder / "b.csv", index=False)
    a, b = (call(built.folder, "predict", "shop", f"{name}.csv") for name in "ab")
    assert a.out == b.out


def test_missing_and_renamed_columns_are_errors(built: Built, new: pd.DataFrame) -> None:
    new.drop(columns="visits").to_csv(built.folder / "missing.csv", index=False)
    answer = call(built.folder, "predict", "shop", "missing.csv")
    assert answer.code == 2
    assert "'visits'" in answer.err
    assert answer.out == ""
    new.rename(columns={"visits": "Visits "}).to_csv(built.folder / "renamed.csv", index=False)
    answer = call(built.folder, "predict", "shop", "renamed.csv")
    assert answer.code == 2
    assert "Visits" in answer.err


def test_unusual_rows_are_flagged(built: Built, new: pd.DataFrame) -> None:
    new.loc[0, "price"], new.loc[1, "colour"] = 1e6, "violet"
    new.to_csv(built.folder / "unusual.csv", index=False)
    answer = call(built.folder, "predict", "shop", "unusual.csv")
    rows = predicted(answer.out)
    assert answer.code == 0
    assert "price" in rows[0]["flags"]
    assert "violet" in rows[1]["flags"]
    assert sum(bool(row["flags"]) for row in rows) < 10
    assert call(built.folder, "predict", "shop", "unusual.csv", "--strict").code == 2


def test_doubtful_rows_are_left_to_a_person(built: Built, new: pd.DataFrame) -> None:
    new.to_csv(built.folder / "new.csv", index=False)
    plain = predicted(call(built.folder, "predict", "shop", "new.csv").out)
    rows = predicted(call(built.folder, "predict", "shop", "new.csv", "--abstain").out)
    left = [row for row in rows if row["left_to_person"] == "yes"]
    assert 0 < len(left) < len(rows)
    assert all(row["prediction"] == "" for row in left)
    for row, before in zip(rows, plain, strict=True):
        doubt = max(float(row["share_no"]), float(row["share_yes"])) < 0.8
        assert (row["left_to_person"] == "yes") == (doubt or bool(row["flags"]))
        assert row["prediction"] in ("", before["prediction"])


def test_places_that_cannot_be_written_are_the_users_mistake(
    built: Built, new: pd.DataFrame
) -> None:
    new.to_csv(built.folder / "new.csv", index=False)
    for words in (
        ("predict", "shop", "new.csv", "--out", "no/such/place.csv"),
        ("verify", "--export-head", "no/such/head.json"),
    ):
        answer = call(built.folder, *words)
        assert answer.code == 2
        assert answer.err.splitlines()[-1].startswith("modelwright: cannot write 'no/such")


def test_people_can_ask_why(built: Built) -> None:
    said = call(built.folder, "explain").out
    assert "Why it ended: budget spent: 2 trials." in said
    said = call(built.folder, "explain", "1").out
    assert "Why it was tried: " in said
    assert "Limit size_kb<=1000: " in said
    said = call(built.folder, "leaderboard", "--top", "1").out
    assert "more; --top 0 shows all" in said
    said = call(built.folder, "status").out
    assert said.startswith("shop: finished, ")
    for word in ("stop", "pause"):
        assert "is not running: finished" in call(built.folder, word).out


def test_a_pipe_that_is_closed_is_no_error(built: Built) -> None:
    process = spawn(built.folder, "leaderboard", "--json")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=60)
    assert err == ""


def test_a_changed_model_is_refused(copied: Path) -> None:
    shop(5).to_csv(copied / "new.csv", index=False)
    for path in sorted((copied / "modelwright-runs/shop/model").rglob("*")):
        if path.is_dir() or path.name in ("manifest.json", "head.json"):
            continue
        before = path.read_bytes()
        path.write_bytes(before[:-3] + bytes([before[-3] ^ 1]) + before[-2:])
        answer = call(copied, "predict", "shop", "new.csv")
        assert answer.code != 0, path
        assert path.name in answer.err
        assert "internal error" not in answer.err
        answer = call(copied, "verify", "modelwright-runs/shop/model")
        assert answer.code == 1
        assert path.name in answer.out
        path.write_bytes(before)
    assert call(copied, "verify", "modelwright-runs/shop/model").code == 0


def test_a_changed_record_is_found(copied: Path) -> None:
    ledger = copied / "modelwright-runs/shop/ledger.sqlite"
    call(copied, "verify", "--export-head", copied / "head.json")
    kept = copied / "kept"
    shutil.copytree(ledger.parent, kept)

    def harm(statement: str) -> str:
        shutil.rmtree(ledger.parent)
        shutil.copytree(kept, ledger.parent)
        with sqlite3.connect(ledger) as connection:
            for name, _ in connection.execute(
                "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'"
            ).fetchall():
                connection.execute(f'DROP TRIGGER "{name}"')
            assert connection.execute(statement).rowcount >= 1
        connection.close()
        answer = call(copied, "verify", "shop", "--head", copied / "head.json", "--json")
        assert answer.code == 1
        assert answer.json["ok"] is False
        return str(answer.json["message"])

    assert "3" in harm("UPDATE ledger_rows SET body = replace(body, 'at', 'et') WHERE n = 3")
    assert "4" in harm("DELETE FROM ledger_rows WHERE n = 4")
    last = "(SELECT max(n) FROM ledger_rows)"
    assert harm(f"DELETE FROM ledger_rows WHERE n = {last}")  # a cut tail, found by the head


def test_a_candidate_of_choice_is_shipped(copied: Path) -> None:
    rows = call(copied, "leaderboard", "--json").json
    chosen = next(row for row in rows if row["family"] == "Linear" and not row["champion"])
    answer = call(copied, "ship", "shop", "--candidate", chosen["candidate"], "--out", "chosen")
    assert answer.code == 0, answer.err
    shop(5).to_csv(copied / "new.csv", index=False)
    assert call(copied, "predict", "chosen", "new.csv").code == 0
    again = call(copied, "ship", "shop", "--candidate", chosen["candidate"], "--out", "chosen")
    assert again.code == 2
    assert "not empty" in again.err
    assert call(copied, "verify").code == 0


def test_a_finished_run_resumed_adds_nothing(copied: Path) -> None:
    before = call(copied, "verify", "--json").json["rows"]
    answer = call(copied, "resume", "--json")
    assert answer.code == 0
    assert answer.json["trials"] == call(copied, "status", "--json").json["trials"]
    assert call(copied, "verify", "--json").json["rows"] == before
