"""Numbers of a text column by Arrow's parser, where that is sure to tell what Python's would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd


def numbers_by_arrow(column: pd.Series[Any]) -> npt.NDArray[np.float64] | None:
    """What `columns.plain_numbers` gives, ten times faster and without Python objects.

    None also where only the slower way may tell, as with blanks around numbers.
    """
    import pandas as pd

    if not isinstance(column.dtype, pd.StringDtype):
        return None
    import pyarrow as pa
    from pyarrow import compute

    try:
        cells: Any = pa.array(column, from_pandas=True)  # one array, or as many as the column has
        cells = compute.if_else(compute.equal(cells, ""), None, cells)
        found = compute.cast(cells, pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    zeros = compute.match_substring_regex(cells, "^0[0-9]")
    if not cells.null_count and compute.any(zeros).as_py():  # perhaps codes: look closer
        return None
    out: npt.NDArray[np.float64] = np.array(found.to_numpy(zero_copy_only=False), dtype=np.float64)
    return out
