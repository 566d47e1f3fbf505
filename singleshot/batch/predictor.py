"""A detector for engines that hand out columns of images: `map_batches`, `mapInPandas`.

An engine starts the workers, gives each of them batches, and repeats those of a worker that was
lost. A batch comes as columns; one row of the result belongs to each of its images:

    image        name or number of the image, from the column `id_column`
    width        of the image in pixels; 0 where it cannot be read
    height
    boxes        [[x1, y1, x2, y2], …] in pixels of the image, best first
    scores       of the boxes
    labels       of the boxes, counted from 0
    names        class names of the labels
    error        why the image cannot be read; null for others
    detector     hash of the weights and of the score thresholds

The detector is loaded by the worker with its first batch. With a batch travels only where the
weights are.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from singleshot.data.image_files.decoding import read_image_bytes
from singleshot.data.image_files.inputs import as_tensor
from singleshot.detectors.detector import TrainableDetector
from singleshot.errors import DataError, SingleshotError
from singleshot.files import hash_file
from singleshot.models.locating import model_files
from singleshot.models.opening import load
from singleshot.options import Device
from singleshot.prediction.thresholds import above_thresholds, class_thresholds
from singleshot.runs.folder import RunFolder
from singleshot.structures import Detector

__all__ = ["Predictor"]

# pandas and pyarrow are extras, without types.
Columns = Any  # names of columns → NumPy arrays, lists or pandas' series
Frame = Any  # pandas.DataFrame
Table = Any  # pyarrow.Table

_HASH_LENGTH = 12  # hexadecimal digits
_LIST_COLUMNS = ("boxes", "scores", "labels", "names")
Row = dict[str, Any]


class Predictor:
    """Columns of images in, columns of detections out, for Ray Data and Spark.

    Ray Data creates one in each worker; Spark copies one to them:

        dataset.map_batches(Predictor, fn_constructor_kwargs={"model": "runs/cells"}, …)
        frame.mapInPandas(Predictor("runs/cells").map_pandas, schema=Predictor.spark_schema())
    """

    def __init__(
        self,
        model: Any,
        *,
        score_threshold: float | None = None,
        device: Device = "auto",
        image_column: str = "bytes",
        id_column: str = "path",
        threads: int = 0,
    ) -> None:
        """Note where the weights are; they are read with the first batch.

        Args:
            model: path of a run, a checkpoint or an exported model that every worker can read,
                the name of a downloaded one, the content of a checkpoint as bytes, or what
                `ray.put` returned for such bytes.
            score_threshold: lowest score of a detection. Default: the thresholds of the run, else
                0.3. To evaluate with `singleshot score`, give 0.
            device: as of `singleshot.load`.
            image_column: files of images as bytes, or arrays (h, w, 3) of type uint8.
            id_column: name or number of each image. Names that `singleshot score` knows are file
                names of the data set.
            threads: of the runtime of an exported model; 0: as many as it takes by itself.
        """
        self.model = model
        self.score_threshold = score_threshold
        self.device = device
        self.image_column, self.id_column = image_column, id_column
        self.threads = threads

    def __call__(self, batch: Columns) -> Table:
        """Detect objects in a batch of columns, each a NumPy array or a list.

        Raises:
            SingleshotError: a column or pyarrow is missing, or the detector cannot be loaded.
                Images that cannot be read are no error of the batch: their row has the reason.
        """
        return _as_table(self.predict_rows(batch))

    def map_pandas(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Detect objects in pandas frames, one after the other: a function for `mapInPandas`."""
        import pandas as pd  # noqa: PLC0415 (Spark brings it)

        for frame in frames:
            # Columns by name, also those without rows.
            yield pd.DataFrame(self.predict_rows(frame), columns=list(_row(None)))

    @staticmethod
    def spark_schema(id_type: str = "string") -> str:
        """Write the schema of the result for Spark; `id_type` is the type of the ids' column."""
        return (
            f"image {id_type}, width int, height int, boxes array<array<float>>, "
            "scores array<float>, labels array<int>, names array<string>, error string, "
            "detector string"
        )

    def predict_rows(self, batch: Columns) -> list[Row]:
        """Detect objects in the images of a batch; returns a row for each, in their order.

        An accelerator takes the whole batch at once. A processor takes one image after the other,
        so that no score depends on how the engine has cut the batches, not even in its last bit.
        """
        loaded = self._loaded
        pairs = list(zip(*self._columns(batch), strict=True))
        size = max(len(pairs), 1) if loaded.on_accelerator else 1
        parts = (pairs[start : start + size] for start in range(0, len(pairs), size))
        return [row for part in parts for row in _rows_of(loaded, part)]

    def __getstate__(self) -> dict[str, Any]:
        """Leave the detector behind: each worker loads its own."""
        return {name: value for name, value in vars(self).items() if name != "_loaded"}

    @cached_property
    def _loaded(self) -> _LoadedDetector:
        """The detector of this worker."""
        model = _fetch(self.model)
        version = () if isinstance(model, bytes) else _version(model)
        return _load_once(model, self.score_threshold, self.device, self.threads, version)

    def _columns(self, batch: Columns) -> tuple[Iterable[Any], Iterable[Any]]:
        """Take the ids and the images of a batch."""
        for column, option in ((self.id_column, "id_column"), (self.image_column, "image_column")):
            if column not in batch:
                raise SingleshotError(
                    f"{option}={column!r}: a batch has only the columns "
                    f"{', '.join(map(str, batch))}; name one of these"
                )
        return batch[self.id_column], batch[self.image_column]


