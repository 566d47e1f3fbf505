"""Pictures to show of a comparison: where the detectors differ most, and some at random."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from singleshot.data.dataset import DataSet
from singleshot.data.pictures import read_picture
from singleshot.evaluation import truths_of
from singleshot.metrics import Predictions, Report
from singleshot.report.side_by_side import Shown, errors_of_pictures, most_disputed, shown
from singleshot.reporting import of_picture, truths_of_picture

__all__ = ["shown_pictures"]

SEED = 0  # the same pictures each time, so that two reports can be laid side by side
NUM_OF_EACH = 3


def shown_pictures(
    dataset: DataSet, found: Sequence[Predictions], reports: Sequence[Report]
) -> tuple[list[Shown], list[Shown]]:
    """Pictures at random, and others that the detectors differ about most."""
    truths, first = truths_of(dataset), reports[0]
    thresholds = [report.score_thresholds for report in reports]
    errors = np.stack(
        [
            errors_of_pictures(
                one,
                truths,
                own,
                protocol=first.protocol,
                iou_threshold=first.iou_threshold,
            )
            for one, own in zip(found, thresholds, strict=True)
        ]
    )
    disputed = most_disputed(errors, NUM_OF_EACH)
    random = torch.Generator().manual_seed(SEED)
    drawn = torch.randperm(len(dataset), generator=random).tolist()
    at_random = [image for image in drawn if image not in disputed][:NUM_OF_EACH]

    def show(image: int) -> Shown:
        path = str(dataset.paths[image])
        return shown(
            path,
            read_picture(Path(path)),
            [of_picture(one, image) for one in found],
            truths_of_picture(dataset, image),
            thresholds,
            protocol=first.protocol,
            iou_threshold=first.iou_threshold,
        )

    return [show(image) for image in at_random], [show(image) for image in disputed]
