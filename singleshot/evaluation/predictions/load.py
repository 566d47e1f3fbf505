"""Read predictions of any tool; the format is detected by content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from singleshot.data.dataset import DataSet
from singleshot.errors import DataError
from singleshot.evaluation.predictions import (
    coco_results,
    predict_json,
    scored_annotations,
    voc_text,
    yolo_text,
)
from singleshot.evaluation.predictions.collector import (
    LoadedPredictions,
    PredictionCollector,
    note_on_copies,
    note_on_gaps,
)
from singleshot.evaluation.predictions.image_names import ImageIds, ImageNames
from singleshot.evaluation.predictions.json_stream import open_json_stream
from singleshot.files import without_hidden
from singleshot.metrics import Predictions

__all__ = ["load_predictions"]

PROBED = 1 << 16  # bytes that distinguish JSON from text
BLANK = b" \t\r\n\xef\xbb\xbf"  # and the mark that some editors put first
EXPECTED = (
    'expected COCO results (a list such as [{"image_id": 7, "category_id": 1, "bbox": [x, y, '
    'width, height], "score": 0.9}]), COCO annotations with a "score" each, what `singleshot '
    "predict --json` prints, VOC text (comp4_det_test_CLASS.txt), or a folder of such files, or "
    "of YOLO text files with scores"
)


@dataclass(frozen=True)
class _Reading:
    """Data set, names and collector that a file is read with."""

    dataset: DataSet
    names: ImageNames
    ids: ImageIds
    collector: PredictionCollector


def load_predictions(path: Path, dataset: DataSet) -> LoadedPredictions:
    """Read predictions about the images and classes of a data set.

    Formats: COCO results, COCO annotations with scores, what `predict --json` prints, a folder of
    such JSON files (shares of one evaluation), VOC text, and a folder of YOLO text. JSON is
    ordered by image, so that all shares together equal the whole.

    Raises:
        DataError: none of these; or an impossible entry: an unknown image or class,
            a number that is not finite, a negative size, a score outside 0 to 1.
    """
    names = ImageNames(dataset)
    reading = _Reading(dataset, names, ImageIds.of(dataset, names), PredictionCollector(dataset))
    found = read_folder(path, reading) if path.is_dir() else read_file(path, reading)
    predictions = found.predictions
    remarks = [*note_on_copies(predictions, dataset), *note_on_gaps(predictions, dataset)]
    return found._replace(notes=(*found.notes, *remarks))


def read_file(path: Path, reading: _Reading) -> LoadedPredictions:
    """Read one file of any format that is one file."""
    if is_json(path):
        return read_documents([path], reading)
    if voc_text.has_voc_name(path):
        return read_texts([path], reading)
    raise DataError(f"{path}: {EXPECTED}")


def read_folder(path: Path, reading: _Reading) -> LoadedPredictions:
    """Read all files of a folder, which must be of one format."""
    files = sorted(without_hidden(path.iterdir()))
    documents = [file for file in files if file.suffix.lower() == ".json"]
    texts = [
        file for file in files if file.suffix.lower() == ".txt" and file.name != yolo_text.CLASSES
    ]
    if documents and texts:
        raise DataError(
            f"{path}: has both JSON and text files, such as {documents[0].name} and "
            f"{texts[0].name}; give one file, or a folder of one format"
        )
    if documents:
        return read_documents(documents, reading)
    if texts:
        return read_texts(texts, reading)
    raise DataError(f"{path}: has neither JSON nor text files; {EXPECTED}")


def read_documents(paths: Sequence[Path], reading: _Reading) -> LoadedPredictions:
    """Read JSON documents, each about other images, and order them by image."""
    parts: list[LoadedPredictions] = []
    file_of: dict[int, Path] = {}
    for path in paths:
        own = replace(reading, collector=PredictionCollector(reading.dataset))
        part = own.collector.result(read_json(path, own))
        _refuse_common_images(path, part.predictions, file_of, reading.dataset)
        parts.append(part)
    kinds = dict.fromkeys(part.kind for part in parts)
    return LoadedPredictions(
        Predictions.merge(part.predictions for part in parts),
        tuple(note for part in parts for note in part.notes),
        f"{_count_files(paths)} of {' and '.join(kinds)}",
    )


def _refuse_common_images(
    path: Path, predictions: Predictions, file_of: dict[int, Path], dataset: DataSet
) -> None:
    """Raise DataError if an earlier file has one of the images: it would count twice."""
    for image in np.unique(predictions.images).tolist():
        other = file_of.setdefault(image, path)
        if other != path:
            raise DataError(
                f"{path}: {Path(dataset.paths[image]).name} is in {other.name} as well; files of "
                "one folder are the shares of one evaluation: give each model its own folder"
            )


def read_texts(texts: Sequence[Path], reading: _Reading) -> LoadedPredictions:
    """Read text files of one format: VOC in file order, as VOCdevkit does, YOLO by image."""
    dataset, names, collector = reading.dataset, reading.names, reading.collector
    of_voc = [text for text in texts if voc_text.has_voc_name(text)]
    if of_voc and len(of_voc) < len(texts):
        other = next(text for text in texts if text not in of_voc)
        raise DataError(
            f"{other.parent}: has {of_voc[0].name} and {other.name}, which are of two formats; "
            "give each format its own folder"
        )
    if of_voc:
        voc_text.read(texts, dataset, names=names, collector=collector)
        return collector.result(f"{_count_files(texts)} of VOC text")
    order, note = yolo_text.class_order(texts[0].parent, dataset)
    collector.notes.append(note)
    yolo_text.read(texts, dataset, order, names=names, collector=collector)
    found = collector.result(f"{_count_files(texts)} of YOLO text")
    return found._replace(predictions=Predictions.merge([found.predictions]))


def _count_files(files: Sequence[Path]) -> str:
    """Write `1 file` or `2 files`."""
    return "1 file" if len(files) == 1 else f"{len(files)} files"


def is_json(path: Path) -> bool:
    """Detect a file that begins like JSON; DataError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(PROBED).lstrip(BLANK)[:1] in (b"[", b"{")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def read_json(path: Path, reading: _Reading) -> str:
    """Read a JSON document of any format; returns the name of the format."""
    with open_json_stream(path) as document:
        if document.next_character() == "[":
            return read_list(path, reading)
    found = scored_annotations.read(
        path, reading.dataset, names=reading.names, collector=reading.collector
    )
    if not found:
        raise DataError(f"{path}: {EXPECTED}")
    return "COCO annotations with scores"


def read_list(path: Path, reading: _Reading) -> str:
    """Read a list, whose first item shows its format."""
    dataset, collector = reading.dataset, reading.collector
    with open_json_stream(path) as document:
        batches = document.batches()
        first = next(batches, [])
        keys = set(first[0]) if first and isinstance(first[0], dict) else set()
        together = chain([first], batches) if first else batches
        if keys & predict_json.KEYS:
            predict_json.read(together, path, dataset, names=reading.names, collector=collector)
            kind = "`singleshot predict --json`"
        elif not first or keys & coco_results.KEYS:
            coco_results.read(together, path, lookup=lookup_of(reading), collector=collector)
            kind = "COCO results"
        else:
            raise DataError(f"{path}: {EXPECTED}")
        document.finish()
    return kind


def lookup_of(reading: _Reading) -> coco_results.IdLookup:
    """Look up by the ids of the data set, if it has any, and the names of its classes."""
    dataset = reading.dataset
    labels: dict[object, int] = {name: label for label, name in enumerate(dataset.class_names)}
    if dataset.has_ids:
        labels |= {number: label for label, number in enumerate(dataset.category_ids)}
    return coco_results.IdLookup(reading.ids, labels, image_names={}, class_names={})
