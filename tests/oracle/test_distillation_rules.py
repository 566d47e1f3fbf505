"""Ours against the formulas, prior by prior, on random outputs of students and teachers."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import distillation_rules

from singleshot.boxes.geometry import to_centres
from singleshot.detectors.ssd.distillation import TeacherOutputs, distillation_loss
from singleshot.detectors.ssd.matching import Matched, SsdOutputs
from singleshot.detectors.ssd.priors import Priors


def boxes(random, *shape):
    corners = random.random((*shape, 2))
    return np.concatenate([corners, corners + 0.05 + random.random((*shape, 2))], axis=-1)


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 4),
    st.integers(1, 24),
    st.integers(1, 4),
    st.sampled_from(["softmax", "sigmoid"]),
    st.floats(0, 2),
)
@settings(max_examples=60, deadline=None)
def test_loss_and_gradients_are_those_of_the_formula(
    seed, batch, num_priors, num_classes, kind, weight
):
    random = np.random.default_rng(seed)
    first = 1 if kind == "softmax" else 0  # the column of the first class
    known = 1 + random.permutation(num_classes)[: random.integers(1, num_classes + 1)]
    columns = [0, *known] if kind == "softmax" else [*(known - 1)]
    offsets, teacher_boxes = (
        random.normal(size=(batch, num_priors, 4)),
        boxes(random, batch, num_priors),
    )
    logits = 3 * random.normal(size=(batch, num_priors, num_classes + first))
    scores = random.random((batch, num_priors, len(columns))) ** 3
    scores /= scores.sum(axis=-1, keepdims=True) if kind == "softmax" else 1
    target = random.integers(first, num_classes + first, (batch, num_priors))
    target[random.random((batch, num_priors)) < 0.7] = -1
    priors = boxes(random, num_priors)
    expected, by_offsets, by_logits = distillation_rules.distillation(
        offsets, logits, target, scores, teacher_boxes, priors, columns, 3, kind, (0.1, 0.2)
    )

    image, prior = torch.from_numpy(target >= 0).nonzero(as_tuple=True)
    labels = torch.from_numpy(target)[image, prior] - first
    one = torch.ones(len(prior), dtype=torch.float64)
    outputs = SsdOutputs(*(torch.from_numpy(part).requires_grad_() for part in (offsets, logits)))
    sum_ = distillation_loss(
        outputs,
        Matched(image, prior, labels, torch.zeros(len(prior), 4), quality=one, weight=one),
        TeacherOutputs(torch.from_numpy(scores), torch.from_numpy(teacher_boxes)),
        Priors(to_centres(torch.from_numpy(priors)), (), (300, 300)),
        columns=torch.tensor(columns),
        scores=kind,
    )
    found = weight * sum_ / max(len(prior), 1)
    found.backward()
    np.testing.assert_allclose(found.item(), weight * expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(outputs.offsets.grad, weight * by_offsets, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(outputs.logits.grad, weight * by_logits, rtol=1e-9, atol=1e-12)
