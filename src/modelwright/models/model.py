"""A model in use: raw rows in, answers out, with what is doubtful about each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError
from modelwright.data.schema import Encoded, Features, Schema, encode_rows
from modelwright.data.series_front import SeriesFront
from modelwright.families import family
from modelwright.families.base import Fitted, FloatArray, Inputs
from modelwright.families.inputs import inputs_of
from modelwright.models.abstention import Abstention
from modelwright.models.conformal import RULES, Intervals, Rule, Sets, check_coverage
from modelwright.models.crossfit import Finish
from modelwright.models.one_row import RowReader
from modelwright.models.quick_row import QuickRow

if TYPE_CHECKING:
    import pandas as pd

    from modelwright.models.attribution import Attribution

CONFIDENCE = 0.8
_UNCALIBRATED = (
    "this model was written without calibrated intervals or sets: fewer than 9 rows, an earlier "
    "version, or no time; build it again."
)


@dataclass(frozen=True)
class Answers:
    """What a model says of some rows.

    `values` is `[n]`: class labels (numbers where the classes are whole numbers, else texts) or
    numbers. `shares` is `[n, k]` in the order of the model's classes, None for regression. `flags`
    holds per row the sentences about it. `left` marks rows left to a person, `[n]`. Where a
    coverage was asked for, `intervals` is `[n, 2]` for values, and `sets` has for each row the
    labels of its set, likeliest first. `names` are those of series, where they are what is
    answered.
    """

    values: npt.NDArray[Any]
    shares: FloatArray | None
    flags: list[list[str]]
    left: npt.NDArray[np.bool_]
    notes: tuple[str, ...] = ()
    intervals: FloatArray | None = None
    sets: list[list[Any]] | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """A shipped model. Rows are a data frame, one mapping, or a list of mappings.

    Columns may come in any order; a missing or doubled column is an error, a cell unlike those of
    training a flag of its row. Extra columns are not looked at. `onnx` is a file of the whole
    model that answers single rows faster. With a `front` rows are moments of series, or an array
    with a series in each row, and there is one answer for each series.
    """

    schema: Schema
    members: tuple[tuple[Fitted, float], ...]
    families: tuple[str, ...]
    finish: Finish
    card: Mapping[str, Any] = field(default_factory=dict)
    onnx: Path | None = None
    front: SeriesFront | None = None

    kind: ClassVar[str] = "table"

    @property
    def task(self) -> str:
        """`binary`, `multiclass` or `regression`."""
        return self.schema.task

    @cached_property
    def classes(self) -> npt.NDArray[Any]:
        """The labels in the order of the shares: whole numbers if all are, else texts."""
        names = self.schema.classes
        try:
            numbers = [int(name) for name in names]
        except ValueError:
            numbers = []
        if numbers and all(str(a) == b for a, b in zip(numbers, names, strict=True)):
            return np.array(numbers)
        return np.array(names, dtype=object)

    @cached_property
    def row_schema(self) -> Schema:
        """The columns that rows must have: of the model, and what its thresholds per group need.

        Of series those of their rows.
        """
        if self.front is not None:
            return self.front.schema
        known = {c.name for c in self.schema.columns}
        groups = self.finish.decision.groups
        asked = () if groups is None else tuple(p.column for p in groups.protected)
        more = tuple(c for c in asked if c.name not in known)
        named = {c.name for c in more}
        ignored = tuple(name for name in self.schema.ignored if name not in named)
        return replace(self.schema, columns=(*self.schema.columns, *more), ignored=ignored)

    @property
    def contains_rows(self) -> bool:
        """True when a member holds rows that it was trained on."""
        return any(family(name).contains_rows for name in self.families)

    def predict(self, rows: pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Any:
        """The answer for each row, `[n]`: labels, or numbers for regression."""
        return self._values(self._combined(rows), rows)

    def predict_proba(
        self, rows: pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]]
    ) -> FloatArray:
        """Shares of the classes, `[n, k]` in the order of `classes`.

        Raises InputError for a regression model.
        """
        if self.task == "regression":
            raise InputError("a regression model gives numbers, no shares of classes.")
        return self._combined(rows)

    def predict_interval(
        self,
        rows: pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]],
        coverage: float = 0.9,
    ) -> FloatArray:
        """Lower and upper end for each row, `[n, 2]`: nine of ten hold the truth at 0.9.

        Conformal, calibrated on out-of-fold errors; `card["coverage"]` says how many rows held out
        they held. Raises InputError for a model of classes, a model without calibrated intervals,
        and a coverage that cannot be had from so few rows.
        """
        return self._intervals(self._combined(rows), coverage)

    def predict_set(
        self,
        rows: pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]],
        coverage: float = 0.9,
        rule: Rule = "least",
    ) -> list[list[Any]]:
        """The labels that may be true for each row, likeliest first; never empty.

        `least` gives the smallest sets on average, `adaptive` larger ones for rows that are hard,
        `by_class` keeps the coverage within each class. Raises InputError as `predict_interval`.
        """
        return self._sets(self._combined(rows), coverage, rule)

    def explain(
        self, rows: pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]], **how: Any
    ) -> list[Attribution]:
        """Per row what each column adds to its answer; see `attribution.explain_rows`."""
        from modelwright.models.attribution import explain_rows

        return explain_rows(self, rows, **how)

    def check(
        self, rows: pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]]
    ) -> list[list[str]]:
        """Per row the sentences about cells unlike those of training; nothing is predicted."""
        return self.encoded(rows).problems()

    def answer(
        self,
        rows: pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]],
        abstain: float | Literal["auto"] | None = None,
        comma: bool | None = None,
        coverage: float | None = None,
    ) -> Answers:
        """Answers with shares, flags, and the rows that are left to a person.

        With `abstain`, a confidence from 0 to 1 (0.8 is usual), a row is left when the share of
        its likeliest class is below, or when it has a flag. A regression model leaves rows with a
        flag and, where its intervals differ in width, the widest: with 0.8 a fifth. `"auto"` leaves
        rows where asking costs less than answering. `coverage` adds intervals or sets. `comma`
        tells how the file that the rows come from writes decimals. Raises InputError for a
        confidence outside 0 to 1, and for `"auto"` where the cost of asking was not told.
        """
        if abstain is not None and abstain != "auto" and not 0 <= abstain <= 1:
            raise InputError(f"a confidence is between 0 and 1; got {abstain!r}.")
        quick = self._quick(rows) if comma is None else None
        encoded = self.encoded(rows, comma) if quick is None else Encoded(quick)
        out = self.predict_features(encoded.features)
        shares = None if self.task == "regression" else out
        left = np.zeros(len(out), bool)
        if abstain is not None:
            left = encoded.doubtful | self._left(out, abstain)
        intervals = sets = None
        if coverage is not None and shares is None:
            intervals = self._intervals(out, coverage)
        elif coverage is not None:
            sets = self._sets(out, coverage)
        problems = encoded.problems()
        values = self._values(out, rows, comma)
        return Answers(values, shares, problems, left, encoded.notes, intervals, sets,
                       encoded.names)  # fmt: skip

    def predict_features(self, features: Features) -> FloatArray:
        """What `combined` gives, for rows as `data.encode_rows` has them."""
        if self.onnx is not None and len(features) == 1:
            return self._quick_row.answer(features)
        return self.combined(inputs_of(features, self.schema))

    def _combined(self, rows: Any) -> FloatArray:
        features = self._quick(rows)
        if features is None:
            features = self.encoded(rows).features
        return self.predict_features(features)

    def _left(self, out: FloatArray, abstain: float | Literal["auto"]) -> npt.NDArray[np.bool_]:
        rule = self.finish.abstention
        if abstain == "auto":
            return (rule or Abstention("share")).left(out)
        if self.task != "regression":
            return np.asarray(out.max(axis=1) < abstain)
        return np.zeros(len(out), bool) if rule is None else rule.left(out, abstain)

    def _intervals(self, out: FloatArray, coverage: float) -> FloatArray:
        check_coverage(coverage)
        conformal = self.finish.conformal
        if self.task != "regression":
            raise InputError("intervals are for numbers; ask a model of classes for sets.")
        if not isinstance(conformal, Intervals):
            raise InputError(_UNCALIBRATED)
        return conformal.around(out, coverage)

    def _sets(self, out: FloatArray, coverage: float, rule: Rule = "least") -> list[list[Any]]:
        check_coverage(coverage)
        conformal = self.finish.conformal
        if self.task == "regression":
            raise InputError("sets are for classes; ask a model of numbers for intervals.")
        if rule not in RULES:
            raise InputError(f"a rule is {', '.join(RULES)}; got {rule!r}.")
        if not isinstance(conformal, Sets):
            raise InputError(_UNCALIBRATED)
        labels = self.classes.tolist()
        return [[labels[c] for c in row] for row in conformal.labels(out, coverage, rule)]

    def _quick(self, rows: Any) -> Features | None:
        """The features of a single row without trouble, made without a data frame."""
        if self.front is not None:
            return None
        if not isinstance(rows, Mapping):
            if len(rows) != 1:
                return None
            rows = rows[0] if isinstance(rows, list) else _only_row(rows)
        if rows is None:
            return None
        return self._reader.read(rows)

    def encoded(self, rows: Any, comma: bool | None = None) -> Encoded:
        """Rows, or series, as features; `comma` as in `data.encode_rows`."""
        if isinstance(rows, Mapping):
            rows = [cast("Mapping[str, Any]", rows)]
        if self.front is not None:
            return self.front.encoded(self.schema, rows, comma)
        return encode_rows(self.schema, rows, comma)

    @cached_property
    def _quick_row(self) -> QuickRow:
        assert self.onnx is not None
        return QuickRow(self.onnx, self.schema, self.row_schema.columns[len(self.schema.columns) :])

    @cached_property
    def _reader(self) -> RowReader:
        return RowReader(self.schema)

    def combined(self, inputs: Inputs) -> FloatArray:
        """Calibrated shares `[n, k]`, or values `[n]`: the weighted mean of the members."""
        out: FloatArray | None = None
        for fitted, weight in self.members:
            part = fitted.predict(inputs)
            part = part if len(self.members) == 1 else weight * part
            out = part if out is None else out + part
        assert out is not None
        return out if self.task == "regression" else self.finish.calibration.apply(out)

    def _values(self, out: FloatArray, rows: Any, comma: bool | None = None) -> npt.NDArray[Any]:
        if self.task == "regression":
            return out
        decision, cells = self.finish.decision, None
        if decision.groups is not None:
            rows = [rows] if isinstance(rows, Mapping) else rows
            cells = decision.groups.joint(rows, comma, self.schema.comma)
        return np.asarray(self.classes[decision.labels(out, cells)])

    def __repr__(self) -> str:
        parts = ", ".join(
            f"{w:.2f} {name}" for name, (_, w) in zip(self.families, self.members, strict=True)
        )
        return f"<model of {self.schema.target!r} ({self.task}): {parts}>"


def _only_row(frame: Any) -> dict[str, Any] | None:
    """The cells of a data frame of one row as plain Python values; None for other things."""
    if not hasattr(frame, "columns") or not frame.columns.is_unique:
        return None
    cells = frame.iloc[0].tolist()  # ten times faster than `to_dict`
    return {
        name: cell.item() if isinstance(cell, np.generic) else cell
        for name, cell in zip(frame.columns.tolist(), cells, strict=True)
    }
