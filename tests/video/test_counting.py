import numpy as np
import pytest
import torch

from singleshot.video.counting import FORGET_AFTER, ObjectCounter, points_within
from singleshot.video.places import parse_places

SIZE = 200, 400
NAMES = ("person", "dog")
MIDDLE = "line=0,0.5,1,0.5"  # y = 100


def counter(*texts, anchor="bottom"):
    return ObjectCounter(parse_places(texts), SIZE, NAMES, anchor=anchor)


def walk(counts, points, *, identity=1, label=0):
    """Move an object of 20 x 40 pixels so that its lower row of pixels is at each point."""
    for point in points:
        x, y = point
        boxes = torch.tensor([[x - 10, y - 39.5, x + 10, y + 0.5]])
        counts.update(boxes, torch.tensor([identity]), torch.tensor([label]))
    return counts.counts()


def up_to(y, x=50.0):
    return [(x, float(at)) for at in range(150, y, -5)]


def nothing():
    return torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)


def test_left_of_a_line_is_in():
    counts = counter(MIDDLE, "back=line:1,0.5,0,0.5")
    assert walk(counts, up_to(50)) == {
        "line": {"in": {"person": 1}, "out": {}},
        "back": {"in": {}, "out": {"person": 1}},
    }


def test_there_and_back_counts_once_each_way_for_each_class():
    counts = counter(MIDDLE)
    walk(counts, up_to(50) + up_to(50)[::-1], identity=1)
    walk(counts, up_to(50), identity=2, label=1)
    assert counts.counts()["line"] == {"in": {"person": 1, "dog": 1}, "out": {"person": 1}}


def test_a_jitter_on_the_line_is_not_counted():
    jitter = [(50.0, 100 + offset) for offset in (1.0, -1.0) * 20]
    assert walk(counter(MIDDLE), [(50.0, 110.0), *jitter])["line"] == {"in": {}, "out": {}}
    through = walk(counter(MIDDLE), [(50.0, 110.0), *jitter, (50.0, 90.0)])
    assert through["line"] == {"in": {"person": 1}, "out": {}}


def test_what_goes_around_the_end_of_a_line_is_not_counted():
    around = [
        (50.0, 120.0),
        (90.0, 120.0),
        (130.0, 110.0),
        (130.0, 90.0),
        (90.0, 80.0),
        (50.0, 80.0),
    ]
    counts = counter("door=line:20,100,100,100")
    assert walk(counts, around)["door"] == {"in": {}, "out": {}}
    assert walk(counts, [(50.0, 120.0)])["door"] == {"in": {}, "out": {"person": 1}}


def test_a_jump_over_the_line_and_a_gap_at_it_are_counted():
    counts = counter(MIDDLE)
    walk(counts, [(50.0, 150.0)])
    for _ in range(20):
        counts.update(*nothing())
    assert walk(counts, [(60.0, 50.0)])["line"] == {"in": {"person": 1}, "out": {}}


def test_objects_without_an_identity_cross_no_line():
    counts = counter(MIDDLE)
    assert walk(counts, up_to(50), identity=-1)["line"] == {"in": {}, "out": {}}
    counts.update(torch.tensor([[40.0, 0, 60, 40]]), None, torch.tensor([0]))
    assert counts.counts()["line"] == {"in": {}, "out": {}}


def test_the_centre_may_be_what_crosses():
    # The lower side goes from 150 to 115, the centre from 130 to 95.
    assert walk(counter(MIDDLE), up_to(110))["line"]["in"] == {}
    assert walk(counter(MIDDLE, anchor="centre"), up_to(110))["line"]["in"] == {"person": 1}


def test_a_zone_counts_what_is_within_and_each_identity_once():
    counts = counter("zone=0.25,0.25,0.75,0.25,0.75,0.75,0.25,0.75")
    assert walk(counts, [(50.0, 100.0)])["zone"] == {"now": {}, "entered": {}}
    assert walk(counts, [(150.0, 100.0)])["zone"] == {
        "now": {"person": 1},
        "entered": {"person": 1},
    }
    assert walk(counts, [(350.0, 100.0)])["zone"] == {"now": {}, "entered": {"person": 1}}
    assert walk(counts, [(150.0, 100.0)])["zone"] == {
        "now": {"person": 1},
        "entered": {"person": 1},
    }
    again = walk(counts, [(150.0, 100.0)], identity=2, label=1)["zone"]
    assert again == {"now": {"dog": 1}, "entered": {"person": 1, "dog": 1}}


def test_a_zone_to_the_lower_border_contains_objects_cut_off_there():
    assert walk(counter("zone=0,0.5,1,0.5,1,1,0,1"), [(50.0, 199.5)])["zone"]["now"] == {
        "person": 1
    }


def test_a_zone_counts_objects_without_identities_now():
    counts = counter("zone=0,0,1,0,1,1,0,1")
    boxes = torch.tensor([[10.0, 10, 20, 20], [50.0, 10, 60, 20]])
    counts.update(boxes, None, torch.tensor([0, 0]))
    assert counts.counts() == {"zone": {"now": {"person": 2}, "entered": {}}}


def test_identities_are_forgotten_after_a_while():
    counts = counter(MIDDLE, "zone=0,0,1,0,1,1,0,1")
    for identity in range(50):
        walk(counts, [(50.0, 150.0)], identity=identity)
    for _ in range(FORGET_AFTER + 1):
        counts.update(*nothing())
    assert not counts.num_remembered
    assert walk(counts, [(50.0, 50.0)], identity=1)["line"] == {"in": {}, "out": {}}


def test_points_within_equal_matplotlibs_for_a_polygon_that_is_not_convex():
    path = pytest.importorskip("matplotlib.path")
    random = np.random.default_rng(0)
    polygon = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [5.0, 3.0], [0.0, 10.0]])
    points = random.uniform(-1, 11, (2000, 2))
    expected = path.Path(polygon).contains_points(points)
    assert 0 < expected.sum() < 2000
    assert (points_within(points, polygon) == expected).all()


def test_crossings_equal_supervisions_where_nothing_is_lost_or_goes_around():
    supervision = pytest.importorskip("supervision")
    line = supervision.LineZone(
        start=supervision.Point(0, 100),
        end=supervision.Point(400, 100),
        triggering_anchors=[supervision.Position.BOTTOM_CENTER],
    )
    ours = counter("line=0,99.5,400,99.5")  # ours looks at the middle of the last row
    random = np.random.default_rng(0)
    heights = 100 + 60 * np.sin(np.arange(300)[:, None] / random.uniform(10, 40, 8) + np.arange(8))
    for row in heights:
        points = np.stack([np.linspace(30, 370, 8), row], axis=1)
        boxes = np.concatenate([points - np.array([10, 40]), points + np.array([10, 0])], axis=1)
        identities, labels = np.arange(8), np.arange(8) % 2
        line.trigger(supervision.Detections(boxes, class_id=labels, tracker_id=identities))
        ours.update(torch.from_numpy(boxes).float(), torch.arange(8), torch.from_numpy(labels))
    named = {
        way: {NAMES[label]: number for label, number in counts.items()}
        for way, counts in (("in", line.in_count_per_class), ("out", line.out_count_per_class))
    }
    assert min(named["in"].values()) > 5
    assert ours.counts()["line"] == named
