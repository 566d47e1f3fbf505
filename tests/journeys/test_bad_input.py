"""Every mistake of a user ends in a message of a line or two, and no file is half-written."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command_line import singleshot


def without_boxes_list(cells):
    """A folder that is no data set."""
    shutil.rmtree(cells / "Annotations")
    shutil.rmtree(cells / "ImageSets")


def with_missing_image(cells):
    """An annotation whose image is gone."""
    (cells / "JPEGImages/train_1.jpg").unlink()


def with_truncated_image(cells):
    """An image that ends early."""
    image = cells / "JPEGImages/train_1.jpg"
    image.write_bytes(image.read_bytes()[:700])


def with_five_errors(cells):
    """Five kinds of errors, all in the training split."""
    with_missing_image(cells)
    for number, old, new in (
        (2, "<xmin>", "<xmin>ten"),
        (3, "<name>", "<name> </name><not>"),
        (4, "<width>", "<width>9"),
        (5, "</annotation>", ""),
    ):
        xml = cells / f"Annotations/train_{number}.xml"
        text = xml.read_text()
        assert old in text
        xml.write_text(text.replace(old, new, 1).replace("</name></name>", "</name>"))


def with_broken_annotation(cells):
    """An annotation that ends early."""
    annotation = cells / "Annotations/train_1.xml"
    annotation.write_text(annotation.read_text()[:100])


def with_empty_split(cells):
    """A split that lists nothing."""
    (cells / "ImageSets/Main/train.txt").write_text("")


@pytest.fixture
def spoiled():
    """A copy of the cells with something wrong."""
    folder = Path("spoiled")

    def make(spoil):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree("cells", folder)
        spoil(folder)

    yield make
    shutil.rmtree(folder, ignore_errors=True)


def assert_mendable(done, *parts):
    """Exit code 2 and a few lines, which name what is wrong."""
    assert done.exit_code == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    message = done.stderr[done.stderr.index("Error: ") :]
    # The layouts that an unknown data set could have are a line each.
    lines = [line for line in message.splitlines() if not line.startswith(" " * 14)]
    assert len(lines) <= 6
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("spoil", "place"),
    [
        (without_boxes_list, "spoiled"),
        (with_missing_image, "train_1"),
        (with_five_errors, "5 errors"),
        (with_broken_annotation, "train_1.xml"),
        (with_empty_split, "train"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_broken_data_stops_a_training_before_it_writes(spoiled, train, spoil, place):
    spoiled(spoil)
    assert_mendable(train("--data", "spoiled", "--run", "runs/never"), place)
    assert not Path("runs/never").exists()


def test_a_folder_that_is_not_there(train):
    assert_mendable(train("--data", "nowhere", "--run", "runs/never"), "nowhere")
    assert not Path("runs/never").exists()


def test_a_split_that_is_not_there_names_those_that_are(train):
    done = train("--data", "cells", "--split", "trian")
    assert_mendable(done, "trian", "train")


def test_a_misspelt_key_names_the_nearest(train):
    done = train("--data", "cells", "--run", "runs/never", "--set", "training.epocs=3")
    assert_mendable(done, "training.epocs", "training.epochs")
    assert not Path("runs/never").exists()


def test_an_unknown_recipe_names_the_nearest():
    done = singleshot("train", "ssd300-vgg", "--data", "cells")
    assert_mendable(done, "ssd300-vgg", "ssd300-vgg16")


def test_a_model_that_is_none():
    assert_mendable(singleshot("evaluate", "cells", "cells"), "cells")


def test_a_class_the_model_does_not_know(cells_run, spoiled):
    def with_new_class(cells):
        annotation = cells / "Annotations/test_0.xml"
        annotation.write_text(annotation.read_text().replace("WBC", "Platelet"))

    spoiled(with_new_class)
    assert_mendable(singleshot("evaluate", cells_run, "spoiled", "--json"), "Platelet")
