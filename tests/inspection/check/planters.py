"""Errors to plant into a clean data set: one function each."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from PIL import Image

__all__ = ["PLANTERS"]

ORIENTATION = 0x0112  # the EXIF tag

# Each plants a error and returns what to check, and the kind, places and number to be found.
PLANTERS: dict[str, Callable] = {}


def plants(planter):
    PLANTERS[planter.__name__] = planter
    return planter


@plants
def an_empty_file_for_an_image(planted):
    planted.image("03").write_bytes(b"")
    return planted.write_voc(), "unreadable-image", ["JPEGImages/03.jpg"]


@plants
def a_truncated_image(planted):
    content = planted.image("03").read_bytes()
    planted.image("03").write_bytes(content[:-30])
    return planted.write_voc(), "truncated-image", ["JPEGImages/03.jpg"]


@plants
def an_image_whose_middle_is_damaged(planted):
    planted.image("03").unlink()
    path = planted.image("03", ".png")
    Image.effect_noise((64, 48), 99).convert("RGB").save(path)
    content = bytearray(path.read_bytes())
    content[600:900] = bytes(300)
    path.write_bytes(content)
    return planted.write_voc(), "broken-image", ["JPEGImages/03.png"]


@plants
def a_copy_of_an_image(planted):
    shutil.copy(planted.image("03"), planted.image("05"))
    return planted.write_voc(), "copy", ["03.jpg (train) = 05.jpg (train)"]


@plants
def a_copy_of_an_image_in_another_split(planted):
    shutil.copy(planted.image("03"), planted.image("21"))
    return planted.write_voc(), "copy-across-splits", ["03.jpg (train) = 21.jpg (test)"]


@plants
def an_image_saved_again(planted):
    with Image.open(planted.image("03")) as image:
        image.save(planted.image("05"), quality=40)
    return planted.write_voc(), "alike", ["03.jpg (train), 05.jpg (train)"]


@plants
def an_image_saved_again_in_another_split(planted):
    with Image.open(planted.image("03")) as image:
        image.save(planted.image("21"), quality=40)
    return planted.write_voc(), "alike-across-splits", ["03.jpg (train), 21.jpg (test)"]


@plants
def a_box_without_area(planted):
    planted.objects["04"].append(("cat", (20, 20, 20, 30), 0))
    return planted.write_voc(), "without-area", ["04 object 3"]


@plants
def a_box_outside_the_image(planted):
    planted.objects["04"].append(("cat", (100, 20, 120, 30), 0))
    return planted.write_voc(), "outside", ["04 object 3"]


@plants
def a_box_beyond_the_edge(planted):
    planted.objects["04"].append(("cat", (40, 5, 80, 30), 0))
    return planted.write_voc(), "clipped", ["04 object 3"]


@plants
def a_box_mostly_beyond_the_edge(planted):
    planted.objects["04"].append(("cat", (40, 5, 8000, 30), 0))
    return planted.write_voc(), "mostly-outside", ["04 object 3"]


@plants
def a_coordinate_that_is_not_a_number(planted):
    planted.objects["04"].append(("cat", ("nan", 5, 20, 30), 0))
    return planted.write_voc(), "entry", ["Annotations/04.xml: object 3 (cat)"]


@plants
def an_infinite_coordinate(planted):
    content = planted.coco()
    content["annotations"][6]["bbox"][2] = float("inf")
    return planted.write_coco(content), "entry", ["labels.json: annotation 7"]


@plants
def an_id_of_two_images(planted):
    content = planted.coco()
    content["images"][6]["id"] = content["images"][5]["id"]
    del content["annotations"][12:14]
    return planted.write_coco(content), "entry", ["labels.json: image 7"]


@plants
def a_box_two_pixels_wide(planted):
    planted.objects["04"].append(("cat", (60, 30, 61, 45), 0))
    return planted.write_voc(), "tiny", ["04.jpg: cat at (59, 29, 61, 45)"]


@plants
def a_box_that_vanishes_in_the_resized_image(planted):
    for number in range(24):  # all are large, so that none is of an odd size
        planted.draw(f"{number:02}", (960, 1280))
    planted.objects["04"].append(("cat", (600, 300, 603, 450), 0))
    return planted.write_voc(), "tiny", ["04.jpg: cat at (599, 299, 603, 450)"]


@plants
def an_object_annotated_twice(planted):
    planted.objects["04"].append(planted.objects["04"][0])
    return planted.write_voc(), "annotated-twice", ["04.jpg: cat at (4, 2, 20, 20)"]


@plants
def an_object_annotated_as_two_classes(planted):
    planted.objects["04"].append(("dog", *planted.objects["04"][0][1:]))
    return planted.write_voc(), "two-classes", ["04.jpg: cat and dog at (4, 2, 20, 20)"]


@plants
def a_box_around_the_whole_image(planted):
    planted.objects["04"].append(("cat", (1, 1, 64, 48), 0))
    return planted.write_voc(), "whole-image", ["04.jpg: cat at (0, 0, 64, 48)"]


@plants
def classes_that_differ_by_case(planted):
    for number in range(12):
        planted.objects[f"{number:02}"][0] = ("Cat", *planted.objects[f"{number:02}"][0][1:])
    return planted.write_voc(), "similar-classes", ["'Cat' and 'cat'"]


@plants
def classes_that_differ_by_spaces(planted):
    for number in range(24):
        name = "old  cat" if number < 12 else "old cat"
        planted.objects[f"{number:02}"][0] = (name, *planted.objects[f"{number:02}"][0][1:])
    return planted.write_voc(), "similar-classes", ["'old  cat' and 'old cat'"]


@plants
def a_class_without_objects(planted):
    content = planted.coco()
    content["categories"].append({"id": 3, "name": "horse"})
    return planted.write_coco(content), "unused-class", ["horse"]


@plants
def a_class_with_one_object(planted):
    planted.objects["04"].append(("horse", (40, 30, 60, 45), 0))
    return planted.write_voc(), "rare-class", ["horse"]


@plants
def a_gap_in_the_category_ids(planted):
    content = planted.coco()
    content["categories"][1]["id"] = 5
    for one in content["annotations"]:
        one["category_id"] = {1: 1, 2: 5}[one["category_id"]]
    return planted.write_coco(content), "id-gap", ["no category has the id 2 … 4"]


@plants
def an_image_resized_after_it_was_annotated(planted):
    planted.draw("04", (96, 128))
    planted.sizes["04"] = (48, 64)
    return planted.write_voc(), "size", ["Annotations/04.xml"]


@plants
def an_image_turned_by_exif(planted):
    exif = Image.Exif()
    exif[ORIENTATION] = 3
    planted.draw("04", exif=exif)
    return planted.write_voc(), "turned-by-exif", ["04.jpg"]


@plants
def boxes_drawn_before_exif_orientation(planted):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    planted.draw("04", exif=exif)  # displayed it is upright, 48 wide and 64 high
    return planted.write_voc(), "turned", ["04.jpg"]


@plants
def boxes_as_fractions(planted):
    content = planted.coco()
    for one in content["annotations"]:
        one["bbox"] = [
            side / length for side, length in zip(one["bbox"], (64, 48) * 2, strict=True)
        ]
    return planted.write_coco(content), "fractions", ["labels.json"]


@plants
def swapped_corners(planted):
    planted.objects["04"].append(("cat", (60, 45, 40, 30), 0))
    return planted.write_voc(), "swapped", ["Annotations/04.xml: object 3 (cat)"]


@plants
def an_annotation_without_an_image(planted):
    planted.image("04").unlink()
    return planted.write_voc(), "missing-image", ["Annotations/04.xml"]


@plants
def an_image_without_annotation(planted):
    planted.draw("99")
    return planted.write_voc(), "not-annotated", ["99.jpg"]


@plants
def an_image_listed_twice(planted):
    content = planted.coco()
    content["images"].append({**content["images"][4], "id": 500})
    return planted.write_coco(content), "merged", ["04.jpg"]


@plants
def an_image_in_two_splits(planted):
    planted.splits["val"].append("04")
    return planted.write_voc(), "shared-by-splits", ["04.jpg"]


@plants
def an_image_in_no_split(planted):
    planted.splits["val"].remove("17")
    return planted.write_voc(), "in-no-split", ["17.jpg"]


@plants
def a_split_with_an_image_that_has_no_annotation(planted):
    planted.splits["val"].append("77")
    return planted.write_voc(), "entry", ["ImageSets/Main/val.txt"]


@plants
def an_image_without_objects(planted):
    planted.objects["04"] = []
    return planted.write_voc(), "empty-image", ["04.jpg"]


@plants
def an_image_with_difficult_objects_alone(planted):
    planted.objects["04"] = [(name, box, 1) for name, box, _ in planted.objects["04"]]
    return planted.write_voc(), "difficult-only", ["04.jpg"]


@plants
def an_image_of_another_shape(planted):
    planted.draw("04", (48, 640))
    return planted.write_voc(), "odd-size", ["04.jpg"]


@plants
def a_grey_image(planted):
    with Image.open(planted.image("04")) as image:
        image.convert("L").save(planted.image("04"))
    return planted.write_voc(), "grey-image", ["04.jpg"]


@plants
def a_cmyk_image(planted):
    with Image.open(planted.image("04")) as image:
        image.convert("CMYK").save(planted.image("04"))
    return planted.write_voc(), "cmyk-image", ["04.jpg"]


@plants
def a_broken_annotation_file(planted):
    folder = planted.write_voc()
    (folder / "Annotations/04.xml").write_text("<annotation><object>")
    return folder, "file", ["Annotations/04.xml, line 1"]
