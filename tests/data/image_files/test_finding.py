"""Where the file of an image is looked for, and which of several is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from singleshot.data.image_files.finding import FoundImage, ImageFinder, NotFound


@pytest.fixture
def finder(tmp_path: Path) -> ImageFinder:
    for name in ("images/cam1/7.jpg", "images/cam2/7.jpg", "images/8.png", "images/8.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path.parent / "secret.jpg").touch()
    return ImageFinder(tmp_path, [tmp_path / "images"], given=None, follow_links=False)


def test_an_image_is_found_below_a_folder_of_the_annotations(finder):
    assert finder.find("cam2/7.jpg", None, None) == FoundImage(
        finder.roots[0] / "images/cam2/7.jpg", by_name=False
    )


def test_of_several_with_one_stem_the_annotated_name_is_taken_else_the_first(finder):
    assert finder.find("8.png", "8", None).path.name == "8.png"
    assert finder.find("8.bmp", "8", None).path.name == "8.jpg"


@pytest.mark.parametrize("name", ["../secret.jpg", "{root}/../secret.jpg", "images/../8.png"])
def test_a_name_never_leads_to_another_folder(finder, name):
    found = finder.find(name.format(root=finder.roots[0]), None, None)
    assert isinstance(found, NotFound)
    assert found.kind == "missing-image"


def test_a_stem_that_leads_out_is_refused(finder):
    found = finder.find("", "../../secret", None)
    assert isinstance(found, NotFound)
    assert found.kind == "outside-link"


def test_anywhere_the_path_that_agrees_in_most_folders_is_taken(finder):
    windows = r"C:\data\cam2\7.jpg"
    assert finder.find_anywhere(windows, None).path == finder.roots[0] / "images/cam2/7.jpg"
    assert finder.find_anywhere("7.jpg", None).kind == "ambiguous-image"
    assert finder.find_anywhere("9.jpg", None).kind == "missing-image"
    assert finder.find_anywhere("8.PNG", None).path.name == "8.png"


def test_the_folder_that_the_user_names_comes_first(finder, tmp_path_factory):
    given = tmp_path_factory.mktemp("elsewhere")
    (given / "8.png").touch()
    chosen = ImageFinder(finder.roots[0], finder.folders, given=given, follow_links=False)
    assert chosen.find("8.png", None, finder.roots[0] / "images").path == given / "8.png"
