"""From scored boxes to detections: the best of each label, without those that repeat another."""

import torch
from jaxtyping import Float
from torch import Tensor

from singleshot.boxes.nms import (
    diou_nms,
    nms,
    soft_nms,
    weighted_nms,
)
from singleshot.detectors.common.settings import ResultSettings
from singleshot.structures import Detections

__all__ = ["best_of_each_label", "findings", "suppressed"]


def findings(
    scored: Detections, input_size: tuple[int, int], size: tuple[int, int], settings: ResultSettings
) -> Detections:
    """The detections of an image of (height, width) `size` among boxes that were scored.

    Those are in pixels of the input; detections are in the image's own, clipped to it.
    """
    device = scored.boxes.device
    found = scored.to(torch.device("cpu"))
    (rows, columns), (height, width) = input_size, size
    scale = found.boxes.new_tensor([width / columns, height / rows] * 2)
    found = Detections(found.boxes * scale, found.scores, found.labels)
    found = found[(found.scores > settings.score_threshold) & found.boxes.isfinite().all(dim=1)]
    found = best_of_each_label(found, settings.top_k)
    kept = suppressed(found, torch.ones_like(found.boxes), settings)
    kept = kept[kept.scores.argsort(descending=True, stable=True)][: settings.keep]
    limit = kept.boxes.new_tensor([width, height] * 2)
    return Detections(kept.boxes.clamp(min=0).minimum(limit), kept.scores, kept.labels).to(device)


def best_of_each_label(found: Detections, number: int) -> Detections:
    """Label by label, best first, no more than `number` of each; equal scores in their order."""
    found = found[found.scores.argsort(descending=True, stable=True)]
    found = found[found.labels.argsort(stable=True)]
    counts = found.labels.bincount()
    first = (counts.cumsum(dim=0) - counts)[found.labels]
    return found[torch.arange(len(found)) - first < number]


def suppressed(
    found: Detections, sides: Float[Tensor, "n 4"], settings: ResultSettings
) -> Detections:
    """What is left where boxes of a label overlap; label by label or best first.

    `sides` turn boxes into pixels of their images: distances want them.
    """
    boxes, scores, labels = found.boxes, found.scores, found.labels
    match settings.suppression:
        case "hard":
            return found[nms(boxes, scores, labels, settings.iou_threshold)]
        case "distance":
            in_pixels = boxes * sides
            return found[diou_nms(in_pixels, scores, labels, settings.iou_threshold)]
        case "soft":
            decayed = soft_nms(boxes, scores, labels, settings.soft_sigma)
            return Detections(boxes, decayed, labels)[decayed > settings.score_threshold]
        case "weighted":
            kept, averaged = weighted_nms(boxes, scores, labels, settings.iou_threshold)
            return Detections(averaged, scores[kept], labels[kept])
