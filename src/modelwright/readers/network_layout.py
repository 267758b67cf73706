"""Where the boxes of a network lie: left to right along a line, in rows like text.

A unit is a stretch of boxes that one result enters and one leaves. Its longest path lies on the
line; what runs beside it lies below, and results that skip boxes go around them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from modelwright.readers.network_boxes import Box

BOX, TALL, ROUND = 128.0, 52.0, 24.0  # width and height of a box, diameter of a circle
GAP = 18.0  # between columns: lines bend there
LANE = TALL + 14  # from one box to the one below it
ARC = 12.0  # between lines that go around
FREE = 5.0  # that a line keeps from boxes
LETTER = 5.8  # width of a small letter
FRAME = (22.0, 7.0)  # above and below a unit that stands for several


@dataclass(frozen=True)
class Link:
    """A line from one place to another of a unit; 0 is where the unit is entered.

    `level` is the height at which it goes around boxes; None for neighbours. `times` counts equal
    lines drawn as one.
    """

    source: int
    target: int
    level: float | None = None
    times: int = 1


@dataclass
class Unit:
    """Boxes with their places, from where the unit is entered at (0, 0). x grows to the right.

    `x` is the left edge and `y` the middle of each; place 0 is the entry. `repeats` counts units
    that are alike, one after the other, of which this is the first.
    """

    boxes: list[Box]
    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    width: float = 0.0
    top: float = -TALL / 2
    bottom: float = TALL / 2
    repeats: int = 1

    def repeat(self) -> None:
        """One more of its kind follows; a frame and a number say so."""
        if self.repeats == 1:
            self.top, self.bottom = self.top - FRAME[0], self.bottom + FRAME[1]
        self.repeats += 1


def width_of(box: Box) -> float:
    """How wide a box is drawn."""
    return ROUND if box.merge else BOX


def _room_of(box: Box) -> float:
    """How wide its column is: a circle's words need room as well."""
    return max(ROUND, LETTER * len(box.under)) if box.merge else BOX


def units_of(boxes: Sequence[Box], limit: float) -> list[Unit]:
    """The boxes cut into units, alike ones in a row folded into one.

    Cut is where the names say so and only one result lives on; also elsewhere, where a unit is
    wider than `limit`. A unit without such a place stays as wide as it is.
    """
    cuts = [i for i in range(len(boxes)) if _one_lives_on(boxes, i)]
    ends = [i for i in cuts if i + 1 == len(boxes) or boxes[i].unit != boxes[i + 1].unit]
    units: list[Unit] = []
    start = 0
    before: tuple[object, ...] = ()
    for end in ends:
        alike = _pattern(boxes, start, end)
        if alike == before:
            units[-1].repeat()
        else:
            pieces = list(_narrow(boxes, start, end, [c for c in cuts if start <= c < end], limit))
            units += pieces
            before = alike if len(pieces) == 1 else ()
        start = end + 1
    return units


def _one_lives_on(boxes: Sequence[Box], last: int) -> bool:
    """True when of the boxes up to `last` only its own result is used by later ones."""
    return all(i >= last for box in boxes[last + 1 :] for i in box.inputs)


def _pattern(boxes: Sequence[Box], start: int, end: int) -> tuple[object, ...]:
    """Equal for stretches that look alike."""
    return tuple(
        (b.panel, b.title, b.under, b.shape, b.weights, tuple(i - start for i in b.inputs))
        for b in boxes[start : end + 1]
    )


def _narrow(
    boxes: Sequence[Box], start: int, end: int, cuts: Sequence[int], limit: float
) -> Iterator[Unit]:
    """One unit, or where that is too wide the longest pieces that fit."""
    while True:
        whole = laid_out(boxes[start : end + 1], start)
        inner = [c for c in cuts if c >= start]
        if whole.width <= limit or not inner:
            yield whole
            return
        pieces = [laid_out(boxes[start : c + 1], start) for c in inner]
        fitting = [p for p in pieces if p.width <= limit] or pieces[:1]
        yield fitting[-1]
        start = inner[len(fitting) - 1] + 1


