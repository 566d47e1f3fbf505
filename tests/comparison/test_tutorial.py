import pytest

import singleshot
from singleshot.comparison.tutorial import draw_sample_images
from singleshot.data.image_files.decoding import image_size
from singleshot.errors import SingleshotError


def test_sample_images_are_the_same_each_time(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = draw_sample_images(tmp_path / "a"), draw_sample_images(tmp_path / "b")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert image_size(one) == (375, 500)


def test_systems_are_measured_without_any_run_or_data(tmp_path):
    result = singleshot.compare_with_tutorial({}, systems=["localizer"], report=tmp_path / "page")
    assert result.systems["localizer"].num_boxes == 1
    assert result.images == "synthetic images of 500 × 375"
    page = (tmp_path / "page/report.html").read_text()
    assert f"singleshot compare --tutorial --report {tmp_path / 'page'}" in page


def test_unknown_and_missing_systems_are_refused():
    with pytest.raises(SingleshotError, match="'ssd' is no system of the tutorial"):
        singleshot.compare_with_tutorial({}, systems=["ssd"])
    with pytest.raises(SingleshotError, match="name at least one system"):
        singleshot.compare_with_tutorial({}, systems=[])
