import pytest
import torch

from singleshot.errors import SingleshotError
from singleshot.structures import Detections
from singleshot.video.tracking import ByteTrack

NONE = Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))


def detections(*objects):
    """Each object is x, y (of the corner of a box of 30 x 60 pixels), score and label."""
    x, y, scores, labels = torch.tensor(objects).T
    boxes = torch.stack([x, y, x + 30, y + 60], dim=1)
    return Detections(boxes, scores, labels.long())


def still(score=0.9, label=0):
    return detections((50.0, 50.0, score, label))


def follow(tracker, frames):
    return [tracker.update(frame).tolist() for frame in frames]


def crossing(frame, *, gap):
    """Two objects that pass each other, `gap` pixels apart in height; positions of a pixel."""
    random = torch.Generator().manual_seed(frame)
    noise = torch.randn(4, generator=random).tolist()
    return detections(
        (10 + 5.0 * frame + noise[0], 50 + noise[1], 0.9, 0),
        (310 - 5.0 * frame + noise[2], 110 + gap + noise[3], 0.8, 0),
    )


def test_no_identity_changes_where_boxes_do_not_overlap():
    frames = [crossing(frame, gap=8) for frame in range(60)]
    assert follow(ByteTrack(), frames) == [[1, 2]] * 60


def test_no_identity_changes_where_ten_objects_cross_in_lanes():
    def lane(frame, number):
        x = 10 + 4.0 * frame if number % 2 else 410 - 4.0 * frame
        return x, 70.0 * number, 0.9, 0

    frames = [detections(*(lane(frame, number) for number in range(10))) for frame in range(100)]
    assert follow(ByteTrack(), frames) == [list(range(1, 11))] * 100


def test_a_hidden_object_keeps_its_identity_for_a_second():
    frames = [crossing(frame, gap=-60) for frame in range(60)]
    hidden = [frame[:1] if 25 <= number < 36 else frame for number, frame in enumerate(frames)]
    found = follow(ByteTrack(), hidden)
    assert found[:25] == [[1, 2]] * 25
    assert found[36:] == [[1, 2]] * 24


@pytest.mark.parametrize(("missed", "identity"), [(30, 1), (31, 2)])
def test_a_track_is_lost_after_a_second(missed, identity):
    tracker = ByteTrack(frame_rate=30, keep_lost=1)
    follow(tracker, [still(), *[NONE] * missed, still()])
    assert tracker.update(still()).tolist() == [identity]


def test_low_scores_continue_tracks_but_begin_none():
    assert follow(ByteTrack(), [still(), still(0.2), still(0.2)]) == [[1], [1], [1]]
    assert follow(ByteTrack(), [NONE, still(0.2), still(0.5), still(0.55)]) == [
        [],
        [-1],
        [-1],
        [-1],
    ]


def test_scores_below_a_tenth_are_background():
    assert follow(ByteTrack(), [still(), still(0.09)]) == [[1], [-1]]


def test_a_track_after_the_first_frame_needs_a_second_detection():
    assert follow(ByteTrack(), [NONE, still(), still()]) == [[], [-1], [1]]
    assert follow(ByteTrack(), [NONE, still(), NONE, still()]) == [[], [-1], [], [-1]]


def test_tracks_are_of_one_class():
    assert follow(ByteTrack(), [still(label=0), still(label=1), still(label=1)]) == [[1], [-1], [2]]


def test_each_class_has_its_own_high_score():
    frame = detections((50.0, 50.0, 0.5, 0), (200.0, 50.0, 0.5, 1))
    assert ByteTrack([0.3, 0.6]).update(frame).tolist() == [1, -1]


def test_frames_left_out_count():
    tracker = ByteTrack()
    moving = [detections((10.0 + 6 * frame, 50.0, 0.9, 0)) for frame in range(40)]
    follow(tracker, moving[:20])
    assert tracker.update(moving[27], num_frames=8).tolist() == [1]
    assert ByteTrack().update(NONE, num_frames=10**9).tolist() == []


def test_two_detections_of_one_object_leave_one_track():
    both = detections((50.0, 50.0, 0.9, 0), (51.0, 50.0, 0.8, 0))
    tracker = ByteTrack()
    assert follow(tracker, [*[still()] * 3, *[both] * 3]) == [*[[1]] * 3, [1, -1], *[[1, 2]] * 2]
    assert follow(tracker, [still()] * 3) == [[1]] * 3
    assert tracker.num_tracks == 1


def test_boxes_without_area_or_end_have_no_track():
    boxes = torch.tensor([[5.0, 5, 5, 9], [0, 0, torch.inf, 9], [0, torch.nan, 9, 9]])
    broken = Detections(boxes, torch.ones(3), torch.zeros(3, dtype=torch.int64))
    assert follow(ByteTrack(), [broken, broken]) == [[-1, -1, -1]] * 2


def test_tracks_do_not_pile_up():
    tracker = ByteTrack(frame_rate=10)
    random = torch.Generator().manual_seed(0)
    for _ in range(200):
        places = (1000 * torch.rand(20, 2, generator=random)).tolist()
        tracker.update(detections(*((x, y, 0.9, 0) for x, y in places)))
    assert tracker.num_tracks < 20 * 11


@pytest.mark.parametrize(
    "numbers",
    [{"high_score": 1.5}, {"frame_rate": 0}, {"keep_lost": -1}, {"frame_rate": float("nan")}],
)
def test_numbers_out_of_bounds_are_named(numbers):
    with pytest.raises(SingleshotError, match=next(iter(numbers))):
        ByteTrack(**numbers)
    with pytest.raises(SingleshotError, match="num_frames: 0"):
        ByteTrack().update(NONE, num_frames=0)
