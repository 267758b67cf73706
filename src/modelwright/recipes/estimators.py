"""scikit-learn estimators: `fit` is a whole build, `predict` is the model that it shipped."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from modelwright.core.errors import InputError, NoModelError
from modelwright.policy import LAPTOP, RulePolicy
from modelwright.recipes.few_rows import WHY, bundle_of_few, packed, unpacked
from modelwright.recipes.rows_in import (
    JOINED_UP_TO,
    LabelledFrame,
    class_labels,
    frame_of,
    free_name,
    names_of,
)

FEW = 50  # different rows below which nothing is searched
SMALL = 2000  # rows below which worker processes cost more time than they save
BUDGETS = ("20trials", "2m")  # for small tables and for others, where none is given


class _Build(BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """What both estimators share."""

    def __init__(
        self,
        budget: str | int | None = None,
        *,
        metric: str | None = None,
        limits: Sequence[str] = (),
        families: Sequence[str] = (),
        policy: RulePolicy | None = None,
        slots: int | None = None,
        workspace: str | Path | None = None,
        sealed: bool = False,
        options: Mapping[str, Any] | None = None,
        random_state: Any = None,
    ) -> None:
        self.budget = budget
        self.metric = metric
        self.limits = limits
        self.families = families
        self.policy = policy
        self.slots = slots
        self.workspace = workspace
        self.sealed = sealed
        self.options = options
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = False  # of arrays; a frame may hold texts
        tags.target_tags.required = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        state.pop("model_", None)  # its libraries' objects stay here; `_bundle` has all of it
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_bundle" in state:
            self.model_ = unpacked(state["_bundle"])

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The answer for each row of `X` `[n, p]` (array or frame), `[n]`."""
        rows = self._rows(X)
        return np.asarray(self._answers(self.model_.predict(rows)))

    def _answers(self, out: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return out

    def _rows(self, X: Any) -> Any:
        check_is_fitted(self)
        checked = _checked(self, X, reset=False)
        return frame_of(checked, names_of(checked))

    def _fit(self, X: Any, target: npt.NDArray[Any], weights: Any, groups: Any, n: int) -> None:
        """Fits on a checked `X`; `target` holds labels of `n` classes, or numbers when `n` is 0."""
        names = names_of(X)
        frame = frame_of(X, names)
        kinds: dict[str, Any] = {} if _is_frame(X) else dict.fromkeys(names, "numeric")
        name = free_name("target", names)
        if weights is not None:
            weights = _check_sample_weight(weights, X, ensure_non_negative=True)
        given = None if groups is None else np.asarray(groups)
        if given is not None and given.shape != (len(frame),):
            raise ValueError(f"groups has shape {given.shape}, expected ({len(frame)},).")
        rows = LabelledFrame(frame.assign(**{name: target}), name, kinds, weights, given)
        rows = rows.joined() if len(rows) <= JOINED_UP_TO else rows
        classes = tuple(sorted(set(rows.frame[name]))) if n else ()
        if n and len(classes) < 2:
            raise ValueError(
                "this classifier needs rows of at least 2 classes in y; all that have a weight "
                "belong to one class."
            )
        try:
            if len(rows) < FEW:
                self._fit_few(rows, classes)
            else:
                self._fit_build(rows, classes)
        except InputError as error:  # what scikit-learn and its users look for
            raise ValueError(str(error)) from error

    def _fit_few(self, rows: LabelledFrame, classes: tuple[str, ...]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            bundle = bundle_of_few(
                rows.frame, rows.target, classes, rows.kinds, rows.weights, Path(folder) / "model"
            )
            self._bundle = packed(bundle)
        self.model_ = unpacked(self._bundle)
        self.leaderboard_: list[dict[str, Any]] = []
        self.notes_: tuple[str, ...] = (WHY,)
        self.run_: Path | None = None

    def _fit_build(self, rows: LabelledFrame, classes: tuple[str, ...]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            kept = self.workspace is not None
            result = self._build(rows, classes, Path(self.workspace or folder))
            if result.shipped is None:
                raise NoModelError(result.sentence)
            self._bundle = packed(result.shipped.path)
            self.leaderboard_ = result.leaderboard()
            self.notes_ = result.notes
            self.run_ = result.run.path if kept else None
        self.model_ = unpacked(self._bundle)

    def _build(self, rows: LabelledFrame, classes: tuple[str, ...], workspace: Path) -> Any:
        from modelwright.data import read_table
        from modelwright.data.text_file import Reading
        from modelwright.evaluators.table import load_table
        from modelwright.recipes.automl import plan_build, play
        from modelwright.recipes.question import Question

        frame, weight, group = rows.with_columns()
        small = len(frame) < SMALL
        task = ("binary" if len(classes) == 2 else "multiclass") if classes else "regression"
        fields: dict[str, Any] = {
            "data": "<DataFrame>", "target": rows.target, "task": task, "metric": self.metric,
            "positive": classes[1] if len(classes) == 2 else None, "limits": tuple(self.limits),
            "sealed": self.sealed, "group": group, "weight": weight, "student": False,
            "seed": _seed(self.random_state), **dict(self.options or {}),
        }  # fmt: skip
        question = Question.from_json(fields)
        policy = LAPTOP if self.policy is None else self.policy
        if self.families:
            policy = replace(policy, families=tuple(self.families))
        plan = plan_build(
            question,
            read_table(frame, rows.target, Reading(kinds=rows.kinds)),
            budget=BUDGETS[0 if small else 1] if self.budget is None else self.budget,
            workspace=workspace,
            policy=policy,
            slots=(0 if small else None) if self.slots is None else self.slots,
        )
        try:
            return play(plan)
        finally:
            load_table.cache_clear()  # its arrays are mapped from files that may go now


class ModelwrightClassifier(ClassifierMixin, _Build):  # type: ignore[misc]
    """A classifier found by `build`, for use wherever scikit-learn's estimators are used.

    `budget` is wall time or trials, of each call of `fit` (default: 20 trials under 2,000 rows,
    else 2 minutes). `metric`, `limits` and `sealed` are those of `build`; `families` or a `policy`
    bound what is tried; `options` are further fields of `Question`, such as `{"constraint":
    "sensitivity>=0.95"}`. `slots` is how many worker processes run trials; 0 runs them in this
    process, which starts at once but cannot stop a trial that hangs (default: 0 under 2,000 rows).
    With a `workspace` each fit leaves its run there, with report and ledger; else nothing is left.
    `random_state` None counts as 0: with a budget in trials, equal data give equal models.

    `X` is an array of numbers or a data frame of any columns; NaN is a gap. Rows that are alike are
    joined and weighted (up to 20,000 rows), and fewer than 50 different rows get a linear model
    without any search. Pickling carries the model's own files.

    After `fit`: `model_` (a `Model`), `classes_`, `leaderboard_` (rows as in docs/json.md),
    `notes_`, `run_` (the run's folder, or None), `n_features_in_`, `feature_names_in_`.

    Raises ValueError for what cannot be used, NoModelError when no model met the limits.

    >>> import numpy as np
    >>> X = np.arange(30.0)[:, None]
    >>> model = ModelwrightClassifier().fit(X, np.where(X[:, 0] > 14, "late", "early"))
    >>> model.predict([[2.0], [28.0]]).tolist()
    ['early', 'late']
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Any:
        """Builds a model for the classes in `y` `[n]`; returns the estimator.

        `sample_weight` `[n]` is 0 or more; rows with the same entry of `groups` `[n]` stay on one
        side of every split.
        """
        X, y = _labelled(self, X, y)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        labels = np.array(class_labels(len(self.classes_)), dtype=object)
        self._fit(X, labels[codes], sample_weight, groups, len(labels))
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Shares of the classes, `[n, n_classes]` in the order of `classes_`."""
        rows = self._rows(X)
        shares = self.model_.predict_proba(rows)
        out = np.zeros((len(shares), len(self.classes_)))
        out[:, self._places()] = shares
        return out

    def _places(self) -> list[int]:
        """The class number of each of the model's classes; lonely ones it does not know."""
        return [int(label[1:]) for label in self.model_.schema.classes]

    def _answers(self, out: npt.NDArray[Any]) -> npt.NDArray[Any]:
        numbers = np.array([int(label[1:]) for label in out], dtype=np.intp)
        return np.asarray(self.classes_[numbers])


class ModelwrightRegressor(RegressorMixin, _Build):  # type: ignore[misc]
    """A regressor found by `build`; all that `ModelwrightClassifier` says holds, but for classes.

    >>> import numpy as np
    >>> X = np.arange(30.0)[:, None]
    >>> model = ModelwrightRegressor().fit(X, 3 * X[:, 0])
    >>> model.predict([[10.0]]).round(0).tolist()
    [30.0]
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Any:
        """Builds a model for the numbers in `y` `[n]`; returns the estimator.

        `sample_weight` and `groups` are those of `ModelwrightClassifier.fit`.
        """
        X, y = _labelled(self, X, y, numeric=True)
        self._fit(X, y, sample_weight, groups, 0)
        return self


def _labelled(estimator: Any, X: Any, y: Any, numeric: bool = False) -> tuple[Any, Any]:
    """`X` and `y`, checked as scikit-learn does; a frame stays a frame."""
    from sklearn.utils.validation import check_consistent_length, column_or_1d

    if not _is_frame(X):
        X, y = validate_data(
            estimator, X, y, dtype="numeric", ensure_all_finite="allow-nan", y_numeric=numeric
        )
    else:
        if y is None:
            validate_data(estimator, X, y)
        X = _checked(estimator, X, reset=True)
        y = column_or_1d(y, warn=True)
        check_consistent_length(X, y)
    return X, np.asarray(y, dtype=float) if numeric else y


def _checked(estimator: Any, X: Any, reset: bool) -> Any:
    if not _is_frame(X):
        return validate_data(
            estimator, X, reset=reset, dtype="numeric", ensure_all_finite="allow-nan"
        )
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    return X


def _is_frame(X: Any) -> bool:
    import pandas as pd

    return isinstance(X, pd.DataFrame)


def _seed(random_state: Any) -> int:
    if random_state is None:
        return 0
    if isinstance(random_state, (int, np.integer)):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))
