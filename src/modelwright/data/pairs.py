"""Examples given from Python, as pairs of arrays or as a data set: checked, kept, mapped again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError
from modelwright.core.keys import Key

VALID_SHARE, VALID_MAX = 5, 4000  # one in five examples validates, at most so many
FACTS = "pairs.json"
MISSING = ("None", "nan", "NaT", "<NA>")  # how what is missing is printed
Array = npt.NDArray[Any]
Task = Literal["binary", "multiclass", "regression"]


@dataclass(frozen=True)
class Pairs:
    """`inputs` `[n, *shape]` (float32, bytes, or whole numbers: ids) and `y` `[n]`, mapped.

    `y` are class codes, in the order of `classes`, or values where there are none. `train` and
    `valid` are positions, rising. `hash` names all of it.
    """

    inputs: Array
    y: Array
    classes: tuple[str | int, ...]
    train: npt.NDArray[np.intp]
    valid: npt.NDArray[np.intp]
    hash: str

    @property
    def task(self) -> Task:
        """What kind of answer is learnt."""
        return "regression" if not self.classes else task_of(self.classes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one example."""
        return self.inputs.shape[1:]

    @property
    def ids(self) -> bool:
        """True for whole numbers, which reach a network as they are."""
        return self.inputs.dtype == np.int64

    @property
    def factor(self) -> float:
        """What inputs are multiplied with on their way to a network: bytes become 0 to 1."""
        return 1 / 255 if self.inputs.dtype == np.uint8 else 1.0


def task_of(classes: tuple[Any, ...]) -> Task:
    """The task with these classes."""
    return "binary" if len(classes) == 2 else "multiclass"


def keep_pairs(
    train: Any, valid: Any, folder: Path, seed: int = 0, values: bool | None = None
) -> Pairs:
    """Checks the examples, writes them below `folder` under their hash, and maps them.

    `train` and `valid` are `(x, y)` of arrays or tensors, or a data set: anything with a length
    and items `(x, y)`, read once. Without `valid` a fifth of `train`, at most 4,000 examples,
    evenly over what they are to answer, is drawn by `seed`. Targets are `values` where that is
    true, or None and they are floats; else classes.

    Raises InputError for what cannot be used.
    """
    x, y = _pair(train, "train")
    if valid is None:
        chosen = _aside(y, seed)
    else:
        more_x, more_y = _pair(valid, "valid")
        if more_x.shape[1:] != x.shape[1:] or more_x.dtype != x.dtype:
            raise InputError(
                f"valid holds examples of {more_x.shape[1:]} {more_x.dtype}, train of "
                f"{x.shape[1:]} {x.dtype}."
            )
        chosen = np.arange(len(x), len(x) + len(more_x))
        x, y = np.concatenate([x, more_x]), np.concatenate([y, more_y])
    learnt = np.setdiff1d(np.arange(len(x)), chosen)
    classes: tuple[Any, ...] = ()
    if values if values is not None else y.dtype.kind == "f":
        y = _values(y)
    else:
        classes, y = _codes(y, learnt)
    facts = {"classes": list(classes), "n_train": len(learnt), "valid": chosen.tolist()}
    return read_pairs(folder, _write(folder, x, y, facts))


def read_pairs(folder: Path, name: str) -> Pairs:
    """The examples that `keep_pairs` wrote under that hash."""
    place = folder / name
    if not (place / FACTS).is_file():
        raise InputError(f"the examples of this search are missing from {place}.")
    facts = json.loads((place / FACTS).read_text())
    x, y = (np.load(place / f"{n}.npy", mmap_mode="r", allow_pickle=False) for n in "xy")
    valid = np.asarray(facts["valid"], np.intp)
    train = np.setdiff1d(np.arange(len(y)), valid)
    return Pairs(x, y, tuple(facts["classes"]), train, valid, name)


def as_inputs(x: Any, name: str) -> Array:
    """Examples as float32, as bytes, or as whole numbers. Raises InputError for anything else."""
    try:
        found = np.asarray(x.detach().cpu() if hasattr(x, "detach") else x)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: x cannot be read as an array: {error}.") from error
    if found.dtype.kind not in "fiub" or found.ndim < 1 or not len(found):
        raise InputError(
            f"{name}: x must be numbers, [n, ...]; got {found.dtype} of shape {found.shape}."
        )
    if found.dtype == np.uint8:
        return found
    if found.dtype.kind in "iu":
        return found.astype(np.int64)
    found = found.astype(np.float32)
    if not np.isfinite(found).all():
        raise InputError(f"{name}: x has numbers that are missing or not finite; fill them first.")
    return found


