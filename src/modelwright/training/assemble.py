"""A network from modules of the user's own: put in a row, measured, and made to fit one another."""

from __future__ import annotations

import inspect
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from modelwright.core.errors import InputError
from modelwright.training.adapters import (
    Adapter,
    First,
    Kind,
    Shape,
    Unscale,
    adapters_for,
    head_for,
    kind_of,
)

APART = 1e-3  # two answers of one network for one example are no further apart than this


@dataclass(frozen=True)
class Assembled:
    """A network, and how it came to be.

    `layers` are its parts in order: name, shape of what an example is after it, weights, and
    whether it is an adapter. `adapters` says in words what was put in, and where.
    """

    module: nn.Module
    layers: tuple[tuple[str, Shape, int, bool], ...]
    adapters: tuple[str, ...]

    @property
    def params(self) -> int:
        """Learned numbers."""
        return sum(p.numel() for p in self.module.parameters())


def assemble(
    design: Any, example: Tensor, out: int, scale: tuple[float, float] | None = None
) -> Assembled:
    """The network of a design for examples like `example` `[2, *shape]`, with `out` answers.

    A design is a module; an object whose `build` returns one, or a sequence of modules and designs;
    a sequence of designs; or a dataclass whose fields are designs, in their order. `build` is given
    those of `in_shape` (of an example, as it reaches the part) and `out` that it names. A class may
    say what it `takes`: 1 for features, 2 for channels x places, 3 for pictures.

    Where a part cannot take what comes, an adapter is put in before it (see `adapters`), and at the
    end a linear layer where `out` was not asked for. `scale` (mean, deviation) brings the answers
    to the unit of the target. Weights are drawn from PyTorch's generator.

    Raises InputError for what is no module, does not fit, or does not answer `[batch, out]`.
    """
    row = _Row(example, out)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Ll]azy", category=UserWarning)
        row.take(design, type(design).__name__)
        return row.finish(scale, own=isinstance(design, nn.Module))


