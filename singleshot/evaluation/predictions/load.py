"""Reading anyone's predictions; what a file or folder is, is told by its content."""

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
from singleshot.evaluation.predictions.gather import (
    Gathering,
    ReadPredictions,
    note_on_copies,
    note_on_gaps,
)
from singleshot.evaluation.predictions.json_pieces import opened_json
from singleshot.evaluation.predictions.names import ImageIds, ImageNames
from singleshot.metrics import Predictions

__all__ = ["load_predictions"]

PROBED = 1 << 16  # bytes that tell JSON from text
BLANK = b" \t\r\n\xef\xbb\xbf"  # and the mark that some editors put first
EXPECTED = (
    'expected COCO results (a list such as [{"image_id": 7, "category_id": 1, "bbox": [x, y, '
    'width, height], "score": 0.9}]), COCO annotations with a "score" each, what `singleshot '
    "predict --json` prints, VOC text (comp4_det_test_CLASS.txt), or a folder of such files, or "
    "of YOLO text files with scores"
)


@dataclass(frozen=True)
class Reading:
    """What a file is read with and into."""

    dataset: DataSet
    names: ImageNames
    ids: ImageIds
    gathering: Gathering


def load_predictions(path: Path, dataset: DataSet) -> ReadPredictions:
    """Read predictions about the images and classes of a data set.

    Taken are COCO results, COCO annotations with scores, what `predict --json` prints, a folder of
    such JSON files (shares of one evaluation), VOC text, and a folder of YOLO text. What is JSON is
    taken by image, so that all shares are exactly the whole.

    Raises:
        DataError: nothing of these; or an entry that cannot be meant: an unknown image or class,
            a number that is not finite, a negative size, a score outside 0 to 1.
    """
    names = ImageNames(dataset)
    reading = Reading(dataset, names, ImageIds.of(dataset, names), Gathering(dataset))
    found = read_folder(path, reading) if path.is_dir() else read_file(path, reading)
    predictions = found.predictions
    remarks = [*note_on_copies(predictions, dataset), *note_on_gaps(predictions, dataset)]
    return found._replace(notes=(*found.notes, *remarks))


def read_file(path: Path, reading: Reading) -> ReadPredictions:
    """One file of any kind that is one file."""
    if is_json(path):
        return read_documents([path], reading)
    if voc_text.is_named_so(path):
        return read_texts([path], reading)
    raise DataError(f"{path}: {EXPECTED}")


def read_folder(path: Path, reading: Reading) -> ReadPredictions:
    """All files of the folder, which must be of one kind."""
    files = sorted(file for file in path.iterdir() if not file.name.startswith("."))
    documents = [file for file in files if file.suffix.lower() == ".json"]
    texts = [
        file for file in files if file.suffix.lower() == ".txt" and file.name != yolo_text.CLASSES
    ]
    if documents and texts:
        raise DataError(
            f"{path}: has both JSON and text files, such as {documents[0].name} and "
            f"{texts[0].name}; give one file, or a folder of one kind"
        )
    if documents:
        return read_documents(documents, reading)
    if texts:
        return read_texts(texts, reading)
    raise DataError(f"{path}: has neither JSON nor text files; {EXPECTED}")


def read_documents(paths: Sequence[Path], reading: Reading) -> ReadPredictions:
    """JSON documents of any kinds, each about other images; by image."""
    parts: list[ReadPredictions] = []
    file_of: dict[int, Path] = {}
    for path in paths:
        own = replace(reading, gathering=Gathering(reading.dataset))
        part = own.gathering.result(read_json(path, own))
        refuse_common_images(path, part.predictions, file_of, reading.dataset)
        parts.append(part)
    kinds = dict.fromkeys(part.kind for part in parts)
    return ReadPredictions(
        Predictions.merge(part.predictions for part in parts),
        tuple(note for part in parts for note in part.notes),
        f"{number_of(paths)} of {' and '.join(kinds)}",
    )


def refuse_common_images(
    path: Path, predictions: Predictions, file_of: dict[int, Path], dataset: DataSet
) -> None:
    """DataError when an earlier file is about one of the images: it would count twice."""
    for image in np.unique(predictions.images).tolist():
        other = file_of.setdefault(image, path)
        if other != path:
            raise DataError(
                f"{path}: {Path(dataset.paths[image]).name} is in {other.name} as well; files of "
                "one folder are the shares of one evaluation: give each model its own folder"
            )


def read_texts(texts: Sequence[Path], reading: Reading) -> ReadPredictions:
    """Text files of one kind: VOC's in their own order, as VOCdevkit has it, YOLO's by image."""
    dataset, names, gathering = reading.dataset, reading.names, reading.gathering
    of_voc = [text for text in texts if voc_text.is_named_so(text)]
    if of_voc and len(of_voc) < len(texts):
        other = next(text for text in texts if text not in of_voc)
        raise DataError(
            f"{other.parent}: has {of_voc[0].name} and {other.name}, which are of two kinds; "
            "give each kind its own folder"
        )
    if of_voc:
        voc_text.gather(texts, dataset, names=names, gathering=gathering)
        return gathering.result(f"{number_of(texts)} of VOC text")
    order, note = yolo_text.class_order(texts[0].parent, dataset)
    gathering.notes.append(note)
    yolo_text.gather(texts, dataset, order, names=names, gathering=gathering)
    found = gathering.result(f"{number_of(texts)} of YOLO text")
    return found._replace(predictions=Predictions.merge([found.predictions]))


def number_of(files: Sequence[Path]) -> str:
    return "1 file" if len(files) == 1 else f"{len(files)} files"


def is_json(path: Path) -> bool:
    """Whether the file begins like JSON; DataError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(PROBED).lstrip(BLANK)[:1] in (b"[", b"{")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def read_json(path: Path, reading: Reading) -> str:
    """A JSON document of any of the kinds; returns the kind."""
    with opened_json(path) as document:
        if document.next_character() == "[":
            return read_list(path, reading)
    found = scored_annotations.gather(
        path, reading.dataset, names=reading.names, gathering=reading.gathering
    )
    if not found:
        raise DataError(f"{path}: {EXPECTED}")
    return "COCO annotations with scores"


def read_list(path: Path, reading: Reading) -> str:
    """A list, whose first item tells its kind."""
    dataset, gathering = reading.dataset, reading.gathering
    with opened_json(path) as document:
        batches = document.batches()
        first = next(batches, [])
        keys = set(first[0]) if first and isinstance(first[0], dict) else set()
        together = chain([first], batches) if first else batches
        if keys & predict_json.KEYS:
            predict_json.gather(together, path, dataset, names=reading.names, gathering=gathering)
            kind = "`singleshot predict --json`"
        elif not first or keys & coco_results.KEYS:
            coco_results.gather(together, path, lookup=ids_of(reading), gathering=gathering)
            kind = "COCO results"
        else:
            raise DataError(f"{path}: {EXPECTED}")
        document.finish()
    return kind


def ids_of(reading: Reading) -> coco_results.Lookup:
    """The ids of the data set itself, if it has any, and the names of its classes."""
    dataset = reading.dataset
    labels: dict[object, int] = {name: label for label, name in enumerate(dataset.class_names)}
    if dataset.has_ids:
        labels |= {number: label for label, number in enumerate(dataset.category_ids)}
    return coco_results.Lookup(reading.ids, labels, image_names={}, class_names={})
