"""Detect objects in images and videos, and draw them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from singleshot.cores import sharing_cores
from singleshot.data.image_files.inputs import ImageLike, as_tensor
from singleshot.drawing import draw_boxes, save_image
from singleshot.errors import DataError
from singleshot.prediction.json_lines import open_json_lines
from singleshot.prediction.options import PredictionOptions
from singleshot.prediction.result import Result
from singleshot.prediction.thresholds import above_thresholds, class_thresholds
from singleshot.prediction.tiling import in_tiles
from singleshot.prediction.videos import predict_video
from singleshot.structures import Detector
from singleshot.video.sources import VideoSource

__all__ = ["Results", "iterate_predictions", "predict_with"]

Results = list[Result] | Iterator[Result]


def predict_with(detector: Detector, options: PredictionOptions) -> Results:
    """Detect objects with a detector that is loaded: images give a list, videos an iterator."""
    results = iterate_predictions(detector, options)
    return results if options.has_videos else list(results)


def iterate_predictions(detector: Detector, options: PredictionOptions) -> Iterator[Result]:
    """Detect in one image or frame after the other; each result is made when it is taken."""
    detector = in_tiles(detector, options)
    for note in options.notes:
        options.message(note)
    with sharing_cores(options.on_message), open_json_lines(options.jsonl) as lines:
        thresholds = class_thresholds(detector, options.score_threshold, options.on_message)
        drawings = options.drawings or repeat(None)
        for index, (source, drawing) in enumerate(zip(options.sources, drawings, strict=False)):
            if options.is_stopped():
                return
            if isinstance(source, VideoSource):
                results = predict_video(
                    detector, source, options, thresholds=thresholds, drawing=drawing, lines=lines
                )
            else:
                results = _predict_image(detector, source, f"image {index}", thresholds, drawing)
            for result in _without_broken(results, options.on_broken):
                if options.jsonl is not None:
                    lines.write(result.to_dict())
                if options.on_result is not None:
                    options.on_result(result)
                yield result


def _without_broken(
    results: Iterator[Result], on_broken: Callable[[DataError], None] | None
) -> Iterator[Result]:
    """End the results of a source that cannot be read by calling `on_broken`, if there is one."""
    try:
        yield from results
    except DataError as error:
        if on_broken is None:
            raise
        on_broken(error)


def _predict_image(
    detector: Detector,
    given: ImageLike,
    place: str,
    thresholds: Float[Tensor, " num_classes"],
    drawing: Path | None,
) -> Iterator[Result]:
    """Detect in one image."""
    image = as_tensor(given, place)
    (detections,) = detector.detect([image])
    detections = detections[above_thresholds(detections, thresholds)]
    class_names = tuple(detector.class_names)
    if drawing is not None:
        drawing.parent.mkdir(parents=True, exist_ok=True)
        save_image(draw_boxes(image, detections, class_names), drawing)
    height, width = image.shape[-2:]
    yield Result(given, width, height, detections, class_names)
