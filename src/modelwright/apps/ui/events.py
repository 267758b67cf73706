"""The stream of events: which parts of a run's page have changed; the page fetches them itself."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from modelwright.apps.ui.following import Followed
from modelwright.apps.ui.pages import page_of

EVERY = 0.5  # seconds between two looks: at most two events in a second
SIGN_OF_LIFE = 15.0  # seconds


async def events(request: Request) -> Response:
    """`event: changed` with the names of the parts as JSON, for as long as the page listens."""
    followed = await run_in_threadpool(page_of(request).runs.of, request.path_params["run"])
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(_changes(request, followed), 200, headers, "text/event-stream")


async def _changes(request: Request, followed: Followed) -> AsyncIterator[str]:
    yield "retry: 2000\n\n"
    # At first all parts: since the page was made, or was last looked at, rows may have come.
    before: Mapping[str, Any] = {}
    told = time.monotonic()
    while not page_of(request).leaving():
        marks = await run_in_threadpool(followed.marks)
        changed = [name for name, mark in marks.items() if mark != before.get(name)]
        if changed:
            yield f"event: changed\ndata: {json.dumps(changed)}\n\n"
        elif time.monotonic() - told > SIGN_OF_LIFE:
            yield ": still here\n\n"
        if changed or time.monotonic() - told > SIGN_OF_LIFE:
            told = time.monotonic()
        before = marks
        await asyncio.sleep(EVERY)
