"""A network's operations as the boxes of a drawing: what is one thing to the eye is one box.

A step of a drawing is `[kind, name, inputs, shape, weights, macs]` and, where it is known, a
mapping of what the kind needs (`kernel`, `stride`, `groups`, `kind`, `heads`, `size`, `rate`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

Drawing = Sequence[Sequence[Any]]
MERGES = {"add": "+", "scale": "×", "join": "&"}  # drawn as circles
FOLLOW = ("norm", "act", "dropout", "unit")  # said in the box of what they come after
PLAIN = frozenset(
    {"conv", "norm", "act", "add", "scale", "pool", "smooth", "mean", "largest", "join", "linear",
     "dropout", "attention", "vote"}
)  # fmt: skip


@dataclass(frozen=True)
class Box:
    """Some operations in a row. `inputs` are numbers of earlier boxes, -1 the network's input.

    `title` and `under` are its two lines of text; a merge is a circle whose sign is the title.
    `panel` is the part of the network (`stem`, `stage0`, `head`), `unit` the block in it. `shape`
    is of the result, without the batch.
    """

    title: str
    under: str
    merge: bool
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    weights: int
    macs: int
    panel: str
    unit: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class _Step:
    kind: str
    name: str
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    weights: int
    macs: int
    about: Mapping[str, Any]
    groups: tuple[str, str] = ("", "")  # panel, unit


def members_of(drawing: Drawing) -> list[Drawing]:
    """The networks in a drawing: of an ensemble (its last step votes) each as its own drawing."""
    if not drawing or drawing[-1][0] != "vote":
        return [drawing]
    parts: dict[str, list[int]] = {}
    for number, step in enumerate(drawing[:-1]):
        parts.setdefault(str(step[1]).split(".", 1)[0], []).append(number)
    out: list[Drawing] = []
    for prefix, numbers in parts.items():
        new = {old: i for i, old in enumerate(numbers)} | {-1: -1}
        steps = [drawing[n] for n in numbers]
        if any(i not in new for step in steps for i in step[2]):
            return [drawing]  # they share operations: one drawing shows it
        cut = len(prefix) + 1
        out.append([[s[0], s[1][cut:], [new[i] for i in s[2]], *s[3:]] for s in steps])
    return out


def boxes_of(drawing: Drawing, input_shape: Sequence[int]) -> list[Box]:
    """The boxes of a drawing, in the order of its steps.

    Normalisation, activation and dropout join the box before them; a filter for each channel joins
    with the mixing convolution right after it; what leads from a mean to the weights of channels is
    one box.
    """
    steps = _grouped([_step(raw) for raw in drawing])
    users = Counter(i for step in steps for i in step.inputs)
    bundles = _squeezes(steps, users)
    parts: list[list[int]] = []  # numbers of the steps in each box
    owner: dict[int, int] = {-1: -1}
    for number, step in enumerate(steps):
        home = owner[step.inputs[0]] if len(step.inputs) == 1 else -1
        alone = home >= 0 and users[step.inputs[0]] == 1 and parts[home][-1] == step.inputs[0]
        near = alone and steps[parts[home][-1]].groups == step.groups
        same = number in bundles and alone and bundles[number] == bundles.get(parts[home][-1])
        if same or (near and number not in bundles and _fuses(steps, parts[home], step)):
            parts[home].append(number)
        else:
            parts.append([number])
            home = len(parts) - 1
        owner[number] = home
    shapes = [tuple(input_shape), *(step.shape for step in steps)]  # of step i at i + 1
    return [_box([steps[n] for n in numbers], owner, shapes) for numbers in parts]


def short(number: float) -> str:
    """A number in at most four characters and a unit.

    >>> [short(n) for n in (330, 9216, 121274, 3_600_000)]
    ['330', '9.2k', '121k', '3.6M']
    """
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= 0.9995 * size:
            value = number / size
            return f"{value:.1f}{unit}" if value < 9.95 else f"{value:.0f}{unit}"
    return f"{number:.0f}"


def shape_words(shape: Sequence[int]) -> str:
    """A shape as it is written on a box: 16×28×28."""
    return "×".join(map(str, shape))


def _step(raw: Sequence[Any]) -> _Step:
    kind, name, inputs, shape, weights, macs, *more = raw
    return _Step(str(kind), str(name), tuple(map(int, inputs)), tuple(map(int, shape)),
                 int(weights), int(macs), more[0] if more else {})  # fmt: skip


def _grouped(steps: Sequence[_Step]) -> list[_Step]:
    """Each with its panel and unit; an operation without a name of its own has the next one's."""
    found: list[tuple[str, str] | None] = [_groups(step.name) for step in steps]
    following: tuple[str, str] | None = None
    for i in range(len(steps) - 1, -1, -1):
        following = found[i] or following
        found[i] = following
    last = ("", "")
    out = []
    for step, groups in zip(steps, found, strict=True):
        last = groups or last
        out.append(replace(step, groups=last))
    return out


