"""Resize images to the network's input as the library does that its weights were trained with."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from typing_extensions import assert_never

from singleshot.detectors.common.settings import Resize

__all__ = ["resize", "resize_to_bytes"]


def resize(
    image: UInt8[Tensor, "3 h w"], size: tuple[int, int], how: Resize
) -> Float[Tensor, "3 rows columns"]:
    """Resize to (height, width), bilinearly; `how` is a recipe's `model.resize`."""
    match how:
        case "antialias":
            if image.device.type == "cpu":
                return _antialias_bytes(image, size).float()
            return _bilinear(image.float(), size, antialias=True).round()
        case "opencv":
            return _opencv(image, size).float()
        case "torchvision":
            return _bilinear(image.float(), size)
        case "tensorflow1":
            return _tensorflow1(image.float(), size)
        case "darknet":
            return _darknet(image.float(), size)
        case _:
            assert_never(how)


def resize_to_bytes(
    image: UInt8[Tensor, "3 h w"], size: tuple[int, int], how: Resize
) -> UInt8[Tensor, "3 rows columns"]:
    """Resize to (height, width) and round to whole numbers, as models take them that want bytes.

    In memory they lie pixel by pixel, as these models take them, too.
    """
    if how == "antialias" and image.device.type == "cpu":
        resized = _antialias_bytes(image, size)
    else:
        resized = resize(image, size, how).round().to(torch.uint8)
    if resized.stride(0) == 1:
        return resized
    return torch.stack(resized.unbind(0), dim=-1).permute(2, 0, 1)


def _antialias_bytes(
    image: UInt8[Tensor, "3 h w"], size: tuple[int, int]
) -> UInt8[Tensor, "3 rows columns"]:
    """Resize by PyTorch's kernel of whole numbers, several times as fast as that of floats.

    Images are decoded pixel by pixel. The kernel takes and returns them so if the strides of the
    batch are those of channels-last memory, and is twice as fast as with planes.
    """
    if image.stride(0) == 1:
        batch = image.permute(1, 2, 0)[None].permute(0, 3, 1, 2)
    else:
        batch = image[None]
    resized = F.interpolate(batch, size, mode="bilinear", align_corners=False, antialias=True)
    return resized[0]


def _bilinear(image: Tensor, size: tuple[int, int], *, antialias: bool = False) -> Tensor:
    resized = F.interpolate(
        image[None], size, mode="bilinear", align_corners=False, antialias=antialias
    )
    return resized[0].float()


def _opencv(image: UInt8[Tensor, "3 h w"], size: tuple[int, int]) -> Int[Tensor, "3 rows columns"]:
    """Resize as INTER_LINEAR does bytes: weights are whole numbers of 1/2048 (`resize.cpp`)."""
    (top, bottom), (above, below) = _neighbours(image.shape[1], size[0], image.device)
    (left, right), (before, after) = _neighbours(image.shape[2], size[1], image.device)
    # Beyond the first and the last column there is no second one.
    before, after = torch.where(left == right, 2048, before), torch.where(left == right, 0, after)

    def stretch(rows: Tensor) -> Tensor:
        lines = image.index_select(1, rows)
        first, second = (lines.index_select(2, columns).int() for columns in (left, right))
        return (first * before + second * after) >> 4

    upper, lower = stretch(top) * above[:, None], stretch(bottom) * below[:, None]
    blended: Tensor = ((upper >> 16) + (lower >> 16) + 2) >> 2
    return blended


def _neighbours(
    side: int, cells: int, device: torch.device
) -> tuple[Int[Tensor, "2 cells"], Int[Tensor, "2 cells"]]:
    """Return the two pixels around each cell of the result, and their weights."""
    scale = 1 / (cells / side)
    place = ((torch.arange(cells, dtype=torch.float64) + 0.5) * scale - 0.5).float()
    first = place.floor()
    part = place - first
    weights = (torch.stack([1 - part, part]) * 2048).round().int()
    cell = torch.stack([first, first + 1]).long().clamp(0, side - 1)
    return cell.to(device), weights.to(device)


def _tensorflow1(
    image: Float[Tensor, "3 h w"], size: tuple[int, int]
) -> Float[Tensor, "3 rows columns"]:
    """Sample pixel i of the result at i · scale, as if pixels were points."""
    for dim, cells in ((-2, size[0]), (-1, size[1])):
        side = image.shape[dim]
        place = torch.arange(cells, device=image.device) * (side / cells)
        before = place.floor().long()
        after = (before + 1).clamp(max=side - 1)
        part = (place - before).unsqueeze(-1) if dim == -2 else place - before
        first, second = image.index_select(dim, before), image.index_select(dim, after)
        image = first + (second - first) * part
    return image


def _darknet(
    image: Float[Tensor, "3 h w"], size: tuple[int, int]
) -> Float[Tensor, "3 rows columns"]:
    """Resize such that the centres of corner pixels stay there (src/image.c, `resize_image`)."""
    return F.interpolate(image[None], size, mode="bilinear", align_corners=True)[0]
