"""modelwright behind the peer interface: `build` with its defaults. Preset `student` scores the
student that lies beside the shipped model."""

import sys
from pathlib import Path

from _peer import Fitted, Watch, dir_bytes, main


def version():
    import modelwright

    return modelwright.__version__


def fit(train, target, problem, metric, budget, cores, seed, preset, workdir):
    import modelwright
    from modelwright.models import load_model

    names = {"auc": "roc_auc", "logloss": "log_loss", "rmse": "rmse", "accuracy": "accuracy"}
    with Watch() as watch:
        built = modelwright.build(
            train, target, task=problem, metric=names[metric], budget=f"{budget:g}s",
            workspace=Path(workdir) / "runs", slots=cores, seed=seed,
        )  # fmt: skip
    folder = built.run.path / ("student" if preset == "student" else "model")
    model = load_model(folder)
    classes = None if problem == "regression" else [str(c) for c in model.classes]

    def predict(X):
        if classes is None:
            return model.predict(X), None
        return model.predict(X), model.predict_proba(X)

    student = built.run.path / "student"
    info = {
        "families": list(model.families),
        "fitted_on": model.card.get("fitted_on"),
        "trials": len(built.record.view.finished),
        "reason": built.record.reason,
        "student": student_of(student, problem) if student.exists() else None,
    }
    return Fitted(predict, classes, dir_bytes(str(folder)), dir_bytes(workdir), watch.s, info)


def student_of(folder, problem):
    from modelwright.models import load_model

    model = load_model(folder)
    return {"bytes": dir_bytes(str(folder)), "families": list(model.families)}


if __name__ == "__main__":
    sys.exit(main("modelwright", fit, version))