@dataclass(frozen=True)
class _LoadedDetector:
    """A detector, the lowest scores of its detections by class, and a hash of both."""

    detector: Detector
    thresholds: Float[Tensor, " num_classes"]
    fingerprint: str
    on_accelerator: bool

    @classmethod
    def load(
        cls, model: Any, score_threshold: float | None, device: Device, threads: int
    ) -> _LoadedDetector:
        """Load a detector from a path, from the name of a downloaded one, or from its bytes."""
        if isinstance(model, bytes):
            with TemporaryDirectory() as folder:
                path = Path(folder) / "model.safetensors"
                path.write_bytes(model)
                return cls.load(path, score_threshold, device, threads)
        detector = load(model, device, threads=threads)
        thresholds = class_thresholds(detector, score_threshold)
        parts = [hash_file(file) for file in model_files(model)]
        parts.append(repr(thresholds.tolist()))  # another choice for the run is another detector
        digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        on_accelerator = (
            isinstance(detector, TrainableDetector) and detector.pixel_mean.device.type != "cpu"
        )
        return cls(detector, thresholds, digest[:_HASH_LENGTH], on_accelerator)

    def detect(self, images: Sequence[UInt8[Tensor, "3 _h _w"]]) -> list[Row]:
        """Detect objects in images, as the cells of four columns for each."""
        if not images:
            return []
        names = self.detector.class_names
        all_found = self.detector.detect(images)
        return [
            {
                "boxes": found.boxes.tolist(),
                "scores": found.scores.tolist(),
                "labels": found.labels.tolist(),
                "names": [names[label] for label in found.labels.tolist()],
            }
            for found in (one[above_thresholds(one, self.thresholds)] for one in all_found)
        ]


@lru_cache(maxsize=1)
def _load_once(
    model: Any, score_threshold: float | None, device: Device, threads: int, _version: object
) -> _LoadedDetector:
    """Load a detector once in a process: Spark copies a predictor to it for each partition."""
    return _LoadedDetector.load(model, score_threshold, device, threads)


def _version(model: str | Path) -> tuple[tuple[int, int], ...]:
    """Read when the files of a model were written last, and their sizes.

    Another training, or choice of thresholds, may have written the same files since.
    """
    files = list(model_files(model))
    run = RunFolder.containing(files[0])
    if run is not None and run.operating_point.is_file():
        files.append(run.operating_point)
    return tuple((stat.st_mtime_ns, stat.st_size) for stat in map(Path.stat, files))


def _fetch(model: Any) -> Any:
    """Get what `ray.put` has stored; anything else stays as it is."""
    ray = sys.modules.get("ray")
    return ray.get(model) if ray is not None and isinstance(model, ray.ObjectRef) else model


def _rows_of(loaded: _LoadedDetector, pairs: Iterable[tuple[Any, Any]]) -> list[Row]:
    """Detect in images that are given with their names, and describe each in a row."""
    rows, images, places = [], [], []
    for name, content in pairs:
        row = _row(name, detector=loaded.fingerprint)
        rows.append(row)
        try:
            image = _decode(content, str(name))
        except DataError as error:
            row["error"] = str(error)
            continue
        row["height"], row["width"] = image.shape[-2:]
        images.append(image)
        places.append(row)
    for row, cells in zip(places, loaded.detect(images), strict=True):
        row.update(cells)
    return rows


def _row(name: Any, detector: str = "") -> Row:
    """Build the row of an image without detections."""
    plain = name.item() if isinstance(name, np.generic) else name
    return {
        "image": plain,
        "width": 0,
        "height": 0,
        **{column: [] for column in _LIST_COLUMNS},
        "error": None,
        "detector": detector,
    }


def _decode(content: Any, name: str) -> UInt8[Tensor, "3 h w"]:
    """Read an image from the content of its file or from an array.

    Raises:
        DataError: it is neither, or cannot be read.
    """
    if isinstance(content, bytes | bytearray | memoryview):
        return read_image_bytes(bytes(content), name)
    if isinstance(content, np.ndarray):
        return as_tensor(content, name)
    raise DataError(
        f"{name}: of type {type(content).__name__}; expected the content of an image file as "
        "bytes, or an array (h, w, 3) of type uint8"
    )


def _as_table(rows: Sequence[Row]) -> Table:
    """Turn rows into columns whose types do not depend on what was found."""
    try:
        import pyarrow as pa  # noqa: PLC0415 (Ray Data brings it)
    except ImportError as error:
        raise SingleshotError(
            f"batches need pyarrow ({error}); install it with: pip install 'singleshot[batch]'"
        ) from error

    types = {
        "width": pa.int32(),
        "height": pa.int32(),
        "boxes": pa.list_(pa.list_(pa.float32())),
        "scores": pa.list_(pa.float32()),
        "labels": pa.list_(pa.int32()),
        "names": pa.list_(pa.string()),
        "error": pa.string(),
        "detector": pa.string(),
    }
    columns = {name: [row[name] for row in rows] for name in _row(None)}
    return pa.table({name: pa.array(cells, types.get(name)) for name, cells in columns.items()})
