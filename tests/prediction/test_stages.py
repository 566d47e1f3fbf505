"""Steps between detections and results, as they are without any option."""

from __future__ import annotations

import torch
from PIL import Image

from singleshot.prediction.result import Result
from singleshot.prediction.stages import FrameStage
from singleshot.structures import Detections


class CountsFrames(FrameStage):
    """Leaves results as they are."""

    def __call__(self, result):
        return result


def test_a_stage_draws_and_counts_only_if_it_does():
    stage, drawing = CountsFrames(), Image.new("RGB", (4, 4))
    nothing = Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0).long())
    result = Result(drawing, 4, 4, nothing, ("cat",))
    assert stage(result) is result
    assert stage.draw(drawing, result) is drawing
    assert stage.summary() == {}
    assert list(stage.describe()) == []
