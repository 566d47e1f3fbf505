import torch

from singleshot.detectors.common.pixels import Pixels


def test_the_mean_is_subtracted_and_the_deviation_divides():
    pixels = Pixels((10.0, 20.0, 30.0), (1.0, 2.0, 4.0))
    image = torch.full((1, 3, 2, 2), 50, dtype=torch.uint8)
    assert pixels(image)[0, :, 0, 0].tolist() == [40.0, 15.0, 5.0]


def test_a_checkpoint_does_not_hold_them():
    assert Pixels((1.0, 2.0, 3.0), (1.0, 1.0, 1.0)).state_dict() == {}
