"""A pretrained backbone beside the data: examples read for it, and its features of them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.canonical import digest
from modelwright.core.errors import InputError
from modelwright.core.problem import Budget

if TYPE_CHECKING:
    from modelwright.data.array_part import ArrayPart, PreparedArrays
    from modelwright.data.collection import Collection
    from modelwright.recipes.question import Question

SHARE = 0.25  # of a budget in seconds, for features of all examples
DEEP_SHARE = 0.1  # of it, for loading it in a worker and learning from each once: a run of a search
LEARNING = 3.0  # times as long as answering an example takes to learn from it
MOST_BYTES = 900_000_000  # of its weights: the ONNX file that ships has at most 1 GB
MOST_PIXELS = 2_000_000_000  # bytes of all images together, as they are read
MEASURED = ("seconds", "deep")  # of this machine and budget: they make no other protocol


def read_for(facts: Mapping[str, Any], found: Collection, question: Question) -> Collection:
    """The same examples, read so that the backbone can see them, too.

    Raises InputError for a backbone of another kind of examples.
    """
    from modelwright.data.backbone import PiecesFront
    from modelwright.data.collection import read_collection
    from modelwright.data.texts import read_texts

    if facts["kind"] != found.kind:
        raise InputError(
            f"the backbone {facts['name']} reads {facts['kind']}, and these are {found.kind}."
        )
    path, target = Path(question.data), question.target or None
    if found.kind == "texts":
        read = partial(PiecesFront.of, facts=facts)
        again = read_texts(path, question.target, wider=read)
        front: Any = again.front
        note = f"{front.pieces} pieces of a text are read for the backbone"
        return replace(again, notes=(*again.notes, note))
    most = int((MOST_PIXELS / len(found) / 3) ** 0.5)
    side = min(int(facts["size"]), most)
    if path.suffix.lower() == ".npz" or side <= max(found.inputs.shape[2:]):
        return found
    return read_collection(path, target, question.group, side)


def put_beside(
    facts: Mapping[str, Any], prepared: PreparedArrays, budget: Budget
) -> PreparedArrays:
    """Measures the backbone, and writes its facts, its features and its ONNX file beside the data.

    One whose features would take more than a quarter of a budget in seconds is left out, with a
    note. Raises InputError for one that cannot be used, or is too large to ship.
    """
    from modelwright.data.array_part import BACKBONE, FEATURES, load_arrays
    from modelwright.training.backbone import exported, features_of, measured

    part = load_arrays(prepared.dev)
    scaled = (part.shift.tolist(), part.scale.tolist())
    began = time.perf_counter()
    facts = {**facts, **measured({**facts, "scaled": scaled}, part.shape)}
    loading = time.perf_counter() - began
    name, seconds = facts["name"], float(facts["seconds"])
    if 4 * facts["params"] > MOST_BYTES:
        raise InputError(
            f"the backbone {name} has {facts['params']:,} weights; what ships has it inside, and "
            f"may have {MOST_BYTES // 4:,}."
        )
    most = None if budget.seconds is None else SHARE * budget.seconds
    told = f"{seconds * 1000:.3g} ms for an example, {len(part.y)} examples"
    if most is not None and seconds * len(part.y) > most:
        note = (
            f"the backbone {name} is left out: {told}, and its features may take {most:.0f} s, a "
            "quarter of the budget"
        )
        return replace(prepared, notes=(*prepared.notes, note))
    once = loading + LEARNING * seconds * len(part.train)
    deep = budget.seconds is None or once <= DEEP_SHARE * budget.seconds
    facts = {**facts, "deep": deep}
    about = {**facts, "mode": "frozen", "slow": 1.0, "scaled": scaled}
    features_of(about, part, prepared.dev / FEATURES)
    where = prepared.dev / BACKBONE
    where.with_suffix(".onnx").write_bytes(exported(about, part.shape, {}))
    where.write_text(json.dumps(facts, indent=1), "utf-8")
    notes = [f"backbone {name} ({facts['model_type']}, {facts['params']:,} weights): {told}"]
    notes.append(f"the licence of {name}: {facts['licence']}")
    if not deep:
        notes.append(f"it stays frozen: to load it and learn from all once takes {once:.3g} s")
    same = {k: v for k, v in facts.items() if k not in (*MEASURED, "folder")}
    return replace(prepared, notes=(*prepared.notes, *notes), hash=digest([prepared.hash, same]))


def check_same(part: ArrayPart) -> None:
    """Raises InputError where the files of the run's backbone have changed since it began."""
    from modelwright.data.backbone import read_backbone

    if part.backbone is not None:
        found = read_backbone(part.backbone["folder"])
        if found["hash"] != part.backbone["hash"]:
            raise InputError(
                f"the files of the backbone {part.backbone['name']} have changed since this run "
                "began; build again."
            )
