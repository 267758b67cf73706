from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import numpy as np
import pytest
from command_line import call, shop, spawn

from modelwright.apps.serving import Service, make_app
from modelwright.data import Question, load_part, prepare, read_table
from modelwright.families import family
from modelwright.families.base import Examples
from modelwright.families.inputs import inputs_of
from modelwright.models import load_model, save_bundle
from modelwright.models.conformal import Ranked, Sets
from modelwright.models.crossfit import Finish
from modelwright.models.model import Model
from modelwright.models.row_schema import misfits

ROW = {"price": 0.5, "visits": -1.0, "colour": "red"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp = tmp_path_factory.mktemp("served")
    table = shop(400)
    table.loc[::9, "visits"] = np.nan
    prepared = prepare(read_table(table, target="bought"), Question("bought"), tmp / "prepared")
    part = load_part(prepared.dev)
    examples = Examples(inputs_of(part.features, part.schema), np.asarray(part.y), "binary", 2)
    fitted = family("Linear")().fit(examples)
    return save_bundle(tmp / "model", [(fitted, 1.0)], part.schema, Finish(), {"made_by": "a test"})


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    loaded: Model = load_model(folder)
    return loaded


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    """A real server on a free port; its address."""
    process = spawn(folder.parent, "serve", str(folder), "--port", "0")
    try:
        yield address(process)
    finally:
        process.kill()
        process.communicate()


def address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert " at http://127.0.0.1:" in line, line
    return line.split(" at ")[1].split(" ")[0]


def ask(url: str, body: Any = None, raw: bytes | None = None) -> tuple[int, Any]:
    data = raw if raw is not None else None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=30) as found:
            return found.status, json.loads(found.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_one_row_and_many(server: str, model: Model) -> None:
    status, one = ask(f"{server}/predict", ROW)
    assert status == 200
    assert one["prediction"] == model.predict(ROW)[0]
    assert one["shares"]["yes"] == pytest.approx(model.predict_proba(ROW)[0, 1], abs=1e-6)
    assert one["flags"] == []
    rows: Any = shop(200, seed=1).drop(columns="bought").to_dict("records")
    status, many = ask(f"{server}/predict", rows)
    assert status == 200
    assert [row["prediction"] for row in many["rows"]] == model.predict(rows).tolist()


def test_health_and_schema(server: str, model: Model) -> None:
    status, health = ask(f"{server}/health")
    assert (status, health["status"], health["made_by"]) == (200, "ok", "a test")
    assert health["contains_training_rows"] is False
    status, schema = ask(f"{server}/schema")
    assert status == 200
    jsonschema.Draft202012Validator.check_schema(schema)
    fits = jsonschema.Draft202012Validator(schema).is_valid
    rows: list[dict[str, Any]] = [
        ROW, ROW | {"visits": None}, ROW | {"price": None}, ROW | {"colour": "pink"},
        ROW | {"price": 99.0}, ROW | {"price": 3.2},
    ]  # fmt: skip
    assert [fits(row) for row in rows] == [not told for told in model.check(rows)]
    assert not fits({"price": 0.5})


def test_odd_rows_are_flagged_and_strict_ones_refused(server: str) -> None:
    odd = ROW | {"colour": "pink", "price": 99}
    status, found = ask(f"{server}/predict", odd)
    assert status == 200
    assert len(found["flags"]) == 2
    status, found = ask(f"{server}/predict?strict=1", [ROW, odd])
    assert status == 422
    assert "row 2: colour: 'pink' was not seen in training" in found["errors"]


def test_rows_left_to_a_person(server: str) -> None:
    status, found = ask(f"{server}/predict?abstain=1", ROW)
    assert (status, found["left_to_person"], found["prediction"]) == (200, True, None)
    status, found = ask(f"{server}/predict?abstain=80", ROW)
    assert status == 422
    assert "from 0 to 1" in found["errors"][0]
    assert ask(f"{server}/predict?abstein=1", ROW)[0] == 422


def test_what_cannot_be_read_is_told(server: str) -> None:
    cases: list[tuple[Any, str]] = [
        ({"price": 1.0, "visits": 2.0}, "the column 'colour' is missing"),
        ({**ROW, "prise": 1}, "does not know the column 'prise'"),
        ([ROW, {"price": 1}], "row 2: the column 'visits' is missing"),
        ({**ROW, "price": [1]}, "single value"),
        ({**ROW, "price": 10**400}, "'price' is too large"),
        ([3], "a row is an object"),
        ([], "1 to 10,000 rows; got 0"),
        ("price", "a row is an object"),
    ]
    for body, words in cases:
        status, found = ask(f"{server}/predict", body)
        assert status == 422, body
        assert any(words in sentence for sentence in found["errors"]), found


def test_bad_requests(server: str) -> None:
    status, found = ask(f"{server}/predict", raw=b"{not json")
    assert (status, "no JSON" in found["errors"][0]) == (400, True)
    assert ask(f"{server}/predict", raw=b"[" * 100_000)[0] == 400
    assert ask(f"{server}/predict", raw=b"\xff\xfe")[0] == 400
    status, found = ask(f"{server}/predict", raw=b" " * 10_000_001)
    assert (status, "10,000,000 bytes" in found["errors"][0]) == (413, True)
    assert ask(f"{server}/nothing")[0] == 404
    assert ask(f"{server}/predict")[0] == 405
    assert ask(f"{server}/health")[0] == 200


def test_many_unknown_columns_are_told_in_few_short_sentences(server: str, model: Model) -> None:
    row = {**ROW, **{f"unknown column {i} " + "x" * 200: [i] for i in range(20_000)}}
    told = misfits(model.schema, [row])
    assert len(told) <= 20
    assert sum("does not know" in sentence for sentence in told) == 5
    assert max(map(len, told)) < 250
    assert len(misfits(model.schema, [row] * 30)) == 20
    status, found = ask(f"{server}/predict", row)
    assert (status, found["errors"]) == (422, told)


def test_half_of_a_surrogate_pair_is_refused(server: str) -> None:
    for raw in (b'{"colour": "\\ud800"}', b'{"\\ud800": 1}', b'["\xed\xa0\x80"]'):
        status, found = ask(f"{server}/predict", raw=raw)
        assert (status, len(found["errors"])) == (422, 1)
        assert "surrogate" in found["errors"][0]
    assert ask(f"{server}/predict", {**ROW, "colour": "\U0001f600"})[0] == 200


def test_a_coverage_adds_sets_of_the_labels_own_kind(model: Model) -> None:
    schema = replace(model.schema, classes=("0", "1"))
    ranked = Ranked.of(np.linspace(0.05, 0.95, 40))
    sets = Sets(ranked, ranked, ())
    sure = replace(model, schema=schema, finish=replace(model.finish, conformal=sets))
    body = json.dumps(ROW).encode()
    status, told = Service(sure).predict(body, {"coverage": "0.9"})
    assert (status, told["set"]) == (200, sure.predict_set(ROW, 0.9)[0])
    assert type(told["prediction"]) is int
    assert all(type(label) is int for label in told["set"])
    assert "set" not in Service(sure).predict(body, {})[1]
    for wrong in ("90", "most", "nan"):
        status, told = Service(sure).predict(body, {"coverage": wrong})
        assert (status, "between 0 and 1" in told["errors"][0]) == (422, True)


class Broken(Service):
    """A service that fails as only a mistake of ours would make it fail."""

    def predict(self, body: bytes, query: Any) -> tuple[int, Any]:
        raise RuntimeError("secret detail")


def test_a_mistake_of_ours_shows_no_trace(model: Model, capsys: Any) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/predict", "raw_path": b"/predict",
        "query_string": b"", "headers": [], "http_version": "1.1", "scheme": "http",
        "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "root_path": "",
    }  # fmt: skip
    with pytest.raises(RuntimeError):  # starlette hands it on to the server's own log
        asyncio.run(make_app(Broken(model))(scope, receive, send))
    assert sent[0]["status"] == 500
    assert "internal error" in json.loads(sent[1]["body"])["errors"][0]
    assert b"secret" not in sent[1]["body"]


def test_ctrl_c_ends_it_cleanly(folder: Path) -> None:
    process = spawn(folder.parent, "serve", str(folder), "--port", "0", "--abstain", "0.99")
    try:
        url = address(process)
        assert ask(f"{url}/predict", ROW)[1]["left_to_person"] is True
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    assert out == "stopped\n"
    assert err == ""


def test_a_taken_port_and_other_refusals(folder: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = call(tmp_path, "serve", folder, "--port", port)
    assert answer.code == 2
    assert f"cannot listen on 127.0.0.1 port {port}" in answer.err
    assert "name another --port" in answer.err
    assert call(tmp_path, "serve", folder, "--port", 99999).code == 2
    assert "from 0 to 1" in call(tmp_path, "serve", folder, "--abstain", "often").err
    assert "no model" in call(tmp_path, "serve", tmp_path).err
