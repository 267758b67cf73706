"""From an uploaded file to a run: what was understood, the question, and the build that is started.

A draft is a folder `.page/<id>` of the workspace: `data.csv` (or .parquet ..., a name of ours),
`draft.json` and, once started, `build.log`. The file's own name is only ever a text.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from modelwright.apps.ui.following import MissingError
from modelwright.core.errors import InputError, ModelwrightError
from modelwright.core.problem import Budget, Limit
from modelwright.core.secrets import without_secrets
from modelwright.policy.reading import EXAMPLES
from modelwright.readers.runs import RunFolder, open_run, study_of

FOLDER = ".page"  # in the workspace; no run is called so, since names do not begin with a dot
ENDINGS = (".csv.gz", ".csv", ".tsv", ".txt", ".gz", ".parquet", ".xlsx")
# What the form has, in the words of the command line. A column is one of the file's.
ONE = (
    "target", "task", "metric", "positive", "group", "time", "horizon", "series", "budget",
    "policy", "purpose", "rights",
)  # fmt: skip
MANY = ("limit", "protect", "drop")
COLUMNS = ("target", "group", "time", "series", "protect", "drop")
KEPT_DAYS = 2  # a draft that was never started
PLAN_SECONDS = 300
# What a build needs itself, as from the command line: its own workers are not given it.
OWN = ("MODELWRIGHT_KEY", "MODELWRIGHT_SMTP_PASSWORD")
Fields = Mapping[str, Sequence[str]]


@dataclass
class Draft:
    """An uploaded file: `id` is ours, `file` its name as the person has it, `data` ours."""

    id: str
    file: str
    data: str
    bytes: int
    run: str = ""
    trouble: str = ""
    fields: dict[str, list[str]] = field(default_factory=dict)


class Drafts:
    """The drafts of a workspace, and the builds that were started from them."""

    def __init__(self, workspace: Path) -> None:
        self.workspace, self.folder = workspace.absolute(), workspace.absolute() / FOLDER
        self._building: dict[str, subprocess.Popen[bytes]] = {}
        self._resumed: dict[str, subprocess.Popen[bytes]] = {}
        self._planning = threading.Lock()  # one at a time, however often a page is loaded
        self._starting = threading.Lock()

    def new_folder(self) -> Path:
        """A fresh folder for an upload, which only this account may read."""
        self.tidy()
        path = self.folder / secrets.token_hex(8)
        path.mkdir(parents=True, mode=0o700)
        return path

    def drop(self, folder: Path) -> None:
        """Removes what an upload left."""
        shutil.rmtree(folder, ignore_errors=True)

    def understand(self, folder: Path, file: str, data: Path) -> Draft:
        """Reads the file in a limited process of its own, and notes what came of it."""
        from modelwright.data.limited import read_limited

        draft = Draft(folder.name, file, data.name, data.stat().st_size)
        try:
            read_limited(data, folder / "read")
        except ModelwrightError as error:
            draft.trouble = str(error).replace(str(data), file).replace(data.name, file)
        (folder / "read" / "table.arrow").unlink(missing_ok=True)
        self._save(draft)
        return draft

    def of(self, id: str) -> Draft:
        """The draft of that id. Raises MissingError when there is none."""
        known = [p.name for p in self.folder.iterdir()] if self.folder.is_dir() else []
        if id not in known or not (self.folder / id / "draft.json").is_file():
            raise MissingError("there is no such draft in this workspace.")
        return Draft(**json.loads((self.folder / id / "draft.json").read_text("utf-8")))

    def state(self, id: str, given: Fields | None = None) -> dict[str, Any]:
        """What the page shows of a draft; with the `given` fields of the form also the plan.

        `table` is what was read (`TableInfo.to_json`), `plan` that of `build --dry-run --json`,
        `command` the line that does the same; `run` and `waiting` are set once it was started,
        and `trouble` says why nothing came of it.
        """
        draft = self.of(id)
        told: dict[str, Any] = {
            **asdict(draft), "table": self._table(draft), "plan": None, "command": "",
            "policies": EXAMPLES, "waiting": False,
        }  # fmt: skip
        if draft.run:
            told |= self._started(draft)
        if given and not draft.trouble and not told["run"]:
            told["trouble"] = ""
            told["fields"] = {name: list(values) for name, values in given.items()}
            try:
                words = self.words(draft, given)
                told["command"] = shlex.join(["modelwright", "build", draft.file, *words])
                told["plan"] = self._plan(draft, words)
            except ModelwrightError as error:
                told["trouble"] = str(error)
        return told

    def words(self, draft: Draft, given: Fields) -> list[str]:
        """The form as flags of `build`. Raises InputError for what is no field or no value of one.

        Each flag carries its value with an =, so that no value is ever taken for another flag.
        """
        columns = [column["name"] for column in (self._table(draft) or {"columns": []})["columns"]]
        words = []
        for name, values in given.items():
            if name not in (*ONE, *MANY):
                raise InputError(f"the form has no field {name!r}.")
            lines = [line.strip() for value in values for line in value.splitlines()]
            lines = [line for line in lines if line]
            if name in ONE and len(lines) > 1:
                raise InputError(f"{name} has one value; got {len(lines)}.")
            for line in lines:
                _check(name, line, columns)
                words.append(f"--{name}={line}")
        if not any(word.startswith("--target=") for word in words):
            raise InputError("choose the column to predict.")
        return words

    def start(self, id: str, given: Fields) -> str:
        """Starts the build as a process of its own and returns the run's name."""
        with self._starting:  # so that two clicks start one build
            draft = self.of(id)
            if draft.run and self._started(draft)["run"]:
                return draft.run
            if draft.trouble:
                raise InputError(draft.trouble)
            words = self.words(draft, given)
            draft.run = self._free_name(draft.file)
            draft.fields = {name: [*values] for name, values in given.items()}
            place = [f"--name={draft.run}", f"--workspace={self.workspace}"]
            folder = self.folder / draft.id
            order = ["build", str(folder / draft.data), *words, *place]
            self._building[draft.id] = spawn(order, folder / "build.log")
            self._save(draft)
        return draft.run

    def resume(self, run: RunFolder, more: str) -> None:
        """Goes on with a run in a process of its own; `more` is budget on top, or empty."""
        words = ["resume", str(run.path.absolute()), f"--workspace={self.workspace}"]
        if more:
            Budget.parse(more)
            words.append(f"--add-budget={more}")
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        log = self.folder / f"{run.name}.log"
        log.unlink(missing_ok=True)
        self._resumed[run.name] = spawn(words, log)

    def why_not(self, name: str) -> str:
        """Why a run did not go on, told once; empty where it did, or still tries."""
        process = self._resumed.get(name)
        if process is None or process.poll() is None:
            return ""
        del self._resumed[name]
        failed = process.returncode in (1, 2)
        return _said(self.folder / f"{name}.log") if failed else ""

    def tidy(self) -> None:
        """Removes what nobody started within `KEPT_DAYS`."""
        folders = self.folder.iterdir() if self.folder.is_dir() else ()
        for path in [found for found in folders if found.is_dir()]:
            started = (path / "draft.json").is_file() and self.of(path.name).run
            if not started and time.time() - path.stat().st_mtime > KEPT_DAYS * 86_400:
                self.drop(path)

    def _save(self, draft: Draft) -> None:
        path = self.folder / draft.id / "draft.json"
        path.write_text(json.dumps(asdict(draft), ensure_ascii=False), "utf-8")

    def _table(self, draft: Draft) -> dict[str, Any] | None:
        path = self.folder / draft.id / "read" / "table.json"
        if not path.is_file():
            return None
        table: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return table

    def _plan(self, draft: Draft, words: Sequence[str]) -> dict[str, Any]:
        """What `build --dry-run` says; it too runs as a process of its own."""
        data = str(self.folder / draft.id / draft.data)
        order = [*_command(), "build", data, *words, "--dry-run", "--json"]
        try:
            with self._planning:
                done = subprocess.run(
                    order, env=_environment(), capture_output=True, stdin=subprocess.DEVNULL,
                    timeout=PLAN_SECONDS, check=False,
                )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise InputError(f"no plan within {PLAN_SECONDS} s; give a smaller file.") from None
        try:
            plan: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            said = _complaint(done.stderr.decode("utf-8", "replace"))
            raise InputError(said.replace(data, draft.file)) from None
        return plan

    def _started(self, draft: Draft) -> dict[str, Any]:
        """Whether the run is there yet, and why not when its build is over."""
        run = RunFolder(self.workspace / draft.run)
        if run.ledger_path.exists():
            with contextlib.suppress(ModelwrightError), open_run(run) as ledger:
                study_of(ledger)  # it has rows
                return {"waiting": False, "run": draft.run}
        build = self._building.get(draft.id)
        if build is not None and build.poll() is None:
            return {"waiting": True, "run": draft.run}
        said = _said(self.folder / draft.id / "build.log")
        return {"waiting": False, "run": "", "trouble": said}

    def _free_name(self, file: str) -> str:
        """A name for the run, made of the file's: letters, digits, dashes, and not taken."""
        stem = Path(file.replace("\\", "/")).name.split(".")[0]
        base = re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_")[:40] or "table"
        names, number = [base], 1
        drafts = [self.of(path.parent.name) for path in self.folder.glob("*/draft.json")]
        taken = {draft.run for draft in drafts}
        while names[-1] in taken or (self.workspace / names[-1]).exists():
            number += 1
            names.append(f"{base}-{number}")
        return names[-1]


