"""Training: exact resume, populations, guards against bad batches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from modelwright.families.image_net import Depthwise, Double, ImageNet, Stage  # noqa: E402
from modelwright.families.text_net import TextNet  # noqa: E402
from modelwright.training.lessons import Lessons  # noqa: E402
from modelwright.training.recipe import AdamW, Augment, Recipe, Sgd  # noqa: E402
from modelwright.training.torch_net import TorchNet, stack_copies, take_copy  # noqa: E402
from modelwright.training.trainer import Trainer  # noqa: E402

SMALL = (Stage(8, (Double(),), "none"), Stage(16, (Depthwise(),), "stride"))
RICH = Recipe(augment=Augment(flip=True, shift=0.1, cut=0.2, mix=0.2), average=True)


def lessons(n: int = 600) -> Lessons:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (n, 1, 8, 8)).astype(np.uint8)
    y = (x[:, 0, :4].mean((1, 2)) > x[:, 0, 4:].mean((1, 2))).astype(np.int64)
    one = np.ones(1, np.float32)
    return Lessons(x, y, 2, np.float32(127) * one, one / np.float32(74))


def trainer(net: ImageNet, recipes: Any = (RICH,), total: int = 40, data: Any = None) -> Trainer:
    torch.manual_seed(1)
    module = TorchNet(net.ops((1, 8, 8), 2), len(recipes))
    return Trainer(module, list(recipes), data or lessons(), total, seed=5)


@pytest.mark.parametrize("recipe", [RICH, Recipe(optimiser=Sgd())])
def test_a_run_that_was_interrupted_ends_with_the_same_numbers(recipe: Recipe) -> None:
    net = ImageNet(stages=SMALL, stem=8, dropout=0.1)
    whole = trainer(net, (recipe,))
    whole.run(40)
    first = trainer(net, (recipe,))
    first.run(17)
    second = trainer(net, (recipe,))
    second.load(first.state())
    second.run(23)
    for name, value in whole.net.state_dict().items():
        assert torch.equal(value, second.net.state_dict()[name]), name
    assert all(torch.equal(whole.mean[name], second.mean[name]) for name in whole.mean)


def test_networks_side_by_side_learn_what_each_learns_alone() -> None:
    net = ImageNet(stages=SMALL, stem=8)
    recipes = (Recipe(optimiser=AdamW(1e-3)), Recipe(optimiser=AdamW(4e-3), smoothing=0.0))
    alone = [trainer(net, (recipe,)) for recipe in recipes]
    together = trainer(net, recipes)
    together.net.load_state_dict(stack_copies([t.net.state_dict() for t in alone]))
    for one in (*alone, together):
        one.run(3)
    for i, one in enumerate(alone):
        mine = take_copy(together.net.state_dict(), i, 2)
        for name, value in one.net.state_dict().items():
            assert torch.allclose(mine[name], value, rtol=1e-2, atol=2e-3), name


def of_texts(recipes: Any, total: int = 30) -> Trainer:
    """Texts of words 2 to 39; the classes tell whether word 2 is among them."""
    rng = np.random.default_rng(0)
    x = rng.integers(3, 40, (300, 4, 6)).astype(np.int64)
    y = (np.arange(300) % 2).astype(np.int64)
    x[y == 1, 0, 0] = 2
    torch.manual_seed(1)
    net = TextNet(blocks=(), width=8, forget=0.0, dropout=0.0)
    none = np.zeros(1, np.float32)
    module = TorchNet(net.ops((4, 6), 2, ids=50), len(recipes))
    return Trainer(module, list(recipes), Lessons(x, y, 2, none, none), total, seed=5)


@pytest.mark.parametrize("optimiser", [AdamW(0.03), Sgd()])
def test_words_that_a_batch_has_not_stay_as_they_are(optimiser: AdamW | Sgd) -> None:
    one = of_texts((Recipe(optimiser=optimiser, batch=32),))
    before = one.net.state_dict()["layers.0.weight"].clone()
    one.run(17)
    moved = (one.net.state_dict()["layers.0.weight"] != before).any(dim=1).numpy()
    assert moved[2:40].all()
    assert not moved[40:].any()
    again = of_texts((Recipe(optimiser=optimiser, batch=32),))
    again.load(one.state())
    for trainer in (one, again):
        trainer.run(13)
    for name, value in one.net.state_dict().items():
        assert torch.equal(value, again.net.state_dict()[name]), name
    assert (one.answers(one.lessons.x)[0].argmax(axis=1) == one.lessons.y).mean() > 0.8


def test_networks_for_texts_side_by_side_learn_what_each_learns_alone() -> None:
    recipes = (Recipe(AdamW(1e-3), clip=0.1), Recipe(AdamW(4e-3)))
    alone = [of_texts((recipe,)) for recipe in recipes]
    together = of_texts(recipes)
    together.net.load_state_dict(stack_copies([t.net.state_dict() for t in alone]))
    for one in (*alone, together):
        one.run(5)
    for i, one in enumerate(alone):
        mine = take_copy(together.net.state_dict(), i, 2)
        for name, value in one.net.state_dict().items():
            assert torch.allclose(mine[name], value, rtol=1e-4, atol=1e-5), name


def test_it_learns() -> None:
    one = trainer(ImageNet(stages=SMALL, stem=8), (Recipe(augment=Augment(shift=0)),), 150)
    found = one.run(150)
    assert found.steps == 150
    right = one.answers(one.lessons.x)[0].argmax(axis=1) == one.lessons.y
    assert right.mean() > 0.8


def test_a_bad_batch_changes_nothing() -> None:
    data = lessons()
    data.x.setflags(write=True)
    broken = Lessons(data.x.astype(np.float32), data.y, 2, data.shift, data.scale)
    broken.x[:] = np.nan
    one = trainer(ImageNet(stages=SMALL, stem=8, style=ImageNet().style), (Recipe(),), 10, broken)
    before = {k: v.clone() for k, v in one.net.named_parameters()}
    found = one.run(2)
    assert found.bad.tolist() == [2]
    for name, value in one.net.named_parameters():
        assert torch.isfinite(value).all(), name
        assert torch.allclose(value, before[name], atol=1e-3), name


def test_a_batch_in_parts_teaches_what_the_whole_batch_teaches() -> None:
    net = ImageNet(stages=SMALL, stem=8, style=replace(ImageNet().style, norm="group"))
    mixing = Recipe(augment=Augment(flip=True, shift=0.1, mix=0.2))
    whole, parts = trainer(net, (mixing,)), trainer(net, (mixing,))
    parts.at_once = 24  # of 64: parts of 22, 21 and 21
    seen = [one.run(5) for one in (whole, parts)]
    assert np.allclose(seen[0].loss, seen[1].loss, rtol=1e-4)
    assert torch.allclose(whole.remembered, parts.remembered, rtol=1e-3, atol=1e-4, equal_nan=True)
    for name, value in whole.net.state_dict().items():
        assert torch.allclose(value, parts.net.state_dict()[name], rtol=1e-3, atol=1e-4), name
