"""What trials leave in the artefact store: arrays, and fitted models packed into one file."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.roles import ArtefactStore
from modelwright.families.base import Fitted
from modelwright.models.pack import fold_folder, folder_bytes, pack

MAX_MODEL_BYTES = 100_000_000


def keep_array(array: npt.NDArray[Any], store: ArtefactStore) -> str:
    """Keeps an array as `.npy` and returns its name."""
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return store.put(out.getvalue(), ".npy")


def read_array(name: str, store: ArtefactStore) -> npt.NDArray[Any]:
    """The array of that name, mapped from its file."""
    found: npt.NDArray[Any] = np.load(store.path(name), mmap_mode="r", allow_pickle=False)
    return found


def keep_model(
    fitted: Fitted, store: ArtefactStore, limit: int = MAX_MODEL_BYTES
) -> tuple[str | None, int]:
    """Keeps a fitted model, packed, and returns its name and the bytes of its exported files.

    A model of more than `limit` bytes is not kept: its name is None.
    """
    with tempfile.TemporaryDirectory() as folder:
        fitted.export(Path(folder))
        size = folder_bytes(Path(folder))
        return (store.put(pack(Path(folder)), ".zip") if size <= limit else None), size


def keep_folds(
    models: Sequence[Fitted], store: ArtefactStore, limit: int = MAX_MODEL_BYTES
) -> tuple[str | None, int]:
    """Keeps the models of all folds in one packed folder: its name, and the bytes of the largest.

    Of models that together have more than `limit` bytes only the first is kept, and none when it
    alone has more. `models.pack.unpack_folds` finds them again.
    """
    largest = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for i, fitted in enumerate(models):
            fitted.export(fold_folder(folder, i))
            largest = max(largest, folder_bytes(fold_folder(folder, i)))
            if folder_bytes(folder) > limit:
                shutil.rmtree(fold_folder(folder, i))
                break
        kept = any(folder.iterdir())
        return (store.put(pack(folder), ".zip") if kept else None), largest
