"""Folders of blank images for the tests of formats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image

from singleshot.data.opening import read_dataset
from singleshot.data.reading import ReadingOptions
from singleshot.structures import Truth


@pytest.fixture
def add_images(tmp_path: Path) -> Callable[..., Path]:
    """Write blank images, 40 wide and 30 high, below the folder of the test."""

    def add(*names: str) -> Path:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 30)).save(tmp_path / name)
        return tmp_path

    return add


@pytest.fixture
def add_texts(tmp_path: Path) -> Callable[..., Path]:
    """Write text files, given by their paths and contents, below the folder of the test."""

    def add(texts: dict[str, str]) -> Path:
        for name, text in texts.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return add


@pytest.fixture
def expect_vocs_boxes(shared: Path) -> Callable[..., None]:
    """Compare an export of `voc2012_100`, in pixels from 0, with VOC's own, which count from 1."""
    folder = shared / "data/voc2012_100"
    voc = read_dataset(folder / "VOC2012")
    truths = {Path(path).name: voc.exact_truth(index) for index, path in enumerate(voc.paths)}

    def expect(form: str, *, tolerance: float) -> None:
        reading = ReadingOptions(images=folder / "VOC2012/JPEGImages")
        dataset = read_dataset(folder / "other-formats" / form, None, reading)
        assert (len(dataset), len(dataset.truths), len(dataset.class_names)) == (100, 273, 20)
        for index, path in enumerate(dataset.paths):
            truth, expected = dataset.exact_truth(index), truths[Path(path).name]
            expected.boxes[:, :2] += 1
            found = sorted(objects_of(truth, dataset.class_names))
            for one, other in zip(
                found, sorted(objects_of(expected, voc.class_names)), strict=True
            ):
                assert one == (
                    other[0],
                    *(pytest.approx(side, abs=tolerance) for side in other[1:]),
                )

    return expect


def objects_of(truth: Truth, class_names: Sequence[str]) -> list[tuple[object, ...]]:
    """List the objects of an image: class and box."""
    labels = [class_names[label] for label in truth.labels.tolist()]
    return [(label, *box) for label, box in zip(labels, truth.boxes.tolist(), strict=True)]
