"""The person's present model as a rival: an ONNX file, a file of predictions, or a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from modelwright.core.canonical import digest_file
from modelwright.core.errors import InputError
from modelwright.core.reference import resolve
from modelwright.core.roles import Tools
from modelwright.core.trial import Evidence, Trial
from modelwright.data.columns import ColumnInfo, text_of
from modelwright.data.prepare import Part, encode_target
from modelwright.data.schema import Schema
from modelwright.data.table import Table
from modelwright.evaluators.fair import fair_scores
from modelwright.evaluators.keep import keep_array
from modelwright.evaluators.latency import measure
from modelwright.evaluators.table import TableData
from modelwright.families.base import FloatArray
from modelwright.models.crossfit import score_oof
from modelwright.models.one_row import row_of
from modelwright.models.onnx_inputs import NO_DATE

if TYPE_CHECKING:
    import pandas as pd

    from modelwright.evaluators.fit_and_score import FitAndScore

CAVEAT = (
    "your model may have been trained on some of these rows; then its score here is better than "
    "on new rows"
)
Predict = Callable[["pd.DataFrame"], Any]


def score_rival(
    evaluator: FitAndScore,
    table: TableData,
    document: Mapping[str, Any],
    trial: Trial,
    tools: Tools,
) -> Evidence:
    """Evidence of a `Rival`: `{"source": "model.onnx" | "predictions.csv" | "module:function"}`.

    It is scored as it is, on the rows and folds on which candidates are scored. Latency is
    measured for models, not for files of predictions.
    """
    source = str(document["source"])
    folder = Path(tools.data)
    frame = raw_rows(table.part, folder)
    scores: dict[str, float] = {}
    noise: dict[str, float] = {}
    predict = predict_of(source)
    if source.lower().endswith(".onnx"):
        scores["size_kb"] = Path(source).stat().st_size / 1000
    if predict is None:
        answers: Any = predictions_file(Path(source), table.part, frame, folder)
    else:
        answers = predict(frame.copy())
        one = frame.iloc[:1]
        scores["latency_ms"], noise["latency_ms"] = measure(lambda: predict(one))
    predictions = as_predictions(answers, table.part.schema, len(frame))
    oof = table.validation.empty()
    oof[:] = predictions.astype(np.float32)
    scored = score_oof(table.validation, oof, evaluator.metric, evaluator.extra, as_it_is=True)
    facts = {
        "family": trial.by or "yours",
        **told_of(source),
        "n_folds": len(table.validation.parts),
        "overlap": table.validation.overlap,
        "range": evaluator.metric.range,
        "caveat": CAVEAT,
        "finish": scored.finish.to_json(),
    }
    artefacts = {"oof": keep_array(oof, tools.store)}
    gaps, doubts = fair_scores(table, table.validation, scored)
    scores, noise = {**scored.scores, **scores, **gaps}, {**noise, **doubts}
    return Evidence(trial.number, scores, scored.folds, noise, artefacts=artefacts, facts=facts)


def told_of(source: str) -> dict[str, str]:
    """Where a model came from, with the SHA-256 of its file where it is one."""
    path = Path(source)
    return {"source": source, **({"sha256": digest_file(path)} if path.is_file() else {})}


def predict_of(source: str) -> Predict | None:
    """The function or ONNX model of a source; None for a file of predictions."""
    if ":" in source and not Path(source).exists():
        predict: Predict = resolve(source)
        return predict
    return onnx_model(Path(source)) if source.lower().endswith(".onnx") else None


def raw_rows(part: Part, folder: Path) -> pd.DataFrame:
    """The development rows as the person knows them, without the target.

    From the table beside the prepared part when its target agrees; else made again from the
    prepared columns, in which ids and constant columns are lacking.
    """
    schema = part.schema
    found = _from_table(part, folder.parent)
    if found is not None:
        return found.drop(columns=[schema.target])
    import pandas as pd

    return pd.DataFrame([row_of(schema, part.features, i) for i in range(len(part))])


def _from_table(part: Part, folder: Path) -> pd.DataFrame | None:
    if not (folder / "table.arrow").exists():
        return None
    frame = Table.open(folder).frame
    schema = part.schema
    if schema.target not in frame.columns or int(part.rows[-1]) >= len(frame):
        return None
    chosen = frame.iloc[np.asarray(part.rows)].reset_index(drop=True)
    y, known = encode_target(schema, chosen[schema.target])
    return chosen if known.all() and np.array_equal(y, part.y) else None


def check_rival(source: str, part: Part, folder: Path) -> None:
    """Refuses a source that cannot be read or imported, before anything is spent on it.

    Predictions are matched with the rows; a model is loaded and not yet run. Raises InputError.
    """
    if ":" in source and not Path(source).exists():
        resolve(source)
    elif source.lower().endswith(".onnx"):
        onnx_model(Path(source))
    else:
        frame = raw_rows(part, folder)
        as_predictions(predictions_file(Path(source), part, frame, folder), part.schema, len(frame))


def check_teacher(source: str) -> None:
    """Raises InputError for a file of predictions: a teacher has to answer rows that are made."""
    if predict_of(source) is None:
        raise InputError(
            f"a teacher is a model that can be asked, an .onnx file or module:function; {source!r} "
            "is a file of predictions."
        )


def predictions_file(path: Path, part: Part, frame: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Predictions for the development rows from a CSV.

    Rows are matched by a column that the table has too and whose values are all different, else
    by their order when the file has as many rows as the table. Raises InputError otherwise.
    """
    import pandas as pd

    if not path.is_file():
        raise InputError(
            f"the model {str(path)!r} is neither a file (.onnx or .csv) nor module:function."
        )
    try:
        given = pd.read_csv(path)
    except (ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise InputError(f"the predictions {str(path)!r} cannot be read as CSV: {error}.") from None
    for name in given.columns:
        if name in frame.columns and given[name].is_unique:
            keys = [text_of(v) for v in given[name]]
            place = {key: i for i, key in enumerate(keys)}
            rows = [place.get(text_of(v), -1) for v in frame[name]]
            if min(rows) >= 0:
                return given.drop(columns=[name]).iloc[rows].reset_index(drop=True)
    shared = [name for name in given.columns if name in frame.columns]
    given = given.drop(columns=shared)
    table = folder.parent / "table.json"
    total = len(Table.open(folder.parent).frame) if table.exists() else -1
    if len(given) == total:
        return given.iloc[np.asarray(part.rows)].reset_index(drop=True)
    if len(given) == len(part):
        return given
    raise InputError(
        f"the predictions {str(path)!r} have {len(given)} rows and the table has {max(total, 0)}; "
        "give one row for each, in the same order, or a column with a key that both have."
    )


def as_predictions(answers: Any, schema: Schema, n: int) -> FloatArray:
    """Anything a model may answer as `[n, k]` shares or `[n, 1]` values.

    A data frame may have one column per class, or one column; `[n]` numbers between 0 and 1 are
    shares of the positive class; labels become shares of 0 and 1. Raises InputError for the rest.
    """
    import pandas as pd

    classes = list(schema.classes)
    if isinstance(answers, pd.DataFrame):
        named = {str(c): c for c in answers.columns}
        if classes and all(c in named for c in classes):
            answers = answers[[named[c] for c in classes]].to_numpy(dtype=float)
        elif answers.shape[1] == 1:
            answers = answers.iloc[:, 0]
        else:
            wanted = f"the classes {', '.join(classes)}" if classes else "the prediction"
            raise InputError(
                f"predictions need one column, or a column for each of {wanted}; "
                f"got {', '.join(map(str, answers.columns))}."
            )
    array = np.asarray(answers)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if len(array) != n:
        raise InputError(f"the model gave {len(array)} predictions for {n} rows.")
    if not classes:
        if array.ndim != 1:
            raise InputError(f"the model gave {array.shape} numbers; one for each row is expected.")
        return _numbers(array)[:, None]
    if array.ndim == 2:
        if array.shape[1] != len(classes):
            raise InputError(f"the model gave {array.shape[1]} shares for {len(classes)} classes.")
        shares = np.clip(_numbers(array), 0, None)
        return np.asarray(shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12))
    return _from_column(array, schema)


