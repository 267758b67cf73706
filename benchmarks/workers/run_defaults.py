"""CatBoost or LightGBM as installed, behind the peer interface. Presets: catboost, lightgbm."""

import sys
from pathlib import Path

from _peer import Fitted, Watch, dir_bytes, main


def version():
    import catboost
    import lightgbm

    return f"catboost {catboost.__version__}, lightgbm {lightgbm.__version__}"


def fit(train, target, problem, metric, budget, cores, seed, preset, workdir):
    X, y = train.drop(columns=[target]), train[target]
    texts = [c for c in X if X[c].dtype == object or str(X[c].dtype) in ("str", "string", "bool")]
    levels = {c: sorted(X[c].dropna().astype(str).unique()) for c in texts}
    path = str(Path(workdir) / "model")
    with Watch() as watch:
        model = catboost_model(problem, cores, seed, texts) if preset == "catboost" else None
        model = model or lightgbm_model(problem, cores, seed)
        model.fit(ready(X, levels, preset), y)
    if preset == "catboost":
        model.save_model(path)
    else:
        model.booster_.save_model(path)
    classes = None if problem == "regression" else list(model.classes_)

    def predict(X):
        rows = ready(X, levels, preset)
        if classes is None:
            return model.predict(rows), None
        shares = model.predict_proba(rows)
        return [classes[i] for i in shares.argmax(axis=1)], shares

    return Fitted(predict, classes, Path(path).stat().st_size, dir_bytes(workdir), watch.s, {})


def catboost_model(problem, cores, seed, texts):
    import catboost

    kind = catboost.CatBoostRegressor if problem == "regression" else catboost.CatBoostClassifier
    return kind(
        thread_count=cores, random_seed=seed, cat_features=texts, verbose=0,
        allow_writing_files=False,
    )  # fmt: skip


def lightgbm_model(problem, cores, seed):
    import lightgbm

    kind = lightgbm.LGBMRegressor if problem == "regression" else lightgbm.LGBMClassifier
    return kind(n_jobs=cores, random_state=seed, verbose=-1)


def ready(X, levels, preset):
    """Texts as categories, in the way each library takes them."""
    import pandas as pd

    out = X.copy()
    for name, known in levels.items():
        text = out[name].astype(object).where(out[name].notna(), None)
        if preset == "catboost":
            out[name] = text.map(lambda v: "missing" if v is None else str(v))
        else:
            text = text.map(lambda v: v if v is None else str(v))
            out[name] = pd.Categorical(text, categories=known)
            out.columns = [str(c) for c in out.columns]
    if preset != "catboost":
        out.columns = [f"f{i}" for i in range(out.shape[1])]
    return out


if __name__ == "__main__":
    sys.exit(main("defaults", fit, version))
