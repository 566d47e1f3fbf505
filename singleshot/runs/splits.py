"""splits.json: the images that a run was trained on and validated on, by name and by content.

A copied or renamed image has the same content, so that an evaluation on training images is noticed
wherever they are. One that was resized or encoded again is another image.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from singleshot.data.dataset import DataSet, join_datasets
from singleshot.data.image_files.archives import open_file
from singleshot.data.image_files.content_hash import HASH_BYTES, hash_content
from singleshot.data.opening import read_dataset
from singleshot.data.reading import AS_IT_IS, ReadingOptions
from singleshot.data.splits import EvaluationData, TrainingData
from singleshot.errors import DataError, ModelError
from singleshot.files import write_atomically
from singleshot.runs.folder import RunFolder

__all__ = ["SET_ASIDE", "RunSplits", "SplitRecord", "hash_image", "splits_of_model"]

SET_ASIDE = "set-aside"  # name of the split that a training has set aside
THREADS = 16  # most of the time is spent waiting for the disk

ImageRecord = tuple[str, str]  # name of the file, hash of its content


class SplitRecord(BaseModel):
    """Images of a split."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str
    images: tuple[ImageRecord, ...]

    @classmethod
    def of(cls, dataset: DataSet) -> SplitRecord:
        """Hash the images of a data set; DataError for one that cannot be read."""
        names = [Path(path).name for path in dataset.paths]
        return cls(
            description=dataset.description,
            images=tuple(zip(names, hash_images(dataset), strict=True)),
        )


class RunSplits(BaseModel):
    """Images of a run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: SplitRecord
    validation: SplitRecord | None
    set_aside: bool  # whether the training itself chose the images to validate on
    # Content of the images that the detector it started from was trained on, in turn.
    trained_before: tuple[str, ...] = ()

    @classmethod
    def of(cls, data: TrainingData, *, start: RunSplits | None = None) -> RunSplits:
        """Hash the images of a training; `start` are those of the run that it starts from.

        Raises DataError, naming the file, for an image that cannot be read.
        """
        return cls(
            train=SplitRecord.of(data.train),
            validation=None if data.validation is None else SplitRecord.of(data.validation),
            set_aside=data.set_aside,
            trained_before=() if start is None else tuple(sorted(start.trained_on())),
        )

    @classmethod
    def load(cls, path: Path) -> RunSplits | None:
        """Load the images of a run; None where an earlier version did not record them.

        Raises ModelError when the file is damaged.
        """
        if not path.is_file():
            return None
        try:
            return cls.model_validate_json(path.read_bytes())
        except (ValidationError, OSError) as error:
            raise ModelError(
                f"{path}: damaged; delete it to evaluate without a check for training images"
            ) from error

    def save(self, path: Path) -> None:
        """Write the file, a value a line."""
        document = self.model_dump()
        with write_atomically(path) as beside:
            beside.write_text(json.dumps(document, indent=0) + "\n", encoding="utf-8")

    def trained_on(self) -> frozenset[str]:
        """Collect the contents of all images that its weights were trained on."""
        return frozenset((content for _, content in self.train.images)) | {*self.trained_before}

    def count_trained(self, dataset: DataSet) -> int:
        """Count the images of a data set that the detector was trained on."""
        trained = self.trained_on()
        return sum(content in trained for content in hash_images(dataset))

    def choose_set_aside(
        self, paths: Sequence[Path], reading: ReadingOptions = AS_IT_IS
    ) -> EvaluationData:
        """Open the images that the training has set aside, wherever they are in these data sets.

        Raises DataError where it has set none aside, or where none of them is there.
        """
        if self.validation is None or not self.set_aside:
            validated = "none" if self.validation is None else self.validation.description
            raise DataError(
                f"--split {SET_ASIDE}: the training of this run set no images aside (validation: "
                f"{validated}); name a split of the data set"
            )
        dataset = join_datasets([read_dataset(path, None, reading) for path in paths])
        records = SplitRecord.of(dataset).images
        trained, aside = {*self.train.images}, {content for _, content in self.validation.images}
        # Of two files with the same content one may have been trained on.
        chosen = [
            index
            for index, record in enumerate(records)
            if record[1] in aside and record not in trained
        ]
        expected = len(self.validation.images)
        if not chosen:
            raise DataError(
                f"{dataset.description}: has none of the {expected} images that the training set "
                f"aside; give the data that it was trained on"
            )
        dataset = dataset.subset(chosen, description=f"{dataset.description}, the images set aside")
        message = f"evaluating on {len(chosen)} of {expected} images set aside by the training"
        return EvaluationData(dataset, (message,))


def splits_of_model(model: str | Path) -> RunSplits | None:
    """Load the images of the run that a folder or a checkpoint belongs to, if they are known."""
    run = RunFolder.containing(Path(model))
    return None if run is None else RunSplits.load(run.splits)


def hash_images(dataset: DataSet) -> list[str]:
    """Hash the content of each image; DataError, naming the file, for one that cannot be read."""
    if dataset.content_hashes is not None:
        unsigned = dataset.content_hashes.view("uint64").tolist()
        return [f"{number:0{2 * HASH_BYTES}x}" for number in unsigned]
    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(hash_image, dataset.paths))


def hash_image(path: str | Path) -> str:
    """Hash the content of an image file, as `hash_content` does.

    Raises DataError, naming the file, for one that cannot be read.
    """
    path = Path(path)
    try:
        with open_file(path) as file:
            return hash_content(file, path.name).hex()
    except OSError as error:
        raise DataError(
            f"{path}: not readable: {error.strerror}; restore the image or drop its annotation"
        ) from error
