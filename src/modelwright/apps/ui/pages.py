"""The routes that show: each looks a run up by name, and fills a template from `shown`."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)

from modelwright.apps.ui import charts, shown
from modelwright.apps.ui.following import MissingError
from modelwright.apps.ui.starting import MANY, ONE
from modelwright.core.record import Record
from modelwright.readers.runs import RunFolder

if TYPE_CHECKING:
    from modelwright.apps.ui.app import Page

Fields = dict[str, list[str]]


def page_of(request: Request) -> Page:
    """What the app was made with."""
    page: Page = request.app.state.page
    return page


def enter(request: Request) -> Response:
    """Takes the one-time token and gives a session for it."""
    page = page_of(request)
    name = page.door.enter(request.query_params.get("token", ""))
    if name is None:
        return page.refused(request, 401)
    # A strict cookie is not sent on a redirect that another page, or a file, began: then the
    # browser is told to begin anew.
    begun_elsewhere = request.headers.get("sec-fetch-site") not in (None, "none", "same-origin")
    response: Response = RedirectResponse("/", 303)
    if begun_elsewhere:
        response = Response("one moment", headers={"Refresh": "0; url=/"}, media_type="text/plain")
    response.set_cookie(page.door.cookie, name, httponly=True, samesite="strict", path="/")
    return response


def home(request: Request) -> Response:
    """The runs of the workspace."""
    page = page_of(request)
    with page.runs.reading_all() as read:
        return page.show(request, "runs.html", shown.home(page.workspace, read))


def new(request: Request) -> Response:
    """The form that takes a file."""
    page = page_of(request)
    return page.show(request, "new.html", shown.new({"id": "", "max_upload": page.max_upload}))


def draft(request: Request) -> Response:
    """What was understood of a file; with the form's fields in the query also the plan.

    Once its build was started: the run, as soon as it is there.
    """
    page = page_of(request)
    given = {k: v for k, v in fields_of(request.query_params.multi_items()).items() if any(v)}
    state = page.drafts.state(request.path_params["draft"], given)
    if state["run"] and not state["waiting"]:
        return RedirectResponse(f"/runs/{state['run']}", 303)
    context = shown.new({**state, "max_upload": page.max_upload})
    response = page.show(request, "new.html", context)
    if state["waiting"]:
        response.headers["Refresh"] = "1"
    return response


def fields_of(items: Any) -> Fields:
    """The fields of the form that starts a build, from (name, value) pairs; others are left."""
    found: Fields = {}
    for name, value in items:
        if name in (*ONE, *MANY):
            found.setdefault(name, []).append(value)
    return found


def run(request: Request) -> Response:
    """The first screen of a run."""
    page = page_of(request)
    with page.runs.reading(request.path_params["run"]) as (followed, record):
        if trouble := page.drafts.why_not(followed.run.name):
            request.state.session.said = trouble
        context = shown.first(followed.run, record, followed.chain)
        return page.show(request, "run.html", context)


def tab(request: Request) -> Response:
    """One of a run's tabs."""
    page, query = page_of(request), dict(request.query_params)
    with page.runs.reading(request.path_params["run"]) as (followed, record):
        name = request.path_params["tab"]
        context = shown.tab(name, followed.run, record, query, followed.chain)
        return page.show(request, "tab.html", context)


def candidate(request: Request) -> Response:
    """One candidate of a run."""
    page = page_of(request)
    with page.runs.reading(request.path_params["run"]) as (followed, record):
        id = request.path_params["id"]
        context = shown.candidate(followed.run, record, id, followed.chain)
        return page.show(request, "candidate.html", context)


def compare(request: Request) -> Response:
    """Two candidates beside each other."""
    page, query = page_of(request), request.query_params
    with page.runs.reading(request.path_params["run"]) as (followed, record):
        a, b = query.get("a", ""), query.get("b", "")
        context = shown.compare(followed.run, record, a, b, followed.chain)
        return page.show(request, "compare.html", context)


def part(request: Request) -> Response:
    """A part of the first screen, as it is now."""
    page, name = page_of(request), request.path_params["part"]
    with page.runs.reading(request.path_params["run"]) as (followed, record):
        if name == "status":
            context = shown.status(followed.run, record, followed.chain)
        elif name == "leaderboard":
            asked = request.query_params.get("page", "1")
            number = int(asked) if asked.isascii() and asked.isdigit() else 1
            context = shown.leaderboard(followed.run, record, min(number, 10_000))
        elif name in ("trying", "decisions", "goals"):
            context = getattr(shown, name)(followed.run, record)
        else:
            raise MissingError(f"there is no part {name!r}.")
        return page.show(request, f"_{name}.html", context)


CHARTS: Mapping[str, Callable[[Record], Any]] = {
    "pareto": charts.pareto,
    "progress": charts.progress,
    "energy": charts.energy,
}


def chart(request: Request) -> Response:
    """The data of a chart; of curves those of the candidates that the query names."""
    page, name = page_of(request), request.path_params["name"]
    with page.runs.reading(request.path_params["run"]) as (_, record):
        if name == "curve":
            return JSONResponse(charts.curve(record, request.query_params.getlist("candidate")))
        if name not in CHARTS:
            raise MissingError(f"there is no chart {name!r}.")
        return JSONResponse(CHARTS[name](record))


def file(request: Request) -> Response:
    """One of a run's three files, to be kept: the report, the model's card, the whole model."""
    page, name = page_of(request), request.path_params["file"]
    followed = page.runs.of(request.path_params["run"])
    found = followed.run
    if name == "model.zip":
        return _zipped(found, page.workspace)
    paths = {"report": found.report_path, "card": found.model_path / "README.md"}
    if name not in paths:
        raise MissingError(f"there is no file {name!r}.")
    if not paths[name].is_file():
        raise MissingError(f"the run {found.name} has no {name} yet.")
    # Never shown in the page's own origin: a report is a whole page with styles of its own.
    return FileResponse(
        paths[name], filename=f"{found.name}-{paths[name].name}", media_type="text/plain"
        if name == "card" else "text/html", content_disposition_type="attachment",
    )  # fmt: skip


def _zipped(found: RunFolder, workspace: Path) -> Response:
    """The model's folder as an archive. Raises RefusedError when it was recalled."""
    from modelwright.apps.using import model_folder

    if not found.model_path.is_dir():
        raise MissingError(f"the run {found.name} has no model yet.")
    folder = model_folder(str(found.path), str(workspace))
    archive = tempfile.TemporaryFile()  # noqa: SIM115 (closed when it was sent)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                out.write(path, f"{found.name}-model/{path.relative_to(folder)}")
    size = archive.tell()
    archive.seek(0)
    kept = f'attachment; filename="{_ascii(found.name)}-model.zip"'
    headers = {"Content-Length": str(size), "Content-Disposition": kept}
    return StreamingResponse(_pieces(archive), media_type="application/zip", headers=headers)


def _pieces(archive: IO[bytes]) -> Iterator[bytes]:
    with archive:
        while piece := archive.read(1 << 16):
            yield piece


def _ascii(name: str) -> str:
    """A file's name for a header, without what could end it."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in name)
