"""The folder that ships: members, schema, finish and facts, without pickle, sealed by hashes.

model.json       format, schema, members with weights, calibration and decision, card
member0/ ...     each fitted model in its family's own plain files
series.json      where rows are series: how they become a row of features each
model.onnx       the whole model from raw columns to answers, where its members allow it
predict.py       answers a CSV file with model.onnx; needs onnxruntime and numpy only
Dockerfile       runs predict.py, or the model in a server where there is no model.onnx
README.md, datasheet.md, bom.json    what people and tools read of it (recipes/papers.py)
manifest.json    SHA-256 of every file, checked when the model is loaded
signature.json, model.sig, model.pub    who vouches for all of these (signature.py)
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from modelwright.core.canonical import digest_file
from modelwright.core.errors import InputError, TamperedError
from modelwright.data.schema import Schema
from modelwright.data.series_front import SeriesFront
from modelwright.families import load_fitted
from modelwright.families.base import Fitted
from modelwright.models.crossfit import Finish
from modelwright.models.model import Model
from modelwright.models.pack import unpack_folds
from modelwright.models.quick_row import quick_path

# Format 2: dates give eight numbers, texts are read by the members' feature work; with conformal
# parts, and with model.onnx, predict.py and Dockerfile beside it. Format 1 had five numbers per
# date and 66 per text, and is read as long as there are neither.
FORMAT = 2
READS = (1, 2)
MANIFEST = "manifest.json"
# What is made over the manifest, and so cannot be in it.
SIGNATURES = ("signature.json", "model.sig", "model.pub")


def save_bundle(
    folder: Path,
    members: Sequence[tuple[Fitted | Path, float]],
    schema: Schema,
    finish: Finish,
    card: Mapping[str, Any] | None = None,
    *,
    all_folds: bool = False,
) -> Path:
    """Writes a bundle into a new or empty folder and returns it.

    A member is a fitted model, or the file of a packed one (an artefact of `fit_and_score`), with
    its weight; weights are divided by their sum. Of a file that holds the models of several folds
    the first counts, or with `all_folds` each with its part of the weight. `card` is plain data
    about the model: what it is for, how it was made, what it scored. Raises InputError when the
    folder holds something.
    """
    if not members or min(weight for _, weight in members) < 0 or not sum(w for _, w in members):
        raise InputError("a bundle needs members whose weights are positive.")
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise InputError(f"the folder {str(folder)!r} is not empty; name a new one for the model.")
    total = sum(weight for _, weight in members)
    listed = []
    for where, weight in _write_members(folder, members, all_folds):
        family = json.loads((where / "fitted.json").read_text("utf-8"))["family"]
        listed.append({"folder": where.name, "family": family, "weight": weight / total})
    facts = {
        "format": FORMAT,
        "schema": schema.to_json(),
        "members": listed,
        "finish": finish.to_json(),
        "card": dict(card or {}),
    }
    text = json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "model.json").write_text(text, "utf-8")
    seal_bundle(folder)
    return folder


def _write_members(
    folder: Path, members: Sequence[tuple[Fitted | Path, float]], all_folds: bool
) -> list[tuple[Path, float]]:
    """Writes the members as `member0`, `member1`, ... and returns these folders with weights."""
    written: list[tuple[Path, float]] = []
    for member, weight in members:
        if isinstance(member, Path):
            with tempfile.TemporaryDirectory(dir=folder) as name:
                found = unpack_folds(member, Path(name))
                for source in found if all_folds else found[:1]:
                    where = folder / f"member{len(written)}"
                    shutil.copytree(source, where)
                    written.append((where, weight / (len(found) if all_folds else 1)))
        else:
            where = folder / f"member{len(written)}"
            where.mkdir()
            member.export(where)
            written.append((where, weight))
    return written


def seal_bundle(folder: Path) -> str:
    """Writes the manifest over all files that lie there now, and returns its SHA-256.

    To be called again by whoever adds files, such as a report.
    """
    text = json.dumps({"format": FORMAT, "files": file_hashes(folder)}, indent=1, sort_keys=True)
    (folder / MANIFEST).write_text(text, "utf-8")
    return hashlib.sha256(text.encode()).hexdigest()


def file_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a bundle by its name, manifest and signatures left out."""
    return {
        path.relative_to(folder).as_posix(): digest_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).as_posix() not in (MANIFEST, *SIGNATURES)
    }