def laid_out(boxes: Sequence[Box], first: int) -> Unit:
    """The unit of these boxes, the first of which has the number `first`."""
    unit = Unit(list(boxes), [0.0], [0.0])
    inputs: list[tuple[int, ...]] = [()]
    inputs += [tuple(max(0, i - first + 1) for i in box.inputs) for box in boxes]
    columns = [0]
    for sources in inputs[1:]:
        columns.append(1 + max(columns[i] for i in sources))
    lefts = _lefts(boxes, columns)
    unit.width = lefts[columns[-1]][1]
    spine = _spine(boxes, inputs, columns)
    taken: list[list[tuple[float, float]]] = [[] for _ in range(max(columns) + 1)]
    for place, box in enumerate(boxes, 1):
        left, right = lefts[columns[place]]
        unit.x.append((left + right - width_of(box)) / 2)
        unit.y.append(0.0)
        if place in spine:
            taken[columns[place]].append((-TALL / 2, TALL / 2) if not box.merge else (-28.0, 28.0))
    for place in range(1, len(inputs)):
        if place not in spine:
            wanted = max([LANE, *(unit.y[i] for i in inputs[place])])
            slots = (wanted + LANE * i for i in range(len(inputs)))
            y = next(v for v in slots if _is_free(taken[columns[place]], v, TALL / 2))
            unit.y[place] = y
            taken[columns[place]].append((y - TALL / 2, y + TALL / 2))
    unit.links = _links(unit, inputs, columns, taken)
    edges = [edge for column in taken for pair in column for edge in pair]
    unit.top, unit.bottom = min(edges), max(edges)
    return unit


def _lefts(boxes: Sequence[Box], columns: Sequence[int]) -> list[tuple[float, float]]:
    """Left and right edge of each column."""
    wide = [0.0] * (max(columns) + 1)
    for box, column in zip(boxes, columns[1:], strict=True):
        wide[column] = max(wide[column], _room_of(box))
    out, x = [], 0.0
    for width in wide:
        out.append((x, x + width))
        x += width + GAP
    return out


def _spine(
    boxes: Sequence[Box], inputs: Sequence[Sequence[int]], columns: Sequence[int]
) -> set[int]:
    """Places of the longest path from the entry to the last box; of equals the one of most work."""
    found, at = {0}, len(inputs) - 1
    while at:
        found.add(at)
        at = max(inputs[at], key=lambda i: (columns[i], boxes[i - 1].macs if i else 0))
    return found


def _links(
    unit: Unit,
    inputs: Sequence[Sequence[int]],
    columns: Sequence[int],
    taken: list[list[tuple[float, float]]],
) -> list[Link]:
    """All lines; short ones first, so that longer ones go around them."""
    pairs = {(i, place): list(sources).count(i) for place, sources in enumerate(inputs)
             for i in sources}  # fmt: skip
    out = []
    for (a, b), times in sorted(pairs.items(), key=lambda p: columns[p[0][1]] - columns[p[0][0]]):
        between = range(columns[a] + 1, columns[b])
        level = None
        if between:
            crowd = [span for column in between for span in taken[column]]
            level = _level(unit.y[a], unit.y[b], crowd)
            for column in between:
                taken[column].append((level - FREE, level + FREE))
        elif times > 1:
            level = -ROUND
        out.append(Link(a, b, level, times))
    return out


def _level(start: float, stop: float, crowd: Sequence[tuple[float, float]]) -> float:
    """The height of a line around boxes: above those of the line, else below the lower lanes."""
    side = 1 if start > 0 or stop > 0 else -1
    levels = [y for y in (start, stop) if y > 0]
    levels += [side * (TALL / 2 + ARC * (1 + i)) for i in range(400)]
    return next(y for y in levels if _is_free(crowd, y, FREE))


def _is_free(taken: Sequence[tuple[float, float]], y: float, half: float) -> bool:
    return all(y + half <= low or y - half >= high for low, high in taken)
