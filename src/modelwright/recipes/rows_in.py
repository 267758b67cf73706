"""What scikit-learn hands over, as the labelled table that `build` takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

    from modelwright.data.columns import Kind

JOINED_UP_TO = 20_000  # rows; beyond, looking for rows that are alike costs more than it brings


@dataclass(frozen=True)
class LabelledFrame:
    """A frame with its target, and per row a weight and a group, or None.

    `kinds` tells what the columns hold where that is known. `target`, and `weight` and `group` once
    they are columns, are names that no feature has.
    """

    frame: pd.DataFrame
    target: str
    kinds: dict[str, Kind]
    weights: npt.NDArray[np.float64] | None = None
    groups: npt.NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.frame)

    def joined(self) -> LabelledFrame:
        """The same rows in an order of their own, those that are alike made one with their weight.

        A row that stands there twice, and a row of weight 2, so come to the same; and no row is
        both learned from and scored on. Rows of weight 0 are left out. Equal rows in another order
        give an equal table.
        """
        import pandas as pd

        marks = pd.util.hash_pandas_object(self.frame, index=False).to_numpy()
        if self.groups is not None:
            marks = marks + 31 * pd.util.hash_array(np.asarray(self.groups).astype(str))
        weights = np.ones(len(marks)) if self.weights is None else self.weights
        there = np.flatnonzero(weights > 0)
        _, first, which = np.unique(marks[there], return_index=True, return_inverse=True)
        total = np.bincount(which.ravel(), weights=weights[there]).astype(np.float64)
        rows = there[first]
        return replace(
            self,
            frame=self.frame.iloc[rows].reset_index(drop=True),
            weights=None if (total == 1).all() else total,
            groups=None if self.groups is None else self.groups[rows],
        )

    def with_columns(self) -> tuple[pd.DataFrame, str | None, str | None]:
        """The frame with weights and groups as columns, and what these two are called."""
        frame, names = self.frame, []
        for word, values in (("weight", self.weights), ("group", self.groups)):
            name = None if values is None else free_name(word, frame.columns)
            if name is not None:
                frame = frame.assign(**{name: values})
            names.append(name)
        return frame, names[0], names[1]


def frame_of(X: Any, names: list[str]) -> pd.DataFrame:
    """A frame with these names over an array `[n, p]`, or over the columns of a frame."""
    import pandas as pd

    if isinstance(X, pd.DataFrame):
        return X.set_axis(names, axis=1).reset_index(drop=True)
    return pd.DataFrame(np.asarray(X), columns=names, copy=False)


def names_of(X: Any) -> list[str]:
    """The names of a frame's columns as texts, `x0`, `x1`, ... for an array."""
    import pandas as pd

    if isinstance(X, pd.DataFrame):
        return [str(name).strip() for name in X.columns]
    return [f"x{i}" for i in range(X.shape[1])]


def free_name(word: str, taken: Any) -> str:
    """The word, with as many underscores as it takes to be no column's name.

    >>> free_name("target", ["target", "x"])
    'target_'
    """
    while word in taken:
        word += "_"
    return word


def class_labels(n: int) -> tuple[str, ...]:
    """Labels that stand for class 0, 1, ... and sort in that order.

    >>> class_labels(3)
    ('c0', 'c1', 'c2')
    """
    width = len(str(n - 1))
    return tuple(f"c{i:0{width}}" for i in range(n))
