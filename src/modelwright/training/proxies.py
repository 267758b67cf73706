"""Zero-cost proxies: what a network that was never trained shows of how well it may learn."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from modelwright.training.torch_net import TorchNet

TINY = 1e-5  # added to eigenvalues, as in the paper


def proxies(net: TorchNet, batch: Tensor) -> dict[str, float]:
    """`synflow`, `naswot` and `jacobian_covariance` of a network with drawn weights.

    `batch` is `[n, *input_shape]`, scaled training examples without labels, 32 or so. Higher is
    said to be better for all three. What a network cannot be asked is left out: `naswot` without
    an activation, and any that is not finite. The network is left as it is; nothing is random.

    - `synflow` (Tanaka et al. 2020, arXiv:2006.05467): the logarithm of the sum of weights times
      their gradients, of a copy with absolute weights and an input of ones. What differs: norms
      and activations let everything pass, so that the copy is linear also with `gelu` and the like
      (not in attention and gates); texts have no ones, and the first example is used.
    - `jacobian_covariance` (Mellor et al. 2021, arXiv:2006.04647, version 1): how little the
      gradients of the answers by the inputs are alike from one example to the other. For texts by
      the embedded inputs.
    - `naswot` (version 3): the log determinant of how alike the patterns of open and closed
      activations are. What differs: an activation is open where its input is over 0, whatever its
      kind.
    """
    found = {"synflow": _synflow(net, batch), **_differences(net, batch)}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _synflow(net: TorchNet, batch: Tensor) -> float:
    linear = copy.deepcopy(net).double().eval()
    for op, layer in zip(net.ops.steps, linear.layers, strict=True):
        if op.kind in ("norm", "act"):
            layer.register_forward_hook(_pass_on)
    weights = list(linear.parameters())
    with torch.no_grad():
        for weight in weights:
            weight.abs_()
    words = any(op.kind == "embed" for op in net.ops.steps)
    x = batch[:1].double() if words else torch.ones(1, *batch.shape[1:], dtype=torch.float64)
    slopes = torch.autograd.grad(linear(x).sum(), weights, allow_unused=True)
    flow = sum(
        float((weight.detach() * slope).sum())
        for weight, slope in zip(weights, slopes, strict=True)
        if slope is not None
    )
    return math.log10(flow) if flow > 0 else math.nan


def _pass_on(layer: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> Tensor:
    return inputs[0]


def _differences(net: TorchNet, batch: Tensor) -> dict[str, float]:
    """Both measures of how differently the examples are treated, by one pass there and back."""
    twin = copy.deepcopy(net).eval()  # without dropout
    x = batch.detach().clone()
    looked_at, patterns = [x.requires_grad_()], []

    def embedded(layer: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        out.retain_grad()
        looked_at.append(out)

    def opened(layer: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        patterns.append((inputs[0].detach() > 0).flatten(1).double())

    for op, layer in zip(net.ops.steps, twin.layers, strict=True):
        if op.kind == "norm":
            layer.train()  # by the batch, as in the first step of a training
        elif op.kind == "embed":
            layer.register_forward_hook(embedded)
        elif op.kind == "act":
            layer.register_forward_hook(opened)
    twin(x).sum().backward()
    slopes = [part.grad.flatten(1) for part in looked_at if part.grad is not None]
    found = {"jacobian_covariance": _unlike(torch.cat(slopes, dim=1).double())}
    if patterns:
        alike = sum(p @ p.T + (1 - p) @ (1 - p).T for p in patterns)
        found["naswot"] = float(torch.linalg.slogdet(alike).logabsdet)
    return found


def _unlike(slopes: Tensor) -> float:
    """The paper's score of gradients `[n, inputs]`: 0 at best is far from one example's copies."""
    correlation = torch.corrcoef(slopes)
    if not bool(correlation.isfinite().all()):
        return math.nan
    sizes = torch.linalg.eigvalsh(correlation).clamp(min=0) + TINY
    return -float((sizes.log() + 1 / sizes).sum())
