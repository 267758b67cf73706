"""Images read from folders, archives and arrays, and prepared."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from modelwright.core.errors import InputError
from modelwright.data.image_part import load_image_part, prepare_images
from modelwright.data.images import Images, is_images, read_images

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
    found = read_images(folder)
    assert found.pixels.shape == (12, 3, 12, 10)
    assert sorted(set(found.labels.tolist())) == ["cat", "dog"]
    assert not found.test.any()
    assert is_images(folder)
    exact = np.asarray(image_module.open(folder / "cat" / "0.png")).transpose(2, 0, 1)
    assert np.array_equal(found.pixels[0], exact)


def test_an_archive_is_read_as_the_folder_is(tmp_path: Path) -> None:
    folder = drawn(tmp_path / "photos")
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(folder.rglob("*.png")):
            archive.write(name, f"photos/train/{name.relative_to(folder)}")
            archive.write(name, f"photos/test/{name.relative_to(folder)}")
        archive.writestr("../outside/evil.txt", "no image, and no path that is followed")
    found = read_images(path)
    assert found.test.sum() == 12
    assert np.array_equal(found.pixels[~found.test], read_images(folder).pixels)
    assert not (tmp_path / "outside").exists()


def test_sizes_and_greys_become_alike(tmp_path: Path) -> None:
    folder = drawn(tmp_path / "photos", size=(100, 80))
    image_module.fromarray(np.full((30, 30), 7, np.uint8)).save(folder / "cat" / "grey.png")
    found = read_images(folder)
    assert found.pixels.shape == (13, 3, 64, 64)
    assert "2 sizes" in found.notes[0]


@pytest.mark.parametrize("scale", [1, 255])
def test_arrays(tmp_path: Path, scale: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (20, 8, 8)).astype(np.uint8)
    given = x if scale == 255 else x / 255
    np.savez(tmp_path / "a.npz", x=given, y=np.arange(20) % 2, class_names=np.array(["no", "yes"]))
    found = read_images(tmp_path / "a.npz")
    assert np.array_equal(found.pixels[:, 0], x)
    assert found.labels[:2].tolist() == ["no", "yes"]


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
        read_images(tmp_path / "a.npz")


def test_what_cannot_be_read_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    (tmp_path / "photos" / "cat" / "a.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"cat/a\.png cannot be read as an image"):
        read_images(tmp_path / "photos")
    (tmp_path / "b.zip").write_bytes(b"no archive")
    with pytest.raises(InputError, match="no zip archive"):
        read_images(tmp_path / "b.zip")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no images"):
        read_images(tmp_path / "empty")
    with pytest.raises(InputError, match="no file or folder"):
        read_images(tmp_path / "nowhere")


def test_parts_come_back_and_do_not_overlap(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (1500, 1, 4, 4)).astype(np.uint8)
    images = Images(pixels, np.array(["a", "b", "c"])[np.arange(1500) % 3], np.zeros(1500, bool))
    told = prepare_images(images, tmp_path, seed=1)
    part = load_image_part(told.dev)
    assert told.n_dev + told.n_sealed == 1500
    assert told.n_sealed == 300
    assert len(np.intersect1d(part.train, part.valid)) == 0
    assert len(part.train) + len(part.valid) == told.n_dev
    scaled = (part.pixels[part.train].astype(float) - part.shift[0]) * part.scale[0]
    assert abs(scaled.mean()) < 1e-3
    assert abs(scaled.std() - 1) < 1e-3
    assert prepare_images(images, tmp_path / "again", seed=1).hash == told.hash
    assert prepare_images(images, tmp_path / "other", seed=2).hash != told.hash


def test_a_class_of_one_is_refused(tmp_path: Path) -> None:
    images = Images(
        np.zeros((5, 1, 4, 4), np.uint8), np.array(["a", "a", "a", "a", "b"]), np.zeros(5, bool)
    )
    with pytest.raises(InputError, match="class 'b' has 1 images"):
        prepare_images(images, tmp_path)
