"""A detector as exporters see it: a network of convolutions, and the numbers that decode it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from singleshot.detectors.common.postprocess import PostprocessOptions
from singleshot.detectors.common.settings import PixelSettings, Resize

__all__ = ["ExportLevel", "Exportable"]


@dataclass(frozen=True, slots=True)
class ExportLevel:
    """One feature map of priors, in the order of the network's outputs."""

    grid: tuple[int, int]  # rows, columns
    priors_per_cell: int


@dataclass(frozen=True, slots=True)
class Exportable:
    """A network with raw outputs at priors, and all that exporters need besides.

    The network is a copy on the CPU in float32, for evaluation, with contiguous weights, since
    some converters fail on channels-last ones. It turns normalised images (b, 3, h, w) into
    two outputs (b, channels, rows, columns) a level: offsets of all levels, the finest first, then
    logits of all levels. Priors run row by row, cell by cell, then within the cell; channels prior
    by prior.
    """

    network: nn.Module
    levels: tuple[ExportLevel, ...]
    priors_cxcywh_unit: Float[Tensor, "priors 4"]
    offset_scales: tuple[float, float]  # of centre and size
    scores: Literal["softmax", "sigmoid"]
    first_column: int  # of the classes among the columns: 1 with a background
    num_columns: int  # class outputs of a prior
    class_names: tuple[str, ...]
    input_size: tuple[int, int]  # height, width
    pixels: PixelSettings  # of RGB values from 0 to 255
    resize: Resize
    postprocessing: PostprocessOptions
    left_out: tuple[str, ...] = ()  # what the detector does besides, which no export contains
