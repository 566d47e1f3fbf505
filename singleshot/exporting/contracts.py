"""Contracts: what goes into an exported model and what comes out.

- raw: the outputs of each level's convolutions; nothing but the network, for accelerators that take
  neither reshaping nor concatenation.
- decoded: boxes and scores of all priors; NMS is done on the host.
- detections: boxes, scores and labels after NMS; each format has its own operators for it, which
  continue from the outputs of `decoded`.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from typing_extensions import assert_never

from singleshot.detectors.common.box_coding import decode
from singleshot.detectors.common.exportable import Exportable
from singleshot.runtimes.manifest import Contract, ModelInput, ModelOutput

__all__ = ["WHOLE_NUMBERS", "ContractNetwork", "PixelForm", "contract_network"]

PixelForm = Literal["uint8", "float32", "normalized"]

# Resizing to whole numbers loses nothing in bytes.
WHOLE_NUMBERS = ("antialias", "opencv")


class ContractNetwork(nn.Module):
    """A network from images as the model takes them to the outputs of a contract.

    Of the contract `detections` the outputs are those of `decoded`.
    """

    pixel_mean: Float[Tensor, "3 1 1"]
    pixel_std: Float[Tensor, "3 1 1"]
    priors: Float[Tensor, "priors 4"]

    def __init__(
        self, exportable: Exportable, contract: Contract, pixels: PixelForm, *, background: bool
    ) -> None:
        """`background` keeps its column in the scores, 0 where the detector has none."""
        super().__init__()
        self.exportable, self.contract, self.pixels = exportable, contract, pixels
        self.network = exportable.network
        self.background = background
        mean, std = exportable.pixels.mean, exportable.pixels.std
        self.register_buffer("pixel_mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("pixel_std", torch.tensor(std)[:, None, None])
        if contract != "raw":
            self.register_buffer("priors", exportable.priors_cxcywh_unit.clone())

    def forward(
        self, images: UInt8[Tensor, "b h w 3"] | Float[Tensor, "b 3 h w"]
    ) -> tuple[Tensor, ...]:
        """Compute the outputs in the order of `outputs`."""
        if self.contract == "raw":
            return self.raw(images)
        offsets, scores = self.joined(images)
        return decode(offsets, self.priors, self.exportable.offset_scales), scores

    def raw(
        self, images: UInt8[Tensor, "b h w 3"] | Float[Tensor, "b 3 h w"]
    ) -> tuple[Tensor, ...]:
        """Compute offsets of each level, then logits of each level."""
        outputs: tuple[Tensor, ...] = self.network(self._normalise(images))
        return outputs

    def joined(
        self, images: UInt8[Tensor, "b h w 3"] | Float[Tensor, "b 3 h w"]
    ) -> tuple[Float[Tensor, "b priors 4"], Float[Tensor, "b priors c"]]:
        """Compute offsets and scores of all priors."""
        raw = self.raw(images)
        num_levels = len(self.exportable.levels)
        offsets = torch.cat([_by_prior(one, 4) for one in raw[:num_levels]], dim=1)
        columns = self.exportable.num_columns
        logits = torch.cat([_by_prior(one, columns) for one in raw[num_levels:]], dim=1)
        return offsets, self._scores(logits)

    def _normalise(self, images: Tensor) -> Float[Tensor, "b 3 h w"]:
        """Normalise as far as the host does not."""
        match self.pixels:
            case "uint8":
                return (images.permute(0, 3, 1, 2).float() - self.pixel_mean) / self.pixel_std
            case "float32":
                return (images - self.pixel_mean) / self.pixel_std
            case "normalized":
                return images
            case _:
                assert_never(self.pixels)

    def _scores(self, logits: Float[Tensor, "b priors columns"]) -> Float[Tensor, "b priors c"]:
        """Compute the probability of each class, or of the background as well."""
        if self.exportable.scores == "sigmoid":
            scores = logits.sigmoid()
            none = torch.zeros_like(scores[..., :1])
            return torch.cat([none, scores], dim=-1) if self.background else scores
        probabilities = F.softmax(logits, dim=-1)
        first = self.exportable.first_column
        last = first + len(self.exportable.class_names)
        return probabilities[..., 0 if self.background else first : last]

    def input(self, batch: int, name: str = "images") -> ModelInput:
        """Describe the images it takes."""
        exportable = self.exportable
        outside = self.pixels == "normalized"
        return ModelInput(
            name=name,
            dtype="uint8" if self.pixels == "uint8" else "float32",
            layout="NHWC" if self.pixels == "uint8" else "NCHW",
            batch=batch,
            size=exportable.input_size,
            mean=exportable.pixels.mean if outside else (0, 0, 0),
            std=exportable.pixels.std if outside else (1, 1, 1),
            resize=exportable.resize,
        )

    def outputs(self, batch: int) -> tuple[ModelOutput, ...]:
        """Describe the outputs, in order; of `detections` those after NMS."""
        exportable = self.exportable
        match self.contract:
            case "raw":
                return tuple(
                    ModelOutput(
                        name=f"{kind}_{level}",
                        kind=kind,
                        level=level,
                        shape=(batch, width * one.priors_per_cell, *one.grid),
                        layout="NCHW",
                    )
                    for kind, width in (("offsets", 4), ("logits", exportable.num_columns))
                    for level, one in enumerate(exportable.levels)
                )
            case "decoded":
                num_priors = len(exportable.priors_cxcywh_unit)
                first = int(self.background)
                width = first + len(exportable.class_names)
                return (
                    ModelOutput(name="boxes", kind="boxes", shape=(batch, num_priors, 4)),
                    ModelOutput(
                        name="scores",
                        kind="scores",
                        shape=(batch, num_priors, width),
                        first_column=first,
                    ),
                )
            case "detections":
                num_scores = len(exportable.priors_cxcywh_unit) * len(exportable.class_names)
                keep = min(exportable.postprocessing.keep, num_scores)
                return (ModelOutput(name="detections", kind="detections", shape=(batch, keep, 6)),)
            case _:
                assert_never(self.contract)

    def example(self, batch: int) -> Tensor:
        """Make images of the form that it takes; all are zero."""
        height, width = self.exportable.input_size
        if self.pixels == "uint8":
            return torch.zeros(batch, height, width, 3, dtype=torch.uint8)
        return torch.zeros(batch, 3, height, width)


def contract_network(
    exportable: Exportable, contract: Contract, pixels: PixelForm, *, background: bool = False
) -> ContractNetwork:
    """Put the input and the outputs of a contract around an exportable network."""
    return ContractNetwork(exportable, contract, pixels, background=background).eval()


def _by_prior(
    outputs: Float[Tensor, "b channels h w"], width: int
) -> Float[Tensor, "b priors width"]:
    """Order outputs row by row, cell by cell, prior by prior."""
    return outputs.permute(0, 2, 3, 1).reshape(outputs.shape[0], -1, width)
