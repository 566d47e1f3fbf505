import torch
from one_convolution import OneConvolution

from singleshot.detectors.multibox.post_classifier import PostClassifier
from singleshot.structures import Objects


def test_every_region_is_classified_by_its_own_crop():
    torch.manual_seed(0)
    network = PostClassifier(OneConvolution([8]), 2, warped=32, context=2)
    images = torch.randint(256, (2, 3, 40, 50), dtype=torch.uint8)
    regions = [torch.tensor([[0.0, 0, 20, 20], [5, 5, 45, 35]]), torch.tensor([[9.0, 9, 30, 30]])]
    together = network(images, regions)
    assert together.shape == (3, 1 + 2)
    torch.testing.assert_close(network(images[1:], regions[1:]), together[2:])


def test_annotated_boxes_are_among_the_regions_it_is_trained_on():
    torch.manual_seed(0)
    network = PostClassifier(OneConvolution([8]), 2, warped=32)
    objects = Objects(torch.tensor([[3.0, 3, 30, 30]]), torch.tensor([1]))
    losses = network.losses(torch.zeros(1, 3, 40, 50), [torch.zeros(0, 4)], [objects])
    assert losses.num_matches == 1
    assert losses.terms["classification"] > 0