def _from_column(array: npt.NDArray[Any], schema: Schema) -> FloatArray:
    told = ColumnInfo(schema.target, "categorical", categories=schema.classes)
    import pandas as pd

    from modelwright.data.columns import codes

    labels, other = codes(pd.Series(array), told)
    if (labels >= 0).all() and not other.any():
        return np.eye(len(schema.classes))[labels]
    if len(schema.classes) == 2 and array.dtype.kind in "fiu":
        positive = _numbers(array)
        if (positive >= 0).all() and (positive <= 1).all():
            return np.column_stack([1 - positive, positive])
    wrong = next(v for v, bad in zip(array, other | (labels < 0), strict=True) if bad)
    raise InputError(
        f"predictions are classes ({', '.join(schema.classes[:5])}) or, for two classes, shares "
        f"between 0 and 1; got {text_of(wrong)!r}."
    )


def _numbers(array: npt.NDArray[Any]) -> FloatArray:
    try:
        out = array.astype(float)
    except (TypeError, ValueError):
        out = np.array([np.nan])
    if not np.isfinite(out).all():
        raise InputError("the model's predictions hold values that are no finite numbers.")
    return np.asarray(out)


def onnx_model(path: Path) -> Predict:
    """A function of a data frame that runs an ONNX file: one input per column, or one matrix."""
    import onnxruntime

    if not path.is_file():
        raise InputError(f"there is no file {str(path)!r}.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its errors have no common base but Exception
        raise InputError(f"{str(path)!r} cannot be run as ONNX: {error}.") from None
    wanted = session.get_inputs()

    def predict(frame: pd.DataFrame) -> Any:
        if len(wanted) == 1 and wanted[0].name not in frame.columns:
            feeds = {wanted[0].name: _matrix(frame, wanted[0])}
        else:
            feeds = {i.name: _column(frame, i) for i in wanted}
        return _best_output(session.run(None, feeds))

    return predict


_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}


