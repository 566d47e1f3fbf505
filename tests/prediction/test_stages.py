"""Steps between detections and results, as they are without any option."""

from __future__ import annotations

import torch
from films import make_film
from PIL import Image

from singleshot.prediction.options import PredictionOptions
from singleshot.prediction.result import Result
from singleshot.prediction.stages import FrameStage, make_stages, make_tracker
from singleshot.structures import Detections
from singleshot.video.reading import open_video


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


def test_nothing_is_tracked_or_counted_unless_chosen(tmp_path):
    with open_video(make_film(tmp_path / "a.mp4")) as video:
        assert make_tracker(PredictionOptions([]), video, torch.tensor([0.3])) is None
        assert list(make_stages(PredictionOptions([]), video)) == []
