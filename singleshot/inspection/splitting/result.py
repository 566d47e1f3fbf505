"""Result of a splitting: images and objects of each class in each part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from singleshot.data.dataset import DataSet
from singleshot.data.stratification import classes_of_images

__all__ = ["PartContent", "SplitResult"]


@dataclass(frozen=True)
class PartContent:
    """Counts of one part, by class."""

    images: int
    images_of_class: Int64[np.ndarray, " classes"]
    objects_of_class: Int64[np.ndarray, " classes"]

    @classmethod
    def of(cls, dataset: DataSet, indices: Sequence[int]) -> PartContent:
        """Count images and objects of the images with these indices."""
        part = dataset.subset(indices, description="")
        num_classes = len(dataset.class_names)
        return cls(
            images=len(part),
            images_of_class=classes_of_images(part)[:, :num_classes].sum(axis=0),
            objects_of_class=np.bincount(part.truths.labels.numpy(), minlength=num_classes),
        )


@dataclass(frozen=True)
class SplitResult:
    """A data set that has been written, and what is in its parts."""

    folder: Path
    format: str  # "VOC"
    class_names: tuple[str, ...]
    parts: Mapping[str, PartContent]
    groups: str  # how many, and by what; empty where each image is alone
    linked: int  # images that are hard links to the originals; the others are copies

    @property
    def missing(self) -> dict[str, list[str]]:
        """Classes that are not in every part, with the parts without them."""
        lacking = {
            name: [
                part for part, content in self.parts.items() if not content.images_of_class[label]
            ]
            for label, name in enumerate(self.class_names)
        }
        return {name: parts for name, parts in lacking.items() if 0 < len(parts) < len(self.parts)}

    def to_json(self) -> dict[str, object]:
        """Return the document that `--json` prints."""
        return {
            "folder": str(self.folder),
            "format": self.format,
            "groups": self.groups,
            "linked": self.linked,
            "parts": {
                name: {
                    "images": part.images,
                    "objects": int(part.objects_of_class.sum()),
                    "per_class": {
                        class_name: {"images": int(images), "objects": int(objects)}
                        for class_name, images, objects in zip(
                            self.class_names,
                            part.images_of_class,
                            part.objects_of_class,
                            strict=True,
                        )
                    },
                }
                for name, part in self.parts.items()
            },
            "missing": self.missing,
        }