def _matrix(frame: pd.DataFrame, wanted: Any) -> npt.NDArray[Any]:
    try:
        matrix = frame.to_numpy(dtype=float)
    except (TypeError, ValueError):
        raise InputError(
            f"the ONNX model takes one matrix of numbers ({wanted.name!r}) and the table has "
            "columns of words; export it with one input per column."
        ) from None
    width = wanted.shape[-1]
    if isinstance(width, int) and width != matrix.shape[1]:
        raise InputError(f"the ONNX model takes {width} columns; the table has {matrix.shape[1]}.")
    return matrix.astype(_TYPES.get(wanted.type, np.float32))


def _column(frame: pd.DataFrame, wanted: Any) -> npt.NDArray[Any]:
    """A column as the model takes it, `[n]` or `[n, 1]`; time stamps as seconds since 1970."""
    if wanted.name not in frame.columns:
        raise InputError(f"the ONNX model needs the column {wanted.name!r}, which did not come.")
    column = frame[wanted.name]
    out: npt.NDArray[Any]
    if wanted.type == "tensor(string)":
        out = np.array([text_of(v) for v in column], dtype=object)
    else:
        numbers = _seconds(column) if column.dtype.kind == "M" else column.to_numpy(dtype=float)
        kind = np.dtype(_TYPES.get(wanted.type, np.float32))
        if kind.kind == "i":  # an integer has no NaN
            least = NO_DATE if kind.itemsize == 8 else -(1 << 31)
            numbers = np.where(np.isnan(numbers), least, numbers)
        out = numbers.astype(kind)
    return out if len(wanted.shape) == 1 else out[:, None]


def _seconds(column: pd.Series[Any]) -> npt.NDArray[np.float64]:
    """Seconds since 1970, NaN where there is no date."""
    stamps = column.to_numpy("datetime64[s]")
    return np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64).astype(float))


def _best_output(outputs: list[Any]) -> Any:
    """Shares where there are any, else the first output."""
    import pandas as pd

    for out in outputs:
        if isinstance(out, list) and out and isinstance(out[0], dict):
            return pd.DataFrame([{str(k): v for k, v in row.items()} for row in out])
        array = np.asarray(out)
        if array.ndim == 2 and array.shape[1] > 1 and array.dtype.kind == "f":
            return array
    return outputs[0]
