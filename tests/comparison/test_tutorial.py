import pytest

import singleshot
from singleshot.errors import SingleshotError


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
