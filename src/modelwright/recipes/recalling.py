"""Recalls: what came of a flawed model or of flawed data is listed, and refused from then on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelwright.core.canonical import digest_file
from modelwright.core.errors import InputError, ModelwrightError
from modelwright.core.record import Record
from modelwright.core.view import Outcome
from modelwright.ledger import Ledger, Row, load_or_make_key, open_ledger
from modelwright.ledger.own_key import account
from modelwright.ledger.signing import public_key, sign_text
from modelwright.readers.lineage import Lineage, Node, lineage
from modelwright.readers.recalls import LEDGER, STUDY, recall_text, refuse_recalled
from modelwright.readers.runs import RunFolder, all_runs, find_run, open_run, study_of

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Recalled:
    """What a recall did: the thing, what came of it, and the runs in which it was a yardstick."""

    node: Node
    descendants: Sequence[Node]
    compared: Sequence[Node]
    signer: str


def workspace_lineage(workspace: str | Path) -> tuple[Lineage, list[str]]:
    """The graph of all runs of a workspace, and a sentence for each run that cannot be read."""
    runs: dict[str, list[Row]] = {}
    unread = []
    for run in all_runs(workspace):
        try:
            with open_run(run) as ledger:
                runs[run.name] = list(ledger.rows(study_of(ledger)))
        except ModelwrightError as error:
            unread.append(f"{run.name} is left out: {error}")
    return lineage(runs), unread


def find_node(graph: Lineage, what: str, workspace: str | Path) -> Node:
    """The model, file or data that a run's name, a folder, a file or a hash stands for.

    Raises InputError when there is none, or more than one.
    """
    found = graph.find(identity_of(what, workspace))
    models = [node for node in found if node.kind == "model"] or found
    if len(models) == 1:
        return models[0]
    if not models:
        raise InputError(
            f"no run of the workspace {str(workspace)!r} shipped, read or was brought {what!r}."
        )
    shown = ", ".join(node.label for node in models[:5])
    raise InputError(f"{what!r} stands for {len(models)} things: {shown}; give more of the hash.")


def identity_of(what: str, workspace: str | Path) -> str:
    """The hash of a model's folder, of a file, or of a run's model; else the text itself."""
    path = Path(what)
    if (path / MANIFEST).is_file():
        return digest_file(path / MANIFEST)
    if path.is_file():
        return digest_file(path)
    if len(what) >= 8 and all(c in "0123456789abcdef" for c in what):
        return what
    run = find_run(what, workspace)
    if not (run.model_path / MANIFEST).exists():
        raise InputError(f"the run {run.name} has shipped no model.")
    return digest_file(run.model_path / MANIFEST)


def recall(what: str, reason: str, workspace: str | Path) -> Recalled:
    """Recalls a model or data: a signed row in the workspace, which `refuse_recalled` reads."""
    if not reason.strip():
        raise InputError("a recall has a reason: --reason '...'.")
    graph, _ = workspace_lineage(workspace)
    node = find_node(graph, what, workspace)
    below = graph.descendants(node.id)
    key = load_or_make_key(RunFolder(Path(workspace) / "run").key_path)
    body: dict[str, Any] = {
        "id": node.id, "label": node.label, "reason": reason.strip(), "by": account(),
        "posted_at": round(time.time(), 3),
        "blocked": dict(_blocked(below)) | dict.fromkeys(_onnx_of(what, workspace), node.label),
    }  # fmt: skip
    signer, signature = sign_text(recall_text(body), key)
    with open_ledger(Path(workspace) / LEDGER) as ledger, ledger.writer(STUDY) as writer:
        writer.append(
            [("recall", {**body, "signer": signer, "signature": signature})], durable=True
        )
    kept = [n for n in below.nodes.values() if n.id != node.id and n.kind in ("model", "run")]
    return Recalled(node, kept, graph.compared(node.id), public_key(key))


def _onnx_of(what: str, workspace: str | Path) -> list[str]:
    """The hash of a model's ONNX file, where the model lies here: older rows do not tell it."""
    folder = Path(what)
    if not (folder / MANIFEST).is_file():
        named = [run for run in all_runs(workspace) if run.name == what or run.path == folder]
        folder = named[0].model_path if named else folder
    return [digest_file(path) for path in [folder / "model.onnx"] if path.is_file()]


def _blocked(below: Lineage) -> Iterator[tuple[str, str]]:
    """Identities and hashes that are refused, with their labels.

    Trials of a run that is blocked as a whole are not listed.
    """
    for node in below.nodes.values():
        whole = f"run:{node.id.split(':')[1]}" in below.nodes
        if node.kind in ("code", "policy", "designer") or (node.kind == "trial" and whole):
            continue
        yield node.id, node.label
        for found in node.facts.get("hashes", ()):
            yield found, node.label


def check_recalls(
    run: RunFolder, record: Record, ledger: Ledger, outcome: Outcome | None = None
) -> None:
    """Raises RefusedError when a run, its data, or what an outcome is made of is recalled.

    What came of a recalled model after the recall is in no list: it is found by its rows.
    """
    if not (run.path.parent / LEDGER).exists():
        return
    study = record.settings["name"]
    first = next(ledger.rows(study, 0, 1)).hash[:16]
    told = [*data_hashes(record.settings["problem"]["about"]), f"run:{first}"]
    if outcome is not None:
        graph = lineage({run.name: ledger.rows(study)})
        told += graph.made_of(f"trial:{first}:{outcome.trial.number}").nodes
    refuse_recalled([run.path.parent], told)


def data_hashes(about: Mapping[str, Any]) -> list[str]:
    """The hashes that a problem's data go by: of the file, and as they were prepared."""
    found = (about.get("source", {}).get("sha256"), about.get("data_hash"))
    return [one for one in found if one]


def check_given(workspace: str | Path, sources: Sequence[str | None]) -> None:
    """Raises RefusedError when a file or a model's folder that a build is given is recalled."""
    there = (Path(workspace) / LEDGER).exists()  # else no file has to be read for it
    for source in filter(None, sources if there else ()):
        path = Path(source)
        path = path / MANIFEST if (path / MANIFEST).is_file() else path
        if path.is_file():
            refuse_recalled([Path(workspace)], [digest_file(path)])


def check_model(folder: Path, workspace: str | Path) -> None:
    """Raises RefusedError when a model, or the data it learnt from, is recalled.

    Recalls of the workspace count, and those of the one the folder lies in.
    """
    places = [Path(workspace), folder.resolve().parent, folder.resolve().parent.parent]
    told = [digest_file(folder / MANIFEST), *_files_of(folder), *_data_of(folder)]
    refuse_recalled([p for p in places if (p / LEDGER).exists()], told)


def _files_of(folder: Path) -> list[str]:
    try:
        found = json.loads((folder / MANIFEST).read_text("utf-8"))["files"].values()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []  # loading it says what is wrong with it
    return [str(one) for one in found]


def _data_of(folder: Path) -> list[str]:
    try:
        card: Mapping[str, Any] = json.loads((folder / "model.json").read_text("utf-8"))["card"]
        found = card["data"].get("sha256")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    return [found] if found else []
