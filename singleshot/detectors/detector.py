"""What every detector here has that can learn, whatever it is made of."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence

from jaxtyping import Float, UInt8
from torch import Tensor, nn

from singleshot.detectors.common.pixels import Pixels
from singleshot.detectors.common.settings import DetectorSettings, PixelSettings
from singleshot.detectors.ssd.matching.targets import Matches
from singleshot.structures import Batch, Detections, Losses, Truth

__all__ = ["TrainableDetector"]


class TrainableDetector(nn.Module):
    """A `Trainable` that a recipe describes; called, it gives the network's raw outputs."""

    settings: DetectorSettings

    def __init__(self, class_names: Sequence[str], pixels: PixelSettings) -> None:
        super().__init__()
        self.class_names = tuple(class_names)
        self.pixels = Pixels(pixels)

    @property
    def pixel_mean(self) -> Float[Tensor, "3 1 1"]:
        """What is taken away from each channel, on the device of the network."""
        return self.pixels.mean

    def normalised(
        self, images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, "b 3 h w"]:
        """RGB images with values from 0 to 255 as the backbone expects them."""
        normalised: Tensor = self.pixels(images)
        return normalised

    @property
    @abstractmethod
    def num_boxes(self) -> int:
        """Boxes of an image of the input size that are judged, before any is suppressed."""

    @property
    @abstractmethod
    def parts(self) -> Mapping[str, nn.Module]:
        """The parts that `training.frozen` may name."""

    @abstractmethod
    def losses(self, batch: Batch) -> Losses:
        """What is minimised, on average over the images; they are of the input size."""

    def enter(self, part: float) -> None:
        """Told before each step which part of the training is done; stages begin by it."""

    def matches(self, truths: Sequence[Truth]) -> Matches | None:
        """What can be matched on the host before the network has seen the images: nothing."""
        del truths
        return None

    @abstractmethod
    def detect(self, images: Sequence[UInt8[Tensor, "3 _h _w"]]) -> list[Detections]:
        """Findings for each image, boxes in its own pixels; sizes may differ."""