class _Row:
    """Parts so far, and an example as it leaves the last of them."""

    def __init__(self, example: Tensor, out: int) -> None:
        self.first, self.x, self.out = example, example, out
        self.parts: list[tuple[str, nn.Module]] = []
        self.layers: list[tuple[str, Shape, int, bool]] = []
        self.words: list[str] = []
        self.promised = ""  # who asked for `out`, and so answers for the last shape
        self.sequence: bool | None = None  # features come last; None before the first layer

    @property
    def shape(self) -> Shape:
        return tuple(self.x.shape[1:])

    def take(self, thing: Any, name: str) -> None:
        """Puts a module, or what a design is made of, at the end of the row."""
        if isinstance(thing, nn.Module):
            self._append(thing, name)
        elif isinstance(thing, Sequence) and not isinstance(thing, str):
            for part in thing:
                self.take(part, type(part).__name__)
        elif callable(getattr(thing, "build", None)):
            self._build(thing, type(thing).__name__)
        elif found := _parts_of(thing):
            for part in found:
                self.take(part, type(part).__name__)
        elif thing is not None:
            raise InputError(
                f"a network is made of modules, and of dataclasses whose build() returns one; "
                f"{name} is a {type(thing).__name__}."
            )

    def _build(self, design: Any, name: str) -> None:
        takes = getattr(design, "takes", None)
        if isinstance(takes, int) and len(self.shape) != takes:
            kind = Kind((takes,), None, takes == 1)
            self._adapt(adapters_for(kind, self.shape, self.sequence), name)
        given = {"in_shape": self.shape, "out": self.out}
        asked = [n for n in inspect.signature(design.build).parameters if n in given]
        try:
            built = design.build(**{n: given[n] for n in asked})
        except InputError:
            raise
        except Exception as error:
            told = f"{name}.build raised {type(error).__name__}: {error}"
            raise InputError(f"{told} (an example is {_said(self.shape)} there)") from error
        if built is None or built is design:
            raise InputError(f"{name}.build must return a module; it returned {built!r}.")
        self.take(built, name)
        if "out" in asked:
            self.promised = name

    def _append(self, module: nn.Module, name: str) -> None:
        kind, sure = kind_of(module)
        module = First(module) if isinstance(module, nn.RNNBase) else module
        put = [] if kind is None else adapters_for(kind, self.shape, self.sequence)
        if put and not sure:  # its first layer may be used elsewhere: as it is, if that works
            try:
                answer = self._tried(module, name)
            except InputError:
                self._adapt(put, name)
                answer = self._tried(module, name)
        else:
            self._adapt(put, name)
            answer = self._tried(module, name)
        self._add(module, name, answer)
        last, _ = kind_of(module, last=True)
        if last is not None:
            self.sequence = last.last and len(self.shape) == 2
        self.promised = ""

    def _adapt(self, put: Sequence[Adapter], name: str) -> None:
        if not put:
            return
        before = _said(self.shape)
        for adapter in put:
            self._add(adapter.module, adapter.words, self._tried(adapter.module, name), True)
            self.sequence = adapter.sequence if len(self.shape) == 2 else False
        told = ", ".join(adapter.words for adapter in put)
        self.words.append(f"before {name}: {before} -> {_said(self.shape)} ({told})")

    def _add(self, module: nn.Module, name: str, answer: Tensor, adapter: bool = False) -> None:
        label = "adapter" if adapter else name
        self.parts.append((f"{len(self.parts)}_{label}", module))
        self.x = answer
        weights = sum(p.numel() for p in module.parameters())
        self.layers.append((name, self.shape, weights, adapter))

    def _tried(self, module: nn.Module, name: str) -> Tensor:
        """What the module makes of the example."""
        was = module.training
        module.eval()
        try:
            with torch.no_grad():
                answer = module(self.x)
        except Exception as error:
            first = str(error).strip().splitlines()[0] if str(error).strip() else ""
            told = f"{name} cannot take {_said(self.shape)}: {type(error).__name__}: {first}"
            if not self.x.is_floating_point() and not self.parts:
                told += " (whole numbers stay whole: give x as float32 where they are no ids)"
            raise InputError(told) from error
        finally:
            module.train(was)
        if isinstance(answer, tuple) and answer and isinstance(answer[0], Tensor):
            raise InputError(f"{name} answers several things; its module must return one tensor.")
        if not isinstance(answer, Tensor):
            raise InputError(f"{name} must answer a tensor; it answered {type(answer).__name__}.")
        if answer.ndim < 1 or len(answer) != len(self.x):
            raise InputError(
                f"{name} must answer [batch, ...]; for {len(self.x)} examples it answered a tensor "
                f"of shape {tuple(answer.shape)}."
            )
        return answer

    def finish(self, scale: tuple[float, float] | None, own: bool) -> Assembled:
        """The whole, checked. A network of the user's `own` is answered for as it is."""
        if not self.parts:
            raise InputError("this design has no module in it.")
        if self.shape == () and self.out == 1:
            self._adapt([Adapter(nn.Unflatten(0, (-1, 1)), "a column")], "the answer")
        if self.shape != (self.out,):
            if own or self.promised:
                name = self.promised or self.parts[-1][0].partition("_")[2]
                raise InputError(
                    f"{name} answers {_said(self.shape)} for an example; {self.out} numbers are "
                    "expected, one for each class (or the value)."
                )
            self._adapt(head_for(self.out, self.shape, self.sequence), "the answer")
        if scale is not None and not own:
            unit = Unscale(*scale)
            self._add(unit, "unit of the target", unit(self.x), True)
        module = self.parts[0][1]
        if len(self.parts) > 1:
            module = nn.Sequential(OrderedDict(self.parts))
        self._check(module)
        return Assembled(module, tuple(self.layers), tuple(self.words))

    def _check(self, module: nn.Module) -> None:
        """One example answered alone is answered as among others."""
        if any(isinstance(p, UninitializedParameter) for p in module.parameters()):
            raise InputError("a lazy layer of this network is never used.")
        module.eval()
        with torch.no_grad():
            both, again = module(self.first), module(self.first)
            try:
                alone = torch.cat([module(x[None]) for x in self.first])
            except Exception as error:
                raise InputError(f"it cannot answer a single example: {error}") from error
        module.train()
        same = torch.allclose(alone, both, APART, APART, equal_nan=True)
        if torch.equal(both, again) and not same:
            raise InputError(
                "its answer for one example depends on the others of its batch: the first "
                "dimension is the batch (recurrent and attention layers need batch_first=True)."
            )


def _parts_of(thing: Any) -> list[Any]:
    """The fields of a dataclass that are designs themselves, in their order."""
    if not is_dataclass(thing) or isinstance(thing, type):
        return []
    return [value for f in fields(thing) if _is_design(value := getattr(thing, f.name))]


def _is_design(value: Any) -> bool:
    if isinstance(value, tuple):
        return any(map(_is_design, value))
    built = callable(getattr(value, "build", None)) and not isinstance(value, type)
    return built or isinstance(value, nn.Module) or bool(_parts_of(value))


def _said(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "one number"
