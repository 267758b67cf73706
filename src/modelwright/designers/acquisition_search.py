"""Where an acquisition is highest: from many cheap points to a few designs, best first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.keys import Key
from modelwright.designers.surrogate_features import Encoder, Table

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
Score = Callable[[Matrix], Vector]
Slopes = Callable[[Matrix, npt.NDArray[np.intp]], tuple[Vector, Matrix]]

N_WIDE = 600  # points drawn anywhere, and as many near the best designs
N_ROUNDS, N_KEPT, N_CHILDREN = 2, 20, 10
N_DECODED = 12  # points that become designs
N_CLIMBED = 4  # designs whose numbers follow the slope
CLIMB_STEPS = 25
N_LISTED, N_OFFERED = 800, 400  # of a listed space: designs drawn, designs handed back
N_OBJECTS = 96  # designs of each kind where only designs can be scored


@dataclass(frozen=True)
class Found:
    """Designs [n] and their acquisition [n], best first."""

    designs: Sequence[Any]
    scores: Vector


def search(encoder: Encoder, best: Sequence[Any], score: Score, slopes: Slopes, key: Key) -> Found:
    """Designs where the acquisition is high; `best` are the designs to look around, best first.

    Points of the unit cube are scored in bulk where they say all about a design; else designs are
    mutated and crossed. Nothing is said about whether a design is new.
    """
    rng = np.random.default_rng(key.seed(128))
    if encoder.table is not None:
        return _by_table(encoder.table, encoder, best, score, rng)
    if not encoder.by_unit:
        return _by_designs(encoder, best, score, key)
    space = encoder.space
    around = _around(encoder, best)[_favoured(len(best), N_WIDE, rng)]
    # What a parent lacks is drawn, in case that its child has it.
    around = np.where(np.isnan(around), rng.random(around.shape), around)
    near = _near(around, encoder, rng)
    points = np.vstack([rng.random((N_WIDE, around.shape[1])), near])
    scores = score(encoder.rows_of_units(points))
    for _ in range(N_ROUNDS):
        kept = np.argsort(-scores, kind="stable")[:N_KEPT]
        near = _near(np.repeat(points[kept], N_CHILDREN, axis=0), encoder, rng)
        points = np.vstack([points[kept], near])
        scores = np.concatenate([scores[kept], score(encoder.rows_of_units(near))])
    kept = np.argsort(-scores, kind="stable")
    designs = [space.from_unit(point.tolist()) for point in points[kept[:N_DECODED]]]
    climbed = _climbed(encoder, designs[:N_CLIMBED], slopes) if len(encoder.numeric) else []
    return _ranked(encoder, [*climbed, *designs], score)


def _around(encoder: Encoder, best: Sequence[Any]) -> Matrix:
    """Points of the designs; NaN for parts that they lack, the twin's value where there is one."""
    points = np.array([encoder.space.to_unit(design) for design in best])
    points[encoder.space.encode_many(best) < 0] = np.nan
    for twins in encoder.twins.values():
        if len(twins) > 1:
            there = np.nan_to_num(points[:, twins], nan=-1.0).max(axis=1)
            for i in twins:
                points[:, i] = np.where(there >= 0, there, np.nan)
    return points


def _by_table(
    table: Table, encoder: Encoder, best: Sequence[Any], score: Score, rng: np.random.Generator
) -> Found:
    """The best of a sample of a listed space and of all that is near its best, round by round."""
    scores = np.full(len(table.designs), -np.inf)
    places = rng.permutation(len(scores))[:N_LISTED]
    centres = encoder.space.encode_many(best)
    for _ in range(1 + N_ROUNDS):
        near = np.zeros(len(scores), dtype=bool)
        near[places] = True
        for centre in centres:
            near |= (table.codes != centre).sum(axis=1) <= 1
        places = np.flatnonzero(near & np.isneginf(scores))
        scores[places] = score(table.rows[places])
        centres = table.codes[np.argsort(-scores, kind="stable")[:N_CLIMBED]]
    order = np.argsort(-scores, kind="stable")[:N_OFFERED]
    order = order[np.isfinite(scores[order])]
    return Found([table.designs[i] for i in order], scores[order])


