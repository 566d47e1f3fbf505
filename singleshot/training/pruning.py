"""Prune a trained detector: remove whole channels of its backbone's wide layers.

The channels with the smallest weights are removed, by the sum of their absolute values (Li et al.
2017, "Pruning Filters for Efficient ConvNets", §3.1), together with what belongs to them in the
layers that follow. What is left is a smaller detector, described by its recipe as any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from singleshot.checkpoints.checkpoint import Checkpoint, detector_from
from singleshot.checkpoints.transfer import TrainedDetector
from singleshot.detectors.common.settings import DetectorSettings
from singleshot.errors import ModelError
from singleshot.families import build_detector
from singleshot.models.summary import summarise

__all__ = ["Pruned", "prune"]

WIDE = 0.5  # of the widest layer: narrower ones stay
MULTIPLE = 8  # of the channels that are kept: vector units compute so many at once


class Pruned(NamedTuple):
    """A detector with fewer channels, and the keys of the recipe that describe it."""

    detector: TrainedDetector
    overrides: Mapping[str, object]
    summary: str  # parameters and multiply-adds before and after


def prune(start: TrainedDetector, share: float) -> Pruned:
    """Remove a share of the channels of each wide layer of a detector's backbone.

    Args:
        start: the trained detector; it stays as it is.
        share: of the channels of a layer, more than 0 and less than 1.

    Raises:
        ModelError: the backbone has layers whose channels are tied to each other, or the detector
            uses them other than in convolutions.
    """
    checkpoint = start.checkpoint
    settings = checkpoint.recipe.model
    backbone = settings.backbone
    widths = backbone.widths
    if not widths:
        raise ModelError(
            f"{start.source}: channels of its backbone ({backbone.kind}, {backbone.name}) are tied "
            f"by additions, groups or concatenations, and cannot be pruned one layer at a time; "
            f"leave --prune out"
        )
    least = WIDE * max(widths)
    kept = [width if width < least else _num_kept(width, share) for width in widths]
    keys = backbone.with_widths(kept)
    smaller = _with_backbone(settings, keys)
    weights = _pruned_weights(start, widths, kept)
    recipe = checkpoint.recipe.model_copy(update={"model": smaller})
    pruned = TrainedDetector(replace(checkpoint, weights=weights, recipe=recipe), start.source)
    overrides = {f"model.backbone.{key}": value for key, value in keys.items()}
    return Pruned(pruned, overrides, _summary(checkpoint, pruned.checkpoint))


def _num_kept(width: int, share: float) -> int:
    return max(MULTIPLE, round((1 - share) * width / MULTIPLE) * MULTIPLE)


def _with_backbone(settings: DetectorSettings, keys: Mapping[str, object]) -> DetectorSettings:
    backbone = settings.backbone
    changed = type(backbone).model_validate({**backbone.model_dump(), **keys})
    return settings.model_copy(update={"backbone": changed})


def _pruned_weights(
    start: TrainedDetector, widths: Sequence[int], kept: Sequence[int]
) -> dict[str, Tensor]:
    """Select the channels that are kept in every tensor that has them."""
    checkpoint = start.checkpoint
    layers_of = _find_channels(start, widths)
    scores = [torch.zeros(width) for width in widths]
    for name, layers in layers_of.items():
        tensor = checkpoint.weights[name]
        # Heads that are depthwise have as many channels.
        is_own = name.startswith("backbone.") and tensor.ndim == 4
        if is_own and layers[0] is not None:
            scores[layers[0]] += tensor.float().abs().sum(dim=(1, 2, 3))
    chosen = [
        score.topk(number).indices.sort().values for score, number in zip(scores, kept, strict=True)
    ]
    weights = dict(checkpoint.weights)
    for name, layers in layers_of.items():
        for dimension, layer in enumerate(layers):
            if layer is not None:
                weights[name] = weights[name].index_select(dimension, chosen[layer])
    return weights


def _find_channels(
    start: TrainedDetector, widths: Sequence[int]
) -> dict[str, tuple[int | None, ...]]:
    """Find the layer whose channels each dimension of each tensor has; None for others.

    A detector with 1 channel more in the first layer, 2 in the second and so on differs from this
    one in just these dimensions.
    """
    checkpoint = start.checkpoint
    settings = checkpoint.recipe.model
    wider = [width + 1 + number for number, width in enumerate(widths)]
    other = _with_backbone(settings, settings.backbone.with_widths(wider))
    built = build_detector(other, checkpoint.class_names, pretrained=False)
    shapes = {name: tensor.shape for name, tensor in built.state_dict().items()}
    layers_of: dict[str, tuple[int | None, ...]] = {}
    for name, tensor in checkpoint.weights.items():
        more = [theirs - ours for ours, theirs in zip(tensor.shape, shapes[name], strict=True)]
        layers_of[name] = tuple(number - 1 if number else None for number in more)
        for number, size in zip(more, tensor.shape, strict=True):
            if number and (number > len(widths) or widths[number - 1] != size):
                raise ModelError(
                    f"{start.source}: {name} has the channels of its backbone in a dimension of "
                    f"{size}, and cannot be pruned; leave --prune out"
                )
    return layers_of


def _summary(before: Checkpoint, after: Checkpoint) -> str:
    """Compare parameters and multiply-adds."""
    sizes = []
    for checkpoint in (before, after):
        # Nothing is computed there, but counted.
        detector = detector_from(checkpoint, "").to("meta")
        sizes.append(summarise(detector, recipe=""))
    ours, theirs = sizes
    return (
        f"pruned from {ours.parameters / 1e6:.1f} to {theirs.parameters / 1e6:.1f} million "
        f"parameters, from {ours.macs / 1e9:.2f} to {theirs.macs / 1e9:.2f} GMACs"
    )
