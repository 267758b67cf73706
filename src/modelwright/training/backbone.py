"""A pretrained backbone in PyTorch: loaded from a folder, asked, adapted, written as ONNX.

The only file that loads transformers (extra `backbones`).
"""

from __future__ import annotations

import re
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from modelwright.core.errors import InputError, MissingLibraryError
from modelwright.data.array_part import ArrayPart
from modelwright.training.lessons import Lessons
from modelwright.training.speed import best_device

ALPHA = 2.0  # of what is learnt at a low rank, over that rank (Hu et al. 2021)
AT_ONCE = 32  # examples answered at a time
OPSET = 20  # the newest that the exporter knows; its operations are the same in that of `Graph`
QUERIES = re.compile(r"(^|\.)(query|value|(query|value|q|v)_proj|[qv]_lin|q|v|qkv|Wqkv)$")
BROKEN = (OSError, ValueError, RuntimeError, TypeError, KeyError, AttributeError, ImportError)


class Pretrained(nn.Module):
    """Features `[batch, 2 width]` of raw examples: the mean over all places, then the first place.

    `about` is that of an operation `backbone` (`families.net_ops`). What is not learnt is no part
    of the module's state: with `low_rank` that is pairs of matrices, frozen it is empty. Features
    that were taken before, `[batch, 2 width]`, are passed on. Dropout inside stays off and norms
    keep their statistics, whatever is learnt: sets here are small.
    """

    def __init__(self, about: Mapping[str, Any]) -> None:
        super().__init__()
        self.about, self.slow = about, float(about["slow"])
        self.hidden: list[nn.Module] = []  # in a list: no part of the state
        self.traced = False  # while it is written as ONNX nothing depends on what is asked
        self.down, self.up = nn.ParameterList(), nn.ParameterList()
        if about["mode"] == "tuned":
            self.model = load_backbone(about["folder"]).requires_grad_(True)
        elif about["mode"] == "low_rank":
            self._put_beside(self._opened(torch.device("cpu")))

    def _opened(self, device: torch.device) -> nn.Module:
        """The backbone; one that is frozen is loaded, to the `device`, when it is asked first."""
        if self.about["mode"] == "tuned":
            return self.model
        if not self.hidden:
            self.hidden.append(load_backbone(self.about["folder"]).to(device))
        return self.hidden[0]

    def _put_beside(self, model: nn.Module) -> None:
        """Puts products of matrices that are 0 yet beside the projections to queries and values."""
        rank = int(self.about["rank"])
        for name, inner in projections(model).items():
            down = torch.randn(rank, inner.in_features) / inner.in_features**0.5
            self.down.append(nn.Parameter(down))
            self.up.append(nn.Parameter(torch.zeros(inner.out_features, rank)))
            model.set_submodule(name, LowRank(inner, self.down[-1], self.up[-1]))

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Any:
        for model in self.hidden:  # goes to another device with the rest
            model._apply(fn)  # type: ignore[no-untyped-call]
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def train(self, mode: bool = True) -> Pretrained:
        """Says whether it learns; the backbone itself always answers as it does in use."""
        super().train(mode)
        if self.about["mode"] == "tuned":
            self.model.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Features of examples, or features as they are."""
        if x.ndim == 2:
            return x
        if torch.is_grad_enabled() or self.traced:
            return self._features(x)
        return torch.cat([self._features(part) for part in torch.split(x, AT_ONCE)])

    def _features(self, x: Tensor) -> Tensor:
        ask = self._texts if self.about["kind"] == "texts" else self._images
        return ask(self._opened(x.device), x).float()

    def _texts(self, model: nn.Module, x: Tensor) -> Tensor:
        pieces = x[:, -1].long()
        if not self.traced:
            pieces = pieces[:, : max(1, int((pieces > 0).sum(dim=1).max()))]
        there = pieces > 0
        seen = model(input_ids=(pieces - 1).clamp(min=0), attention_mask=there.long())
        out, share = seen.last_hidden_state, there[:, :, None].float()
        mean = (out * share).sum(dim=1) / share.sum(dim=1).clamp(min=1)
        return torch.cat([mean, out[:, 0]], dim=1)

    def _images(self, model: nn.Module, x: Tensor) -> Tensor:
        size, (shift, scale) = int(self.about["size"]), self.about["scaled"]
        x = x / _each(scale, x) + _each(shift, x)  # bytes again
        if x.shape[1] == 1:
            x = x.expand(-1, 3, -1, -1)
        if tuple(x.shape[2:]) != (size, size):
            x = F.interpolate(x, (size, size), mode="bilinear", align_corners=False)
        x = (x / 255 - _each(self.about["mean"], x)) / _each(self.about["std"], x)
        out = model(pixel_values=x.contiguous()).last_hidden_state
        if out.ndim == 4:  # maps of a convolutional one
            mean = out.mean(dim=(2, 3))
            return torch.cat([mean, mean], dim=1)
        return torch.cat([out.mean(dim=1), out[:, 0]], dim=1)

    def merge(self) -> None:
        """Adds what was learnt at a low rank to the weights beside it; nothing is learnt after."""
        model = self._opened(torch.device("cpu"))
        for name, found in [(n, m) for n, m in model.named_modules() if isinstance(m, LowRank)]:
            found.inner.weight.data += ALPHA * found.up.data @ found.down.data
            model.set_submodule(name, found.inner)


class LowRank(nn.Module):
    """A linear layer and a product of two low matrices beside it."""

    def __init__(self, inner: nn.Linear, down: Tensor, up: Tensor) -> None:
        super().__init__()
        self.inner = inner
        self.down, self.up = down, up

    def forward(self, x: Tensor) -> Tensor:
        """What the layer answers, and what was learnt beside it."""
        out: Tensor = self.inner(x) + ALPHA * F.linear(F.linear(x, self.down), self.up)
        return out


def projections(model: nn.Module) -> dict[str, nn.Linear]:
    """The linear layers that make queries and values, by their names."""
    named = model.named_modules()
    return {n: m for n, m in named if isinstance(m, nn.Linear) and QUERIES.search(n)}


def load_backbone(folder: str) -> nn.Module:
    """The model of a folder, in single precision, not to be learnt; from safetensors alone.

    No code of the folder is run and nothing is fetched. Raises InputError where transformers cannot
    load it or weights are missing, MissingLibraryError without transformers.
    """
    try:
        transformers: Any = import_module("transformers")
    except ImportError:
        raise MissingLibraryError(
            "a backbone needs transformers: pip install 'modelwright[backbones]'"
        ) from None
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        model, told = transformers.AutoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=False,
            attn_implementation="eager", dtype=torch.float32, output_loading_info=True,
        )  # fmt: skip
    except BROKEN as error:
        raise InputError(
            f"transformers cannot load the backbone {Path(folder).name}: {_first(error)}."
        ) from None
    lacking = sorted(n for n in told["missing_keys"] if "pooler" not in n)
    if lacking:
        raise InputError(f"the backbone {Path(folder).name} has no weights for {lacking[0]}.")
    found: nn.Module = model.eval().requires_grad_(False)
    return found


def measured(about: Mapping[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
    """What the backbone is: `width` of its features, `params`, `macs` of one example, `held`.

    `held` are the numbers that a step of training keeps for an example; `projections` inputs and
    outputs of all projections together; `seconds` for an example, as measured. Examples are of that
    `shape`. Raises InputError for a backbone that does not answer them.
    """
    from torch.utils.flop_counter import FlopCounterMode

    device = best_device()
    net = Pretrained({**about, "mode": "tuned", "slow": 1.0}).to(device)
    own = {p.data_ptr() for p in net.parameters()}
    held: list[int] = []

    def note(tensor: Tensor) -> Tensor:
        held.append(0 if tensor.data_ptr() in own else tensor.numel())
        return tensor

    some = torch.full((8, *shape), 2.0, device=device)
    try:
        with FlopCounterMode(display=False) as count, torch.no_grad():
            width = net(some[:1]).shape[1] // 2
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            net(some[:1])
        took = []
        for _ in range(2):  # the first time of anything is slow
            began = time.perf_counter()
            with torch.no_grad():
                net(some).cpu()  # a GPU answers before it is done
            took.append(time.perf_counter() - began)
    except BROKEN as error:
        raise InputError(
            f"the backbone {about['name']} gives no features of {about['kind']}: {_first(error)}."
        ) from None
    found = projections(net.model).values()
    return {
        "width": width, "params": sum(p.numel() for p in net.parameters()), "held": sum(held),
        "macs": count.get_total_flops() // 2, "seconds": min(took) / len(some),
        "projections": sum(m.in_features + m.out_features for m in found),
    }  # fmt: skip


def features_of(about: Mapping[str, Any], part: ArrayPart, out: Path) -> None:
    """Writes the features of all examples, float32 `[n, 2 width]`."""
    device = best_device()
    net = Pretrained(about).to(device)
    lessons = Lessons(part.inputs, np.asarray(part.y), 0, part.shift, part.scale)
    found = np.lib.format.open_memmap(out, "w+", np.float32, (len(part.y), 2 * int(about["width"])))
    with torch.inference_mode():
        for at in range(0, len(found), AT_ONCE):
            rows = np.arange(at, min(len(found), at + AT_ONCE))
            found[at : at + AT_ONCE] = net(lessons.batch(rows, device)).cpu().numpy()
    found.flush()


def exported(about: Mapping[str, Any], shape: tuple[int, ...], own: Mapping[str, Any]) -> bytes:
    """The ONNX file from examples `x` to features, with what was learnt (`own`) in its weights."""
    net = Pretrained(about).eval()
    net.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in own.items()})
    net.merge()
    net.traced = True
    kind = torch.int32 if about["kind"] == "texts" else torch.float32
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of tracing: sizes are fixed, but for the batch's
        path = Path(folder) / "backbone.onnx"
        torch.onnx.export(
            net, (torch.full((2, *shape), 2, dtype=kind),), path, dynamo=False,
            opset_version=OPSET, input_names=["x"], output_names=["features"],
            dynamic_axes={"x": {0: "n"}, "features": {0: "n"}},
        )  # fmt: skip
        return path.read_bytes()


def _each(numbers: Any, x: Tensor) -> Tensor:
    """One number for each channel, to be broadcast."""
    return torch.tensor(numbers, dtype=x.dtype, device=x.device).view(1, -1, 1, 1)


def _first(error: BaseException) -> str:
    return str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
