"""Random changes of a batch of pictures, all at once."""

from __future__ import annotations

import torch
from torch import Tensor

from modelwright.training.recipe import Augment


def augmented(x: Tensor, how: Augment) -> Tensor:
    """The pictures `[batch, channels, height, width]`, each changed by itself; `x` is not.

    Drawn from PyTorch's generator. What a shift leaves open repeats the edge.
    """
    n, _, height, width = x.shape
    rows = torch.arange(height, device=x.device).expand(n, height)
    columns = torch.arange(width, device=x.device).expand(n, width)
    if how.flip:
        turned = torch.rand(n, 1, device=x.device) < 0.5
        columns = torch.where(turned, width - 1 - columns, columns)
    if how.shift:
        rows = (rows + _shifts(n, how.shift * height, x)).clamp(0, height - 1)
        columns = (columns + _shifts(n, how.shift * width, x)).clamp(0, width - 1)
    if how.flip or how.shift:
        each = torch.arange(n, device=x.device)[:, None, None]
        x = x.permute(0, 2, 3, 1)[each, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    return _cut(x, how.cut) if how.cut else x


def mixed(x: Tensor, strength: float) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures blended in pairs; the partners' numbers `[batch]`, and the own share `[batch]`."""
    n = len(x)
    partner = torch.randperm(n, device=x.device)
    share = torch.distributions.Beta(strength, strength).sample((n,)).to(x.device)
    share = torch.maximum(share, 1 - share)
    own = share.view(n, *[1] * (x.ndim - 1))
    return own * x + (1 - own) * x[partner], partner, share


def _shifts(n: int, most: float, x: Tensor) -> Tensor:
    whole = max(1, round(most))
    return torch.randint(-whole, whole + 1, (n, 1), device=x.device)


def _cut(x: Tensor, share: float) -> Tensor:
    n, _, height, width = x.shape
    half = max(1, round(share * height / 2))
    middle_y = torch.randint(0, height, (n, 1), device=x.device)
    middle_x = torch.randint(0, width, (n, 1), device=x.device)
    in_y = (torch.arange(height, device=x.device) - middle_y).abs() < half
    in_x = (torch.arange(width, device=x.device) - middle_x).abs() < half
    hole = (in_y[:, :, None] & in_x[:, None, :])[:, None]
    return x.masked_fill(hole, 0.0)
