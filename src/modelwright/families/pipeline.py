"""A design with its feature work: fitted together, shipped together."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.keys import Key
from modelwright.families.base import Examples, Family, Fitted, FloatArray, Inputs
from modelwright.families.feature_steps import Features, fit_features
from modelwright.families.feature_work import FeatureWork

if TYPE_CHECKING:
    from modelwright.families.onnx_graph import Graph


def fit_design(
    design: Family,
    examples: Examples,
    *,
    threads: int = 1,
    seed: int = 0,
    validation: Examples | None = None,
    rounds: int | None = None,
) -> Fitted:
    """The design fitted after its feature work; arguments are those of `Family.fit`.

    Feature work is learned from `examples` alone; `validation` is only looked at by the family. A
    design without a field `features` gets the work that texts need. Where there is nothing to do,
    this is `design.fit`.

    >>> import numpy as np
    >>> from modelwright.families import family
    >>> notes = np.array(["good", "bad"] * 20, dtype=object)
    >>> X = Inputs(np.zeros((40, 0)), np.zeros((40, 0), int), (), (notes,))
    >>> toy = Examples(X, np.array([1, 0] * 20), "binary", 2)
    >>> fit_design(family("Linear")(), toy).predict(X.take([0, 1])).argmax(axis=1).tolist()
    [1, 0]
    """
    work = features_of(design)
    how: dict[str, Any] = {"threads": threads, "rounds": rounds, "seed": seed}
    if work is None or work.idle(examples.X):
        return design.fit(examples, validation=validation, **how)
    features, X = fit_features(work, examples, Key.of(seed).child("features").seed(31))
    if features.idle:
        return design.fit(examples, validation=validation, **how)
    made = _on(X, examples)
    held = None if validation is None else _on(features.apply(validation.X), validation)
    return FittedPipeline(features, design.fit(made, validation=held, **how))


def features_of(design: Family) -> FeatureWork | None:
    """The feature work of a design; the default for designs without one, None for constants."""
    found = getattr(design, "features", None)
    if isinstance(found, FeatureWork):
        return found
    return FeatureWork() if fields(design) else None  # type: ignore[arg-type]


@dataclass(frozen=True)
class FittedPipeline:
    """Feature work and the model fitted after it."""

    features: Features
    fitted: Fitted

    @property
    def rounds(self) -> int | None:
        """The rounds of boosting of the model."""
        return self.fitted.rounds

    def predict(self, X: Inputs) -> FloatArray:
        """`[n, n_classes]` probabilities, or `[n]` values."""
        return self.fitted.predict(self.features.apply(X))

    def with_rounds(self, rounds: int) -> Fitted:
        """The same with the model cut after that many rounds."""
        return replace(self, fitted=self.fitted.with_rounds(rounds))

    def add_to(self, graph: Graph, numeric: str, codes: str) -> str:
        """Both as ONNX nodes; raises NotExpressibleError where either has no form there."""
        from modelwright.families.onnx_features import add_features
        from modelwright.families.onnx_graph import Expressible, NotExpressibleError

        if not isinstance(self.fitted, Expressible):
            raise NotExpressibleError(f"{type(self.fitted).__name__} has no form in ONNX.")
        return self.fitted.add_to(graph, *add_features(self.features, graph, numeric, codes))

    def export(self, folder: Path) -> None:
        """Writes the model's own files and the feature work beside them.

        `fitted.json` names the model's family; `families.load_fitted` reads both.
        """
        self.fitted.export(folder)
        self.features.export(folder)


def with_features(folder: Path, fitted: Fitted) -> FittedPipeline:
    """The model of a folder with the feature work that lies beside it."""
    return FittedPipeline(Features.load(folder), fitted)


def _on(X: Inputs, examples: Examples) -> Examples:
    """The examples with other columns; made ones are not monotone."""
    signs = examples.monotone
    if signs:
        signs = signs + (0,) * (X.numeric.shape[1] - len(signs))
    return replace(examples, X=X, monotone=signs)
