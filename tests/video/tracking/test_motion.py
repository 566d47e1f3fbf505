import numpy as np
from numpy.testing import assert_allclose

from singleshot.video.tracking.motion import Motion, to_values


def by_matrices(boxes):
    """DeepSORT's `kalman_filter.py` for one box: states after predicting and updating by each."""
    transition, measure = np.eye(8), np.eye(4, 8)
    transition[:4, 4:] = np.eye(4)

    def noise(height, position, aspect, velocity):
        of_velocity = [height * velocity / 160] * 2 + [1e-5, height * velocity / 160]
        of_position = [height * position / 20] * 2 + [aspect, height * position / 20]
        return np.square(of_position + of_velocity)

    first, *others = to_values(boxes)
    mean = np.concatenate([first, np.zeros(4)])
    covariance = np.diag(noise(first[3], 2, 1e-2, 10))
    for values in others:
        process = np.diag(noise(mean[3], 1, 1e-2, 1))
        mean = transition @ mean
        covariance = transition @ covariance @ transition.T + process
        projected = measure @ covariance @ measure.T + np.diag(noise(mean[3], 1, 1e-1, 0)[:4])
        gain = covariance @ measure.T @ np.linalg.inv(projected)
        mean = mean + gain @ (values - measure @ mean)
        covariance = covariance - gain @ projected @ gain.T
    return mean, covariance


def test_four_filters_of_two_numbers_equal_one_of_eight():
    random = np.random.default_rng(0)
    corners = random.uniform(0, 200, (20, 2)).cumsum(axis=0)
    boxes = np.concatenate([corners, corners + random.uniform(20, 80, (20, 2))], axis=1)
    motion = Motion.start(boxes[:1])
    for box in boxes[1:]:
        motion = motion.predict().update(box[None])
    mean, covariance = by_matrices(boxes)
    assert_allclose(motion.values[0], mean[:4])
    assert_allclose(motion.velocities[0], mean[4:])
    assert_allclose(motion.value_variance[0], covariance.diagonal()[:4])
    assert_allclose(motion.velocity_variance[0], covariance.diagonal()[4:])
    assert_allclose(motion.covariance[0], covariance[:4, 4:].diagonal(), atol=1e-12)


def test_a_moving_box_is_predicted_where_it_will_be():
    motion = Motion.start(np.array([[10.0, 20.0, 40.0, 90.0]]))
    for frame in range(1, 30):
        motion = motion.predict().update(np.array([[10.0, 20.0, 40.0, 90.0]]) + 3 * frame)
    assert_allclose(motion.predict().boxes, [[100, 110, 130, 180]], atol=0.2)


def test_a_box_of_constant_height_moves_but_does_not_grow():
    motion = Motion.start(np.array([[0.0, 0.0, 10.0, 10.0]]))
    for frame in range(1, 10):
        motion = motion.predict().update(np.array([[0.0, 0.0, 10.0 + frame, 10.0 + 2 * frame]]))
    stopped = motion.with_constant_height(np.array([True])).predict()
    assert stopped.values[0, 3] == motion.values[0, 3] != motion.predict().values[0, 3]
    assert stopped.values[0, 0] == motion.predict().values[0, 0]
