"""A model from a handful of rows: too few to compare designs on, so none are compared."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from modelwright.core.version import VERSION

if TYPE_CHECKING:
    import pandas as pd

    from modelwright.data.columns import Kind
    from modelwright.models import Model

SEED = 0
WHY = "too few rows to compare designs on: a linear model is fitted to all of them"


def bundle_of_few(
    frame: pd.DataFrame,
    target: str,
    classes: tuple[str, ...],
    kinds: Mapping[str, Kind],
    weights: npt.NDArray[np.float64] | None,
    folder: Path,
) -> Path:
    """Fits a linear model to all rows and writes its bundle into `folder`.

    `classes` are the labels, two at least, that stand in the target's column; without any the
    target is a number. `kinds` says what columns hold, the others are inferred; `weights` is `[n]`.
    Works from one row on, and leaves out what never changes. Nothing is random.
    """
    from modelwright.data.columns import ColumnInfo
    from modelwright.data.kinds import infer
    from modelwright.data.schema import Schema, encode_rows
    from modelwright.families.base import Examples, Task
    from modelwright.families.inputs import inputs_of
    from modelwright.families.linear import Linear
    from modelwright.models import save_bundle
    from modelwright.models.crossfit import Finish

    columns = [c for c in frame.columns if c != target]
    infos = [infer(str(c), frame[c], kind=kinds.get(str(c))) for c in columns]
    kept = tuple(i for i in infos if i.kind not in ("id", "constant"))
    task: Task = ("binary" if len(classes) == 2 else "multiclass") if classes else "regression"
    own = ColumnInfo(target, "categorical" if classes else "numeric", categories=classes)
    ignored = tuple(i.name for i in infos if i not in kept)
    schema = Schema(kept, target, task, classes, ignored, target_column=own)
    X = inputs_of(encode_rows(schema, frame[columns]).features, schema)
    y: npt.NDArray[Any] = frame[target].to_numpy()
    if classes:
        y = np.array([classes.index(label) for label in y], dtype=np.int32)
    examples = Examples(X, y, task, len(classes), weights)
    fitted = Linear(min_count=2).fit(examples, seed=SEED)
    card = {"made_by": f"modelwright {VERSION}", "reason": WHY, "seed": SEED}
    return save_bundle(folder, [(fitted, 1.0)], schema, Finish(), card)


def packed(folder: Path) -> bytes:
    """A bundle as bytes; `unpacked` loads its model again."""
    from modelwright.models.pack import pack

    return pack(folder)


def unpacked(bundle: bytes) -> Model:
    """The model in the bytes of a bundle. Raises what `load_model` raises."""
    from modelwright.models import load_model
    from modelwright.models.pack import unpack

    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "model.zip"
        archive.write_bytes(bundle)
        model: Model = load_model(unpack(archive, Path(folder) / "model"))
    return replace(model, onnx=None)  # its file, opened when first used, is gone
