"""YOLO9000: YOLOv2 with a tree of words instead of a list of classes.

Redmon and Farhadi 2017, "YOLO9000: Better, Faster, Stronger", §4; cfg/yolo9000.cfg.

Simpler than there: only images with boxes are trained on. The paper mixes them with images of
ImageNet that have a class and no box, and trains the box of highest probability on that class.
Where one box is responsible for two objects, the path of the later alone is trained (see
`class_costs`).
"""

from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float, Int
from torch import Tensor

from singleshot.backbones.backbone import Backbone
from singleshot.detectors.common.postprocess import PAPER_POSTPROCESSING, PostprocessOptions
from singleshot.detectors.common.single_size import InputOptions
from singleshot.detectors.yolo.anchors import OBJECTNESS
from singleshot.detectors.yolo.letterbox import select_likely
from singleshot.detectors.yolo.settings import Yolo9000Settings, YoloAspect
from singleshot.detectors.yolo.v2 import PAPER_LAYER, RegionLayerDetector, RegionLayerOptions
from singleshot.detectors.yolo.word_tree import WordTree
from singleshot.structures import Detections

__all__ = ["Yolo9000"]


class Yolo9000(RegionLayerDetector):
    """A YOLOv2 with an output for every node of a tree; classes are some of the nodes."""

    def __init__(
        self,
        backbone: Backbone,
        class_names: Sequence[str],
        inputs: InputOptions,
        anchors: Sequence[tuple[float, float]],
        tree: WordTree,
        *,
        decide: Literal["classes", "walk"] = "classes",
        walk_until: float = 0.5,
        neck: Literal["passthrough", "none"] = "passthrough",
        layer: RegionLayerOptions = PAPER_LAYER,
        aspect: YoloAspect = "stretch",
        postprocessing: PostprocessOptions = PAPER_POSTPROCESSING,
    ) -> None:
        """A box has scores of all classes, or of the one that a walk down the tree ends at.

        The walk continues while the probability is above `walk_until`.
        """
        super().__init__(
            backbone,
            class_names,
            inputs,
            anchors,
            num_class_columns=len(tree),
            neck=neck,
            layer=layer,
            aspect=aspect,
            postprocessing=postprocessing,
        )
        self.tree = tree
        self.decide: Literal["classes", "walk"] = decide
        self.walk_until = walk_until

    @classmethod
    def from_settings(
        cls, settings: Yolo9000Settings, backbone: Backbone, class_names: Sequence[str]
    ) -> "Yolo9000":
        """Build the detector that a recipe describes; weights other than the backbone's are random.

        Raises ModelError for a class that is no node of `model.tree`.
        """
        return cls(
            backbone,
            class_names,
            InputOptions.from_settings(settings),
            settings.anchors,
            WordTree(settings.tree, class_names),
            decide=settings.decide,
            walk_until=settings.walk_until,
            neck=settings.neck,
            layer=RegionLayerOptions.from_settings(settings),
            aspect=settings.aspect,
            postprocessing=PostprocessOptions.from_settings(settings.results),
        )

    def class_costs(
        self, logits: Float[Tensor, "n columns"], labels: Int[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        """Add up the cross-entropies along the path from the root to the class.

        Simpler than darknet where one box is responsible for two objects: there the gradients of
        both paths are kept (`delta_region_class`), those of the later in families that both have;
        here the earlier object has no cost (`region_losses`).
        """
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
        threshold = self.postprocess_options.score_threshold
        if self.decide == "classes":
            probabilities = self.tree.probabilities(outputs[:, OBJECTNESS + 1 :])
            scores = objectness[:, None] * probabilities[:, self.tree.of_class]
            return select_likely(boxes, scores, threshold)
        keep = objectness > threshold
        reached = self.tree.walk(outputs[keep][:, OBJECTNESS + 1 :], self.walk_until)
        labels = self.tree.to_class[reached]
        detections = Detections(boxes[keep], objectness[keep], labels)
        return detections[labels >= 0]
