"""Detectors of Caffe's SSD: a prototxt and a caffemodel, of any network.

Batch norms are folded into convolutions, and the first convolution's channels are turned round, so
that the network takes RGB. The format is that of weiliu89/caffe, branch ssd.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from singleshot.backbones.backbone import grids
from singleshot.backbones.graph import GraphBackbone
from singleshot.backbones.settings import GraphSettings
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.detectors.ssd.network import Ssd
from singleshot.detectors.ssd.settings import SsdSettings
from singleshot.errors import ModelError
from singleshot.importers.caffe.heads import (
    CaffeHeads,
    heads_of,
    predictor_of,
    prior_shapes,
    prior_table,
    result_table,
)
from singleshot.importers.caffe.network import CaffeLayer, layers_of, write
from singleshot.importers.caffe.text import Message, read_prototxt
from singleshot.importers.caffe.weights import CaffeWeights, Transform, read_caffemodel
from singleshot.importers.class_names import class_names_for
from singleshot.importers.graph import FINE_TUNING, GraphWriter
from singleshot.recipes.load import recipe_from

__all__ = ["read_caffe"]


class Published(NamedTuple):
    """How the authors of well-known weights use them, where their files do not say."""

    transform: Transform
    class_names: tuple[str, ...] = ()


# By the prototxt's name of the network, or the SHA-256 of the caffemodel.
PUBLISHED = {
    # chuanqi305/MobileNet-SSD: demo.py.
    "MobileNet-SSD": Published(Transform((127.5,), 0.007843)),
    # OpenCV's face detector, res10_300x300_ssd_iter_140000: samples/dnn/models.yml. Its training
    # took 117 from green, as the file says; everyone who uses it takes 177.
    "2a56a11a57a4a295956b0660b4a3d76bbdca2206c4961cea8efe7d95c7cb2f2d": Published(
        Transform((104, 177, 123), 1), ("face",)
    ),
}


def read_caffe(path: Path) -> Checkpoint:
    """The detector in a caffemodel or its prototxt; the other file is looked for beside it.

    What is taken from pixels comes from a `transform_param` of the prototxt, else from what is
    known of published weights, else from the training that the caffemodel remembers. Class names
    come from a `labelmap*.prototxt` beside the files; without one 20 classes are VOC's, 80 are
    COCO's, and one is called "object". Raises ModelError, which names what is missing or what
    cannot be expressed.
    """
    prototxt, caffemodel = both_files(path)
    net, weights = read_prototxt(prototxt), read_caffemodel(caffemodel)
    known = published(net, caffemodel)
    layers = layers_of(net, weights.blobs)
    heads = heads_of(layers, str(prototxt))
    size = input_size(net, str(prototxt))
    names = class_names(heads.num_columns - 1, prototxt, known)
    graph = written(layers, heads)
    settings = graph.settings(net.text("name") or prototxt.parent.name)
    model = {
        "input": size,
        "resize": "opencv",
        "pixels": pixels(net, weights, known, str(prototxt)),
        "backbone": settings,
        "heads": {"kernels": graph.kernels},
        **tables(heads, settings, size, str(prototxt)),
    }
    recipe = recipe_from({"model": model, "training": FINE_TUNING}, place=str(prototxt))
    assert isinstance(recipe.model, SsdSettings)
    checkpoint = Checkpoint(graph.state(), recipe, names, metrics={})
    checkpoint.restore(Ssd(GraphBackbone(settings), names, recipe.model), str(caffemodel))
    return checkpoint


def both_files(path: Path) -> tuple[Path, Path]:
    """The prototxt and the caffemodel, of which one is given."""
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    if path.suffix == ".caffemodel":
        return beside(path, "*.prototxt*", "prototxt"), path
    return path, beside(path, "*.caffemodel", "caffemodel")


def beside(path: Path, pattern: str, kind: str) -> Path:
    """The only other file that it can be."""
    found = [other for other in sorted(path.parent.glob(pattern)) if is_network(other)]
    if len(found) != 1:
        names = ", ".join(other.name for other in found)
        raise ModelError(
            f"{path}: its {kind} is looked for beside it; found "
            + (f"{names}: leave the right one alone" if names else "none")
        )
    return found[0]


def is_network(path: Path) -> bool:
    return not path.name.startswith(("labelmap", "solver"))


def published(net: Message, caffemodel: Path) -> Published | None:
    with caffemodel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return PUBLISHED.get(digest) or PUBLISHED.get(net.text("name"))


def input_size(net: Message, place: str) -> tuple[int, int]:
    """(height, width) as a deploy prototxt says it, in one of three ways."""
    shapes = net.all("input_shape") + [
        shape for layer in net.all("layer") for shape in layer.only("input_param").all("shape")
    ]
    sides = shapes[0].numbers("dim") if shapes else net.numbers("input_dim")
    if len(sides) != 4 or sides[1] != 3:
        raise ModelError(
            f"{place}: its input is {[int(side) for side in sides]}, expected input_shape with "
            f"dim: 1, 3, height, width, as a deploy prototxt of a colour detector has"
        )
    return int(sides[2]), int(sides[3])


def pixels(
    net: Message, weights: CaffeWeights, known: Published | None, place: str
) -> dict[str, Any]:
    """`model.pixels`, in RGB; raises ModelError where nobody says it."""
    transform = transform_in(net) or (known.transform if known else weights.transform)
    if transform is None:
        raise ModelError(
            f"{place} and its caffemodel do not say what is taken from the pixels; add, with your "
            f"numbers: layer {{ type: 'Input' top: 'pixels' transform_param "
            f"{{ mean_value: 104 mean_value: 117 mean_value: 123 scale: 1 }} }}"
        )
    means = transform.mean_values
    if len(means) not in {1, 3} or transform.scale <= 0:
        raise ModelError(
            f"{place}: transform_param has mean_value {list(means)} and scale {transform.scale}; "
            f"expected one mean or three, and a scale above 0"
        )
    blue, green, red = means * 3 if len(means) == 1 else means
    return {"mean": (red, green, blue), "std": (1 / transform.scale,) * 3}


def transform_in(net: Message) -> Transform | None:
    """That of the first layer which has one."""
    for layer in net.all("layer"):
        about = layer.only("transform_param")
        if means := about.numbers("mean_value"):
            return Transform(tuple(means), about.number("scale", 1))
    return None


def class_names(num_classes: int, prototxt: Path, known: Published | None) -> tuple[str, ...]:
    """From a label map of as many classes beside the file, else what is known."""
    for labelmap in sorted(prototxt.parent.glob("labelmap*.prototxt")):
        items = sorted(
            read_prototxt(labelmap).all("item"), key=lambda item: item.number("label", 0)
        )
        names = [item.text("display_name") or item.text("name") for item in items]
        if len(names) == num_classes + 1:  # the first is the background
            return tuple(names[1:])
    if known and len(known.class_names) == num_classes:
        return known.class_names
    return ("object",) if num_classes == 1 else class_names_for(num_classes, prototxt)


def written(layers: Mapping[str, CaffeLayer], heads: CaffeHeads) -> GraphWriter:
    """The network in our words: RGB, folded, with a predictor for each level."""
    graph = GraphWriter()
    predictors = [*heads.offsets, *heads.logits]
    write(layers, [name for layer in predictors for name in layer.inputs], graph)
    for offsets, logits, priors in zip(heads.offsets, heads.logits, heads.priors, strict=True):
        number = len(prior_shapes(priors.definition.only("prior_box_param")))
        graph.predict(
            predictor_of(offsets, 4 * number), predictor_of(logits, heads.num_columns * number)
        )
    graph.take_rgb()
    graph.fold_scales()
    return graph


def tables(
    heads: CaffeHeads, settings: GraphSettings, size: tuple[int, int], place: str
) -> dict[str, Any]:
    """The recipe's tables that depend on how large the feature maps are."""
    try:
        cells = grids(GraphBackbone(settings), torch.zeros(1, 3, *size))
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{place}: its layers do not fit each other: {reason}") from error
    priors = prior_table(heads.priors, size, cells)
    numbers = [
        rows * columns * len(shapes)
        for (rows, columns), shapes in zip(cells, priors["shapes_unit"], strict=True)
    ]
    return {"priors": priors, "results": result_table(heads, sum(numbers))}
