import pytest

from singleshot.errors import SingleshotError
from singleshot.prediction.tile_options import WithTiles, parse_tile


@pytest.mark.parametrize("tile", ["640x480", " 640×480", (640, 480), [640, 480]])
def test_a_tile_is_height_by_width(tile):
    assert parse_tile(tile) == (640, 480)


@pytest.mark.parametrize("tile", ["640", "640x", "8x640", "-640x640", (640,), "axb"])
def test_what_is_no_tile_is_named(tile):
    with pytest.raises(SingleshotError, match="expected height x width"):
        WithTiles(tile=tile)


def test_the_overlap_has_bounds():
    with pytest.raises(SingleshotError, match=r"tile_overlap: 0.95"):
        WithTiles(tile="64x64", tile_overlap=0.95)
