"""Images of a quantisation: those to calibrate on, and others to measure AP on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from singleshot.benchmarking.images import unlabelled_images
from singleshot.data.dataset import DataSet
from singleshot.data.findings import count_of
from singleshot.data.splits import evaluation_split, training_split
from singleshot.detectors.common.exportable import Exportable
from singleshot.detectors.common.resize import resize
from singleshot.exporting.contracts import WHOLE_NUMBERS
from singleshot.exporting.quantization.options import QuantizationOptions
from singleshot.runtimes.manifest import ModelInput
from singleshot.runtimes.standalone import detect as standalone
from singleshot.structures import Truth

__all__ = ["CalibrationImages", "QuantizationImages", "open_images", "spread"]

MOST_EVALUATED = 300  # images that AP is measured on; each setting that is tried runs over them
FEW_CALIBRATED, FEW_EVALUATED = 32, 20


@dataclass(frozen=True)
class QuantizationImages:
    """Two parts of the data, which share no image unless there is only one."""

    calibration: DataSet
    evaluation: DataSet


@dataclass(frozen=True)
class CalibrationImages:
    """Images of the input size, resized as those that the model will see."""

    images: Sequence[np.ndarray]  # (height, width, 3); bytes, or floats where resizing makes them

    @classmethod
    def of(cls, dataset: DataSet, exportable: Exportable) -> CalibrationImages:
        """Read and resize the images of a data set."""
        size, how = exportable.input_size, exportable.resize
        dtype = np.uint8 if how in WHOLE_NUMBERS else np.float32
        return cls(
            [
                resize(dataset[index].image, size, how).permute(1, 2, 0).numpy().astype(dtype)
                for index in range(len(dataset))
            ]
        )

    def batches(self, description: ModelInput) -> Iterator[np.ndarray]:
        """Yield batches as a model takes them; the last one is filled up with its last image."""
        size, document = description.batch or 1, description.model_dump(mode="json")
        for start in range(0, len(self.images), size):
            batch = list(self.images[start : start + size])
            batch += batch[-1:] * (size - len(batch))
            yield standalone.to_input(batch, document)

    def normalized(self, number: int, exportable: Exportable) -> Float[Tensor, "b 3 h w"]:
        """Stack some of the images, spread over all, as the network itself takes them."""
        chosen = np.stack([self.images[index] for index in spread(len(self.images), number)])
        mean, std = torch.tensor(exportable.pixels.mean), torch.tensor(exportable.pixels.std)
        pixels = (torch.from_numpy(chosen).float() - mean) / std
        return pixels.permute(0, 3, 1, 2).contiguous()


def open_images(
    options: QuantizationOptions, class_names: tuple[str, ...], notify: Callable[[str], None]
) -> QuantizationImages:
    """Choose the images of both kinds, and report which.

    Those to calibrate on are of the split to train on, those to measure AP on of the split to
    evaluate on, or of the data set to evaluate on. Where that is the same images, they are divided.
    Images without annotations are calibrated on as well; without AP, errors of outputs decide.
    """
    assert options.calibrate is not None
    path = Path(options.calibrate)
    unlabelled = unlabelled_images(path)
    if unlabelled is None:
        train = training_split([path], None, "none", 0, options.reading).train
    else:
        train = _without_objects(unlabelled, class_names, f"images of {path}")
    if options.evaluate is None and unlabelled is not None:
        evaluated = train
    else:
        chosen_data = evaluation_split([Path(options.evaluate or path)], None, options.reading)
        evaluated = chosen_data.dataset
    evaluated = evaluated.with_classes(class_names)
    usable = np.flatnonzero(~train.paths.isin(evaluated.paths))
    num_images = options.calibration_images
    if len(usable):
        chosen = usable[spread(len(usable), num_images)]
    else:
        # Only one image in two, or none would be left to measure AP on.
        chosen = np.array(spread(len(train), min(num_images, max(1, len(train) // 2))))
    calibration = train.subset(chosen.tolist(), description=train.description)
    others = np.flatnonzero(~evaluated.paths.isin(calibration.paths))
    if len(others):
        kept = others[spread(len(others), MOST_EVALUATED)]
        evaluation = evaluated.subset(kept.tolist(), description=evaluated.description)
    else:
        evaluation = evaluated
    images = QuantizationImages(replace(calibration, notes=()), replace(evaluation, notes=()))
    for message in _describe(images):
        notify(message)
    return images


def _without_objects(
    paths: Sequence[Path], class_names: tuple[str, ...], description: str
) -> DataSet:
    """Make a data set of images that nobody has annotated."""
    empty = Truth.of(torch.zeros(0, 4, dtype=torch.float64), torch.zeros(0, dtype=torch.int64))
    return DataSet.of(class_names, [(path, empty) for path in paths], description=description)


def spread(total: int, number: int) -> list[int]:
    """Choose `number` of `total` indices, or all, as evenly as possible."""
    count = min(number, total)
    return [(2 * index + 1) * total // (2 * count) for index in range(count)]


def _describe(images: QuantizationImages) -> Iterator[str]:
    """Describe which images are chosen, and where they are too few, or the same."""
    calibration, evaluation = images.calibration, images.evaluation
    yield f"int8: calibrating on {_count(calibration)}"
    if len(evaluation.truths):
        yield f"int8: measuring AP on {_count(evaluation)}"
    else:
        yield (
            f"int8: comparing outputs on {_count(evaluation)}; nothing is annotated there, so AP "
            f"is not measured; --evaluate names annotated images"
        )
    if len(calibration) < FEW_CALIBRATED:
        yield (
            f"int8: few images to calibrate on: ranges of feature maps may be too narrow; give "
            f"{FEW_CALIBRATED} or more, better 100"
        )
    if len(evaluation) < FEW_EVALUATED:
        yield (
            f"int8: few images to measure AP on: a drop may be chance; give {FEW_EVALUATED} or "
            f"more with --evaluate"
        )
    if evaluation.paths.isin(calibration.paths).any():
        yield "int8: these are the same images; give others with --evaluate"


def _count(dataset: DataSet) -> str:
    return f"{count_of(len(dataset), 'images')} ({dataset.description})"
