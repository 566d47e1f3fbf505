"""Assembling a data set, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64

from singleshot.boxes.geometry import area
from singleshot.data.assembly.boxes import (
    are_fractions,
    count_fractions_from_0,
    refuse_fractions,
    refuse_pixels,
    repair_boxes,
)
from singleshot.data.assembly.locating import (
    ImageUse,
    inspect_images,
    locate_images,
    other_ids,
)
from singleshot.data.assembly.sizes import agreed_sizes
from singleshot.data.dataset import DataSet
from singleshot.data.findings import Findings
from singleshot.data.formats.annotations import AnnotatedObject, Annotations
from singleshot.data.image_files.headers import ImageHeader
from singleshot.data.image_files.paths import ImagePaths
from singleshot.data.reading import ReadingOptions
from singleshot.structures import Truth

__all__ = ["Assembled", "assemble", "group_similar"]


@dataclass(frozen=True)
class Assembled:
    """A data set, without the images and objects in error, and all that was found."""

    dataset: DataSet
    findings: Findings


def assemble(
    annotations: Annotations,
    reading: ReadingOptions,
    *,
    description: str,
    images: ImageUse = "optional",
    headers: dict[str, ImageHeader] | None = None,
) -> Assembled:
    """Build a data set whose boxes have an area and lie inside their images.

    The header of every image is read, unless images are "unread": then sizes are those that are
    annotated, and only which images there are is certain. Where they are "required" it is an
    error that none is there; otherwise annotations may be of use alone. Headers are added to
    `headers` by the paths of their images.
    """
    findings = Findings(list(annotations.findings))
    if reading.normalized:
        count_fractions_from_0(annotations)
    # Fractions of an image that is not there cannot be converted to pixels.
    use = "required" if are_fractions(annotations, reading) else images
    located = locate_images(annotations, reading, findings, use)
    if images != "unread" or are_fractions(annotations, reading):
        located = inspect_images(located, findings)
    if headers is not None:
        headers |= {str(one.path): one.header for one in located if one.header is not None}
    chosen, sizes = agreed_sizes(located, annotations, reading, findings)
    owners = np.repeat(
        np.arange(len(chosen)), [sum(len(one.objects) for one in image.entries) for image in chosen]
    )
    objects = [one for image in chosen for entry in image.entries for one in entry.objects]
    boxes = np.array([one.box for one in objects], dtype=np.float64).reshape(-1, 4)
    if are_fractions(annotations, reading):
        refuse_pixels(boxes, annotations, findings)
        factors = sizes[owners][:, [1, 0, 1, 0]].astype(np.float64)
        boxes = boxes * factors
        scale = factors[:, 0] * factors[:, 1]
    else:
        scale = np.ones(len(boxes))
        refuse_fractions(boxes, annotations, findings)
    repaired = repair_boxes(boxes, sizes[owners])
    for kind, marked in repaired.changed.items():
        for index in np.flatnonzero(marked).tolist():
            path = chosen[owners[index]].path
            place = f"{path.stem} {annotations.entry} {objects[index].number}"
            box = tuple(boxes[index].tolist())
            findings.add(kind, place, image=str(path), boxes=(box,))
    keep = repaired.keep
    class_names = annotations.class_names or sorted({one.name for one in objects})
    _note_similar(class_names, findings)
    ids = [image.entries[0].image_id for image in chosen]
    known = [number for number in ids if number is not None]
    has_ids = len(known) == len(ids) and annotations.category_ids is not None
    truths = stack_truths(objects, repaired.boxes, scale, class_names)
    dataset = DataSet(
        class_names=tuple(class_names),
        paths=ImagePaths.of(image.path for image in chosen),
        sizes=sizes,
        truths=truths[torch.from_numpy(keep)],
        ends=torch.from_numpy(np.bincount(owners[keep], minlength=len(chosen)).cumsum()),
        image_ids=np.array(known if has_ids else range(len(chosen)), dtype=np.int64),
        category_ids=tuple(annotations.category_ids or range(1, len(class_names) + 1)),
        has_ids=has_ids,
        description=description,
        other_ids=other_ids(chosen) if has_ids else {},
    )
    return Assembled(dataset, findings)


def _note_similar(class_names: Sequence[str], findings: Findings) -> None:
    """Note class names that a reader would take for the same."""
    for labels in group_similar(class_names):
        if len(labels) > 1:
            names = [repr(class_names[label]) for label in labels]
            findings.add("similar-classes", " and ".join(names))


def group_similar(class_names: Sequence[str]) -> list[list[int]]:
    """Group the indices of class names that differ by case or spaces alone."""
    alike: dict[str, list[int]] = {}
    for label, name in enumerate(class_names):
        alike.setdefault(" ".join(name.casefold().split()), []).append(label)
    return list(alike.values())


def stack_truths(
    objects: Sequence[AnnotatedObject],
    boxes: Float64[np.ndarray, "n 4"],
    scale: Float64[np.ndarray, " n"],
    class_names: Sequence[str],
) -> Truth:
    """Stack the objects into one truth, with these boxes instead of their own."""
    label_of = {name: label for label, name in enumerate(class_names)}
    exact = torch.from_numpy(boxes)
    stated = torch.tensor([one.area or 0.0 for one in objects], dtype=torch.float64)
    stated *= torch.from_numpy(scale)
    return Truth(
        boxes=exact,
        labels=torch.tensor([label_of[one.name] for one in objects], dtype=torch.int64),
        difficult=torch.tensor([one.difficult for one in objects], dtype=torch.bool),
        crowd=torch.tensor([one.crowd for one in objects], dtype=torch.bool),
        areas=torch.where(stated > 0, stated, area(exact)),
    )
