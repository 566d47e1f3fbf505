"""Exported models as detectors: evaluated, compared, timed and predicted with like any other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from singleshot.data.image_files.inputs import Images, as_tensors
from singleshot.detectors.common.postprocess import PostprocessOptions
from singleshot.detectors.common.resize import resize, resize_to_bytes
from singleshot.errors import ModelError, some_of
from singleshot.metrics import OperatingPoint
from singleshot.options import takes
from singleshot.prediction.options import PredictionOptions
from singleshot.prediction.predict import Results, predict_with
from singleshot.runtimes.artifact import Artifact, find_artifact
from singleshot.runtimes.manifest import Manifest
from singleshot.runtimes.standalone import detect as standalone
from singleshot.runtimes.thresholds import operating_point_of
from singleshot.structures import Detections

__all__ = ["NATIVE", "ExportedDetector", "open_exported"]

# Environment variable: if set, the C++ decoder that was built in the folder of a model is used.
NATIVE = "SINGLESHOT_NATIVE"


class ExportedDetector:
    """A model in a runtime other than PyTorch, from images to detections.

    `detect` runs three phases, which benchmarks time one by one: `preprocess`, `infer`,
    `postprocess`.
    """

    def __init__(
        self, manifest: Manifest, engine: standalone.Engine, artifact: Artifact | None = None
    ) -> None:
        """`engine` runs the model that `manifest` describes."""
        self.manifest, self.engine, self.artifact = manifest, engine, artifact
        self.class_names = manifest.class_names
        self.postprocess_options = PostprocessOptions(**dict(manifest.postprocessing))
        self._document = manifest.to_json()
        self._priors = manifest.decoding.priors()
        # Loading a library runs the code in it, and a folder may be from anywhere.
        self._native = (
            standalone.Native.find(artifact.files[0].parent, self._document)
            if artifact is not None and os.environ.get(NATIVE)
            else None
        )

    @property
    def source(self) -> Path | None:
        """The folder or file it was loaded from."""
        return None if self.artifact is None else self.artifact.path

    @property
    def runtime(self) -> str:
        """Name and version of the runtime."""
        return self.engine.runtime

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) in pixels that images are resized to."""
        return self.manifest.input.size

    @property
    def num_boxes(self) -> int:
        """Boxes of an image that are scored, before NMS."""
        return self.manifest.detector.num_boxes

    def __repr__(self) -> str:
        manifest = self.manifest
        size = "{} x {} (height x width)".format(*self.input_size)
        return (
            f"{manifest.detector.kind} detector of {len(self.class_names)} classes: "
            f"{some_of(self.class_names)}\n"
            f"input {size}, exported to {manifest.format} ({manifest.contract}, "
            f"{manifest.precision})\nin {self.runtime}"
        )

    def detect(self, images: Images) -> list[Detections]:
        """Detect objects in images of any sizes; boxes are in pixels of their own image.

        Args:
            images: as of any detector.

        Raises:
            DataError: an image is of another type or shape, or cannot be read.
        """
        tensors = as_tensors(images)
        return [found for part in self._batches(tensors) for found in self._detect_batch(part)]

    def _batches(
        self, images: Sequence[UInt8[Tensor, "3 _h _w"]]
    ) -> Iterator[Sequence[UInt8[Tensor, "3 _h _w"]]]:
        """Cut images into batches of the model's size; all are one where it takes any number."""
        size = self.manifest.input.batch or max(len(images), 1)
        for start in range(0, len(images), size):
            yield images[start : start + size]

    def _detect_batch(self, images: Sequence[UInt8[Tensor, "3 _h _w"]]) -> list[Detections]:
        """Run the three phases on one batch."""
        sizes = [(image.shape[1], image.shape[2]) for image in images]
        return self.postprocess(self.infer(self.preprocess(images)), sizes)

    def preprocess(self, images: Sequence[UInt8[Tensor, "3 _h _w"]]) -> np.ndarray:
        """Resize images as the detector's own `detect` does, and lay them out for the model.

        A batch of fixed size is filled up with its last image.
        """
        how = self.manifest.input.resize
        # Bytes are neither turned into floats nor back.
        resizer = resize_to_bytes if self.manifest.input.dtype == "uint8" else resize
        resized = [resizer(image.cpu(), self.input_size, how) for image in images]
        arrays = [image.permute(1, 2, 0).numpy() for image in resized]
        arrays += arrays[-1:] * (self.manifest.input.batch - len(arrays))
        return standalone.to_input(arrays, self._document["input"])

    def infer(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        """Run the model; outputs are float32, by name.

        Raises ModelError for a batch of another shape or type than the model takes, and where the
        runtime fails.
        """
        self._require_input(batch)
        try:
            return standalone.run(self.engine, batch)
        except standalone.ModelFileError as error:
            raise ModelError(f"{self.source or 'the model'}: {error}") from error

    def _require_input(self, batch: np.ndarray) -> None:
        """Raise ModelError for a batch that the model does not take."""
        taken = self.manifest.input
        size = (*taken.size, 3) if taken.layout == "NHWC" else (3, *taken.size)
        shape = (taken.batch or len(batch), *size)
        if batch.shape != shape or batch.dtype != taken.dtype:
            raise ModelError(
                f"{self.source or 'the model'}: given a batch of {batch.dtype} {batch.shape}; it "
                f"takes {taken.dtype} {shape}, as `preprocess` makes it"
            )

    def postprocess(
        self, outputs: Mapping[str, np.ndarray], sizes: Sequence[tuple[int, int]]
    ) -> list[Detections]:
        """Turn outputs into detections in images of these (height, width) sizes."""
        return [self._detections(outputs, index, size) for index, size in enumerate(sizes)]

    def _detections(
        self, outputs: Mapping[str, np.ndarray], index: int, size: tuple[int, int]
    ) -> Detections:
        """Select the detections of one image of the batch, in its pixels and clipped to it."""
        height, width = size
        if self._native is not None:
            self._native.set_score_threshold(self.postprocess_options.score_threshold)
            rows = torch.from_numpy(self._native.select(outputs, index, size))
            return Detections(rows[:, :4].contiguous(), rows[:, 4].contiguous(), rows[:, 5].long())
        manifest = self._document
        found = standalone.candidates(outputs, manifest, index, self._priors)
        if self.manifest.contract != "detections":
            found = standalone.select(found, manifest["postprocessing"], (width, height))
        boxes, scores = (
            torch.from_numpy(np.ascontiguousarray(one)) for one in (found.boxes, found.scores)
        )
        sides = boxes.new_tensor([width, height] * 2)
        labels = torch.from_numpy(found.labels.astype(np.int64))
        boxes = (boxes * sides).clamp(min=0).minimum(sides)
        priors = None if found.priors is None else torch.from_numpy(found.priors.astype(np.int64))
        return Detections(boxes, scores, labels, priors)

    def score_thresholds(
        self, on_message: Callable[[str], None] | None = None
    ) -> OperatingPoint | None:
        """Return the score thresholds that were chosen for the weights; None without any.

        `on_message` is called with the score from which detections are kept.
        """
        return operating_point_of(self.manifest.operating_point, self.class_names, on_message)

    @takes(PredictionOptions)
    def predict(self, options: PredictionOptions) -> Results:
        """Detect objects in images, files, folders or videos; results have names, can be drawn.

        Images give a list. With a video, camera or stream among the sources it is an iterator,
        which reads on as results are taken, in constant memory.

        Raises:
            DataError: an image is missing, broken, or of another type or shape.
        """
        return predict_with(self, options)


def open_exported(path: str | Path | Artifact, threads: int = 0) -> ExportedDetector:
    """Open an exported folder or model file in its runtime.

    Args:
        path: the folder or file.
        threads: of the runtime; 0: as many as it takes by itself.

    Raises:
        ModelError: there is no such model, a file of it is damaged, or its runtime is missing.
    """
    artifact = path if isinstance(path, Artifact) else find_artifact(Path(path))
    if artifact is None:
        raise ModelError(f"{path}: not an exported model; expected what `singleshot export` wrote")
    document, (file, *_) = artifact.manifest.to_json(), artifact.files
    try:
        if document["files"]:
            standalone.check_files(file.parent, document)
        return ExportedDetector(
            artifact.manifest, standalone.open_engine(file, document, threads), artifact
        )
    except standalone.ModelFileError as error:
        raise ModelError(str(error)) from error
