"""Networks of the user's modules: what is put in, and what they multiply."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from modelwright.training.assemble import assemble  # noqa: E402
from modelwright.training.count import macs_of  # noqa: E402
from modelwright.training.lessons import Lessons  # noqa: E402


class Cell(nn.Module):
    """A recurrent cell, used once."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(3, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.cell(x)[0]
        return out


def words() -> nn.Module:
    return nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(20, 3))


def turned() -> nn.Module:
    return nn.Sequential(nn.Unflatten(1, (1, 6, 6)), nn.Conv2d(1, 2, 3), nn.Flatten())


@pytest.mark.parametrize(
    ("design", "shape", "ids", "adapters", "macs"),
    [
        ([words()], (5,), True, ["linear 3 -> 2"], 60 + 6),
        ([turned()], (36,), False, ["linear 32 -> 2"], 2 * 16 * 9 + 64),
        (  # the mean over places, not over features
            [nn.Embedding(9, 4)], (2000,), True,
            ["channels first, mean over places, linear 4 -> 2"], 8,
        ),
        ([nn.LSTM(3, 5, batch_first=True)], (7, 3), False, ["flatten, linear 35 -> 2"],
         7 * (20 * 3 + 20 * 5) + 70),
        ([Cell()], (3,), False, ["linear 5 -> 2"], 20 * 3 + 20 * 5 + 10),
        (  # a dropout changes no shape: the linear layer is still the first
            [nn.Sequential(nn.Dropout(), nn.Linear(6, 8))], (1, 6, 6), False,
            ["flatten, linear 36 -> 6", "linear 8 -> 2"], 36 * 6 + 48 + 16,
        ),
    ],
)  # fmt: skip
def test_what_is_put_in_and_what_it_costs(
    design: list[Any], shape: tuple[int, ...], ids: bool, adapters: list[str], macs: int
) -> None:
    x = torch.randint(9, (2, *shape)) if ids else torch.randn(2, *shape)
    built = assemble(design, x, 2)
    assert [line.partition(" (")[2][:-1] for line in built.adapters] == adapters
    assert macs_of(built.module, x[:1]) == macs


def test_large_ids_stay_what_they_are() -> None:
    ids, one = np.array([[2**24 + 1], [3]]), np.ones(1, np.float32)
    found = Lessons(ids, np.array([0, 1]), 2, 0 * one, one).batch(np.arange(2), torch.device("cpu"))
    assert found.tolist() == ids.tolist()
