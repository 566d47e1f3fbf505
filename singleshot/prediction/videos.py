"""Detect objects in the frames of a video: results one by one, in constant memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

from jaxtyping import Float
from PIL.Image import Image
from torch import Tensor

from singleshot.data.findings import count_of
from singleshot.prediction.json_lines import JsonLines
from singleshot.prediction.options import PredictionOptions
from singleshot.prediction.result import Result
from singleshot.prediction.thresholds import above_thresholds
from singleshot.prediction.video_stages import make_stages, make_tracker
from singleshot.structures import Detections, Detector
from singleshot.video.frames import Frame
from singleshot.video.reader import FrameOptions, VideoReader
from singleshot.video.reading import open_video
from singleshot.video.sources import VideoSource
from singleshot.video.writing import VideoWriter

__all__ = ["predict_video"]


def predict_video(
    detector: Detector,
    source: VideoSource,
    options: PredictionOptions,
    *,
    thresholds: Float[Tensor, " num_classes"],
    drawing: Path | None,
    lines: JsonLines,
) -> Iterator[Result]:
    """Detect in one frame of a video after the other.

    Args:
        detector: any; frames of files go to it in batches.
        source: file, camera or stream.
        options: of the prediction.
        thresholds: lowest score of each class.
        drawing: film to write; None: none.
        lines: receives the counts of the stages at the end.

    Raises:
        DataError: the video cannot be opened or read.
        RunFailed: a stream broke, and could not be connected to again in time.
    """
    with (
        open_video(source, options=_frame_options(options)) as video,
        _writer(drawing, video) as writer,
    ):
        work = _VideoWork(detector, thresholds, video, options)
        try:
            for result in work.results():
                if writer is not None:
                    writer.write(work.draw(result), result.time or 0.0)
                yield result
        finally:
            summary = work.summary()
            if summary:
                lines.write({"video": source.name, "frames": work.num_frames, **summary})
            for sentence in work.sentences():
                options.message(sentence)
            options.message(work.describe(writer))


def _frame_options(options: PredictionOptions) -> FrameOptions:
    """Take the options of reading from those of predicting."""
    return FrameOptions(
        step=options.frame_step,
        reconnect_seconds=options.reconnect_seconds,
        on_message=options.message,
        should_stop=options.is_stopped,
    )


def _writer(drawing: Path | None, video: VideoReader) -> AbstractContextManager[VideoWriter | None]:
    """Prepare the film of drawings, with the rate and times of the video."""
    if drawing is None:
        return nullcontext()
    return VideoWriter(
        drawing, frame_rate=video.frame_rate, time_base=video.time_base, endless=video.live
    )


class _VideoWork:
    """The detections of one video, frame by frame, with what has to be remembered between them."""

    def __init__(
        self,
        detector: Detector,
        thresholds: Float[Tensor, " num_classes"],
        video: VideoReader,
        options: PredictionOptions,
    ) -> None:
        self._detector, self._thresholds = detector, thresholds
        self._video, self._options = video, options
        self._tracker = make_tracker(options, video, thresholds)
        self._stages = make_stages(options, video)
        self._last_index = -1
        self._started = time.monotonic()
        self.num_frames = 0

    def results(self) -> Iterator[Result]:
        """Detect in the frames of the video, in order."""
        for frames in self._batches():
            images = [frame.image for frame in frames]
            for frame, detections in zip(frames, self._detector.detect(images), strict=True):
                yield self._result(frame, detections)

    def _batches(self) -> Iterator[list[Frame]]:
        """Group frames, until the video or the prediction ends; live sources do not wait."""
        frames = islice(self._video, self._options.max_frames)
        size = 1 if self._video.live else self._options.frame_batch
        while not self._options.is_stopped() and (batch := list(islice(frames, size))):
            yield batch

    def _result(self, frame: Frame, detections: Detections) -> Result:
        """Track, keep what is tracked or reaches its score threshold, then run the stages."""
        tracks = None
        if self._tracker is not None:
            num_frames = frame.index - self._last_index
            tracks = self._tracker.update(detections, num_frames=num_frames)
        self._last_index = frame.index
        self.num_frames += 1
        keep = above_thresholds(detections, self._thresholds)
        if tracks is not None:
            # With a low score, too, an object that is tracked is there: half hidden, for example.
            keep = keep | (tracks >= 0).to(keep.device)
        height, width = frame.image.shape[-2:]
        result = Result(
            frame.image,
            width,
            height,
            detections[keep],
            tuple(self._detector.class_names),
            video=self._video.source.name,
            frame=frame.index,
            time=frame.time,
            track=None if tracks is None else tracks[keep.cpu()].tolist(),
        )
        for stage in self._stages:
            result = stage(result)
        return result

    def draw(self, result: Result) -> Image:
        """Draw a result, and what the stages add to it."""
        drawing = result.plot()
        for stage in self._stages:
            drawing = stage.draw(drawing, result)
        return drawing

    def summary(self) -> dict[str, Any]:
        """Collect the counts of the stages."""
        return {name: value for stage in self._stages for name, value in stage.summary().items()}

    def sentences(self) -> list[str]:
        """List what the stages have to print at the end."""
        return [sentence for stage in self._stages for sentence in stage.describe()]

    def describe(self, writer: VideoWriter | None) -> str:
        """Describe in one line how much was done, how fast, and what was left out."""
        video = self._video
        seconds = time.monotonic() - self._started
        parts = [
            f"{count_of(self.num_frames, 'frames')} in {seconds:.1f} s "
            f"({self.num_frames / max(seconds, 1e-9):.1f} a second)"
        ]
        if video.live:
            parts.append(f"{video.num_dropped} dropped")
        if video.num_reconnects:
            parts.append(f"connected again {video.num_reconnects} times")
        if writer is not None and self.num_frames:
            sound = ", without its sound" if video.has_audio else ""
            parts.append(f"drawn in {writer.path} ({writer.codec}{sound})")
            if writer.num_resized:
                parts.append(f"{writer.num_resized} drawings resized to the first")
        return f"{video.source.name}: {'; '.join(parts)}"
