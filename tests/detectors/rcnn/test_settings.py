"""Numbers of the papers on regions, in the tables of recipes."""

import pytest

from singleshot.recipes.load import load_recipe


def test_rfcn_trains_on_the_300_best_of_6000_proposals():
    proposals = load_recipe("rfcn-resnet101").model.proposals
    assert (proposals.before_training, proposals.after_training) == (6000, 300)
    assert proposals.offset_scales == (0.1, 0.2)


def test_faster_rcnn_trains_on_the_2000_best_of_12000_proposals():
    proposals = load_recipe("faster-rcnn-vgg16").model.proposals
    assert (proposals.before_training, proposals.after_training) == (12_000, 2000)
    assert proposals.offset_scales == (1.0, 1.0)


def test_background_overlaps_an_object_by_a_tenth_at_least_in_fast_rcnn_alone():
    for recipe, lowest, number in (
        ("rcnn", 0.0, 128),
        ("fast-rcnn", 0.1, 64),
        ("faster-rcnn-vgg16", 0.0, 128),
        ("faster-rcnn-resnet50-fpn", 0.0, 512),
    ):
        sampling = load_recipe(recipe).model.sampling
        assert (sampling.background_iou, sampling.regions) == ((lowest, 0.5), number), recipe


def test_one_number_of_a_table_leaves_the_others_as_the_paper_has_them():
    sampling = load_recipe("faster-rcnn-vgg16", {"model.sampling.regions": 16}).model.sampling
    assert (sampling.regions, sampling.background_iou) == (16, (0.0, 0.5))
    positives = {"model.classifier.sampling.positives": 0.5}
    sampling = load_recipe("multibox", positives).model.classifier.sampling
    assert (sampling.regions, sampling.background_iou) == (32, (0.0, 0.5))


@pytest.mark.parametrize(
    ("recipe", "score", "iou", "top_k", "keep"),
    [
        # rcnn_test.m, imdb_eval_voc.m: 100 of each of 20 classes; scores are no margins here
        ("rcnn", 0.2, 0.3, 100, 2000),
        # fast-rcnn, lib/fast_rcnn/test.py: thresh = -inf, max_per_image = 100 of each class
        ("fast-rcnn", 0.0, 0.3, 100, 2000),
        # py-faster-rcnn, lib/fast_rcnn/test.py: max_per_image=100, thresh=0.05, of 300 proposals
        ("faster-rcnn-vgg16", 0.05, 0.3, 300, 100),
        # py-R-FCN, lib/fast_rcnn/test.py: max_per_image=400, thresh=-inf
        ("rfcn-resnet101", 0.0, 0.3, 300, 400),
    ],
)
def test_what_is_kept_is_what_the_authors_code_keeps(recipe, score, iou, top_k, keep):
    results = load_recipe(recipe).model.results
    found = results.score_threshold, results.iou_threshold, results.top_k, results.keep
    assert found == (score, iou, top_k, keep)
