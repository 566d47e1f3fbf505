"""Results have names, become tables, and show themselves in a notebook."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from html import escape
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from singleshot.data.image_files.inputs import as_tensor
from singleshot.drawing import draw_boxes
from singleshot.errors import DataError, SingleshotError
from singleshot.prediction.result import Result
from singleshot.structures import Detections

BOXES = [[0.0, 1.0, 10.0, 12.0], [3.0, 4.0, 8.0, 9.0]]


@pytest.fixture
def result():
    """A sure dog and a doubtful cat in a gray image of 40 x 30."""
    image = np.full((30, 40, 3), 128, dtype=np.uint8)
    detections = Detections(torch.tensor(BOXES), torch.tensor([0.75, 0.25]), torch.tensor([1, 0]))
    return Result(image, 40, 30, detections, ("<cat>", "dog"))


@pytest.fixture
def modules(monkeypatch):
    """Packages that keep what they are called with."""

    def keep(name, member):
        package = SimpleNamespace(**{member: lambda *rows, **columns: (*rows, columns)})
        monkeypatch.setitem(sys.modules, name, package)

    return keep


def test_a_result_is_one_line(result):
    assert repr(result) == "Result(image, 40 x 30: 1 dog, 1 <cat>)"
    assert len(result) == 2
    nothing = Result("a/b.jpg", 40, 30, result.detections[:0], ("cat",))
    assert repr(nothing) == "Result(a/b.jpg, 40 x 30: nothing)"


def test_an_image_in_memory_has_no_name_in_json(result):
    document = result.to_dict()
    assert (document["image"], document["width"], document["height"]) == (None, 40, 30)
    assert document["detections"][1] == {"box": BOXES[1], "label": "<cat>", "score": 0.25}


def test_json_has_rounded_boxes(result):
    boxes = torch.tensor([[78.68189239501953, 1.005, 10.126, 12.0]])
    detections = Detections(boxes, torch.tensor([0.98765432]), torch.tensor([1]))
    (one,) = replace(result, detections=detections).to_dict()["detections"]
    assert str(one["box"]) == "[78.68, 1.0, 10.13, 12.0]"
    assert one["score"] == detections.scores.item()


def test_a_table_has_a_row_for_each_detection(result, modules):
    modules("pandas", "DataFrame")
    rows, options = result.to_dataframe()
    assert rows == [(None, "dog", 0.75, *BOXES[0]), (None, "<cat>", 0.25, *BOXES[1])]
    assert options == {"columns": ["image", "label", "score", "x1", "y1", "x2", "y2"]}


def test_supervision_gets_arrays_and_names(result, modules):
    modules("supervision", "Detections")
    (arrays,) = result.to_supervision()
    assert arrays["xyxy"].tolist() == BOXES
    assert arrays["confidence"].tolist() == [0.75, 0.25]
    assert arrays["class_id"].tolist() == [1, 0]
    assert arrays["data"]["class_name"].tolist() == ["dog", "<cat>"]


@pytest.mark.parametrize("package", ["pandas", "supervision"])
def test_a_package_that_is_missing_is_named(result, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    call = {"pandas": result.to_dataframe, "supervision": result.to_supervision}[package]
    with pytest.raises(SingleshotError, match=f"install it with: pip install {package}"):
        call()


def test_the_plot_is_that_of_the_command(result, tmp_path):
    expected = draw_boxes(as_tensor(result.image), result.detections, result.class_names)
    assert result.plot().tobytes() == expected.tobytes()
    path = tmp_path / "gray.png"
    Image.fromarray(result.image).save(path)
    of_file = Result(path, 40, 30, result.detections, result.class_names)
    assert of_file.plot().tobytes() == expected.tobytes()
    path.unlink()
    with pytest.raises(DataError, match="there is no such image"):
        of_file.plot()


def test_a_notebook_shows_a_drawing_of_limited_size(result):
    image = np.zeros((900, 1600, 3), dtype=np.uint8)
    large = Result(image, 1600, 900, result.detections, result.class_names)
    assert Image.open(io.BytesIO(large._repr_png_())).size == (800, 450)
    html = large._repr_html_()
    assert html.startswith('<figure><img src="data:image/jpeg;base64,')
    assert escape("1600 x 900: 1 dog, 1 <cat>") in html
