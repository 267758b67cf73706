"""The command that serves: one small web app around a model, for programs on the same machine.

    POST /predict   a row, or a list of rows, as JSON; answers with shares, flags, abstention
    GET  /health    that it runs, and which model it holds
    GET  /schema    the JSON Schema of a row

A network takes one image or sound file as the body, or `{"text": "..."}` (docs/networks.md).

What is wrong with a request is told in sentences under "errors", status 400, 413 or 422; what is
odd about a row but can be answered is a flag of its answer.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from modelwright.apps.serving_network import NetworkService
from modelwright.apps.using import answer_row, model_folder
from modelwright.apps.words import note, say
from modelwright.core.errors import InputError, ModelwrightError
from modelwright.core.version import VERSION
from modelwright.models.conformal import check_coverage
from modelwright.models.row_schema import misfits, row_schema

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from modelwright.models.model import Model

MAX_BYTES = 10_000_000
MAX_ROWS = 10_000
_PATIENCE = 5  # times the largest body
Abstain = float | Literal["auto"] | None


@dataclass
class Service:
    """What the app answers with: a model and how it was asked to behave.

    `abstain` and `strict` are what a request gets that does not ask otherwise in its query, as
    `?abstain=0.8&strict=1`. A strict request is refused when any of its rows has a flag. With
    `?coverage=0.9` each answer also has an interval or a set.
    """

    model: Model
    abstain: Abstain = None
    strict: bool = False
    max_bytes: int = MAX_BYTES
    started: float = field(default_factory=time.monotonic)
    rows: int = 0

    def predict(self, body: bytes, query: Mapping[str, str]) -> tuple[int, Any]:
        """Status and content for one request."""
        try:
            asked = json.loads(body)
            json.dumps(asked, ensure_ascii=False).encode()  # else an answer could not repeat it
        except UnicodeEncodeError:
            return 422, _errors("a text has half of a surrogate pair; send texts as valid Unicode.")
        except (ValueError, RecursionError) as error:
            return 400, _errors(f"the body is no JSON: {error}.")
        single = not isinstance(asked, list)
        rows = [asked] if single else asked
        if not rows or len(rows) > MAX_ROWS:
            return 422, _errors(f"a request has 1 to {MAX_ROWS:,} rows; got {len(rows):,}.")
        try:
            abstain, strict, coverage = self._wishes(query)
            wrong = misfits(self.model.row_schema, rows)
            if wrong:
                return 422, _errors(*wrong)
            answers = self.model.answer(rows, abstain, coverage=coverage)
        except InputError as error:
            return 422, _errors(str(error))
        flags = [f"row {i}: {w}" for i, told in enumerate(answers.flags, 1) for w in told]
        if strict and flags:
            return 422, _errors(*flags[:20])
        self.rows += len(rows)
        told = [answer_row(self.model, answers, i) for i in range(len(answers.values))]
        return 200, told[0] if single else {"rows": told}

    def _wishes(self, query: Mapping[str, str]) -> tuple[Abstain, bool, float | None]:
        unknown = [name for name in query if name not in ("abstain", "strict", "coverage")]
        if unknown:
            raise InputError(
                f"the query knows 'abstain', 'strict' and 'coverage'; got {unknown[0]!r}."
            )
        strict = query.get("strict", "1" if self.strict else "0").lower() in ("1", "true", "yes")
        text = query.get("abstain")
        abstain = self.abstain if text is None else confidence(text)
        return abstain, strict, _coverage(query.get("coverage"))

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of a row."""
        return row_schema(self.model.row_schema)

    def warm_up(self) -> None:
        """Answers before the first request, so that it does not pay for loading libraries."""
        columns = self.model.row_schema.columns
        row = {c.name: c.categories[0] if c.categories else c.low for c in columns}
        for rows in ([row], [row, row]):  # one row and several are read in different ways
            with contextlib.suppress(ModelwrightError):
                self.model.answer(rows)

    def health(self) -> dict[str, Any]:
        """That it runs, and what it serves."""
        schema, card = self.model.schema, self.model.card
        return {
            "status": "ok",
            "task": schema.task,
            "target": schema.target,
            "classes": [str(c) for c in schema.classes],
            "families": list(self.model.families),
            "made_by": card.get("made_by", ""),
            "served_by": f"modelwright {VERSION}",
            "contains_training_rows": self.model.contains_rows,
            "uptime_seconds": round(time.monotonic() - self.started, 1),
            "rows_answered": self.rows,
        }


