"""The SSD as exporters see it: its raw outputs level by level, without reshape or concatenation."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from singleshot.detectors.common.exportable import Exportable, ExportLevel
from singleshot.detectors.common.settings import PixelSettings
from singleshot.detectors.ssd import BACKGROUND
from singleshot.detectors.ssd.heads import Heads

if TYPE_CHECKING:
    from singleshot.detectors.ssd.network import Ssd

__all__ = ["RawSsd", "export_form"]


class RawSsd(nn.Module):
    """Backbone, pyramid and heads from normalised images to the outputs of each convolution."""

    def __init__(self, backbone: nn.Module, pyramid: nn.Module, heads: Heads) -> None:
        super().__init__()
        self.backbone, self.pyramid, self.heads = backbone, pyramid, heads

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> tuple[Tensor, ...]:
        """Compute the offsets of all levels, finest first, then the logits of all levels."""
        offsets, logits = self.heads.level_outputs(self.pyramid(self.backbone(images)))
        return (*offsets, *logits)


def export_form(detector: Ssd) -> Exportable:
    """Copy what exporters need of an SSD; the detector stays as it is."""
    network = (
        RawSsd(deepcopy(detector.backbone), deepcopy(detector.pyramid), deepcopy(detector.heads))
        .to("cpu", torch.float32)
        .eval()
        .requires_grad_(False)
    )
    network.to(memory_format=torch.contiguous_format)
    heads, priors, pixels = detector.heads, detector.priors, detector.pixels
    return Exportable(
        network,
        tuple(ExportLevel(level.grid, level.num_priors_per_cell) for level in priors.levels),
        priors.boxes_cxcywh_unit.cpu(),
        priors.offset_scales,
        heads.scores,
        first_column=BACKGROUND + 1 if heads.scores == "softmax" else 0,
        num_columns=heads.num_columns,
        class_names=detector.class_names,
        input_size=priors.size,
        pixels=PixelSettings(mean=_triple(pixels.mean), std=_triple(pixels.std)),
        resize=detector.resize,
        postprocessing=detector.postprocess_options,
        left_out=("model.results.flip_tta",) if detector.flip_tta else (),
    )


def _triple(values: Float[Tensor, "3 1 1"]) -> tuple[float, float, float]:
    red, green, blue = values.flatten().tolist()
    return red, green, blue
