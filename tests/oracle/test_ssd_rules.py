"""Ours against the published rules, on random inputs: thousands of images for each rule."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import ssd_rules

from singleshot.boxes.geometry import pairwise_iou, to_centres, to_unit
from singleshot.detectors.common.box_coding import decode, encode
from singleshot.detectors.common.postprocess import PostprocessOptions
from singleshot.detectors.common.priors import PriorLevel, prior_boxes
from singleshot.detectors.ssd.bipartite import match_boxes, match_overlaps
from singleshot.detectors.ssd.loss import hard_negatives, multibox_loss
from singleshot.detectors.ssd.matching import Matched, SsdOutputs
from singleshot.detectors.ssd.postprocess import postprocess
from singleshot.detectors.ssd.priors import Priors, shapes_by_rule

seeds = st.integers(0, 2**32 - 1)
scales = st.tuples(st.floats(0.05, 1), st.floats(0.05, 1))


def random_boxes(random: np.random.Generator, number: int, *, coarse: bool) -> torch.Tensor:
    corners = random.random((number, 2)) * 0.8
    sides = random.random((number, 2)) * 0.5
    boxes = np.concatenate([corners, corners + sides], axis=1)
    if coarse:  # ties, and boxes without area
        boxes = np.round(boxes * 4) / 4
    return torch.from_numpy(boxes).float()


@given(seeds, st.integers(1, 12), st.integers(1, 16), st.booleans(), st.sampled_from([0.5, 0.25]))
@settings(max_examples=250, deadline=None)
def test_matching_is_the_original_greedy_rule(seed, num_priors, batch, coarse, threshold):
    random = np.random.default_rng(seed)
    truths = [random_boxes(random, random.integers(7), coarse=coarse) for _ in range(batch)]
    priors = random_boxes(random, num_priors, coarse=coarse)
    # Images have different numbers of objects, some none.
    padded = torch.nn.utils.rnn.pad_sequence([torch.zeros(1, 4), *truths], batch_first=True)[1:]
    iou = pairwise_iou(padded, priors)
    found = match_overlaps(iou, threshold)
    assert torch.equal(match_boxes(padded, priors, threshold), found)
    for image, boxes in enumerate(truths):
        overlaps = [[ssd_rules.jaccard(p, t) for t in boxes.numpy()] for p in priors.numpy()]
        overlaps = np.array(overlaps, np.float32).reshape(num_priors, len(boxes))
        np.testing.assert_array_equal(iou[image, : len(boxes)].T.numpy(), overlaps)
        assert found[image].tolist() == ssd_rules.match(overlaps, np.float32(threshold))


@given(
    seeds,
    st.integers(1, 40),
    st.integers(1, 12),
    st.sampled_from([3.0, 1.0, 0.5, 2.5]),
    st.booleans(),
)
@settings(max_examples=250, deadline=None)
def test_mining_takes_the_hardest_for_each_positive(seed, num_priors, batch, ratio, tied):
    random = np.random.default_rng(seed)
    losses = random.random((batch, num_priors)).astype(np.float32)
    if tied:
        losses = np.round(losses * 3)
    positive = random.random((batch, num_priors)) < random.choice([0, 0.1, 0.5, 1])
    taken = hard_negatives(torch.from_numpy(losses), torch.from_numpy(positive), ratio=ratio)
    for image in range(batch):
        matches = np.where(positive[image], 0, -1)
        expected = ssd_rules.hard_negatives(losses[image], matches, ratio)
        assert taken[image].nonzero()[:, 0].tolist() == expected


@given(
    seeds, st.integers(1, 12), st.integers(1, 30), st.integers(2, 5), st.sampled_from([0, 0.7, 1])
)
@settings(max_examples=200, deadline=None)
def test_the_loss_is_the_original_one(seed, batch, num_priors, num_columns, background):
    random = np.random.default_rng(seed)
    offsets, targets = random.normal(size=(2, batch, num_priors, 4))
    logits = 3 * random.normal(size=(batch, num_priors, num_columns))
    columns = random.integers(0, num_columns, (batch, num_priors))
    columns[random.random((batch, num_priors)) < background] = 0
    expected = ssd_rules.multibox_loss(offsets, logits, targets, columns, 3)
    image, prior = torch.from_numpy(columns).nonzero(as_tuple=True)
    labels = torch.from_numpy(columns)[image, prior] - 1
    priors = torch.from_numpy(0.1 + random.random((num_priors, 4)))
    truths = decode(torch.from_numpy(targets)[image, prior], priors[prior], (0.1, 0.2))
    one = torch.ones(len(prior), dtype=torch.float64)
    found = multibox_loss(
        SsdOutputs(torch.from_numpy(offsets), torch.from_numpy(logits)),
        Matched(image, prior, labels, truths, quality=one, weight=one),
        Priors(priors, (), (300, 300)),
    )
    np.testing.assert_allclose([float(term) for term in found.terms.values()], expected, rtol=1e-6)


@given(seeds, scales)
@settings(max_examples=100, deadline=None)
def test_boxes_are_encoded_and_decoded_as_in_the_original(seed, scales):
    random = np.random.default_rng(seed)
    boxes, priors = (random_boxes(random, 40, coarse=False).double() for _ in range(2))
    boxes[:, 2:] += 0.01
    priors[:, 2:] += 0.01
    offsets = torch.from_numpy(random.normal(size=(40, 4)))
    variances = [scales[0], scales[0], scales[1], scales[1]]
    encoded = [
        ssd_rules.encode(box, prior, variances) for box, prior in zip(boxes, priors, strict=True)
    ]
    decoded = [
        ssd_rules.decode(row, prior, variances) for row, prior in zip(offsets, priors, strict=True)
    ]
    np.testing.assert_allclose(encode(boxes, to_centres(priors), scales), encoded, atol=1e-9)
    np.testing.assert_allclose(decode(offsets, to_centres(priors), scales), decoded, atol=1e-9)


OFFSET_SCALES = (0.1, 0.2)
result_options = st.builds(
    PostprocessOptions,
    score_threshold=st.sampled_from([0.0, 0.01, 0.25, 0.5]),
    iou_threshold=st.sampled_from([0.0, 0.1, 0.3, 0.45, 0.5, 0.75]),
    top_k=st.integers(1, 12),
    keep=st.sampled_from([1, 2, 3, 5, 200]),
    clip_before_nms=st.booleans(),
)


@given(
    seeds,
    st.integers(1, 24),
    st.integers(1, 4),
    st.booleans(),
    st.sampled_from(["softmax", "sigmoid"]),
    result_options,
)
@settings(max_examples=400, deadline=None)
def test_detections_are_the_original_ones(seed, num_priors, num_classes, coarse, kind, options):
    random = np.random.default_rng(seed)
    sizes = [(64, 128), (32, 16), (256, 256), (8, 64), (128, 64)]
    logits = 2 * random.normal(size=(len(sizes), num_priors, num_classes + (kind == "softmax")))
    offsets = random.normal(size=(len(sizes), num_priors, 4))
    if coarse:  # equal scores, some exactly at the threshold; equal overlaps, boxes without area
        logits, offsets = np.round(logits), 0 * offsets
    priors = to_centres(random_boxes(random, num_priors, coarse=coarse))
    logits, offsets = torch.from_numpy(logits).float(), torch.from_numpy(offsets).float()
    found = postprocess(offsets, logits, priors, sizes, scores=kind, options=options)
    scores = logits.sigmoid() if kind == "sigmoid" else logits.softmax(dim=-1)[..., 1:]
    boxes = decode(offsets, priors, OFFSET_SCALES)
    if options.clip_before_nms:
        boxes = boxes.clamp(0, 1)
    for image, size in enumerate(sizes):
        expected = ssd_rules.detection_output(
            boxes[image].numpy(),
            scores[image].numpy(),
            options.score_threshold,
            options.iou_threshold,
            options.top_k,
            options.keep,
        )
        labels, rows = np.array(expected, np.int64).reshape(-1, 2).T
        assert found[image].labels.tolist() == labels.tolist()
        assert torch.equal(found[image].scores, scores[image, rows, labels])
        # Sides are powers of two, so that nothing is rounded on the way.
        assert torch.equal(to_unit(found[image].boxes, size), boxes[image, rows].clamp(0, 1))


def test_a_large_image_has_the_original_detections(random):
    """As many priors as SSD300's larger levels, a crowd of scores, and one class above all."""
    priors = torch.rand(600, 4, generator=random) * 0.3 + 0.1
    logits = torch.randn(3, 600, 4, generator=random)
    logits[1] *= 5
    logits[2, :, 1] += 4
    offsets = torch.randn(3, 600, 4, generator=random)
    options = PostprocessOptions(keep=20, top_k=100)
    found = postprocess(offsets, logits, priors, [(1, 1)] * 3, options=options)
    boxes = decode(offsets, priors, OFFSET_SCALES).numpy()
    for image, scores in enumerate(logits.softmax(dim=-1)[..., 1:].numpy()):
        expected = ssd_rules.detection_output(boxes[image], scores, 0.01, 0.45, 100, 20)
        assert found[image].labels.tolist() == [label for label, _ in expected]
        assert found[image].scores.tolist() == [scores[row, label] for label, row in expected]


@given(
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    st.floats(4, 100),
    st.integers(8, 300),
    st.integers(8, 300),
    st.lists(st.sampled_from([2.0, 3.0]), max_size=2, unique=True),
    st.tuples(st.integers(64, 512), st.integers(64, 512)),
)
@settings(max_examples=1000, deadline=None)
def test_priors_are_the_original_ones(grid, step, size, next_size, ratios, image):
    shapes = shapes_by_rule(float(size), float(next_size), ratios)
    level = PriorLevel(grid, (step, step), (step / 2, step / 2), shapes)
    expected = ssd_rules.priors(grid, step, size, next_size, ratios, image)
    np.testing.assert_allclose(prior_boxes([level], image).numpy(), expected, rtol=1e-5)
