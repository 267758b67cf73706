"""Images and sounds read from folders, archives, tables and arrays, and prepared."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import wavfile

from modelwright.core.errors import InputError
from modelwright.data.array_part import load_arrays, prepare_arrays
from modelwright.data.asked import asked_of
from modelwright.data.collection import (
    Collection,
    front_of,
    is_collection,
    read_collection,
    read_file,
)
from modelwright.data.images import ImageFront
from modelwright.data.sounds import SoundFront

image_module = pytest.importorskip("PIL.Image")


def drawn(folder: Path, n: int = 6, size: tuple[int, int] = (12, 10)) -> Path:
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True)
        for i in range(n):
            pixels = rng.integers(0, 255, (*size, 3)).astype(np.uint8)
            image_module.fromarray(pixels).save(folder / label / f"{i}.png")
    return folder


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    folder = drawn(tmp_path / "photos")
    found = read_collection(folder)
    assert found.inputs.shape == (12, 3, 12, 10)
    assert sorted(set(found.labels.tolist())) == ["cat", "dog"]
    assert not found.test.any()
    assert is_collection(folder)
    exact = np.asarray(image_module.open(folder / "cat" / "0.png")).transpose(2, 0, 1)
    assert np.array_equal(found.inputs[0], exact)


def test_an_archive_is_read_as_the_folder_is(tmp_path: Path) -> None:
    folder = drawn(tmp_path / "photos")
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(folder.rglob("*.png")):
            archive.write(name, f"photos/train/{name.relative_to(folder)}")
            archive.write(name, f"photos/test/{name.relative_to(folder)}")
        archive.writestr("../outside/evil.txt", "no image, and no path that is followed")
    found = read_collection(path)
    assert found.test.sum() == 12
    assert np.array_equal(found.inputs[~found.test], read_collection(folder).inputs)
    assert not (tmp_path / "outside").exists()


def test_sizes_and_greys_become_alike(tmp_path: Path) -> None:
    folder = drawn(tmp_path / "photos", size=(100, 80))
    image_module.fromarray(np.full((30, 30), 7, np.uint8)).save(folder / "cat" / "grey.png")
    found = read_collection(folder)
    assert found.inputs.shape == (13, 3, 64, 64)
    assert "2 sizes" in found.notes[0]
    again = [found.front.read(read_file(folder / n), n) for n in found.names]
    assert np.array_equal(np.stack(again), found.inputs)
    assert front_of(found.front.to_json()) == found.front


@pytest.mark.parametrize("scale", [1, 255])
def test_arrays(tmp_path: Path, scale: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (20, 8, 8)).astype(np.uint8)
    given = x if scale == 255 else x / 255
    np.savez(tmp_path / "a.npz", x=given, y=np.arange(20) % 2, class_names=np.array(["no", "yes"]))
    found = read_collection(tmp_path / "a.npz")
    assert np.array_equal(found.inputs[:, 0], x)
    assert found.labels[:2].tolist() == ["no", "yes"]
    with pytest.raises(InputError, match="--group names a column"):
        read_collection(tmp_path / "a.npz", group="who")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"images": np.zeros((3, 8, 8))}, "needs arrays x and y"),
        ({"x": np.zeros((3, 8, 8)), "y": np.zeros(2)}, "one label each"),
        ({"x": np.full((3, 8, 8), -1.0), "y": np.zeros(3)}, "from 0 to 1"),
        ({"x": np.zeros((3, 8, 8, 5)), "y": np.zeros(3)}, "1 or 3 channels"),
    ],
)
def test_arrays_that_are_no_images(tmp_path: Path, made: dict[str, object], words: str) -> None:
    np.savez(tmp_path / "a.npz", **made)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=words):
        read_collection(tmp_path / "a.npz")


def test_what_cannot_be_read_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    (tmp_path / "photos" / "cat" / "a.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"cat/a\.png cannot be read as an image"):
        read_collection(tmp_path / "photos")
    (tmp_path / "b.zip").write_bytes(b"no archive")
    with pytest.raises(InputError, match="no zip archive"):
        read_collection(tmp_path / "b.zip")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no images"):
        read_collection(tmp_path / "empty")
    with pytest.raises(InputError, match="no file or folder"):
        read_collection(tmp_path / "nowhere")


def tone(hertz: float, seconds: float = 0.4, rate: int = 8000) -> bytes:
    wave = np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)
    out = io.BytesIO()
    wavfile.write(out, rate, (20_000 * wave).astype(np.int16))
    return out.getvalue()


def test_sounds_of_a_table_with_groups_and_a_split(tmp_path: Path) -> None:
    (tmp_path / "wav").mkdir()
    lines = ["file,note,player,split"]
    for i in range(40):
        name, note = f"{i}.wav", ("low", "high")[i % 2]
        content = tone((300.0, 1200.0)[i % 2] + i, seconds=0.3 + 0.01 * i)
        (tmp_path / "wav" / name).write_bytes(content)
        lines.append(f"{name},{note},player{i % 5},{'test' if i < 6 else 'train'}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    assert is_collection(tmp_path / "labels.csv")
    assert is_collection(tmp_path)
    with pytest.raises(InputError, match="name the column"):
        read_collection(tmp_path)
    found = read_collection(tmp_path, target="note", group="player")
    assert found.kind == "sounds"
    assert found.inputs.shape[:3] == (40, 1, 40)
    assert found.test.sum() == 6
    loudest = found.inputs[:, 0].astype(int).sum(axis=2).argmax(axis=1)
    assert loudest[found.labels == "low"].max() < loudest[found.labels == "high"].min()
    told = prepare_arrays(found, tmp_path / "parts")
    part = load_arrays(told.dev)
    groups = found.groups
    assert groups is not None
    known = groups[~found.test]
    assert not set(known[part.train]) & set(known[part.valid])


def test_a_sound_is_read_alike_whatever_its_rate_and_loudness() -> None:
    front = SoundFront(8000, 20)
    plain = front.read(tone(500.0), "a.wav").astype(float)
    fast = front.read(tone(500.0, rate=16_000), "b.wav").astype(float)
    assert np.abs(plain - fast)[:, :30].mean() < 12
    with pytest.raises(InputError, match=r"c\.wav cannot be read as a sound"):
        front.read(b"no sound", "c.wav")


def test_a_table_that_names_what_is_not_there(tmp_path: Path) -> None:
    folder = drawn(tmp_path / "photos")
    (folder / "list.csv").write_text("path,label\ncat/0.png,cat\ndog/99.png,dog\n")
    with pytest.raises(InputError, match=r"list\.csv names 'dog/99\.png', which is not there"):
        read_collection(folder)
    (folder / "list.csv").write_text("path,label\ncat/0.png,cat\ndog/0.png,dog\n")
    assert read_collection(folder / "list.csv").labels.tolist() == ["cat", "dog"]
    with pytest.raises(InputError, match="no column 'lable'"):
        read_collection(folder, target="lable")


def test_tables_of_numbers_are_no_collections(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("")
    (tmp_path / "c.csv").write_text("photo,price\nnowhere.png,2\n")
    assert not is_collection(tmp_path / "c.csv")
    assert not is_collection(tmp_path / "a.csv")
    assert not is_collection(tmp_path / "b.csv")
    assert not is_collection(tmp_path)


def made(labels: Any, test: int = 0, target: str = "") -> Collection:
    n = len(labels)
    pixels = np.random.default_rng(0).integers(0, 255, (n, 1, 4, 4)).astype(np.uint8)
    front, aside = ImageFront(4, 4, True), np.arange(n) < test
    return Collection("images", pixels, np.array(labels), aside, front, target=target)


CODES = [str(i % 100) for i in range(300)]
AGES = [str(age) for age in range(1, 61) for _ in range(3 if age > 30 else 200)]


@pytest.mark.parametrize(
    ("labels", "target", "task", "words"),
    [
        (CODES, "label", "multiclass", "class codes 0 to 99.*--task regression"),
        (AGES, "age", "regression", "whole numbers from 1 to 60"),
        (CODES[:150], "label", "regression", "whole numbers from 0 to 99"),
        ([str(i) for i in range(150)], "at", "regression", "whole numbers from 0 to 149"),
        (CODES, "", "multiclass", "^$"),  # names of folders
        (np.arange(12) % 2 * 1.0, "", "binary", "two values 0 and 1"),
        (np.arange(12) / 4, "", "regression", "numbers from 0 to 2.75"),
    ],
)
def test_what_labels_ask_for(labels: Any, target: str, task: str, words: str) -> None:
    asked, why = asked_of(made(labels, target=target))
    assert re.search(words, why)
    values = asked.dtype.kind == "f"
    assert task == ("regression" if values else "binary" if len(set(asked)) == 2 else "multiclass")
    assert values or set(asked) <= set(CODES)


def test_a_task_that_does_not_go_with_the_labels() -> None:
    assert asked_of(made(CODES, target="label"), "regression")[0].max() == 99
    for labels, task, words in (
        (["a", "b", "c"], "binary", "the label has 3"),
        (["a", "b"], "multiclass", "the task is binary"),
        ([1.0, np.nan], "multiclass", "is missing in some"),
        ([1.0, np.nan, 2.5, 4.5], None, "a number for each example"),
    ):
        with pytest.raises(InputError, match=words):
            asked_of(made(labels), task)  # type: ignore[arg-type]


def test_parts_come_back_and_do_not_overlap(tmp_path: Path) -> None:
    found = made(["a", "b", "c"] * 500)
    told = prepare_arrays(found, tmp_path, seed=1)
    part = load_arrays(told.dev)
    assert told.n_dev + told.n_sealed == 1500
    assert told.n_sealed == 300
    assert len(np.intersect1d(part.train, part.valid)) == 0
    assert len(part.train) + len(part.valid) == told.n_dev
    scaled = (part.inputs[part.train].astype(float) - part.shift[0]) * part.scale[0]
    assert abs(scaled.mean()) < 1e-3
    assert abs(scaled.std() - 1) < 1e-3
    assert prepare_arrays(found, tmp_path / "again", seed=1).hash == told.hash
    assert prepare_arrays(found, tmp_path / "other", seed=2).hash != told.hash


def test_what_was_set_aside_is_the_sealed_part(tmp_path: Path) -> None:
    told = prepare_arrays(made(["a", "b"] * 100, test=40), tmp_path / "own")
    assert (told.n_dev, told.n_sealed) == (160, 40)
    given = prepare_arrays(made(["a", "b"] * 100), tmp_path / "given", test=made(["b", "a"]))
    assert (given.n_dev, given.n_sealed) == (200, 2)
    assert given.sealed is not None
    assert load_arrays(given.sealed).y.tolist() == [1, 0]
    assert prepare_arrays(made(["a", "b"] * 100), tmp_path / "none", seal=False).sealed is None
    with pytest.raises(InputError, match="have the class 'c', which none teaches"):
        prepare_arrays(made(["a", "b"] * 100), tmp_path / "new", test=made(["c"]))


def test_a_class_of_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="class 'b' has 1 examples"):
        prepare_arrays(made(["a", "a", "a", "a", "b"]), tmp_path)
    with pytest.raises(InputError, match="all examples are of one class"):
        prepare_arrays(made(["a", "a", "a"]), tmp_path)
