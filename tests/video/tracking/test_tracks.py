import numpy as np

from singleshot.video.tracking.tracks import NO_TRACK, Tracks

BOXES = np.array([[0.0, 0.0, 10.0, 20.0], [50.0, 0.0, 60.0, 20.0], [90.0, 0.0, 99.0, 20.0]])


def test_chosen_tracks_are_corrected_and_all_stay_in_order():
    tracks = Tracks.start(BOXES, np.array([4, 5, 6])).predict(1).update(np.array([2, 0]), BOXES[:2])
    assert tracks.labels.tolist() == [4, 5, 6]
    assert tracks.num_missed.tolist() == [0, 1, 0]
    x1 = tracks.motion.boxes[:, 0]
    assert x1[0] > 35  # box 1 was given to track 0, box 0 to track 2
    assert x1[2] < 15
    assert x1[1] == 50


def test_identities_are_given_once_in_the_order_chosen():
    tracks = Tracks.start(BOXES, np.array([0, 0, 0])).identify(np.array([2, 1]), 7)
    assert tracks.identities.tolist() == [NO_TRACK, 8, 7]
    assert tracks.identify(np.array([0, 1]), 9).identities.tolist() == [9, 8, 7]
    both = tracks.join(Tracks.start(BOXES[:1], np.array([0])))
    assert both.confirmed.tolist() == [False, True, True, False]
