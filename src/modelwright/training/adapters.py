"""What is put between two modules whose shapes do not fit: the least that makes them fit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Shape = tuple[int, ...]
FLAT = 4096  # features that a layer of open width is given flat; of more their mean over places
DEAR = 65_536  # weights of a linear layer over all places, above which it sees their mean

_CONV = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_POOL = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)


@dataclass(frozen=True)
class Kind:
    """What a layer takes: how many dimensions an example may have (without the batch); the size of
    its channels, None where any will do; and whether those come last, as in sequences.
    """

    dims: tuple[int, ...]
    size: int | None
    last: bool


@dataclass(frozen=True)
class Adapter:
    """A module that was put in, in words; `sequence` tells that features come last after it."""

    module: nn.Module
    words: str
    sequence: bool = False


class Transpose(nn.Module):
    """`[batch, a, b]` to `[batch, b, a]`."""

    def forward(self, x: Tensor) -> Tensor:
        """The two dimensions exchanged."""
        return x.transpose(1, 2)


class First(nn.Module):
    """The first of several answers of a module: a recurrent layer's results, without its state."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """The first answer."""
        out: Tensor = self.module(x)[0]
        return out


class Unscale(nn.Module):
    """Answers of mean 0 and deviation 1 in the unit of the target; nothing in it is learned."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: float, deviation: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("deviation", torch.tensor(deviation, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        """`x * deviation + mean`."""
        return x * self.deviation + self.mean


def kind_of(module: nn.Module, last: bool = False) -> tuple[Kind | None, bool]:
    """What the first (or last) layer of a module takes, and whether it surely is the first.

    None where no layer of PyTorch's that says so is in it. Of a module of the user's own the first
    layer that it declares may not be the first that it uses; and what stands before a layer may
    change the shape that it is given.
    """
    if last and isinstance(module, nn.Embedding):  # its features come last
        return Kind((1,), None, True), True
    found, children = _kind(module), list(module.children())
    if found is not None:
        return found, True
    if not children:
        return None, _keeps(module)
    sure = isinstance(module, nn.Sequential)
    for child in reversed(children) if last else children:
        found, inner = kind_of(child, last)
        sure = sure and inner
        if found is not None:
            return found, sure
    return None, sure


def _keeps(module: nn.Module) -> bool:
    """True for a layer that answers in the shape that it is given."""
    room = type(module).__module__.removeprefix("torch.nn.modules.")
    if room in ("activation", "dropout", "normalization"):
        return not isinstance(module, nn.GLU)
    return isinstance(module, nn.Identity)


def _kind(module: nn.Module) -> Kind | None:
    name = type(module).__name__
    places = next((d for d in (1, 2, 3) if name.endswith(f"{d}d")), 0)
    size: int | None
    if places and "Conv" in name:
        size = int(getattr(module, "in_channels", 0))
        return Kind((places + 1,), size or None, False)
    if places and "Norm" in name:
        size = int(getattr(module, "num_features", 0))
        return Kind((1, 2) if places == 1 else (places + 1,), size or None, False)
    if places and "Pool" in name:
        return Kind((places + 1,), None, False)
    if isinstance(module, nn.Linear):
        return Kind((1, 2), module.in_features or None, True)
    if isinstance(module, nn.LayerNorm) and len(module.normalized_shape) == 1:
        return Kind((1, 2), module.normalized_shape[0], True)
    if isinstance(module, nn.RNNBase):
        return Kind((2,), module.input_size, True)
    if isinstance(module, nn.TransformerEncoderLayer):
        return Kind((2,), module.self_attn.embed_dim, True)
    if isinstance(module, nn.MultiheadAttention):
        return Kind((2,), module.embed_dim, True)
    return None


def adapters_for(kind: Kind, shape: Shape, sequence: bool | None) -> list[Adapter]:
    """What must come before a layer of that kind.

    `shape` is an example's. `sequence` says whether features come last in it, None for the user's
    own examples, which are taken as they fit.
    """
    dims, size, last = kind.dims, kind.size, kind.last
    if len(shape) == 2 and sequence is None:
        sequence = _reads_as_sequence(size, last, shape)
    if last and 1 in dims and (len(shape) > 2 or not sequence):
        dims = (1,)  # else a linear layer would work on places, not on channels
    if not shape:
        return []
    wanted = min(dims, key=lambda d: (abs(d - len(shape)), d))
    put: list[Adapter] = []
    if wanted == 1 and len(shape) > 1:
        put, shape = _flat(size, shape, bool(sequence))
    elif wanted == 2 and last and len(shape) == 3:
        put = [Adapter(nn.Flatten(2), "places in a row"), _turned(True)]
        shape = (math.prod(shape[1:]), shape[0])
    elif wanted == 2 and len(shape) == 2 and bool(sequence) is not last:
        put, shape = [_turned(last)], shape[::-1]
    elif wanted != len(shape):
        put, shape = _reshaped(wanted, last, shape)
    return [*put, *_sized(size, last, shape)]


def head_for(out: int, shape: Shape, sequence: bool | None) -> list[Adapter]:
    """What brings an example of that shape to `out` numbers: all places or their mean, linear."""
    if not shape:
        return []
    put: list[Adapter] = []
    if len(shape) > 1:
        put, shape = _flat(out, shape, bool(sequence))
    return [*put, *_sized(out, True, shape)]


def _reads_as_sequence(size: int | None, last: bool, shape: Shape) -> bool:
    """How the user's own examples `a x b` are meant, by what the first layer takes."""
    if size is None or shape[0] == shape[1]:
        return False if size is None else last
    return shape[1] == size


