"""Images at the size the network takes, as the library does it that the weights come from."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
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
            return in_whole_numbers(image, size).float()
        case "torchvision":
            return bilinear(image.float(), size)
        case "tensorflow1":
            return from_corners(image.float(), size)
        case "darknet":
            return between_corners(image.float(), size)
    raise AssertionError(how)


def bilinear(image: Tensor, size: tuple[int, int], *, antialias: bool = False) -> Tensor:
    resized = F.interpolate(
        image[None], size, mode="bilinear", align_corners=False, antialias=antialias
    )
    return resized[0].float()


def in_whole_numbers(
    image: UInt8[Tensor, "3 h w"], size: tuple[int, int]
) -> Int[Tensor, "3 rows columns"]:
    """OpenCV's INTER_LINEAR of bytes: weights are whole numbers of 1/2048 (`resize.cpp`)."""
    (top, bottom), (above, below) = neighbours(image.shape[1], size[0], image.device)
    (left, right), (before, after) = neighbours(image.shape[2], size[1], image.device)
    # Beyond the first and the last column there is no second one.
    before, after = torch.where(left == right, 2048, before), torch.where(left == right, 0, after)

    def stretched(rows: Tensor) -> Tensor:
        lines = image.index_select(1, rows)
        first, second = (lines.index_select(2, columns).int() for columns in (left, right))
        return (first * before + second * after) >> 4

    upper, lower = stretched(top) * above[:, None], stretched(bottom) * below[:, None]
    blended: Tensor = ((upper >> 16) + (lower >> 16) + 2) >> 2
    return blended


def neighbours(
    side: int, cells: int, device: torch.device
) -> tuple[Int[Tensor, "2 cells"], Int[Tensor, "2 cells"]]:
    """For each cell of the result the two of the image around it, and their weights."""
    scale = 1 / (cells / side)
    place = ((torch.arange(cells, dtype=torch.float64) + 0.5) * scale - 0.5).float()
    first = place.floor()
    part = place - first
    weights = (torch.stack([1 - part, part]) * 2048).round().int()
    cell = torch.stack([first, first + 1]).long().clamp(0, side - 1)
    return cell.to(device), weights.to(device)


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


def between_corners(
    image: Float[Tensor, "3 h w"], size: tuple[int, int]
) -> Float[Tensor, "3 rows columns"]:
    """Darknet's: the middles of corner pixels stay where they are (src/image.c, `resize_image`)."""
    return F.interpolate(image[None], size, mode="bilinear", align_corners=True)[0]
