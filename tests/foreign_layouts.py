"""Data sets as other tools leave them: a function for each, which builds one in a folder.

Each has images of 64 by 48 pixels with one object, "RBC" or "WBC" in turn.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from singleshot.data.formats import label_studio
from singleshot.data.formats.tfrecord.files import encode_example, encode_record

__all__ = ["LAYOUTS", "ROBOFLOW", "Build"]

WIDTH, HEIGHT = 64, 48
CLASSES = ("RBC", "WBC")
BOX = (8, 4, 40, 36)  # half-open
SPLITS = {"train": 6, "valid": 3, "test": 3}
Build = Callable[[Path], object]


def name_of(split: str, index: int) -> str:
    """The name that Roboflow gives an image."""
    return f"{split}-{index}_jpg.rf.{index:032x}.jpg"


def add_image(path: Path) -> Path:
    """Save an image that no other equals."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(sum(str(path).encode()))
    colour = tuple(random.integers(256, size=3).tolist())
    image = Image.new("RGB", (WIDTH, HEIGHT), colour)
    image.paste((20, 20, 20), BOX)
    image.save(path, "PNG" if path.suffix.lower() == ".png" else "JPEG")
    return path


def add_xml(path: Path, index: int, filename: str) -> None:
    """Write VOC's annotation of an image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sides = zip(("xmin", "ymin", "xmax", "ymax"), (BOX[0] + 1, BOX[1] + 1, *BOX[2:]), strict=True)
    box = "".join(f"<{tag}>{side}</{tag}>" for tag, side in sides)
    path.write_text(
        f"<annotation><folder></folder><filename>{filename}</filename><path>{filename}</path>"
        f"<source><database>roboflow.com</database></source><size><width>{WIDTH}</width><height>"
        f"{HEIGHT}</height><depth>3</depth></size><segmented>0</segmented><object><name>"
        f"{CLASSES[index % 2]}</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0"
        f"</difficult><occluded>0</occluded><bndbox>{box}</bndbox></object></annotation>"
    )


def coco(names: Sequence[str], *, root: bool = False) -> str:
    """COCO's annotations of these images; with the category above all that Roboflow writes."""
    x1, y1, x2, y2 = BOX
    first = 1 if root else 0
    categories = [{"id": first + index, "name": name} for index, name in enumerate(CLASSES)]
    if root:
        categories = [{"id": 0, "name": "cells", "supercategory": "none"}] + [
            {**one, "supercategory": "cells"} for one in categories
        ]
    return json.dumps(
        {
            "info": {"description": "Exported from roboflow.com"},
            "licenses": [],
            "categories": categories,
            "images": [
                {"id": index, "license": 1, "file_name": name, "height": HEIGHT, "width": WIDTH}
                for index, name in enumerate(names)
            ],
            "annotations": [
                {
                    "id": index,
                    "image_id": index,
                    "category_id": first + index % 2,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "segmentation": [],
                    "iscrowd": 0,
                }
                for index in range(len(names))
            ],
        }
    )


