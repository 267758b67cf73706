"""A collection ready for a network: split, written as arrays, mapped again by every worker."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.canonical import digest
from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.data.asked import asked_of, check_examples, names_of, values_of
from modelwright.data.collection import Collection, front_of
from modelwright.data.schema import Task
from modelwright.data.split import Rows

SEALED_SHARE, SEALED_MAX = 0.2, 10_000
VALID_SHARE, VALID_MIN, VALID_MAX = 0.1, 500, 4000  # examples that validate; more take long
FACTS, BACKBONE, FEATURES = "part.json", "backbone.json", "features.npy"


@dataclass(frozen=True)
class ArrayPart:
    """`inputs` `[n, *shape]` and `y` `[n]`, mapped read-only: class codes, or values (float64).

    Where values are asked for there are no `classes`, and `unit` is the mean and the deviation of
    the training examples' values.

    `train` and `valid` are positions, rising. `shift` and `scale`, one number for each channel,
    bring inputs to mean 0 and deviation 1 on the training examples. `front` says how a file becomes
    an input. `kind` is the collection's. `backbone` are facts about a pretrained one that was named
    (`recipes.backbone`), whose features of all examples lie beside the arrays.
    """

    kind: str
    inputs: npt.NDArray[Any]
    y: npt.NDArray[Any]
    classes: tuple[str, ...]
    train: Rows
    valid: Rows
    shift: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]
    front: Mapping[str, Any]
    hash: str
    unit: tuple[float, float] = (0.0, 1.0)
    backbone: Mapping[str, Any] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one input: channels, height, width."""
        return self.inputs.shape[1:]

    @property
    def ids(self) -> int:
        """How many numbers of words there are; 0 for pictures."""
        return int(getattr(front_of(self.front), "ids", 0))

    @property
    def task(self) -> Task:
        """`binary`, `multiclass`, or `regression` where values are asked for."""
        if not self.classes:
            return "regression"
        return "binary" if len(self.classes) == 2 else "multiclass"

    @property
    def told(self) -> str:
        """What is asked for, in words."""
        return f"{len(self.classes)} classes" if self.classes else "a number each"


@dataclass(frozen=True)
class PreparedArrays:
    """Where the parts lie. Workers are given `dev` and never `sealed`.

    `known` are the positions in the collection of what `dev` holds; None when it was split before.
    """

    dev: Path
    sealed: Path | None
    n_dev: int
    n_sealed: int
    notes: tuple[str, ...]
    hash: str
    known: Rows | None = None


