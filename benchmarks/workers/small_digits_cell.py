"""Trains one small network on one fold of the digits. Request: {"problem", "seed", "teach"}."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from worker import serve

EPOCHS, TEACHER_EPOCHS, TEACHERS, COPIES = 200.0, 40.0, 2, 8
TRUST, TEMPERATURE = 0.7, 2.0


def cell(request: dict[str, Any]) -> dict[str, Any]:
    import torch
    from sklearn.datasets import load_digits
    from sklearn.model_selection import StratifiedKFold

    from modelwright.training.lessons import Lessons

    torch.set_num_threads(1)
    digits, seed = load_digits(), int(request["seed"])
    x = np.minimum(digits.images * 16, 255).astype(np.uint8)[:, None]
    y = digits.target.astype(np.int64)
    folds = StratifiedKFold(5, shuffle=True, random_state=seed).split(x, y)
    learn, test = list(folds)[int(request["problem"].removeprefix("fold"))]
    own = x[learn].astype(float)
    lessons = Lessons(
        x[learn], y[learn], 10, np.array([own.mean()], np.float32),
        np.array([1 / own.std()], np.float32),
    )  # fmt: skip
    small, recipe = student()
    facts: dict[str, Any] = {}
    if request["teach"]:
        lessons, facts["teacher"] = taught(lessons, recipe, seed, x[test], y[test])
        recipe = replace(recipe, augment=replace(recipe.augment, shift=0.0))
    trained = train(small, recipe, lessons, EPOCHS, len(learn), seed)
    right = trained.answers(x[test])[0].argmax(axis=1) == y[test]
    return {"accuracy": float(right.mean()), "weights": trained.net.ops.weights,
            "macs": trained.net.ops.macs, **facts}  # fmt: skip


def student() -> Any:
    """Depthwise convolutions: of eight designs with fewer than 2,000 weights the best one."""
    from modelwright.families.image_net import Depthwise, ImageNet, Stage
    from modelwright.training.recipe import AdamW, Augment, Recipe

    block = Depthwise(3, 1)
    stages = (Stage(16, (block, block), "none"), Stage(24, (block,), "max", False))
    recipe = Recipe(AdamW(1e-2), batch=64, augment=Augment(shift=0.125), average=True)
    return ImageNet(stages, 16, "full", pooling="mean"), recipe


def taught(lessons: Any, recipe: Any, seed: int, x: Any, y: Any) -> tuple[Any, float]:
    """Copies of the digits with what the teachers say of them, and the teachers' accuracy."""
    from modelwright.families.image_net import Conv, Double, ImageNet, Stage
    from modelwright.training.guide import with_copies
    from modelwright.training.recipe import AdamW

    stages = (Stage(32, (Double(),), "max"), Stage(64, (Conv(),), "max"))
    large, gentle = ImageNet(stages, 16, "full"), replace(recipe, optimiser=AdamW(4e-3))
    teachers = [
        train(large, gentle, lessons, TEACHER_EPOCHS, len(lessons.y), 1000 + 10 * seed + i)
        for i in range(TEACHERS)
    ]
    right = np.mean([t.answers(x)[0] for t in teachers], axis=0).argmax(axis=1) == y
    more = with_copies(lessons, recipe.augment, COPIES, seed)
    told = np.mean([t.answers(more.x)[0] for t in teachers], axis=0).astype(np.float32)
    return replace(more, taught=told, trust=TRUST, temperature=TEMPERATURE), float(right.mean())


def train(net: Any, recipe: Any, lessons: Any, epochs: float, n: int, seed: int) -> Any:
    """A trained network; an epoch has as many steps as `n` examples make."""
    import torch

    from modelwright.training.torch_net import TorchNet
    from modelwright.training.trainer import Trainer, steps_for

    torch.manual_seed(seed)
    module = TorchNet(net.ops((1, 8, 8), 10))
    trainer = Trainer(module, [recipe], lessons, steps_for(n, recipe.batch, epochs), seed)
    trainer.run(trainer.total)
    return trainer


if __name__ == "__main__":
    serve(cell, "torch", "scikit-learn")