def roboflow(folder: Path) -> Iterable[tuple[Path, list[Path]]]:
    """Write Roboflow's two notes, and yield each split's folder and its images."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.roboflow.txt").write_text("cells - v1 2024-01-01 1:00pm\n\nThis dataset …\n")
    (folder / "README.dataset.txt").write_text("# cells > 2024-01-01\nhttps://…\n\nLicense: MIT\n")
    for split, count in SPLITS.items():
        (folder / split).mkdir(parents=True, exist_ok=True)
        yield folder / split, [folder / split / name_of(split, index) for index in range(count)]


def roboflow_voc(folder: Path) -> None:
    for _, images in roboflow(folder):
        for index, image in enumerate(images):
            add_image(image)
            add_xml(image.with_suffix(".xml"), index, image.name)


def roboflow_coco(folder: Path) -> None:
    for split, images in roboflow(folder):
        for image in images:
            add_image(image)
        names = [image.name for image in images]
        (split / "_annotations.coco.json").write_text(coco(names, root=True))


def roboflow_csv(folder: Path) -> None:
    for split, images in roboflow(folder):
        lines = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
        for index, image in enumerate(images):
            add_image(image)
            box = ",".join(map(str, BOX))
            lines.append(f"{image.name},{WIDTH},{HEIGHT},{CLASSES[index % 2]},{box}")
        (split / "_annotations.csv").write_text("\n".join(lines) + "\n")


def roboflow_yolo(folder: Path) -> None:
    for split, images in roboflow(folder):
        (split / "labels").mkdir()
        x1, y1, x2, y2 = BOX
        x, width = (x1 + x2) / 2 / WIDTH, (x2 - x1) / WIDTH
        y, height = (y1 + y2) / 2 / HEIGHT, (y2 - y1) / HEIGHT
        for index, image in enumerate(images):
            add_image(split / "images" / image.name)
            label = split / "labels" / image.with_suffix(".txt").name
            label.write_text(f"{index % 2} {x} {y} {width} {height}")
    (folder / "data.yaml").write_text(
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 2\n"
        "names: ['RBC', 'WBC']\n\nroboflow:\n  workspace: me\n  project: cells\n  version: 1\n"
    )


def roboflow_tfrecord(folder: Path) -> None:
    for split, images in roboflow(folder):
        label_map = "".join(
            f'item {{\n    name: "{name}",\n    id: {number},\n    display_name: "{name}"\n}}\n'
            for number, name in enumerate(CLASSES, start=1)
        )
        (split / "cells_label_map.pbtxt").write_text(label_map)
        with (split / "cells.tfrecord").open("wb") as file:
            for index, image in enumerate(images):
                file.write(encode_record(record_of(add_image(image), index)))
                image.unlink()


def record_of(image: Path, index: int) -> bytes:
    """The record of an image."""
    x1, y1, x2, y2 = BOX
    sides = {"xmin": x1 / WIDTH, "xmax": x2 / WIDTH, "ymin": y1 / HEIGHT, "ymax": y2 / HEIGHT}
    return encode_example(
        {
            "image/height": [HEIGHT],
            "image/width": [WIDTH],
            "image/filename": [image.name.encode()],
            "image/encoded": [image.read_bytes()],
            "image/format": [b"jpg"],
            **{f"image/object/bbox/{key}": [side] for key, side in sides.items()},
            "image/object/class/text": [CLASSES[index % 2].encode()],
            "image/object/class/label": [index % 2 + 1],
        }
    )


def xml_beside(folder: Path) -> None:
    """As labelImg leaves it, with photographs of two cameras."""
    for index in range(6):
        image = add_image(folder / f"IMG_{index}{'.JPG' if index % 3 else '.jpg'}")
        add_xml(image.with_suffix(".xml"), index, image.name)


def xml_apart(annotations: str, images: str) -> Build:
    def build(folder: Path) -> None:
        for index in range(6):
            image = add_image(folder / images / f"raccoon-{index}.jpg")
            add_xml(folder / annotations / f"{image.stem}.xml", index, image.name)

    return build


def json_at_the_top(folder: Path) -> None:
    images = [add_image(folder / "JPEGImages" / f"{index}.png") for index in range(6)]
    (folder / "instances.json").write_text(coco([image.name for image in images]))


def devkit_of_two_years(folder: Path) -> None:
    for year in ("VOC2007", "VOC2012"):
        for part, count in (("trainval", 4), ("test", 2)):
            names = [f"{part}_{year[-2:]}_{index}" for index in range(count)]
            lists = folder / year / "ImageSets/Main"
            lists.mkdir(parents=True, exist_ok=True)
            (lists / f"{part}.txt").write_text("".join(f"{name}\n" for name in names))
            for index, name in enumerate(names):
                add_image(folder / year / "JPEGImages" / f"{name}.jpg")
                add_xml(folder / year / "Annotations" / f"{name}.xml", index, f"{name}.jpg")


def cvats_voc(folder: Path) -> None:
    """Images in folders, and a list of the task's images."""
    names = [f"cam{index % 2}/frame_{index:06}" for index in range(6)]
    for index, name in enumerate(names):
        add_image(folder / "JPEGImages" / f"{name}.jpg")
        add_xml(folder / "Annotations" / f"{name}.xml", index, f"{name}.jpg")
    (folder / "ImageSets/Main").mkdir(parents=True)
    (folder / "ImageSets/Main/default.txt").write_text("\n".join(names) + "\n")
    (folder / "labelmap.txt").write_text("# label:color_rgb:parts:actions\nRBC:1,2,3::\n")