def prepare_arrays(
    found: Collection,
    folder: Path,
    seed: int = 0,
    seal: bool = True,
    test: Collection | None = None,
    task: Task | None = None,
) -> PreparedArrays:
    """Splits and writes into `folder/dev` and `folder/sealed`; random in `seed`.

    The sealed part is `test`, or what the source itself set aside, else a fifth of the examples, at
    most 10,000; without `seal` there is none of the latter. Classes keep their proportions, and
    no group of the collection is on two sides. `task` overrides what the labels say by themselves
    (`asked_of`). Raises InputError for fewer than two classes or three examples of one, for classes
    that only `test` has, and for numbers that are none.
    """
    labels, why = asked_of(found, task)
    values = labels.dtype.kind == "f"
    known = np.flatnonzero(~found.test)
    classes = labels[:0].astype(str) if values else np.unique(labels)
    if values and len(known) < 10:
        raise InputError(f"{len(known)} examples to learn from are too few; 10 are needed.")
    if not values:
        counts = np.array([(labels[known] == c).sum() for c in classes])
        check_examples(map(str, classes), counts)
    y = labels if values else np.searchsorted(classes, labels)
    draw = _Draw(y, found.groups, Key.of(seed).child("split"))
    aside = np.flatnonzero(found.test)
    if seal and test is None and not len(aside):
        aside, known = draw.part(known, min(SEALED_MAX, round(SEALED_SHARE * len(known))), "sealed")
    most = min(VALID_MAX, max(round(VALID_SHARE * len(known)), min(VALID_MIN, len(known) // 5)))
    valid, train = draw.part(known, most, "valid")
    shift, scale = _moments(found, train)
    names = tuple(str(c) for c in classes)
    facts = {
        "kind": found.kind, "classes": names, "shift": shift.tolist(), "scale": scale.tolist(),
        "front": found.front.to_json(),
        **({"unit": [float(y[train].mean()), float(y[train].std()) or 1.0]} if values else {}),
    }  # fmt: skip
    places = np.searchsorted(known, train), np.searchsorted(known, valid)
    hashes = [_write(folder / "dev", found.inputs[known], y[known], *places, facts)]
    sealed_inputs, sealed_y = found.inputs[aside], y[aside]
    if test is not None:
        sealed_inputs = test.inputs
        sealed_y = values_of(test) if values else _codes(names_of(test), classes)
    if len(sealed_y):
        none = np.zeros(0, np.intp)
        hashes.append(_write(folder / "sealed", sealed_inputs, sealed_y, none, none, facts))
    told = (*found.notes, why, f"{len(train)} examples teach, {len(valid)} validate")
    notes = [note for note in told if note]
    if len(sealed_y):
        notes.append(f"{len(sealed_y)} are sealed: looked at once, at the end")
    sealed = folder / "sealed" if len(sealed_y) else None
    return PreparedArrays(
        folder / "dev", sealed, len(known), len(sealed_y), tuple(notes), digest(hashes), known
    )


def load_arrays(folder: Path) -> ArrayPart:
    """The arrays that `prepare_arrays` wrote there."""
    facts = json.loads((folder / FACTS).read_text("utf-8"))

    def array(name: str) -> npt.NDArray[Any]:
        out: npt.NDArray[Any] = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return out

    return ArrayPart(
        facts["kind"], array("inputs"), array("y"), tuple(facts["classes"]), array("train"),
        array("valid"), np.array(facts["shift"], np.float32), np.array(facts["scale"], np.float32),
        facts["front"], facts["hash"], tuple(facts.get("unit", (0.0, 1.0))),
        read_beside(folder),
    )  # fmt: skip


def read_beside(folder: Path) -> dict[str, Any] | None:
    """The facts about a backbone that were written beside the arrays, if any were."""
    path = folder / BACKBONE
    if not path.exists():
        return None
    return {**json.loads(path.read_text("utf-8")), "onnx": str(folder / f"{path.stem}.onnx")}


@dataclass(frozen=True)
class _Draw:
    """Draws parts of the examples with classes in proportion, or whole groups."""

    y: npt.NDArray[Any]
    groups: npt.NDArray[np.str_] | None
    key: Key

    def part(self, rows: Rows, size: int, name: str) -> tuple[Rows, Rows]:
        """About `size` of the rows, at least one of each class; and the others. Both rise."""
        rng = np.random.default_rng(self.key.child(name).seed(128))
        if self.groups is not None:
            taken = self._groups(rows, size, rng)
        else:
            share = size / len(rows)
            chosen = []
            strata = np.zeros(len(rows)) if self.y.dtype.kind == "f" else self.y[rows]
            for code in np.unique(strata):
                own = rows[strata == code]
                n = min(len(own) - 1, max(1, round(share * len(own))))
                chosen.append(rng.permutation(own)[:n])
            taken = np.sort(np.concatenate(chosen))
        return taken, np.setdiff1d(rows, taken)

    def _groups(self, rows: Rows, size: int, rng: np.random.Generator) -> Rows:
        """Whole groups, until there are so many examples; never all of them."""
        assert self.groups is not None, "asked before"
        names = rng.permutation(np.unique(self.groups[rows]))
        if len(names) < 3:
            raise InputError(
                f"a split by groups needs 3 groups to learn from; there are {len(names)}."
            )
        taken: list[npt.NDArray[np.intp]] = []
        for name in names[:-2]:
            taken.append(rows[self.groups[rows] == name])
            if sum(map(len, taken)) >= size:
                break
        return np.sort(np.concatenate(taken))


def _codes(labels: npt.NDArray[Any], classes: npt.NDArray[np.str_]) -> npt.NDArray[np.int64]:
    unknown = sorted(set(labels.tolist()) - set(classes.tolist()))
    if unknown:
        raise InputError(f"the test examples have the class {unknown[0]!r}, which none teaches.")
    return np.searchsorted(classes, labels)


def _moments(found: Collection, train: Rows) -> tuple[Any, Any]:
    """Means, and one over the deviations, of the channels; of at most 10,000 examples.

    Numbers of words stay as they are.
    """
    inputs = found.inputs
    if found.kind == "texts":
        rows = inputs.shape[1]
        return np.zeros(rows, np.float32), np.ones(rows, np.float32)
    some = inputs[train[:: max(1, len(train) // 10_000)]]
    axes = (0, *range(2, some.ndim))
    mean = some.mean(axis=axes, dtype=np.float64)
    spread = some.std(axis=axes, dtype=np.float64)
    return mean.astype(np.float32), (1 / np.maximum(spread, 1.0)).astype(np.float32)


def _write(
    folder: Path, inputs: Any, y: Any, train: Rows, valid: Rows, facts: dict[str, Any]
) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    y = y if y.dtype.kind == "f" else y.astype(np.int64)
    arrays = {"inputs": inputs, "y": y, "train": train, "valid": valid}
    found = {}
    for name, array in arrays.items():
        array = np.ascontiguousarray(array)
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
        found[name] = hashlib.sha256(array.data).hexdigest()
    hashed = digest({**found, **facts})
    (folder / FACTS).write_text(json.dumps({**facts, "hash": hashed}, indent=1), "utf-8")
    return hashed
