import torch

from singleshot.detectors.common.regions import (
    Sampling,
    label_regions,
    pick,
    sample,
    sample_regions,
    with_truths,
)
from singleshot.detectors.common.settings import SamplingSettings
from singleshot.detectors.rcnn.settings import FastRcnnSettings
from singleshot.structures import Objects

ONE = Objects(torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([4]))


def overlapping(*parts):
    """Boxes within the truth that cover so much of it: their overlap is that part."""
    return torch.tensor([[0.0, 0, 10, 10 * part] for part in parts])


def labels_at(*parts, range_=(0.1, 0.5)):
    labelled = label_regions(overlapping(*parts), ONE, 0.5, range_)
    return [
        (round(float(region[3]) / 10, 2), int(label))
        for region, label in zip(labelled.regions, labelled.labels, strict=True)
    ]


def test_half_of_a_truth_shows_it_and_a_tenth_is_background():
    # Labels of the truth are one column further: 0 is the background.
    assert labels_at(0.5, 0.75, 0.45, 0.1, 0.05) == [(0.5, 5), (0.75, 5), (0.45, 0), (0.1, 0)]


def test_what_is_neither_is_left_out():
    assert labels_at(0.3, 0.2, range_=(0.0, 0.3)) == [(0.2, 0)]


def test_a_region_shows_the_truth_it_overlaps_most():
    objects = Objects(torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 8]]), torch.tensor([1, 2]))
    labelled = label_regions(overlapping(0.85), objects, 0.5, (0.1, 0.5))
    assert labelled.labels.tolist() == [3]
    assert labelled.truths.tolist() == [[0, 0, 10, 8]]


def test_an_image_without_objects_is_all_background():
    nothing = Objects(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    labelled = label_regions(overlapping(0.5, 1), nothing, 0.5, (0.1, 0.5))
    assert labelled.labels.tolist() == [0, 0]


def counts(num_positive, num_negative, number=64, share=0.25):
    positive = torch.arange(num_positive + num_negative) < num_positive
    indices = sample(positive, number, share)
    assert len(set(indices.tolist())) == len(indices)
    return int(positive[indices].sum()), int((~positive[indices]).sum())


def test_of_64_regions_16_are_positive():
    assert counts(100, 100) == (16, 48)


def test_few_positives_allow_more_negatives():
    assert counts(3, 100) == (3, 61)


def test_few_negatives_leave_none_for_positives():
    assert counts(100, 10) == (16, 10)


def test_rcnn_takes_32_of_128():
    assert counts(500, 500, number=128) == (32, 96)


def test_another_draw_takes_others():
    torch.manual_seed(0)
    among = torch.ones(1000, dtype=torch.bool)
    assert set(pick(among, 10).tolist()) != set(pick(among, 10).tolist())


def test_fast_rcnn_samples_as_its_paper():
    settings = FastRcnnSettings.model_fields["sampling"].default
    assert settings == SamplingSettings(
        regions=64, positives=0.25, positive_iou=0.5, background_iou=(0.1, 0.5)
    )
    torch.manual_seed(0)
    regions = with_truths(overlapping(*[0.6] * 50, *[0.3] * 100, *[0.01] * 100), ONE)
    sampled = sample_regions(regions, ONE, Sampling.from_settings(settings))
    assert sampled.positive.sum() == 16
    assert len(sampled.labels) == 64
    assert (sampled.regions[:, 3] >= 3).all()


def test_annotated_boxes_are_regions():
    assert with_truths(torch.zeros(2, 4), ONE)[-1].tolist() == [0, 0, 10, 10]
