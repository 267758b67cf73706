"""The web app of the page: all its routes in one table, behind one guard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from modelwright.apps.ui import acting, pages
from modelwright.apps.ui.access import Door, Guard, set_headers
from modelwright.apps.ui.events import events
from modelwright.apps.ui.following import MissingError, Runs, StillReadingError
from modelwright.apps.ui.forms import Form, Upload, read_form
from modelwright.apps.ui.starting import Drafts, ending_of
from modelwright.core.errors import ModelwrightError

HERE = Path(__file__).parent
MAX_UPLOAD = 1_000_000_000  # bytes


@dataclass
class Page:
    """What the handlers work with. `leaving` tells streams that the server is about to end."""

    workspace: Path
    door: Door
    max_upload: int = MAX_UPLOAD
    leaving: Callable[[], bool] = lambda: False
    runs: Runs = field(init=False)
    drafts: Drafts = field(init=False)

    def __post_init__(self) -> None:
        self.runs, self.drafts = Runs(self.workspace), Drafts(self.workspace)
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE / "templates"),
            autoescape=True,  # whatever a template is called
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def show(
        self, request: Request, name: str, context: Mapping[str, Any], status: int = 200
    ) -> Response:
        """A template, filled in; every one also has `csrf`, the token that its forms carry first,
        and `said`, what came of the last click (on whole pages, once)."""
        session = getattr(request.state, "session", None)
        said = ""
        if session is not None and not name.startswith("_"):
            said, session.said = session.said, ""
        filled = {**context, "csrf": "" if session is None else session.csrf, "said": said}
        return HTMLResponse(self._templates.get_template(name).render(filled), status)

    def refused(self, request: Request, status: int) -> Response:
        """The answer to a request that may not pass: how to come in, or that it was not from us."""
        if status == 401:
            return self.show(request, "login.html", {}, 401)
        sentence = "refused: this request did not come from a page of modelwright ui."
        return self.show(request, "error.html", {"status": status, "sentence": sentence}, status)


def make_app(page: Page) -> Starlette:
    """The web app, for any ASGI server."""
    acts: list[Route] = [
        _post("/new", acting.uploaded, page, with_file=True),
        _post("/new/{draft}/go", acting.go, page),
        _post("/runs/{run}/do/{verb}", acting.do, page),
    ]
    shows = [
        Route("/", pages.home),
        Route("/enter", pages.enter),
        Route("/new", pages.new),
        Route("/new/{draft}", pages.draft),
        Route("/runs/{run}", pages.run),
        Route("/runs/{run}/tab/{tab}", pages.tab),
        Route("/runs/{run}/candidates/{id}", pages.candidate),
        Route("/runs/{run}/compare", pages.compare),
        Route("/runs/{run}/part/{part}", pages.part),
        Route("/runs/{run}/chart/{name}.json", pages.chart),
        Route("/runs/{run}/file/{file}", pages.file),
        Route("/runs/{run}/events", events),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]
    app = Starlette(
        routes=[*acts, *shows],
        middleware=[Middleware(Guard, door=page.door, refused=page.refused)],
        exception_handlers={
            HTTPException: _http_error,
            ModelwrightError: _told,
            Exception: _broken,
        },
    )
    app.router.redirect_slashes = False
    app.state.page = page
    return app


def _post(
    path: str, act: Callable[[Request, Form], Response], page: Page, with_file: bool = False
) -> Route:
    """A route that does something: `act` is called when the form was read and its token held."""

    async def endpoint(request: Request) -> Response:
        made: list[Path] = []

        def place(file: str) -> Path:
            made.append(page.drafts.new_folder())
            return made[0] / f"data{ending_of(file)}"

        upload = Upload(place, page.max_upload) if with_file else None
        try:
            form = await read_form(request, request.state.session.csrf, upload)
        except BaseException:
            for folder in made:
                page.drafts.drop(folder)
            raise
        return await run_in_threadpool(act, request, form)

    return Route(path, endpoint, methods=["POST"])


def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 400
    known = {404: "there is no such page.", 405: "this address does not take that."}
    sentence = known.get(status) or str(getattr(error, "detail", ""))
    return _error(request, sentence, status)


def _told(request: Request, error: Exception) -> Response:
    if isinstance(error, StillReadingError):
        waits = _error(request, str(error), 503)
        waits.headers["Refresh"] = "1"
        return waits
    return _error(request, str(error), 404 if isinstance(error, MissingError) else 422)


def _broken(request: Request, error: Exception) -> Response:
    # Starlette raises it once more, and the server prints its trace. The guard is inside of this.
    response = _error(request, "internal error; the server's own output has the trace.", 500)
    set_headers(response.headers)
    return response


def _error(request: Request, sentence: str, status: int) -> Response:
    page: Page = request.app.state.page
    return page.show(request, "error.html", {"status": status, "sentence": sentence}, status)
