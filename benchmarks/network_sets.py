"""The sets of the network panel, as `modelwright build` takes them: data, target, test examples."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path
from typing import Any

import environments
from tasks import shared

PANEL = ("fashion_mnist", "cifar10_subset", "spoken_digits", "trec_questions")
# Of the catalogue; that of spoken digits is with speakers that were heard before.
BASELINES = {"fashion_mnist": 0.8093, "cifar10_subset": 0.3767, "trec_questions": 0.882}


def question(name: str, seed: int) -> dict[str, Any]:
    """What to ask: keywords of `modelwright.build`, `data` among them."""
    data = shared() / "data"
    if name == "fashion_mnist":
        return {"data": data / "image" / "fashion_mnist.npz"}
    if name == "cifar10_subset":
        return {"data": data / "image" / "cifar10_subset.zip"}
    if name == "spoken_digits":
        return {"data": spoken(seed), "target": "label", "group": "speaker"}
    folder = data / "text" / name
    return {"data": folder / "train.csv", "target": "label", "test": str(folder / "test.csv")}


def spoken(seed: int) -> Path:
    """The recordings with a list in which one speaker, another for each seed, is the test."""
    folder = environments.ROOT / "networks" / f"spoken_digits-{seed}"
    if (folder / "labels.csv").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(shared() / "data" / "audio" / "fsdd_4speakers.zip") as archive:
        names = archive.namelist()
        listed = next(n for n in names if n.endswith("labels.csv"))
        rows = list(csv.DictReader(io.StringIO(archive.read(listed).decode())))
        for name in names:
            if name.endswith(".wav"):
                (folder / Path(name).name).write_bytes(archive.read(name))
    speakers = sorted({row["speaker"] for row in rows})
    tested = speakers[seed % len(speakers)]
    lines = ["file,label,speaker,split"]
    lines += [
        f"{r['file']},{r['label']},{r['speaker']},{'test' if r['speaker'] == tested else 'train'}"
        for r in rows
    ]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder
