"""Sets that come with scikit-learn, written out as files a user would have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from modelwright.core.errors import InputError, did_you_mean

# name -> (loader in sklearn.datasets, target column, new names of columns, classes by code)
_Example = tuple[str, str, Mapping[str, str], tuple[str, ...]]
_DIABETES = {
    "bmi": "body mass index", "bp": "blood pressure", "s1": "total cholesterol",
    "s2": "low density lipoproteins", "s3": "high density lipoproteins", "s4": "cholesterol ratio",
    "s5": "log triglycerides", "s6": "blood sugar",
}  # fmt: skip
EXAMPLES: Mapping[str, _Example] = {
    "breast_cancer": ("load_breast_cancer", "diagnosis", {}, ("malignant", "benign")),
    "diabetes": ("load_diabetes", "progression", _DIABETES, ()),
    "wine": ("load_wine", "cultivar", {}, ("first", "second", "third")),
    "iris": ("load_iris", "species", {}, ("setosa", "versicolor", "virginica")),
}


def write_example(name: str, folder: Path) -> tuple[Path, str]:
    """Writes the set as `folder/name.csv`; the path and the target's name.

    Raises InputError for a name that is none of `EXAMPLES`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path, target = write_example("iris", Path(folder))
    ...     path.name, target, path.read_text().splitlines()[1]
    ('iris.csv', 'species', '5.1,3.5,1.4,0.2,setosa')
    """
    from sklearn import datasets

    if name not in EXAMPLES:
        raise InputError(
            f"no example is called {name!r}.{did_you_mean(name, EXAMPLES)} "
            f"There are {', '.join(EXAMPLES)}."
        )
    loader, target, names, classes = EXAMPLES[name]
    plain = {"scaled": False} if name == "diabetes" else {}
    frame = getattr(datasets, loader)(as_frame=True, **plain).frame
    frame = frame.rename(columns={"target": target, **names})
    if classes:
        frame[target] = [classes[code] for code in frame[target]]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.csv"
    frame.to_csv(path, index=False)
    return path, target
