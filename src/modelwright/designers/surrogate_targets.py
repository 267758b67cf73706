"""What a surrogate is taught: a design's losses, violation and failure as one number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

# Share of the second term of the augmented Tchebycheff norm: ties between goals are broken by it.
TIE_SHARE = 0.05


@dataclass(frozen=True)
class Targets:
    """Standardised targets [n]: smaller is better. `scale` and `centre` lead back to losses."""

    values: Vector
    centre: float
    scale: float


def targets(losses: Vector, within: npt.NDArray[np.bool_]) -> Targets:
    """Targets from losses (infinite when failed) and who is within the limits, each [n].

    How bad the bad half is says little about where the best lies: losses are cut off as far above
    the median as the best is below it, and failed designs stand at the cut. Median and best are of
    the designs within the limits where there are any, and what is better but outside is cut off as
    far below. At least one loss is finite.
    """
    base = losses[within] if within.any() else losses[np.isfinite(losses)]
    low, middle = float(base.min()), float(np.median(base))
    values = losses.clip(2.0 * low - middle, 2.0 * middle - low)
    centre, scale = float(values.mean()), float(values.std())
    # All alike: nothing to scale.
    scale = scale if scale > 1e-12 * max(1.0, abs(centre)) else 1.0
    return Targets((values - centre) / scale, centre, scale)


def scalarised(losses: Matrix, weights: Vector) -> Vector:
    """One loss [n] for several [n, n_goals]: the augmented Tchebycheff norm; failed ones stay.

    Knowles, "ParEGO" (2006). What differs: goals are scaled by their better half, as designs far
    from the front would else decide the scale.
    """
    good = np.isfinite(losses).all(1)
    out = np.full(len(losses), np.inf)
    low = losses[good].min(0)
    span = np.median(losses[good], 0) - low
    scaled = (losses[good] - low) / np.where(span > 0, span, 1.0) * weights
    out[good] = scaled.max(1) + TIE_SHARE * scaled.sum(1)
    return out
