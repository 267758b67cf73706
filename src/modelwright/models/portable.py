"""What goes beside a bundle so that it runs elsewhere: model.onnx, predict.py and a Dockerfile."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from modelwright.core.version import VERSION
from modelwright.data.schema import Features
from modelwright.families import FAMILIES, ONLY_TO_FIT, WITH_WEIGHTS
from modelwright.models.bundle import file_hashes, load_model, seal_bundle
from modelwright.models.onnx_model import Written, write_onnx

ROWS = 1000
_PYTHON = "python:3.12-slim-bookworm"
# Of one core, on 2026-11-22: 2.1 s for 14 MB of LightGBM, 1.2 s for 14 MB of forest.
_BYTES_PER_SECOND = 3_000_000


def add_portable(folder: Path, features: Features, seconds: float | None = None) -> dict[str, Any]:
    """Adds the files to a bundle, tells its card, and seals it again; returns what the card says.

    `features` are rows of the run: the answers of `model.onnx` are held against the model's on up
    to 1,000 of them, and the file is left out when they differ, or when a member cannot be written.
    With `seconds`, it is also left out when writing it is expected to take longer. The Dockerfile
    runs `predict.py` where there is a `model.onnx`, and the model itself in a small server where
    there is none. Of a model of series `model.onnx` takes the features, without a `predict.py`.
    """
    model = load_model(folder)
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    if seconds is not None and size / _BYTES_PER_SECOND > seconds:
        written = Written(
            None,
            f"writing it takes about {size / _BYTES_PER_SECOND:.0f} seconds, more than was left of "
            "the budget; 'modelwright ship' writes the model once more, with it.",
        )
    else:
        rows = np.linspace(0, len(features) - 1, min(len(features), ROWS)).astype(int)
        written = write_onnx(model, features.take(rows), {"bundle_sha256": _identity(folder)})
    for name in ("model.onnx", "predict.py"):
        (folder / name).unlink(missing_ok=True)
    if written.data is not None:
        (folder / "model.onnx").write_bytes(written.data)
    alone = written.data is not None and model.front is None  # predict.py makes no features
    if alone:
        script = Path(__file__).with_name("standalone.py").read_text("utf-8")
        (folder / "predict.py").write_text(script, "utf-8")
    text = dockerfile(model.families, alone)
    (folder / "Dockerfile").write_text(text, "utf-8")
    told = written.to_json()
    _tell(folder, {"onnx": told, "contains_training_rows": model.contains_rows})
    return told


def told_of(card: Mapping[str, Any]) -> list[str]:
    """What whoever receives a bundle must know, a sentence each: training rows, and ONNX.

    >>> told_of({"contains_training_rows": True, "onnx": {"written": False, "why": "too large."}})
    ['it holds rows of the training data: mind who may see them', 'no model.onnx: too large.']
    """
    out = []
    if card.get("contains_training_rows"):
        out.append("it holds rows of the training data: mind who may see them")
    for name, licence in card.get("licences", {}).items():
        if name not in WITH_WEIGHTS:  # a backbone
            out.append(f"what {name} had learnt before is in it; the licence of that: {licence}")
            continue
        out.append(
            f"{name} needs its library ({licence}) and the weights it was made with, in the folder "
            f"that {WITH_WEIGHTS[name][0]} names"
        )
    onnx = card.get("onnx")
    if onnx and onnx["written"]:
        apart = f"{onnx['max_difference']:.1g} at most on {onnx['compared_rows']:,} rows"
        out.append(f"model.onnx answers as the model does, apart by {apart}")
    elif onnx:
        out.append(f"no model.onnx: {onnx['why']}")
    return out


def dockerfile(families: tuple[str, ...], with_onnx: bool) -> str:
    """The text of a Dockerfile for a bundle; versions are those installed here.

    >>> print(dockerfile(("Linear",), True).splitlines()[2])
    FROM python:3.12-slim-bookworm
    """
    if with_onnx:
        needs = [f"{name}=={version(name)}" for name in ("numpy", "onnxruntime")]
        use = "docker run -i --rm NAME < rows.csv > answers.csv"
        files, entry = "model.onnx predict.py", '["python", "/model/predict.py"]'
    else:
        needs = [f"modelwright=={VERSION}", *_libraries(families)]
        use = "docker run --rm -p 127.0.0.1:8000:8000 NAME"
        for variable in sorted(WITH_WEIGHTS[f][0] for f in families if f in WITH_WEIGHTS):
            use += f"   # and -v FOLDER:/weights -e {variable}=/weights"
        files = "."
        entry = '["modelwright", "serve", "/model", "--host", "0.0.0.0"]'
    return "\n".join([
        "# docker build -t NAME .",
        f"# {use}",
        f"FROM {_PYTHON}",
        f"RUN pip install --no-cache-dir {' '.join(needs)}",
        f"COPY {files} /model/",
        "USER 65534",
        f"ENTRYPOINT {entry}",
        "",
    ])  # fmt: skip


def _libraries(families: tuple[str, ...]) -> list[str]:
    return [f"{name}=={version(name)}" for name in libraries_of(families)]


def libraries_of(families: Iterable[str]) -> list[str]:
    """The packages that fitted models or forecasters of these families need, by name."""
    from modelwright.families.series_all import SERIES

    every = {**SERIES, **FAMILIES}
    known = [every[f] for f in families if f in every]
    return sorted({
        library if "[" in package else package
        for _, library, package in known
        if library not in ONLY_TO_FIT
    })  # fmt: skip


def _identity(folder: Path) -> str:
    """SHA-256 over the members' files, so that a file of ONNX tells which bundle it came from."""
    hashes = {n: sha for n, sha in file_hashes(folder).items() if n.startswith("member")}
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()


def _tell(folder: Path, facts: Mapping[str, Any]) -> None:
    path = folder / "model.json"
    told = json.loads(path.read_text("utf-8"))
    told["card"] |= facts
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False), "utf-8")
    seal_bundle(folder)
