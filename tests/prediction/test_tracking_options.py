import pytest

from singleshot.errors import SingleshotError
from singleshot.prediction import tracking_options
from singleshot.prediction.options import PredictionOptions
from singleshot.prediction.tracking_options import WithTracking


def test_lines_and_zones_are_parsed():
    options = WithTracking(track=True, count=["line=0,0,1,1", "yard=zone:0,0,1,0,1,1"])
    assert [place.name for place in options.places] == ["line", "yard"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"count": ["line=0,0,1,1"]}, "add --track"),
        ({"count": ["line=0,0,1"], "track": True}, "each point has two"),
        ({"count": "zone=0,0,1,0,1,1"}, "expected a list"),
        ({"keep_lost": -1.0}, "keep_lost"),
    ],
)
def test_what_cannot_be_counted_or_tracked_is_named(given, reason):
    with pytest.raises(SingleshotError, match=reason):
        WithTracking(**given)


def test_a_zone_needs_no_tracks():
    assert len(WithTracking(count=["zone=0,0,1,0,1,1"]).places) == 1


def test_scipy_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setattr(tracking_options, "find_spec", lambda _: None)
    with pytest.raises(SingleshotError, match=r"singleshot\[track\]"):
        WithTracking(track=True)


@pytest.mark.parametrize("given", [{"track": True}, {"count": ["zone=0,0,1,0,1,1"]}])
def test_images_are_neither_tracked_nor_counted(given, tmp_path):
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(SingleshotError, match="is for videos"):
        PredictionOptions(str(tmp_path), **given)
