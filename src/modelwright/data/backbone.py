"""A folder with a pretrained backbone: what it says of itself, before any of it is loaded."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError, MissingLibraryError
from modelwright.data.collection import front_of

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".msgpack", ".h5")
MAX_PIECES, MAX_SIDE = 256, 384  # pieces of a text, pixels of an image, that are read
DECLARED = ("config.json", "preprocessor_config.json", "tokenizer_config.json")
NO_LICENCE = "not told by its folder"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, where nothing else is told


def read_backbone(named: str) -> dict[str, Any]:
    """Plain facts about the backbone in a folder as transformers saves it.

    `folder`, `name`, `hash` (of all its files), `licence`, `kind` (`images` or `texts`) and
    `model_type`; of images `size`, `mean` and `std`, of texts `most`, the pieces it can read.
    Raises InputError for what is no such folder, has its weights as pickles, or code of its own.
    """
    folder = Path(named)
    if not folder.is_dir():
        raise InputError(
            f"--backbone names a folder with config.json and model.safetensors; {named!r} is "
            "none, and nothing is ever fetched."
        )
    told = {name: _json(folder / name) for name in DECLARED}
    config, pictures = told["config.json"], told["preprocessor_config.json"]
    if "model_type" not in config:
        raise InputError(f"the backbone {folder.name} has no config.json with a model_type.")
    if not any(folder.glob("*.safetensors")):
        pickled = sorted(p.name for p in folder.iterdir() if p.suffix in PICKLES)
        has = f"its weights are {', '.join(pickled)}" if pickled else "it has no weights"
        raise InputError(
            f"the backbone {folder.name} is read from safetensors alone, because other files may "
            f"run code; {has}: save it with save_pretrained of transformers."
        )
    if any("auto_map" in found for found in told.values()):
        raise InputError(
            f"the backbone {folder.name} brings code of its own (auto_map), which is never run; "
            "take one that transformers knows."
        )
    facts = {
        "folder": str(folder.absolute()), "name": folder.resolve().name, "hash": _hash(folder),
        "licence": _licence(folder), "model_type": str(config["model_type"]),
    }  # fmt: skip
    if (folder / "tokenizer.json").exists():
        positions = int(config.get("max_position_embeddings") or MAX_PIECES + 2)
        return {**facts, "kind": "texts", "most": min(MAX_PIECES, max(4, positions - 2))}
    if pictures or "image_size" in config or "num_channels" in config:
        mean, std = (
            tuple(pictures.get(f"image_{n}", d)) for n, d in (("mean", MEAN), ("std", STD))
        )
        size = min(MAX_SIDE, _size(pictures, config))
        return {**facts, "kind": "images", "size": size, "mean": list(mean), "std": list(std)}
    raise InputError(
        f"the backbone {folder.name} has neither a tokenizer.json, for texts, nor a "
        "preprocessor_config.json, for images."
    )


@dataclass(frozen=True)
class PiecesFront:
    """Makes a text int32 `[5, length]`: four rows as `words` (a `TextFront`) does, then pieces.

    Pieces are the numbers of the backbone's `tokenizer` (the text of its tokenizer.json) and 1, so
    that 0 is nothing; at most `pieces` of a text are read.
    """

    words: Mapping[str, Any]
    tokenizer: str
    pieces: int

    def read(self, content: bytes, name: str) -> npt.NDArray[np.int32]:
        """The numbers of one text, UTF-8."""
        return self.numbers(content.decode("utf-8", "replace"))

    def numbers(self, text: str) -> npt.NDArray[np.int32]:
        """The numbers of one text."""
        above = self._words.numbers(text)
        pieces = self._tokenizer.encode(text).ids
        out = np.zeros((len(above) + 1, max(above.shape[1], self.pieces)), np.int32)
        out[:-1, : above.shape[1]] = above
        out[-1, : len(pieces)] = np.array(pieces, np.int32) + 1
        return out

    @property
    def ids(self) -> int:
        """How many different numbers there are in the rows of words."""
        return int(self._words.ids)

    @cached_property
    def _words(self) -> Any:
        return front_of(self.words)

    @cached_property
    def _tokenizer(self) -> Any:
        return _opened(self.tokenizer, self.pieces)

    def to_json(self) -> dict[str, Any]:
        """Plain data that `front_of` takes."""
        return {"kind": "pieces", **asdict(self)}

    @classmethod
    def of(cls, words: Any, texts: Sequence[str], facts: Mapping[str, Any]) -> PiecesFront:
        """The front for these texts: as many pieces as 95 % of them have."""
        told = (Path(facts["folder"]) / "tokenizer.json").read_text("utf-8")
        tokenizer = _opened(told, int(facts["most"]))
        lengths = [len(found.ids) for found in tokenizer.encode_batch(list(texts))]
        return cls(
            words.to_json(), told, int(np.clip(np.quantile(lengths, 0.95), 4, facts["most"]))
        )


def _opened(told: str, most: int) -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise MissingLibraryError(
            "reading texts for a backbone needs tokenizers: pip install 'modelwright[backbones]'"
        ) from None
    found = Tokenizer.from_str(told)
    found.no_padding()
    found.enable_truncation(most)
    return found


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8")) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path.name} of the backbone cannot be read: {error}.") from None
    return found if isinstance(found, dict) else {}


def _size(pictures: Mapping[str, Any], config: Mapping[str, Any]) -> int:
    """Pixels in height and width, by whichever of the usual fields is there."""
    for told in (pictures.get("crop_size"), pictures.get("size"), config.get("image_size")):
        if isinstance(told, Mapping):
            told = told.get("height", told.get("shortest_edge"))
        if isinstance(told, (list, tuple)) and told:
            told = told[0]
        if isinstance(told, int):
            return told
    return 224


def _hash(folder: Path) -> str:
    out = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")):
        with path.open("rb") as file:
            out.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return out.hexdigest()


def _licence(folder: Path) -> str:
    """The licence in the head of README.md, else the first line of a licence's file."""
    readme = folder / "README.md"
    text = readme.read_text("utf-8", "replace") if readme.exists() else ""
    head = text.split("---")[1] if text.startswith("---") and text.count("---") > 1 else ""
    told = re.search(r"^license:\s*(\S.*)$", head, re.MULTILINE)
    if told:
        return told.group(1).strip().strip("'\"")
    for path in sorted((*folder.glob("LICEN[SC]E*"), *folder.glob("COPYING*"))):
        lines = [line.strip() for line in path.read_text("utf-8", "replace").splitlines()]
        return next((line[:80] for line in lines if line), NO_LICENCE)
    return NO_LICENCE
