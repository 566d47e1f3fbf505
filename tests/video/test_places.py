import pytest

from singleshot.errors import SingleshotError
from singleshot.video.places import Place, parse_places


def test_lines_and_zones_are_named_by_kind_and_number():
    places = parse_places(["line=0,1,2,3", "line=5,5,9,9", "zone=0,0,9,0,9,9", "door=line:1,2,3,4"])
    assert [(place.name, place.kind) for place in places] == [
        ("line", "line"),
        ("line 2", "line"),
        ("zone", "zone"),
        ("door", "line"),
    ]
    assert places[0].points == ((0, 1), (2, 3))


def test_fractions_become_pixels_and_pixels_stay():
    unit, pixels = parse_places(["line=0,0.5,1,.5", "zone=0,0.5,100,0.5,100,90"])
    assert unit.in_pixels((200, 600)).points == ((0, 100), (600, 100))
    assert pixels.in_pixels((200, 600)) == pixels


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0,0,1,1", "expected line="),
        ("door=0,0,1,1", "expected line="),
        ("=line:0,0,1,1", "expected line="),
        ("circle=0,0,1,1", "expected line="),
        ("line=", "no numbers"),
        ("line=0,a,1,1", "no numbers"),
        ("line=0,nan,1,1", "no numbers"),
        ("line=0,0,1", "each point has two"),
        ("line=0,0,1,1,2,2", "3 points; a line has 2"),
        ("zone=0,0,1,1", "2 points; a zone has 3 or more"),
    ],
)
def test_what_is_no_line_or_zone_is_named(text, reason):
    with pytest.raises(SingleshotError, match=reason) as error:
        parse_places([text])
    assert text in str(error.value)


def test_a_name_is_given_once():
    with pytest.raises(SingleshotError, match="'door' is given twice"):
        parse_places(["door=line:0,0,1,1", "door=line:0,0,1,1"])


@pytest.mark.parametrize("points", [((0.5, 0.5), (1.5, 0.5)), ((0.5, 0.5), (0.5, 0.5))])
def test_a_line_within_a_pixel_is_refused(points):
    with pytest.raises(SingleshotError, match="'door' is shorter than 2 pixels"):
        Place("door", "line", points).in_pixels((100, 100))
