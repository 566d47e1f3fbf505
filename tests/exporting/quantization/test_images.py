# Tests singleshot/exporting/quantization/options.py

import numpy as np
import pytest
from cells import COLOURS, make_cells
from small_ssd import small_recipe, small_ssd

from singleshot.errors import SingleshotError
from singleshot.exporting.options import ExportOptions
from singleshot.exporting.quantization.images import CalibrationImages, open_images, spread

NAMES = tuple(COLOURS)


def choose(**options):
    messages = []
    images = open_images(ExportOptions("onnx", int8=True, **options), NAMES, messages.append)
    return images, messages


@pytest.mark.parametrize(
    ("total", "number", "expected"),
    [(10, 2, [2, 7]), (3, 5, [0, 1, 2]), (1, 1, [0]), (4, 4, [0, 1, 2, 3])],
)
def test_images_are_spread(total, number, expected):
    assert spread(total, number) == expected


def test_training_images_are_calibrated_on_and_test_images_evaluated(tmp_path):
    images, messages = choose(calibrate=make_cells(tmp_path / "cells"))
    assert len(images.calibration) == 6
    assert len(images.evaluation) == 2
    assert not images.evaluation.paths.isin(images.calibration.paths).any()
    assert "calibrating on 6 images (VOC layout, split train" in messages[0]
    assert "measuring AP on 2 images (VOC layout, split test" in messages[1]
    assert "few images to calibrate on" in messages[2]


def test_a_data_set_without_splits_is_divided(tmp_path):
    folder = make_cells(tmp_path / "cells")
    for file in (folder / "ImageSets/Main").iterdir():
        file.unlink()
    (folder / "ImageSets/Main").rmdir()
    (folder / "ImageSets").rmdir()
    images, _ = choose(calibrate=folder)
    assert len(images.calibration) == 5
    assert len(images.evaluation) == 5
    assert not images.evaluation.paths.isin(images.calibration.paths).any()


def test_images_without_annotations_are_calibrated_on(tmp_path):
    cells = make_cells(tmp_path / "cells")
    (cells / "JPEGImages").rename(tmp_path / "images")
    images, messages = choose(calibrate=tmp_path / "images")
    assert len(images.calibration) == len(images.evaluation) == 5
    assert not images.evaluation.paths.isin(images.calibration.paths).any()
    assert "calibrating on 5 images (images of " in messages[0]
    assert "nothing is annotated there, so AP is not measured" in messages[1]


def test_ap_is_measured_on_another_data_set_if_there_is_one(tmp_path):
    images, _ = choose(
        calibrate=make_cells(tmp_path / "cells"),
        evaluate=make_cells(tmp_path / "others"),
        calibration_images=3,
    )
    assert len(images.calibration) == 3
    assert "others" in str(images.evaluation.paths[0])


def test_batches_are_what_the_model_takes(tmp_path):
    images, _ = choose(calibrate=make_cells(tmp_path / "cells"))
    exportable = small_ssd(small_recipe(), NAMES).exportable()
    assert exportable is not None
    calibration = CalibrationImages.of(images.calibration, exportable)
    normalized = calibration.normalized(2, exportable)
    assert normalized.shape == (2, 3, 64, 96)
    assert calibration.images[0].dtype == np.uint8
    mean = np.array(exportable.pixels.mean)
    expected = (calibration.images[spread(6, 2)[1]] - mean) / np.array(exportable.pixels.std)
    np.testing.assert_allclose(normalized[1].permute(1, 2, 0), expected, atol=1e-5)


def test_images_without_int8_are_refused():
    with pytest.raises(SingleshotError, match="nothing to calibrate"):
        ExportOptions("onnx", calibrate="cells")
