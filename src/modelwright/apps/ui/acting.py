"""The routes that do something: each click is what a command of the same name does."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from modelwright.apps.inspecting import status_of
from modelwright.apps.steering import tell
from modelwright.apps.ui.following import Followed, MissingError
from modelwright.apps.ui.forms import Form
from modelwright.apps.ui.pages import fields_of, page_of
from modelwright.core.approvals import ABOUT_DESIGNS
from modelwright.core.errors import InputError, ModelwrightError
from modelwright.ledger.own_key import account
from modelwright.recipes.deciding import decide

ABOUT: Mapping[str, str] = {  # what a word is about, by the field that names it
    **dict.fromkeys(("approve", "reject", "ask", "answer"), "request"),
    **dict.fromkeys(ABOUT_DESIGNS, "candidate"),
    "read": "",
}
STEERS = ("stop", "pause", "resume")


def uploaded(request: Request, form: Form) -> Response:
    """Reads the file that was sent, and shows what was understood."""
    if form.path is None:
        raise InputError("choose a file: CSV, Parquet or Excel.")
    draft = page_of(request).drafts.understand(form.path.parent, form.file, form.path)
    return RedirectResponse(f"/new/{draft.id}", 303)


def go(request: Request, form: Form) -> Response:
    """Starts the build of a draft."""
    id = request.path_params["draft"]
    pairs = [(name, value) for name, values in form.fields.items() for value in values]
    page_of(request).drafts.start(id, {k: v for k, v in fields_of(pairs).items() if any(v)})
    return RedirectResponse(f"/new/{id}", 303)


def do(request: Request, form: Form) -> Response:
    """A person's word on a run; the next page says what came of it."""
    page, verb = page_of(request), request.path_params["verb"]
    if verb not in (*ABOUT, *STEERS):
        raise MissingError(f"there is nothing called {verb!r} to do.")
    followed = page.runs.of(request.path_params["run"])
    try:
        said = _steer(request, followed, verb, form) if verb in STEERS else _decide(
            followed, verb, form
        )  # fmt: skip
    except ModelwrightError as error:
        said = f"{verb}: {error}"
    request.state.session.said = said
    return RedirectResponse(f"/runs/{quote(followed.run.name)}", 303)


def _decide(followed: Followed, verb: str, form: Form) -> str:
    """Signs with the account's key, as the command does; a request or design is always named."""
    name = ABOUT[verb]
    about = form.one(name) if name else None
    if about == "":
        raise InputError(f"name the {name}.")
    return decide(verb, followed.run, about, reason=form.one("reason")).sentence


def _steer(request: Request, followed: Followed, verb: str, form: Form) -> str:
    run, page = followed.run, page_of(request)
    if verb != "resume":
        return tell(verb, run, form.one("reason"), f"{account()}, page")
    with page.runs.reading(run.name) as (_, record):
        state = status_of(run, record)
    if state == "running":
        return f"{run.name} is running already."
    page.drafts.resume(run, form.one("budget"))
    return f"{run.name} goes on."