def verify_bundle(folder: Path) -> list[str]:
    """What is wrong with a bundle's files, a sentence each; empty when all are as written.

    Files that the manifest does not name are wrong too, and a signature that does not hold; older
    bundles have none. Raises InputError when it is no bundle.
    """
    from modelwright.models.signature import check_signature

    told = _manifest(folder)["files"]
    found = file_hashes(folder)
    wrong = [f"{name} is missing" for name in told if name not in found]
    wrong += [f"{n} was changed" for n, sha in told.items() if found.get(n, sha) != sha]
    wrong += [f"{name} was added" for name in found if name not in told]
    return wrong or list(check_signature(folder, found).problems)


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a bundle, plain data about the model; nothing is checked or loaded."""
    card: dict[str, Any] = json.loads((folder / "model.json").read_text("utf-8"))["card"]
    return card


# What model.json calls its kind, where it is no table -> what loads it: a function of the folder
# and of model.json's facts, whose answer has `kind`, `card` and `predict`.
KINDS: Mapping[str, str] = {
    "network": "modelwright.models.network:load_network",
    "series": "modelwright.models.series:load_series",
}


def load_model(folder: str | Path) -> Any:
    """The model of a bundle, of a table a `Model`. Files are held against the manifest first.

    Libraries are loaded for the families of its members only. Raises TamperedError when a file is
    missing, changed or was added, InputError for what is no bundle or has a newer format.

    >>> import tempfile
    >>> from modelwright.data.columns import ColumnInfo
    >>> from modelwright.families.dummy import FittedDummy
    >>> schema = Schema((ColumnInfo("x", "numeric", low=0.0, high=9.0),), "y", "regression")
    >>> four = FittedDummy((4.0,), regression=True)
    >>> where = Path(tempfile.mkdtemp()) / "model"
    >>> model = load_model(save_bundle(where, [(four, 1.0)], schema, Finish()))
    >>> model.predict({"x": 3.0}).tolist(), model.check([{"x": 99.0}])
    ([4.0], [["x: '99' is outside the 0 to 9 of training"]])
    """
    where = Path(folder)
    wrong = verify_bundle(where)
    if wrong:
        raise TamperedError(
            f"the model in {str(where)!r} is not as it was written: {'; '.join(wrong[:3])}."
        )
    facts = json.loads((where / "model.json").read_text("utf-8"))
    _check_format(facts, where)
    if (kind := facts.get("kind", Model.kind)) != Model.kind:
        return _loader(kind, where)(where, facts)
    schema = Schema.from_json(facts["schema"])
    if facts["format"] == 1 and (schema.dates or schema.texts):
        raise InputError(
            f"the model in {str(where)!r} was written when dates and texts were read otherwise "
            "(format 1); build it again, or use the version that wrote it."
        )
    members = tuple(
        (load_fitted(where / m["folder"]), float(m["weight"])) for m in facts["members"]
    )
    families = tuple(m["family"] for m in facts["members"])
    return Model(
        schema,
        members,
        families,
        Finish.from_json(facts["finish"]),
        facts["card"],
        quick_path(where, facts["card"]),
        SeriesFront.load(where),
    )


def _loader(kind: str, folder: Path) -> Callable[[Path, Mapping[str, Any]], Any]:
    if kind not in KINDS:
        raise InputError(f"the model in {str(folder)!r} is of the unknown kind {kind!r}.")
    module, _, name = KINDS[kind].partition(":")
    found: Callable[[Path, Mapping[str, Any]], Any] = getattr(import_module(module), name)
    return found


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        raise InputError(
            f"there is no model in {str(folder)!r} (no readable {MANIFEST})."
        ) from None
    _check_format(found, folder)
    return found


def _check_format(facts: Mapping[str, Any], folder: Path) -> None:
    if facts.get("format") not in READS:
        raise InputError(
            f"the model in {str(folder)!r} has format {facts.get('format')!r} and this version "
            f"reads {' and '.join(map(str, READS))}; install the version that wrote it."
        )
