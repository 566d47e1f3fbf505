"""YOLO9000: YOLOv2 with a tree of words instead of a list of classes.

Redmon and Farhadi 2017, "YOLO9000: Better, Faster, Stronger", §4; cfg/yolo9000.cfg.

Simpler than there: only images with boxes are trained on. The paper mixes them with images of
ImageNet that have a class and no box, and trains the box of highest probability on that class.
"""

from collections.abc import Sequence

from jaxtyping import Float, Int
from torch import Tensor

from singleshot.backbones.backbone import Backbone
from singleshot.detectors.yolo.anchors import OBJECTNESS
from singleshot.detectors.yolo.letterbox import select_likely
from singleshot.detectors.yolo.settings import Yolo9000Settings
from singleshot.detectors.yolo.v2 import YoloV2
from singleshot.detectors.yolo.word_tree import WordTree
from singleshot.structures import Detections

__all__ = ["Yolo9000"]


class Yolo9000(YoloV2):
    """A YOLOv2 with an output for every node of a tree; classes are some of the nodes."""

    settings: Yolo9000Settings

    def __init__(
        self, backbone: Backbone, class_names: Sequence[str], settings: Yolo9000Settings
    ) -> None:
        """Raises ModelError for a class that is no node of `model.tree`."""
        tree = WordTree(settings.tree, class_names)
        self.num_nodes = len(tree)
        super().__init__(backbone, class_names, settings)
        self.tree = tree

    def num_class_columns(self) -> int:
        """Count the nodes of the tree."""
        return self.num_nodes

    def class_costs(
        self, logits: Float[Tensor, "n columns"], labels: Int[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        """Add up the cross-entropies along the path from the root to the class."""
        return self.tree.class_costs(logits, labels)

    def select_boxes(
        self, boxes: Float[Tensor, "boxes 4"], outputs: Float[Tensor, "boxes columns"]
    ) -> Detections:
        """Select classes of each box, or the one that a walk ends at (`get_region_detections`).

        Every class has the score objectness times its probability. With the walk, a box has one
        class, the nearest at or above where the walk ends, and its objectness; a walk that ends
        above all classes gives none.
        """
        objectness = outputs[:, OBJECTNESS].sigmoid()
        threshold = self.settings.results.score_threshold
        if self.settings.decide == "classes":
            probabilities = self.tree.probabilities(outputs[:, OBJECTNESS + 1 :])
            scores = objectness[:, None] * probabilities[:, self.tree.of_class]
            return select_likely(boxes, scores, threshold)
        keep = objectness > threshold
        reached = self.tree.walk(outputs[keep][:, OBJECTNESS + 1 :], self.settings.walk_until)
        labels = self.tree.to_class[reached]
        detections = Detections(boxes[keep], objectness[keep], labels)
        return detections[labels >= 0]
