from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from singleshot.drawing import class_colour, draw_boxes, save_image
from singleshot.drawing.draw import Mark, fitting_text, label_blocks, place_labels, style_for
from singleshot.errors import DataError, SingleshotError
from singleshot.structures import Detections, Truth

GRAY = torch.full((3, 400, 600), 128, dtype=torch.uint8)
NAMES = ("cat", "dog")
CAT = Detections(torch.tensor([[100.0, 200, 300, 350]]), torch.tensor([0.9]), torch.tensor([0]))


def colours_in(image: Image.Image, box=None) -> set[tuple[int, ...]]:
    pixels = np.asarray(image.crop(box) if box else image).reshape(-1, 3)
    return {tuple(pixel.tolist()) for pixel in np.unique(pixels, axis=0)}


def test_the_frame_stands_on_the_edge_of_the_box():
    drawing = draw_boxes(GRAY, CAT, NAMES)
    orange = class_colour(0)
    assert drawing.size == (600, 400)
    assert drawing.getpixel((100, 300)) == orange
    assert drawing.getpixel((299, 300)) == orange  # the box is half-open
    assert drawing.getpixel((200, 349)) == orange
    assert drawing.getpixel((200, 300)) == (128, 128, 128)


def test_nothing_found_leaves_the_image_as_it_is():
    assert colours_in(draw_boxes(GRAY, CAT[:0], NAMES)) == {(128, 128, 128)}


def test_the_label_stands_above_the_box():
    drawing = draw_boxes(GRAY, CAT, NAMES)
    assert class_colour(0) in colours_in(drawing, (101, 180, 140, 195))


def test_the_label_goes_inside_if_there_is_no_space_above():
    at_the_top = label_blocks((10, 0, 200, 100), (60, 15), (600, 400))
    assert at_the_top[0] == (10, 0, 70, 15)


@pytest.mark.parametrize(
    "box", [(-50, -50, 20, 20), (590, 390, 700, 500), (0, 0, 600, 400), (300, 395, 301, 400)]
)
def test_labels_never_leave_the_image(box):
    for left, top, right, bottom in label_blocks(box, (60, 15), (600, 400)):
        assert 0 <= left < right <= 600
        assert 0 <= top < bottom <= 400


def test_labels_of_neighbours_do_not_cover_each_other():
    marks = [Mark((50, 100 + 4 * k, 250, 300), (0, 0, 0), "cat", " 0.90") for k in range(3)]
    blocks = [label.block for label in place_labels(marks, style_for((600, 400)), (600, 400))]
    tops = sorted(block[1] for block in blocks)
    height = blocks[0][3] - blocks[0][1]
    assert all(lower - upper >= height for upper, lower in pairwise(tops))


@pytest.mark.parametrize("side", [80, 400, 3000])
def test_letters_and_lines_grow_with_the_image(side):
    image = torch.full((3, side, side), 128, dtype=torch.uint8)
    drawing = draw_boxes(image, CAT[:0], NAMES)
    style = style_for(drawing.size)
    assert drawing.width >= 400
    assert style.font.getbbox("0.98")[3] >= drawing.width / 60
    assert style.line >= 1


def test_a_small_image_is_enlarged_by_a_whole_factor():
    image = torch.zeros(3, 60, 80, dtype=torch.uint8)
    found = Detections(torch.tensor([[10.0, 20, 50, 55]]), torch.ones(1), torch.tensor([1]))
    drawing = draw_boxes(image, found, NAMES)
    assert drawing.size == (480, 360)
    assert drawing.getpixel((60, 240)) == class_colour(1)


def test_a_name_too_long_is_shortened_but_the_score_stays():
    style = style_for((400, 400))
    mark = Mark((0, 0, 10, 10), (0, 0, 0), "Archaeopteryx lithographica", " 0.98")
    text = fitting_text(mark, style, 120)
    assert text.startswith("Arch")
    assert text.endswith("… 0.98")
    assert style.font.getlength(text) <= 120


def test_difficult_objects_and_crowds_are_marked():
    truth = Truth.of(torch.tensor([[0.0, 0, 50, 50]]), torch.tensor([0]))
    truth.difficult[0] = True
    plain = draw_boxes(GRAY, Truth.of(truth.boxes, truth.labels), NAMES)
    assert plain.tobytes() != draw_boxes(GRAY, truth, NAMES).tobytes()


@pytest.mark.parametrize("box", [[5.0, 5, 5, 5], [-100, -100, 900, 900], [700, 500, 800, 600]])
def test_odd_boxes_are_drawn_without_error(box):
    draw_boxes(
        GRAY, Detections(torch.tensor([box]).float(), torch.ones(1), torch.tensor([0])), NAMES
    )


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "new/a.JPEG"])
def test_images_are_saved_whole(tmp_path, name):
    save_image(draw_boxes(GRAY, CAT, NAMES), tmp_path / name)
    with Image.open(tmp_path / name) as saved:
        assert saved.size == (600, 400)
    assert [path.name for path in (tmp_path / name).parent.iterdir()] == [(tmp_path / name).name]


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"use \.jpg or \.png"):
        save_image(draw_boxes(GRAY, CAT, NAMES), tmp_path / "a.tiff")


def test_a_failed_save_leaves_the_old_file(tmp_path):
    class Broken(Image.Image):
        def save(self, *_args, **_options):
            raise OSError("No space left on device")

    (tmp_path / "a.png").write_text("old")
    with pytest.raises(SingleshotError, match="No space left"):
        save_image(Broken(), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_objects_that_are_tracked_have_their_number_and_colour():
    both = Detections(
        torch.tensor([[100.0, 200, 300, 350], [350.0, 200, 550, 350]]),
        torch.tensor([0.9, 0.8]),
        torch.tensor([0, 0]),
    )
    drawing = draw_boxes(GRAY, both, NAMES, tracks=[3, -1])
    assert drawing.getpixel((100, 300)) == class_colour(3) != class_colour(0)
    assert drawing.getpixel((350, 300)) == class_colour(0)
    plain = draw_boxes(GRAY, both, NAMES)
    label = 100, 170, 300, 200
    assert drawing.crop(label).tobytes() != plain.crop(label).tobytes()
