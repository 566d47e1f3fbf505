"""Reading anyone's predictions; what a file or folder is, is told by its content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from singleshot.data.dataset import DataSet
from singleshot.errors import DataError
from singleshot.evaluation.predictions import (
    coco_results,
    predict_json,
    scored_annotations,
    voc_text,
    yolo_text,
)
from singleshot.evaluation.predictions.gather import Gathering, ReadPredictions
from singleshot.evaluation.predictions.json_pieces import opened_json
from singleshot.evaluation.predictions.names import PictureIds, PictureNames

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
    names: PictureNames
    ids: PictureIds
    gathering: Gathering


def load_predictions(path: Path, dataset: DataSet) -> ReadPredictions:
    """Read predictions about the pictures and classes of a data set.

    Taken are COCO results, COCO annotations with scores, what `predict --json` prints, a folder of
    such JSON files (shards of one evaluation: ordered by picture, they are exactly the whole), VOC
    text, and a folder of YOLO text.

    Raises:
        DataError: nothing of these; or an entry that cannot be meant: an unknown picture or class,
            a number that is not finite, a negative size, a score outside 0 to 1.
    """
    names = PictureNames(dataset)
    gathering = Gathering(dataset)
    reading = Reading(dataset, names, PictureIds(dataset, names), gathering)
    if path.is_dir():
        return read_folder(path, reading)
    if is_json(path):
        return gathering.result(f"1 file of {read_json(path, reading)}")
    if voc_text.is_named_so(path):
        voc_text.gather([path], dataset, names=names, gathering=gathering)
        return gathering.result("1 file of VOC text")
    raise DataError(f"{path}: {EXPECTED}")


def read_folder(path: Path, reading: Reading) -> ReadPredictions:
    """All files of the folder, which must be of one kind."""
    files = sorted(file for file in path.iterdir() if not file.name.startswith("."))
    documents = [file for file in files if file.suffix.lower() == ".json"]
    texts = [file for file in files if file.suffix.lower() == ".txt"]
    if documents and texts:
        raise DataError(
            f"{path}: has both JSON and text files, such as {documents[0].name} and "
            f"{texts[0].name}; give one file, or a folder of one kind"
        )
    if documents:
        kinds = dict.fromkeys(read_json(file, reading) for file in documents)
        return reading.gathering.result(
            f"{number_of(documents)} of {' and '.join(kinds)}", by_picture=True
        )
    if texts:
        return reading.gathering.result(read_texts(texts, reading))
    raise DataError(f"{path}: has neither JSON nor text files; {EXPECTED}")


def read_texts(texts: Sequence[Path], reading: Reading) -> str:
    """Text files of one kind; returns the kind."""
    of_voc = [text for text in texts if voc_text.is_named_so(text)]
    if of_voc and len(of_voc) < len(texts):
        other = next(text for text in texts if text not in of_voc)
        raise DataError(
            f"{other.parent}: has {of_voc[0].name} and {other.name}, which are of two kinds; "
            "give each kind its own folder"
        )
    kind, gather = ("VOC text", voc_text.gather) if of_voc else ("YOLO text", yolo_text.gather)
    gather(texts, reading.dataset, names=reading.names, gathering=reading.gathering)
    return f"{number_of(texts)} of {kind}"


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
    """The ids of the data set itself."""
    category_ids = reading.dataset.category_ids
    labels: dict[object, int] = {number: label for label, number in enumerate(category_ids)}
    return coco_results.Lookup(reading.ids, labels, picture_names={}, class_names={})
