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


def targets(losses: Vector, violations: Vector) -> Targets:
    """Targets from losses (infinite when failed) and violations of limits (0 when met), each [n].

    How bad the bad half is says little about where the best lies: losses are cut off as far above
    the median as the best is below it. Failed designs stand at the cut, designs outside the limits
    beyond it, the further the more they violate. At least one loss is finite.
    """
    good = np.isfinite(losses)
    met = good & (violations == 0)
    base = losses[met] if met.any() else losses[good]
    middle = float(np.median(base))
    cut = 2.0 * middle - float(base.min())
    values = np.minimum(np.where(good, losses, np.inf), cut)
    out = good & ~met
    if out.any():
        span = (cut - float(base.min())) or 1.0
        values[out] = cut + span * violations[out].clip(0.0, 1.0)
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
