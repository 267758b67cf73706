"""Trains one student in one way. Request: {"problem", "seed", "way"}."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

import environments
from tasks import shared
from worker import serve

KEEP = 0.5
EPOCHS = {"digits": (30.0, 30.0), "fashion_mnist": (6.0, 8.0)}  # of the teacher, of a student


def cell(request: dict[str, Any]) -> dict[str, Any]:
    problem, seed, way = request["problem"], int(request["seed"]), request["way"]
    part, designs = PROBLEMS[problem](seed)
    teacher, (_, epochs) = kept_teacher(problem, seed, part, designs["teacher"]), EPOCHS[problem]
    if way.startswith("again"):
        epochs = EPOCHS[problem][0]
        how = {} if way.endswith("control") else {"way": "same pictures"}
        return student(designs["teacher"], part, epochs, seed + 7, teacher, how)[0]
    if way.startswith("thin"):
        how = {"thin": way != "thin_fresh"} | ({"way": "same pictures"} if way == "thin" else {})
        return student(designs["teacher"], part, epochs / 2, seed, teacher, how, KEEP)[0]
    if way == "assistant":
        how = {"way": "same pictures"}
        middle = student(designs["assistant"], part, epochs, seed, teacher, how)[1]
        return student(designs["student"], part, epochs, seed, middle, how)[0]
    return student(
        designs["student"], part, epochs, seed, teacher, {} if way == "control" else {"way": way}
    )[0]


def student(
    design: Any, part: Any, epochs: float, seed: int, teacher: Any, how: dict[str, Any],
    keep: float = 1.0,
) -> tuple[dict[str, Any], Any]:  # fmt: skip
    """Its accuracy, and its operations with their weights."""
    from modelwright.evaluators.network_student import teach
    from modelwright.evaluators.train_network import new_trainer, weights_of
    from modelwright.families.net_thin import thinned
    from modelwright.families.network_design import ops_for

    ops = ops_for(design, part) if keep == 1 else thinned(teacher[0], keep)
    trainer = new_trainer(design, ops, part, epochs, seed, 1)
    ordered = {"teach": "way" in how, "way": how.get("way"), "teacher": {}}
    ordered |= {"thin": {"keep": keep}} if how.get("thin") else {}
    nothing: Any = None
    teach(trainer, ordered, lambda told: teacher, part, None, nothing)
    trainer.run(trainer.total)
    right = trainer.answers(part.inputs[part.valid])[0].argmax(axis=1) == part.y[part.valid]
    facts = {"accuracy": float(right.mean()), "weights": ops.weights, "steps": trainer.step}
    return facts, (ops, weights_of(trainer))


def kept_teacher(problem: str, seed: int, part: Any, design: Any) -> tuple[Any, Any]:
    """The operations and weights of the teacher, trained where it is not there yet."""
    from safetensors.numpy import load_file, save_file

    from modelwright.families.network_design import ops_for

    path = environments.ROOT / "students" / f"{problem}-{seed}.safetensors"
    if not path.exists():
        facts, (_, state) = student(design, part, EPOCHS[problem][0], seed + 100, None, {})
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".json").write_text(json.dumps(facts))
        save_file(state, path)
    return ops_for(design, part), load_file(path)


def digits(seed: int) -> tuple[Any, dict[str, Any]]:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import StratifiedKFold

    from modelwright.families.image_net import Conv, Depthwise, Double, Stage

    found = load_digits()
    x = np.minimum(found.images * 16, 255).astype(np.uint8)[:, None]
    y = found.target.astype(np.int64)
    folds = list(StratifiedKFold(5, shuffle=True, random_state=seed).split(x, y))
    return part_of(x, y, *folds[seed % 5]), {
        "student": small((Stage(32, (Depthwise(3, 1),), "max", False),), 16, 1e-2),
        "assistant": small(
            (Stage(24, (Conv(),), "max", False), Stage(32, (Conv(),), "max", False)), 16, 6e-3
        ),
        "teacher": small((Stage(32, (Double(),), "max"), Stage(64, (Conv(),), "max")), 16, 4e-3),
    }


def fashion(seed: int) -> tuple[Any, dict[str, Any]]:
    from modelwright.families.image_net import Conv, Depthwise, Stage

    with np.load(shared() / "data" / "image" / "fashion_mnist.npz") as found:
        rng = np.random.default_rng(seed)
        learn, test = (rng.permutation(len(found[f"y_{k}"]))[:n]
                       for k, n in (("train", 4000), ("test", 2000)))  # fmt: skip
        x = np.concatenate([found["x_train"][learn], found["x_test"][test]])
        y = np.concatenate([found["y_train"][learn], found["y_test"][test]]).astype(np.int64)
    block = Depthwise(3, 2)
    wide = (Stage(32, (Conv(),), "none", False), Stage(64, (Conv(),), "max", False))
    middle = (Stage(24, (Conv(),), "none", False), Stage(32, (Conv(),), "max", False))
    narrow = (Stage(10, (block,), "stride"), Stage(16, (block,), "stride"))
    return part_of(x.reshape(-1, 1, 28, 28), y, np.arange(4000), np.arange(4000, 6000)), {
        "student": small(narrow, 8, 1e-2, "half", True),
        "assistant": small(middle, 16, 6e-3, "half", True),
        "teacher": small(wide, 16, 4e-3, "half", True),
    }


def small(stages: Any, stem: int, rate: float, first: Any = "full", flip: bool = False) -> Any:
    from modelwright.families.image_net import ImageNet
    from modelwright.families.network_design import NetworkDesign
    from modelwright.training.recipe import AdamW, Augment, Recipe

    how = Augment(flip=True) if flip else Augment(shift=0.125)
    return NetworkDesign(
        ImageNet(stages, stem, first), Recipe(AdamW(rate), augment=how, average=True)
    )


def part_of(x: Any, y: Any, learn: Any, test: Any) -> Any:
    from modelwright.data.array_part import ArrayPart

    mean, spread = x[learn].mean(), x[learn].std()
    shift, scale = np.array([mean], np.float32), np.array([1 / spread], np.float32)
    classes = tuple("0123456789")
    return ArrayPart("images", x, y, classes, learn, test, shift, scale, {"kind": "image"}, "")


PROBLEMS = {"digits": digits, "fashion_mnist": fashion}

if __name__ == "__main__":
    serve(cell, "torch", "scikit-learn")