def wrong_filenames(folder: Path) -> None:
    """Renamed images, and names without suffix, as the kangaroo data set has."""
    for index, name in enumerate(("a", "00001", "/home/me/b.jpg", "C:\\x\\c.png", "d", "")):
        image = add_image(folder / "images" / f"{index:05}.jpg")
        add_xml(folder / "annots" / f"{image.stem}.xml", index, name)


def stale_paths(before: str) -> Build:
    def build(folder: Path) -> None:
        images = [add_image(folder / "images" / f"{index}.jpg") for index in range(6)]
        (folder / "annotations").mkdir()
        content = coco([before + image.name for image in images])
        (folder / "annotations/instances_all.json").write_text(content)

    return build


def unzipped(folder: Path) -> None:
    xml_apart("annotations", "images")(folder / "raccoon_dataset-master")
    (folder / "__MACOSX").mkdir()
    (folder / "._raccoon").touch()


def unzipped_splits(folder: Path) -> None:
    roboflow_coco(folder / "cells.v1i.coco")


def dots(folder: Path) -> None:
    for index in range(6):
        image = add_image(folder / f"a.b.{index}.jpg")
        add_xml(folder / f"{image.stem}.xml", index, image.name)


def uploads(folder: Path) -> None:
    """Label Studio's export, beside the images as they were before they were uploaded."""
    images = [add_image(folder / "images" / f"my cell {index}.jpg") for index in range(6)]
    tasks = []
    for index, image in enumerate(images):
        name = image.name.replace(" ", "_")
        image.rename(image.with_name(name))
        value = {"x": 12.5, "y": 25 / 3, "width": 50, "height": 200 / 3}
        result = {
            "type": "rectanglelabels",
            "original_width": WIDTH,
            "original_height": HEIGHT,
            "value": {**value, "rectanglelabels": [CLASSES[index % 2]]},
        }
        tasks.append(
            {
                "id": index,
                "data": {"image": f"/data/upload/3/{index:08x}-{name}"},
                "annotations": [{"was_cancelled": False, "result": [result]}],
            }
        )
    (folder / "project-3-at-2024-01-01-00-00-0123abcd.json").write_text(json.dumps(tasks))
    assert label_studio.FORMAT.recognise(folder)


ROBOFLOW: dict[str, Build] = {
    "Roboflow VOC": roboflow_voc,
    "Roboflow COCO": roboflow_coco,
    "Roboflow TFRecord": roboflow_tfrecord,
    "Roboflow YOLO": roboflow_yolo,
    "Roboflow CSV": roboflow_csv,
}
LAYOUTS: dict[str, Build] = {
    "XML beside images": xml_beside,
    "annotations and images": xml_apart("annotations", "images"),
    "annots and images": xml_apart("annots", "images"),
    "instances.json and JPEGImages": json_at_the_top,
    "VOCdevkit of two years": devkit_of_two_years,
    "VOC of CVAT": cvats_voc,
    "wrong filenames": wrong_filenames,
    "stale absolute paths": stale_paths("/home/me/cells/images/"),
    "stale Windows paths": stale_paths("C:\\Users\\me\\cells\\"),
    "stale relative paths": stale_paths("../images/"),
    "stale folders": stale_paths("cells/all/"),
    "folder in a folder": unzipped,
    "splits in a folder in a folder": unzipped_splits,
    "names with dots": dots,
    "Label Studio uploads": uploads,
    **ROBOFLOW,
}
