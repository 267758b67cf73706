"""How many multiplications a module makes, counted while it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_PRODUCTS = ("matmul", "__matmul__", "__rmatmul__", "bmm", "mm", "mv", "dot")
_RECURRENT = ("gru", "lstm", "rnn_tanh", "rnn_relu")


def macs_of(module: nn.Module, x: Tensor) -> int:
    """Multiplications for `x` in linear layers, convolutions, products of matrices, attention and
    recurrent layers, wherever they are called; sums, einsum and what works number by number do not
    count.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(32, 5))
    >>> macs_of(net, Tensor(1, 1, 6, 6).fill_(1))
    448
    """
    counter = _Counter()
    module.eval()
    with counter:  # with gradients: without them attention is one product that nobody sees
        module(x)
    module.train()
    return counter.total


class _Counter(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        out = function(*args, **(kwargs or {}))
        self.total += int(_macs(getattr(function, "__name__", ""), args, kwargs or {}, out))
        return out


def _macs(name: str, args: Sequence[Any], named: Mapping[str, Any], out: Any) -> Any:
    given = [*args, *named.values()]
    tensors = [a for a in given if isinstance(a, Tensor)]
    if name in _RECURRENT:  # weights have two dimensions, states in a tuple three
        listed = [w for a in given if isinstance(a, list | tuple) for w in a]
        steps = tensors[0].numel() // tensors[0].shape[-1]
        return steps * sum(w.numel() for w in listed if isinstance(w, Tensor) and w.ndim == 2)
    if name.removesuffix("_cell") in _RECURRENT:  # input, state, weights of each, biases
        return len(given[0]) * (given[2].numel() + given[3].numel())
    if len(tensors) < 2:
        return 0
    if name == "multi_head_attention_forward":  # [places, batch, width]; a square each for q, k,
        query, key = tensors[0], tensors[1]  # v and the answer, and two products of all places
        return (2 * query.numel() + 2 * key.numel()) * query.shape[-1] + (
            2 * query.numel() * len(key)
        )
    if name == "linear":
        return out.numel() * tensors[1].shape[-1]
    if name.startswith("conv_transpose"):
        return tensors[0].numel() * tensors[1][0].numel()
    if name in ("conv1d", "conv2d", "conv3d"):
        return out.numel() * tensors[1][0].numel()
    if name in _PRODUCTS:
        return out.numel() * tensors[0].shape[-1]
    if name in ("addmm", "baddbmm"):
        return out.numel() * tensors[1].shape[-1]
    if name == "scaled_dot_product_attention":
        query, key = tensors[0], tensors[1]
        return 2 * query.numel() * key.shape[-2]
    return 0