def ending_of(file: str) -> str:
    """The end of a file's name that is kept for ours; only those of tables are known.

    >>> ending_of("Sales 2024.CSV"), ending_of("../../x.sh"), ending_of("a.csv.gz")
    ('.csv', '.csv', '.csv.gz')
    """
    return next((end for end in ENDINGS if file.lower().endswith(end)), ".csv")


def spawn(words: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """A `modelwright` command in a session of its own: it goes on when this server ends."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            [*_command(), *words], env=_environment(), stdin=subprocess.DEVNULL, stdout=out,
            stderr=out, start_new_session=True,
        )  # fmt: skip
    # Else it would stay a zombie, which looks like a process that still works on the run.
    threading.Thread(target=process.wait, daemon=True, name="reaper").start()
    return process


def _command() -> list[str]:
    return [sys.executable, "-m", "modelwright.apps.cli"]


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in OWN if name in os.environ}
    here = [str(Path(__file__).resolve().parents[3]), os.environ.get("PYTHONPATH", "")]
    path = os.pathsep.join(part for part in here if part)
    return {**without_secrets(os.environ), **kept, "PYTHONPATH": path}


def _check(name: str, line: str, columns: Sequence[str]) -> None:
    """Raises InputError for a value that this form does not take."""
    if len(line) > 300 or not line.isprintable():
        raise InputError(f"{name} has at most 300 printable characters.")
    column = line.split(":")[0] if name == "protect" else line
    if name in COLUMNS and column not in columns and line not in columns:
        raise InputError(f"{name}: the file has no column {line!r}.")
    if name == "metric" and not re.fullmatch(r"[a-z0-9_]+(@[0-9.]+)?", line):
        raise InputError(f"a metric is named here, such as roc_auc or pinball@0.9; got {line!r}.")
    if name == "policy" and line not in EXAMPLES:
        raise InputError(f"a policy is {', '.join(EXAMPLES)} here; got {line!r}.")
    if name == "budget":
        Budget.parse(line)
    if name == "limit":
        Limit.parse(line)


def _said(log: Path) -> str:
    return _complaint(log.read_text("utf-8", "replace") if log.exists() else "")


def _complaint(said: str) -> str:
    """The sentence a command ended with."""
    lines = [line for line in said.splitlines() if line.startswith("modelwright: ")]
    return lines[-1].removeprefix("modelwright: ") if lines else "the command ended without a word."