def _groups(name: str) -> tuple[str, str] | None:
    """`stage0.1.a.conv` is in the panel `stage0` and the unit `stage0.1`."""
    *front, last = name.split(".")
    stem, _, count = last.rpartition("_")
    last = stem if stem and count.isdigit() else last
    if not front:
        return None if last in PLAIN else (last, last)
    if len(front) == 1:
        return front[0], front[0] if last in PLAIN else f"{front[0]}.{last}"
    return front[0], ".".join(front[:2])


def _squeezes(steps: Sequence[_Step], users: Mapping[int, int]) -> dict[int, int]:
    """Steps that make the weights of channels, by the number of the step that scales."""
    found: dict[int, int] = {}
    for number, step in enumerate(steps):
        if step.kind != "scale":
            continue
        at = step.inputs[1]
        while at >= 0 and users[at] == 1 and len(steps[at].shape) == 1:
            found[at] = number
            if len(steps[at].inputs) != 1:
                break
            at = steps[at].inputs[0]
    return found


def _fuses(steps: Sequence[_Step], box: Sequence[int], step: _Step) -> bool:
    """True when a step is said in the box of the one before it."""
    first, kinds = steps[box[0]], [steps[n].kind for n in box]
    if step.kind in FOLLOW:
        return first.kind not in FOLLOW
    if kinds == ["norm"]:
        return step.kind in ("attention", "conv", "linear")
    mixes = step.kind == "conv" and step.about.get("kernel") == 1
    return kinds == ["conv"] and mixes and _depthwise(first)


def _depthwise(step: _Step) -> bool:
    return step.kind == "conv" and 1 < step.about.get("groups", 1) == step.shape[0]


def _box(
    parts: Sequence[_Step], owner: Mapping[int, int], shapes: Sequence[tuple[int, ...]]
) -> Box:
    before = ", ".join(_follower(p) for p in parts[:1] if p.kind == "norm" and len(parts) > 1)
    main = parts[1] if before else parts[0]
    rest = parts[2:] if before else parts[1:]
    if main.kind in ("mean", "largest") and any(p.kind == "linear" for p in rest):
        widths = [str(p.shape[0]) for p in rest if p.kind == "linear"]
        title, under = "channel weights", " → ".join([main.kind, *widths])
    else:
        title = _title(main, rest, shapes[main.inputs[0] + 1])
        words = [_follower(p) for p in rest if p.kind in FOLLOW]
        under = ", ".join([*_about(main), *words, *([f"after {before}"] if before else [])])
    return Box(
        title, under, main.kind in MERGES, tuple(owner[i] for i in parts[0].inputs),
        parts[-1].shape, sum(p.weights for p in parts), sum(p.macs for p in parts),
        *parts[0].groups, tuple(p.name for p in parts),
    )  # fmt: skip


def _title(main: _Step, rest: Sequence[_Step], before: tuple[int, ...]) -> str:
    about, width, window = main.about, main.shape[0], _window(main)
    if main.kind == "conv":
        down = f" /{about['stride']}" if about.get("stride", 1) > 1 else ""
        if any(p.kind == "conv" for p in rest):
            return f"{window}separable {rest[0].shape[0]}{down}"
        if _depthwise(main):
            return f"{window}depthwise{down}"
        halved = not about and len(before) > 1 and main.shape[1] < before[1]
        return f"{window}conv {width}{' /2' if halved else down}"
    if main.kind in ("pool", "smooth"):
        kind = f"{about['kind']} " if "kind" in about else ""
        return f"{window}{kind}{'pool' if main.kind == 'pool' else 'filter'}"
    if main.kind in FOLLOW:
        return _follower(main)
    if main.kind == "linear":
        return f"linear {width}"
    return MERGES.get(main.kind, main.kind)


def _window(step: _Step) -> str:
    """`3×3 ` for the two dimensions of a picture, `3 ` for the one of a sequence."""
    size = step.about.get("kernel", step.about.get("size"))
    places = len(step.shape) - 1
    return "×".join([str(size)] * places) + " " if size and places else ""


def _about(step: _Step) -> list[str]:
    """What the second line of a box begins with."""
    if step.kind == "attention" and "heads" in step.about:
        heads = step.about["heads"]
        return [f"{heads} head{'s' if heads > 1 else ''}"]
    if step.kind in ("mean", "largest"):
        return ["over all positions"]
    if step.kind == "backbone":
        return [f"{step.about.get('name', '')}, {step.about.get('mode', '')}".replace("_", " ")]
    return []


def _follower(step: _Step) -> str:
    kind = str(step.about.get("kind", "")).replace("_", " ")
    if step.kind == "norm":
        return f"{kind} norm".strip()
    if step.kind == "unit":
        return "in the target's unit"
    if step.kind == "dropout":
        return f"dropout {step.about['rate']:g}" if "rate" in step.about else "dropout"
    return kind or "activation"
