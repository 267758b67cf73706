"""modelwright behind the peer interface: `build` with its defaults, and the student beside it.

Preset `nets`, `portfolio`, ... builds without that part (see without.py).
"""

import statistics
import sys
import time
from pathlib import Path

from _peer import Fitted, Watch, dir_bytes, main
from without import without


def version():
    import modelwright

    return modelwright.__version__


def fit(train, target, problem, metric, budget, cores, seed, preset, workdir):
    import modelwright
    from modelwright.models import load_model

    names = {"auc": "roc_auc", "logloss": "log_loss", "rmse": "rmse", "accuracy": "accuracy"}
    more = without(preset) if preset else {}
    with Watch() as watch:
        built = modelwright.build(
            train, target, task=problem, metric=names[metric], budget=f"{budget:g}s",
            workspace=Path(workdir) / "runs", slots=cores, seed=seed,
            **more,
        )  # fmt: skip
    folder = built.run.path / "model"
    model = load_model(folder)
    student = built.run.path / "student"
    met = []

    def predict(X):
        met.append(X)
        return answer(model, X)

    info = {
        "families": list(model.families),
        "fitted_on": model.card.get("fitted_on"),
        "trials": len(built.record.view.finished),
        "reason": built.record.reason,
        "student": Student(student, met) if student.exists() else None,
    }
    classes = answer(model, None)
    return Fitted(predict, classes, dir_bytes(str(folder)), dir_bytes(workdir), watch.s, info)


def answer(model, X):
    """Predictions and probabilities; the classes' names (None for numbers) without rows."""
    if model.task == "regression":
        return None if X is None else (model.predict(X), None)
    if X is None:
        return [str(c) for c in model.classes]
    told = model.answer(X)
    return told.values, told.shares


class Student:
    """What the student says of the same rows: asked for by the harness after all its timings."""

    def __init__(self, folder, met):
        self.folder, self.met = folder, met

    def tolist(self):
        from modelwright.models import load_model

        model = load_model(self.folder)
        pred, proba = answer(model, self.met[0])
        times = []
        for row in self.met[1:]:
            begin = time.perf_counter()
            answer(model, row)
            times.append(time.perf_counter() - begin)
        return {
            "bytes": dir_bytes(str(self.folder)), "families": list(model.families), "pred": pred,
            "row_ms": round(1000 * statistics.median(times), 3), "proba": proba,
            "classes": answer(model, None),
        }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main("modelwright", fit, version))
