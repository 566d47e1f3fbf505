from __future__ import annotations

import json

import numpy as np

from singleshot.evaluation.explorer import losses_of, to_changes, to_markup
from singleshot.metrics import Curve, Protocol
from singleshot.metrics.sweep import sweep


def test_counts_are_written_as_losses_from_step_to_step():
    assert losses_of(np.array([9, 9, 4, 1, 1, 0, 0])) == [0, 5, 3, 0, 1]
    assert losses_of(np.zeros(101, np.int64)) == []


def test_losses_add_up_to_the_counts(scene):
    for counts_by_score in sweep(scene.predictions, scene.truths, 4, protocol=Protocol.VOC10):
        for label in range(4):
            lost = losses_of(counts_by_score.true_positives[label])
            restored = [sum(lost[step:]) for step in range(101)]
            assert restored == counts_by_score.true_positives[label].tolist()


def test_a_line_starts_at_recall_zero_and_continues_in_thousandths():
    curve = Curve(np.array([0.9, 0.8]), np.array([0.25, 0.5]), np.array([1.0, 2 / 3]))
    assert to_changes(curve) == [0, 1000, 250, 0, 250, -333]
    assert to_changes(None) == []


def test_names_cannot_end_the_script_element(scene):
    counts_by_score = sweep(scene.predictions, scene.truths, 1, protocol=Protocol.VOC10)
    text = to_markup(counts_by_score, ["</script><!--"], 0, 16)
    assert "<" not in text
    assert json.loads(text)["classes"][0]["name"] == "</script><!--"