def as_rows(x: Any, name: str) -> Array:
    """The same, `[n, ...]`: a plain list of numbers holds examples of one number each."""
    found = as_inputs(x, name)
    return found[:, None] if found.ndim == 1 else found


def as_targets(y: Any, n: int, name: str) -> Array:
    """One class or value for each of `n` examples, `[n]`. Raises InputError for anything else."""
    found = np.asarray(_plain(y))
    if found.dtype.kind in "OU":  # NumPy makes texts of what is missing among texts
        each = np.asarray(_plain(y), object)
        gone = [not isinstance(v, str) and str(v) in MISSING for v in each.ravel()]
        if any(gone):
            raise InputError(
                f"{name}: y is missing in {sum(gone)} of {each.size} examples, the first at "
                f"{gone.index(True)}; leave them out."
            )
        found = np.asarray(each.tolist())
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim != 1 or len(found) != n:
        raise InputError(
            f"{name}: y must hold one class or value for each of {n} examples; it has "
            f"the shape {found.shape}."
        )
    return found


def _pair(given: Any, name: str) -> tuple[Array, Array]:
    """Inputs and targets, whatever they came in."""
    if isinstance(given, tuple | list) and len(given) == 2:
        x, y = given
    elif hasattr(given, "__getitem__") and hasattr(given, "__len__"):
        items = [given[i] for i in range(len(given))]
        if not items or any(not isinstance(i, tuple | list) or len(i) != 2 for i in items):
            raise InputError(f"{name}: the items of a data set are pairs (x, y).")
        x = np.stack([as_inputs(np.atleast_1d(_plain(i[0])), name) for i in items])
        y = [_plain(i[1]) for i in items]
    else:
        kind = type(given).__name__
        raise InputError(f"{name} is (x, y), or a data set with a length and items; got {kind}.")
    inputs = as_rows(x, name)
    return inputs, as_targets(y, len(inputs), name)


def _plain(value: Any) -> Any:
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value


def _aside(y: Array, seed: int) -> npt.NDArray[np.intp]:
    """One in five, evenly along the sorted targets, and so of each class."""
    rng = np.random.default_rng(Key.of(seed).child("valid").seed(128))
    mixed = rng.permutation(len(y))
    order = mixed[np.argsort(y[mixed], kind="stable")]
    step = max(VALID_SHARE, -(-len(y) // VALID_MAX))
    if len(y) < 2 * step:
        raise InputError(f"{len(y)} examples are too few to learn from and to validate with.")
    return np.sort(order[int(rng.integers(step)) :: step])


def _values(y: Array) -> Array:
    if y.dtype.kind not in "fiub":
        raise InputError(f"values to be estimated are numbers; y holds {str(y[0])!r}.")
    found = y.astype(np.float32)
    if not np.isfinite(found).all():
        raise InputError("y has values that are missing or not finite; leave these examples out.")
    return found


def _codes(y: Array, learnt: npt.NDArray[np.intp]) -> tuple[tuple[str | int, ...], Array]:
    """The classes, and each example's place among them."""
    classes = np.unique(y)
    seen = np.unique(y[learnt])
    if len(seen) < 2 or len(seen) < len(classes):
        lost = [str(c) for c in classes if c not in seen]
        told = f"class {lost[0]!r} is in valid only" if lost else f"all are {str(seen[0])!r}"
        raise InputError(f"train must show every class, two at least; {told}.")
    if len(classes) > len(y) / 2 and len(classes) > 20:
        raise InputError(
            f"y holds {len(classes)} different classes in {len(y)} examples; give values to be "
            "estimated as floats."
        )
    names = tuple(int(c) if classes.dtype.kind in "iub" else str(c) for c in classes)
    return names, np.searchsorted(classes, y).astype(np.int64)


def _write(folder: Path, x: Array, y: Array, facts: dict[str, Any]) -> str:
    """Writes what is not there yet; a killed writer leaves no half of it. The hash."""
    told = json.dumps(facts, sort_keys=True)
    total = hashlib.sha256(f"{told}{x.dtype}{x.shape}{y.dtype}".encode())
    for array in (x, y):
        total.update(np.ascontiguousarray(array).data)
    name = total.hexdigest()[:16]
    if not (folder / name).exists():
        half = folder / f"{name}-{os.getpid()}"
        half.mkdir(parents=True, exist_ok=True)
        np.save(half / "x.npy", x, allow_pickle=False)
        np.save(half / "y.npy", y, allow_pickle=False)
        (half / FACTS).write_text(told)
        try:
            half.rename(folder / name)
        except OSError:  # another process was quicker
            shutil.rmtree(half, ignore_errors=True)
    return name
