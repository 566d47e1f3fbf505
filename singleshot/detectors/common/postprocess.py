"""Post-processing of scored boxes: the best of each label, NMS, the best of an image."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import assert_never

from singleshot.boxes.nms import diou_nms, nms, soft_nms, weighted_nms
from singleshot.detectors.common.settings import Nms, ResultSettings
from singleshot.structures import Detections

__all__ = [
    "PAPER_POSTPROCESSING",
    "PostprocessOptions",
    "apply_nms",
    "best_of_each_label",
    "select_detections",
]


@dataclass(frozen=True, slots=True)
class PostprocessOptions:
    """Numbers that detections are selected by; the defaults are the SSD paper's (§3.7)."""

    score_threshold: float = 0.01  # lower scores are dropped at once
    iou_threshold: float = 0.45  # of NMS, within a class
    top_k: int = 400  # candidates of each class that go into NMS
    keep: int = 200  # detections kept of an image
    clip_before_nms: bool = False  # clip boxes to the image before NMS
    nms: Nms = "hard"
    soft_sigma: float = 0.5  # of soft NMS: how slowly scores decay

    @classmethod
    def from_settings(cls, settings: ResultSettings) -> "PostprocessOptions":
        """Translate `model.results`; `flip_tta` is the detector's."""
        return cls(
            settings.score_threshold,
            settings.iou_threshold,
            settings.top_k,
            settings.keep,
            clip_before_nms=settings.clip_before_nms,
            nms=settings.nms,
            soft_sigma=settings.soft_sigma,
        )


PAPER_POSTPROCESSING = PostprocessOptions()


def select_detections(
    scored: Detections,
    input_size: tuple[int, int],
    size: tuple[int, int],
    options: PostprocessOptions,
) -> Detections:
    """Select the detections of an image of (height, width) `size` among its scored boxes.

    Those are in pixels of the input; detections are in the image's own, clipped to it.
    """
    device = scored.boxes.device
    scored = scored.to(torch.device("cpu"))
    (rows, columns), (height, width) = input_size, size
    scale = scored.boxes.new_tensor([width / columns, height / rows] * 2)
    scored = Detections(scored.boxes * scale, scored.scores, scored.labels)
    likely = (scored.scores > options.score_threshold) & scored.boxes.isfinite().all(dim=1)
    candidates = best_of_each_label(scored[likely], options.top_k)
    kept = apply_nms(candidates, torch.ones_like(candidates.boxes), options)
    kept = kept[kept.scores.argsort(descending=True, stable=True)][: options.keep]
    limit = kept.boxes.new_tensor([width, height] * 2)
    return Detections(kept.boxes.clamp(min=0).minimum(limit), kept.scores, kept.labels).to(device)


def best_of_each_label(detections: Detections, number: int) -> Detections:
    """Keep the best `number` of each label, label by label, best first; equal scores in order."""
    detections = detections[detections.scores.argsort(descending=True, stable=True)]
    detections = detections[detections.labels.argsort(stable=True)]
    counts = detections.labels.bincount()
    first = (counts.cumsum(dim=0) - counts)[detections.labels]
    return detections[torch.arange(len(detections)) - first < number]


def apply_nms(
    candidates: Detections, sides: Float[Tensor, "n 4"], options: PostprocessOptions
) -> Detections:
    """Apply non-maximum suppression within each label; detections by label or best first.

    `sides` turn boxes into pixels of their images, in which distances are measured.
    """
    boxes, scores, labels = candidates.boxes, candidates.scores, candidates.labels
    match options.nms:
        case "hard":
            return candidates[nms(boxes, scores, labels, options.iou_threshold)]
        case "distance":
            return candidates[diou_nms(boxes * sides, scores, labels, options.iou_threshold)]
        case "soft":
            decayed = soft_nms(boxes, scores, labels, options.soft_sigma)
            return replace(candidates, scores=decayed)[decayed > options.score_threshold]
        case "weighted":
            kept, averaged = weighted_nms(boxes, scores, labels, options.iou_threshold)
            return replace(candidates[kept], boxes=averaged)
        case _:
            assert_never(options.nms)
