"""Pictures at the size the network takes, as the library does it that the weights come from."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

__all__ = ["resize"]


def resize(
    image: UInt8[Tensor, "3 h w"], size: tuple[int, int], how: str
) -> Float[Tensor, "3 rows columns"]:
    """Bilinear, to (height, width); `how` is the recipe's `model.resize`."""
    match how:
        case "antialias":
            # Whole numbers are several times faster where there is a kernel for them.
            whole = image.device.type == "cpu"
            return bilinear(image if whole else image.float(), size, antialias=True).round()
        case "opencv":
            return bilinear(image.float(), size).round()
        case "torchvision":
            return bilinear(image.float(), size)
        case "tensorflow1":
            return from_corners(image.float(), size)
    raise AssertionError(how)


def bilinear(image: Tensor, size: tuple[int, int], *, antialias: bool = False) -> Tensor:
    resized = F.interpolate(
        image[None], size, mode="bilinear", align_corners=False, antialias=antialias
    )
    return resized[0].float()


def from_corners(
    image: Float[Tensor, "3 h w"], size: tuple[int, int]
) -> Float[Tensor, "3 rows columns"]:
    """TensorFlow 1's: pixel i of the result is taken at i · scale, as if pixels were points."""
    for dim, cells in ((-2, size[0]), (-1, size[1])):
        side = image.shape[dim]
        place = torch.arange(cells, device=image.device) * (side / cells)
        before = place.floor().long()
        after = (before + 1).clamp(max=side - 1)
        part = (place - before).unsqueeze(-1) if dim == -2 else place - before
        first, second = image.index_select(dim, before), image.index_select(dim, after)
        image = first + (second - first) * part
    return image
