"""Any of torchvision's classification models as a backbone."""

from collections.abc import Mapping
from typing import Any

from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import nn
from torchvision.models import get_model

from singleshot.backbones.backbone import channels_of, scaled_to_255
from singleshot.backbones.classifier import ClassifierBackbone, Nodes
from singleshot.errors import ModelError

__all__ = ["TorchvisionBackbone"]


class TorchvisionBackbone(ClassifierBackbone):
    """A torchvision model with random weights, cut at the given nodes."""

    pixel_mean = scaled_to_255(IMAGENET_DEFAULT_MEAN)
    pixel_std = scaled_to_255(IMAGENET_DEFAULT_STD)

    def __init__(
        self,
        name: str,
        nodes: tuple[str, ...],
        arguments: Mapping[str, Any] | None = None,
        *,
        ceil_pooling: bool = False,
    ) -> None:
        """`arguments` are those of `torchvision.models.get_model`.

        `ceil_pooling`: the first pooling of a ResNet is Caffe's, without padding, rounding up.
        """
        try:
            network = get_model(name, weights=None, **dict(arguments or {}))
        except (ValueError, TypeError) as error:
            raise ModelError(
                f"backbone {name!r}: torchvision cannot create it ({error}); "
                f"torchvision.models.list_models() prints all names"
            ) from error
        if ceil_pooling:
            if not hasattr(network, "maxpool"):
                raise ModelError(
                    f"model.backbone.first_pooling = 'ceil' is for ResNets, not for {name!r}"
                )
            network.maxpool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        super().__init__(name, Nodes(network, nodes, place=repr(name)))
        self.channels = channels_of(self)

    def create_whole(self) -> nn.Module:
        """Create torchvision's whole network of this name, with random weights."""
        network: nn.Module = get_model(self.name, weights=None)
        return network