def _flat(size: int | None, shape: Shape, sequence: bool) -> tuple[list[Adapter], Shape]:
    """All places as features where that is what is asked for, or few; else the mean over them."""
    whole = math.prod(shape)
    channels = shape[-1] if sequence else shape[0]
    few = whole <= FLAT and (size is None or (whole * size <= DEAR and channels != size))
    if whole == size or few:
        return [Adapter(nn.Flatten(), "flatten")], (whole,)
    return _mean(shape, sequence)


def _mean(shape: Shape, sequence: bool) -> tuple[list[Adapter], Shape]:
    put = [_turned(False)] if sequence else []
    shape = shape[::-1] if sequence else shape
    if len(shape) > 4:
        return [Adapter(nn.Flatten(), "flatten")], (math.prod(shape),)
    pool = nn.Sequential(_POOL[len(shape) - 2](1), nn.Flatten())
    return [*put, Adapter(pool, "mean over places")], shape[:1]


def _turned(sequence: bool) -> Adapter:
    return Adapter(Transpose(), "features last" if sequence else "channels first", sequence)


def _reshaped(wanted: int, last: bool, shape: Shape) -> tuple[list[Adapter], Shape]:
    """More or fewer dimensions: numbers become places of one channel, a picture a row of places."""
    if len(shape) == 1:
        new = (1, *shape) if wanted == 2 and not last else (*shape, *[1] * (wanted - 1))
    elif len(shape) < wanted:
        new = (*[1] * (wanted - len(shape)), *shape)
    else:
        new = (*shape[: wanted - 1], math.prod(shape[wanted - 1 :]))
    told = " x ".join(map(str, new))
    if len(shape) > wanted:
        return [Adapter(nn.Flatten(wanted), f"as {told}")], new
    # The first dimension of an example is the one that is parted; others stay behind it.
    first = new[: len(new) - len(shape) + 1]
    return [Adapter(nn.Unflatten(1, first), f"as {told}", last)], new


def _sized(size: int | None, last: bool, shape: Shape) -> list[Adapter]:
    """Another number of channels, by a linear layer or a convolution of one place."""
    place = -1 if last else 0
    if size is None or shape[place] == size:
        return []
    if last or len(shape) == 1:
        words = f"linear {shape[place]} -> {size}"
        return [Adapter(nn.Linear(shape[place], size), words, len(shape) == 2)]
    conv = _CONV[len(shape) - 2](shape[0], size, 1)
    wide = " x ".join("1" * (len(shape) - 1)) if len(shape) > 2 else "1-wide"
    return [Adapter(conv, f"{wide} convolution {shape[0]} -> {size}")]