def service_of(model: Any, abstain: str | None, strict: bool) -> Service | NetworkService:
    """What answers for a loaded model. Raises InputError for a kind that is not served."""
    if model.kind == NetworkService.kind:
        if abstain is not None or strict:
            raise InputError("--abstain and --strict go with models of tables; this is a network.")
        return NetworkService(model)
    if model.kind != "table":
        raise InputError(f"models of tables and networks can be served; this one is {model.kind}.")
    return Service(model, confidence(abstain), strict)


def confidence(text: str | None) -> Abstain:
    """A confidence as it is written, or `auto`. Raises InputError for anything else.

    >>> confidence("0.8"), confidence("auto")
    (0.8, 'auto')
    """
    if text is None or text == "auto":
        return None if text is None else "auto"
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise InputError(f"abstain is a confidence from 0 to 1, or auto; got {text!r}.")
    return share


def _coverage(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        share = float(text)
    except ValueError:
        raise InputError(f"a coverage lies between 0 and 1, such as 0.9; got {text!r}.") from None
    check_coverage(share)
    return share


def make_app(service: Service | NetworkService) -> Starlette:
    """The web app, for any ASGI server."""
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.exceptions import HTTPException
    from starlette.routing import Route

    row = _json(200, service.schema())

    async def predict(request: Request) -> Response:
        body = await _body(request, service.max_bytes)
        if body is None:
            return _json(413, _errors(f"a body has at most {service.max_bytes:,} bytes."))
        query = dict(request.query_params)
        # In a thread, however short the body: thousands of rows fit into little, and /health is to
        # answer meanwhile.
        return await run_in_threadpool(lambda: _json(*service.predict(body, query)))

    async def health(_: Request) -> Response:
        return _json(200, service.health())

    async def schema(_: Request) -> Response:
        return row

    async def refused(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 400
        return _json(status, _errors("POST /predict, GET /health and GET /schema are there."))

    async def broken(_: Request, __: Exception) -> Response:
        # Starlette raises it once more, and the server prints its trace.
        return _json(500, _errors("internal error; the server's own output has the trace."))

    routes = [
        Route("/predict", predict, methods=["POST"]),
        Route("/health", health),
        Route("/schema", schema),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: refused, Exception: broken})


async def _body(request: Request, limit: int) -> bytes | None:
    """The body, or None when it is too large.

    What is too large is read on for a while, though not kept: a client that still sends would not
    see the answer.
    """
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > _PATIENCE * limit:
            break
        if size <= limit:
            parts.append(part)
    return b"".join(parts) if size <= limit else None


def _json(status: int, content: Any) -> Response:
    from starlette.responses import Response

    text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    return Response(text.encode(), status, media_type="application/json")


def _errors(*sentences: str) -> dict[str, list[str]]:
    return {"errors": list(sentences)}


def serve(
    name: str, host: str, port: int, abstain: str | None, strict: bool, workspace: str
) -> int:
    """Serves until it is stopped; port 0 takes a free one. Returns 0 after Ctrl-C."""
    import uvicorn

    from modelwright.models import load_model

    folder = model_folder(name, workspace)
    service = service_of(load_model(folder), abstain, strict)
    opened = listen(host, port)
    service.warm_up()
    app = make_app(service)
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", ws="none")
    server = uvicorn.Server(config)
    shown = f"[{host}]" if ":" in host else host
    say(f"{Path(folder)} at http://{shown}:{opened.getsockname()[1]} (Ctrl-C stops it)")
    if host not in ("127.0.0.1", "localhost", "::1"):
        note("whoever reaches this address can ask the model; nothing here asks who they are")
    try:
        server.run(sockets=[opened])
    except KeyboardInterrupt:
        pass
    finally:
        opened.close()
    say("stopped")
    return 0


def listen(host: str, port: int) -> socket.socket:
    """An open socket; port 0 takes a free one. Raises InputError when there is none to have."""
    if not 0 <= port <= 65535:
        raise InputError(f"a port is between 0 and 65535; got {port}.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise InputError(
            f"cannot listen on {host} port {port}: {error.strerror or error}; name another --port."
        ) from None
