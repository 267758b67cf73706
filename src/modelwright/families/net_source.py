"""The plain PyTorch source of a network: a file that runs without modelwright."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from modelwright.families.net_ops import Op, Ops

_HEAD = '''"""A network designed by modelwright. Needs PyTorch; the weights load with safetensors:

    from safetensors.torch import load_file
    network = Network()
    network.load_state_dict(load_file("weights.safetensors"))
    network.eval()
    {answers} = network.{answers}(examples)   # {kind} [n, {shape}] to [{width}]
"""

import torch
from torch import nn
from torch.nn import functional as F

CLASSES = {classes!r}
SHIFT, SCALE = {shift!r}, {scale!r}
'''

_ATTENTION = '''

class Attention(nn.Module):
    """Self-attention over positions."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.inner = nn.Conv1d(width, 3 * width, 1)
        self.outer = nn.Conv1d(width, width, 1)

    def forward(self, x):
        flat = x.flatten(2)
        parts = self.inner(flat).view(len(x), 3, self.heads, -1, flat.shape[2])
        q, k, v = parts.transpose(-1, -2).unbind(1)
        out = F.scaled_dot_product_attention(q, k, v)
        return self.outer(out.transpose(-1, -2).reshape(flat.shape)).view(x.shape)
'''


def source_of(
    ops: Ops, classes: Sequence[str], shift: Sequence[float], scale: Sequence[float]
) -> str:
    """The text of a module with a class `Network`; see `plain_weights` for what it loads."""
    head = _HEAD.format(
        shape=", ".join(map(str, ops.input_shape)), kind=raw_kind(ops),
        width=f"n, {len(classes)}" if classes else "n", answers="shares" if classes else "values",
        classes=tuple(classes), shift=[float(v) for v in shift], scale=[float(v) for v in scale],
    )  # fmt: skip
    made = [f"        self.{_name(op)} = {layer}" for op, layer in _layers(ops)]
    run = [f"        {_variable(i)} = {_call(op, ops)}" for i, op in enumerate(ops.steps)]
    last = _variable(len(ops.steps) - 1)
    channels = len(ops.input_shape) - 1
    ones = ", 1" * channels
    told = "Scores [n, classes]" if classes else "Values [n, 1]"
    attention = _ATTENTION if any(op.kind == "attention" for op in ops.steps) else ""
    lines = [
        head + attention,
        "",
        "class Network(nn.Module):",
        f'    """{ops.weights:,} weights, {ops.macs:,} multiplications for one example."""',
        "",
        "    def __init__(self):",
        "        super().__init__()",
        *made,
        "",
        "    def forward(self, x):",
        f'        """{told} of scaled examples."""',
        *run,
        f"        return {last}",
        "",
        "    @torch.no_grad()",
        f"    def {'shares' if classes else 'values'}(self, examples):",
        f'        """{"Shares of the classes" if classes else "Values"} of raw examples."""',
        f"        shift = torch.tensor(SHIFT).view(1, -1{ones})",
        f"        scale = torch.tensor(SCALE).view(1, -1{ones})",
        "        answers = self((examples.float() - shift) * scale)",
        f"        return answers{'.softmax(dim=1)' if classes else '[:, 0]'}",
        "",
    ]
    return "\n".join(lines)


def plain_weights(ops: Ops, state: Mapping[str, Any]) -> dict[str, Any]:
    """The weights of a `TorchNet` of one copy, by the names in the source."""
    out = {}
    for i, op in enumerate(ops.steps):
        own = {k.split(".", 2)[2]: v for k, v in state.items() if k.startswith(f"layers.{i}.")}
        for name, value in own.items():
            if op.kind == "linear":
                value = value[0]
            if op.kind == "embed":
                value = value.copy()
                value[0] = 0
            renamed = {
                "mean": "running_mean", "var": "running_var", "inner": "inner.weight",
                "inner_bias": "inner.bias", "outer": "outer.weight", "outer_bias": "outer.bias",
            }.get(name, name)  # fmt: skip
            out[f"{_name(op)}.{renamed}"] = value
    return out


def _name(op: Op) -> str:
    return re.sub(r"\W", "_", op.name)


def _variable(number: int) -> str:
    return "x" if number < 0 else f"x{number}"


def _layers(ops: Ops) -> list[tuple[Op, str]]:
    """The operations that have weights, each with the text that makes it."""
    out = []
    for op in ops.steps:
        before = ops.shape_of(op.inputs[0])
        if op.kind == "conv":
            a = op.about
            low = [s[0] for s in pads_of(op, before)]
            even = all(p == q for p, q in pads_of(op, before))
            padding = f", padding={tuple(low)}" if even and any(low) else ""
            stride = f", stride={a['stride']}" if a["stride"] > 1 else ""
            groups = f", groups={a['groups']}" if a["groups"] > 1 else ""
            kind = "nn.Conv2d" if len(op.shape) == 3 else "nn.Conv1d"
            bias = "" if a["bias"] else ", bias=False"
            text = (
                f"{kind}({before[0]}, {op.shape[0]}, {a['kernel']}{stride}{padding}{groups}{bias})"
            )
            out.append((op, text))
        elif op.kind == "norm" and op.about["kind"] == "group":
            out.append((op, f"nn.GroupNorm({op.about['groups']}, {op.shape[0]})"))
        elif op.kind == "norm":
            batch = "nn.BatchNorm2d" if len(op.shape) == 3 else "nn.BatchNorm1d"
            out.append((op, f"{batch}({op.shape[0]}, track_running_stats=True)"))
        elif op.kind == "linear":
            out.append((op, f"nn.Linear({before[0]}, {op.shape[0]})"))
        elif op.kind == "attention":
            out.append((op, f"Attention({op.shape[0]}, {op.about['heads']})"))
        elif op.kind == "dropout":
            out.append((op, f"nn.Dropout({op.about['rate']})"))
        elif op.kind == "hide":
            out.append((op, f"nn.Dropout2d({op.about['rate']})"))
        elif op.kind == "embed":
            out.append((op, f"nn.Embedding({op.about['ids']}, {op.shape[0]}, padding_idx=0)"))
        elif op.kind == "recurrent":
            sizes = f"{before[0]}, {op.about['width']}"
            out.append((op, f"nn.GRU({sizes}, batch_first=True, bidirectional=True)"))
    return out


def pads_of(op: Op, before: tuple[int, ...]) -> list[tuple[int, int]]:
    """Zeros before and after along each direction, so that only the stride makes it smaller."""
    kernel, stride = op.about["kernel"], op.about["stride"]
    found = []
    for places, after in zip(before[1:], op.shape[1:], strict=True):
        lacking = max(0, (after - 1) * stride + kernel - places)
        found.append((lacking // 2, lacking - lacking // 2))
    return found


def raw_kind(ops: Ops) -> Literal["int32", "uint8"]:
    """What one number of a raw example is: `int32` (a word's number) or `uint8` (a pixel)."""
    texts = any(op.kind == "embed" or op.about.get("kind") == "texts" for op in ops.steps)
    return "int32" if texts else "uint8"


_ACTS = {"relu": "F.relu", "silu": "F.silu", "gelu": "F.gelu", "hard_swish": "F.hardswish"}


def _call(op: Op, ops: Ops) -> str:
    """The text of an operation in `forward`."""
    x, *others = (_variable(i) for i in op.inputs)
    a = op.about
    if op.kind == "act":
        return f"{_ACTS[a['kind']]}({x})"
    if op.kind == "add":
        return " + ".join([x, *others])
    if op.kind == "scale":
        return f"{x} * torch.sigmoid({others[0]}){'[..., None]' * (len(op.shape) - 1)}"
    if op.kind == "pool":
        kind = "max" if a["kind"] == "max" else "avg"
        return f"F.{kind}_pool{len(op.shape) - 1}d({x}, {a['size']}, ceil_mode=True)"
    if op.kind == "smooth":
        kind, more = ("max", "") if a["kind"] == "max" else ("avg", ", count_include_pad=False")
        half = a["size"] // 2
        return (
            f"F.{kind}_pool{len(op.shape) - 1}d({x}, {a['size']}, stride=1, padding={half}{more})"
        )
    if op.kind == "mean":
        return f"{x}.flatten(2).mean(dim=2)"
    if op.kind == "largest":
        return f"{x}.flatten(2).amax(dim=2)"
    if op.kind == "join":
        return f"torch.cat([{', '.join([x, *others])}], dim=1)"
    if op.kind == "take":
        return f"{x}[:, {a['first']}:{a['first'] + a['count']}]"
    if op.kind == "embed":
        return f"self.{_name(op)}({x}.long()).sum(dim=1).transpose(1, 2)"
    if op.kind == "hide":
        return f"self.{_name(op)}({x}.transpose(1, 2)[..., None])[..., 0].transpose(1, 2)"
    if op.kind == "recurrent":
        return f"self.{_name(op)}({x}.transpose(1, 2))[0].transpose(1, 2)"
    if op.kind == "unit":
        return f"{x} * {a['deviation']!r} + {a['mean']!r}"
    if op.kind == "vote" and a.get("values"):
        return f"({' + '.join([x, *others])}) / {len(op.inputs)}"
    if op.kind == "vote":
        shares = " + ".join(f"{v}.softmax(dim=1)" for v in (x, *others))
        return f"(({shares}) / {len(op.inputs)}).log()"
    if op.kind == "conv":
        pads = pads_of(op, ops.shape_of(op.inputs[0]))
        if any(p != q for p, q in pads):
            x = f"F.pad({x}, {[side for pair in reversed(pads) for side in pair]})"
    return f"self.{_name(op)}({x})"
