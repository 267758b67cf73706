"""What each input adds to a fitted model's score, exactly, for the families where it is known."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelwright.families.base import Fitted, FloatArray, Inputs


def contributions(
    fitted: Fitted, X: Inputs, background: Inputs
) -> tuple[FloatArray, float, str] | None:
    """Contributions `[n, numeric + codes + texts]`, the base they add to, and the method's name.

    With the base they sum to the value, or to the log-odds of the second of two classes. None for
    other families and for more classes. LightGBM and CatBoost answer with TreeSHAP (Lundberg et al.
    2020), whose base is the mean over their training rows; a linear model against the mean of
    `background`; a glass box with its own tables, a pair's cell in equal halves. What feature work
    made counts for what it was made of.

    >>> from modelwright.families.linear import Linear
    >>> from modelwright.families.base import Examples
    >>> X = Inputs.of(np.arange(20.0)[:, None])
    >>> fitted = Linear(strength=1e6).fit(Examples(X, 3 * np.arange(20.0), "regression"))
    >>> parts, base, how = contributions(fitted, X.take([19]), X)
    >>> parts.round(3).tolist(), round(base, 3), how
    ([[28.5]], 28.5, 'linear')
    """
    name = type(fitted).__name__
    if name == "FittedPipeline":
        return _pipeline(fitted, X, background)
    if name == "FittedLightGbm":
        return _lightgbm(fitted, X)
    if name == "FittedCatBoost":
        return _catboost(fitted, X)
    if name == "FittedLinear":
        return _linear(fitted, X, background)
    if name == "FittedGlassBox":
        return _glass_box(fitted, X)
    return None


def _pipeline(fitted: Any, X: Inputs, background: Inputs) -> tuple[FloatArray, float, str] | None:
    from modelwright.families.feature_origins import given_back

    made, others = fitted.features.apply(X), fitted.features.apply(background)
    found = contributions(fitted.fitted, made, others)
    if found is None:
        return None
    parts, base, how = found
    return given_back(fitted.features, parts, X), base, how


def _lightgbm(fitted: Any, X: Inputs) -> tuple[FloatArray, float, str] | None:
    from modelwright.families.lightgbm import _matrix

    if fitted.task == "multiclass":
        return None
    out = np.asarray(
        fitted.booster.predict(_matrix(X), num_iteration=fitted.rounds, pred_contrib=True)
    )
    return out[:, :-1], float(out[0, -1]), "TreeSHAP"


def _catboost(fitted: Any, X: Inputs) -> tuple[FloatArray, float, str] | None:
    import catboost

    from modelwright.families.catboost import _data

    if fitted.n_classes > 2 or (fitted.n_classes and len(fitted.classes) < 2):
        return None
    model = fitted.model
    if fitted.rounds < fitted.trained_rounds:
        model = model.copy()
        model.shrink(fitted.rounds)
    out = model.get_feature_importance(catboost.Pool(_data(X)), type="ShapValues", thread_count=1)
    return np.asarray(out[:, :-1], float), float(out[0, -1]), "TreeSHAP"


def _linear(fitted: Any, X: Inputs, background: Inputs) -> tuple[FloatArray, float, str] | None:
    if fitted.n_classes > 2 or (fitted.n_classes and len(fitted.classes) < 2):
        return None
    two = bool(fitted.n_classes)
    weights = fitted.weights[1] - fitted.weights[0] if two else fitted.weights[0]
    constant = fitted.intercept[1] - fitted.intercept[0] if two else fitted.intercept[0]
    matrix = fitted.matrix
    centre = fitted.columns(background).mean(axis=0)
    each = (fitted.columns(X) - centre) * weights
    p = X.numeric.shape[1]
    owner = [*matrix.kept.tolist(), *matrix.gaps.tolist()]
    hot = np.zeros(matrix.n_hot, np.int64)
    for j, (start, stop) in enumerate(zip(matrix.starts[:-1], matrix.starts[1:], strict=True)):
        places = matrix.table[start:stop]
        hot[places[places >= 0]] = p + j
    owner += hot.tolist()
    out = np.zeros((len(X), p + X.codes.shape[1]))
    owners = np.array(owner, np.int64)
    np.add.at(out.T, owners, each.T[: len(owners)])
    left, right = fitted.basis.left, fitted.basis.right
    made = each.T[len(owners) :]
    np.add.at(out.T, owners[left], made / 2)  # a product in equal halves, a ramp whole
    np.add.at(out.T, owners[np.where(right >= 0, right, left)], made / 2)
    return out, float(constant + centre @ weights), "linear"


def _glass_box(fitted: Any, X: Inputs) -> tuple[FloatArray, float, str] | None:
    if fitted.base.shape[0] != 1:
        return None
    p = X.numeric.shape[1]
    out = np.zeros((len(X), p + X.codes.shape[1]))
    each = fitted.contributions(X)[:, :, 0]
    for j, term in enumerate(fitted.terms):
        for block, place in term.columns:
            out[:, place + (p if block == "codes" else 0)] += each[:, j] / len(term.columns)
    return out, float(fitted.base[0]), "glass box"