def _ranked(encoder: Encoder, designs: Sequence[Any], score: Score) -> Found:
    scores = score(encoder.rows(designs))
    order = np.argsort(-scores, kind="stable")
    return Found([designs[i] for i in order], scores[order])


def _favoured(n: int, size: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Places in [0, n), the first ones most often."""
    return np.minimum(rng.geometric(0.4, size) - 1, n - 1)


def _near(points: Matrix, encoder: Encoder, rng: np.random.Generator) -> Matrix:
    """Points [n, d] moved a little: some coordinates, by steps of very different sizes."""
    n, d = points.shape
    step = 10.0 ** rng.uniform(-2.0, -0.3, (n, 1))
    share = rng.choice([min(1.0, 1.5 / d), 0.5, 1.0], (n, 1))
    moved = points + (rng.random((n, d)) < share) * step * rng.standard_normal((n, d))
    moved = np.where(moved < 0, -moved, moved)
    moved = np.where(moved > 1, 2.0 - moved, moved).clip(0.0, 1.0)
    named = np.array([i for i, c in enumerate(encoder.columns) if c.kind not in ("number",)])
    if len(named):
        # Steps along a category mean nothing: keep it, or draw one anew.
        moved[:, named] = points[:, named]
        drawn = np.flatnonzero(rng.random(n) < 0.3)
        place = named[rng.integers(len(named), size=len(drawn))]
        moved[drawn, place] = rng.random(len(drawn))
    return moved


def _climbed(encoder: Encoder, designs: Sequence[Any], slopes: Slopes) -> list[Any]:
    """The designs with their numbers moved uphill, all at once, by L-BFGS."""
    from scipy.optimize import minimize

    rows = encoder.rows(designs)
    places, exists = encoder.places, encoder.exists(rows)

    def downhill(flat: Vector) -> tuple[float, Vector]:
        rows[:, places] = flat.reshape(exists.shape)
        value, slope = slopes(rows, places)
        return -float(value.sum()), -(slope * exists).ravel()

    start = rows[:, places].ravel()
    found = minimize(
        downhill,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, 1.0)] * len(start),
        options={"maxiter": CLIMB_STEPS},
    )
    points = np.array([encoder.space.to_unit(design) for design in designs])
    climbed = encoder.moved(points, found.x.reshape(exists.shape))
    return [encoder.space.from_unit(point.tolist()) for point in climbed]


def _by_designs(encoder: Encoder, best: Sequence[Any], score: Score, key: Key) -> Found:
    """The same with designs alone: drawn, mutated, crossed, and the best of these mutated again."""
    space, rng = encoder.space, key.random()
    places = _favoured(len(best), 3 * N_OBJECTS, np.random.default_rng(key.seed(128)))
    designs = [space.sample(key.child("draw", i)) for i in range(N_OBJECTS)]
    for i in range(N_OBJECTS):
        parent, other = best[places[2 * i]], best[places[2 * i + 1]]
        size = "small" if i % 4 else "large"
        designs.append(space.mutate(parent, key.child("mutate", i), size))
        if i % 3 == 0:
            designs.append(space.cross(parent, other, key.child("cross", i)))
    found = _ranked(encoder, designs, score)
    for turn in range(N_ROUNDS):
        kept = found.designs[:N_KEPT]
        children = [
            space.mutate(kept[rng.randrange(len(kept))], key.child("again", turn, i))
            for i in range(N_OBJECTS)
        ]
        fresh = _ranked(encoder, children, score)
        scores = np.concatenate([found.scores[:N_OBJECTS], fresh.scores])
        both = [*found.designs[:N_OBJECTS], *fresh.designs]
        order = np.argsort(-scores, kind="stable")
        found = Found([both[i] for i in order], scores[order])
    return found
