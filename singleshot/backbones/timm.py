"""Any timm model as a backbone; feature maps, channels and statistics come from timm."""

from collections.abc import Mapping
from typing import Any

import timm
from jaxtyping import Float
from timm.models import PretrainedCfg
from torch import Tensor, nn

from singleshot.backbones.backbone import channels_of, scaled_to_255
from singleshot.backbones.classifier import ClassifierBackbone, Nodes
from singleshot.errors import ModelError

__all__ = ["TimmBackbone"]


class TimmBackbone(ClassifierBackbone):
    """A timm model with random weights, cut at the given strides or nodes."""

    def __init__(
        self,
        name: str,
        strides: tuple[int, ...] = (),
        *,
        nodes: tuple[str, ...] = (),
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Nodes take precedence over strides; `arguments` are those of `timm.create_model`."""
        self.arguments = dict(arguments or {})
        if nodes:
            network = _create(name, **self.arguments)
            super().__init__(name, Nodes(network, nodes, place=repr(name)))
            self.channels = channels_of(self.body)
        else:
            stages = self.stages(name, strides)
            super().__init__(name, stages)
            self.channels = tuple(stages.feature_info.channels())
        # Some transformers keep channels last in the shape itself.
        self.nhwc = str(getattr(self.body, "output_fmt", "NCHW")).endswith("NHWC")
        # A model without published weights has no statistics of its own: ImageNet's then.
        statistics = timm.get_pretrained_cfg(name) or PretrainedCfg()
        self.pixel_mean = scaled_to_255(statistics.mean)
        self.pixel_std = scaled_to_255(statistics.std)

    def stages(self, name: str, strides: tuple[int, ...]) -> Any:
        """Create the network without the stages above the last stride."""
        available = self.feature_maps(name).feature_info.reduction()
        if missing := sorted(set(strides) - set(available)):
            raise ModelError(
                f"backbone {name!r} has feature maps at strides {available}, not {missing}; "
                f"choose with --set model.backbone.strides=[...]"
            )
        indices = tuple(available.index(stride) for stride in strides)
        return self.feature_maps(name, out_indices=indices)

    def feature_maps(self, name: str, **chosen: Any) -> Any:
        """Create the model as a source of feature maps: those chosen, or timm's default ones."""
        return _create(name, features_only=True, **self.arguments, **chosen)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """Compute a feature map for each level."""
        features = super().forward(images)
        return [feature.permute(0, 3, 1, 2) for feature in features] if self.nhwc else features

    def create_whole(self) -> nn.Module:
        """Create timm's whole network of this name, with random weights."""
        network: nn.Module = _create(self.name)
        return network

    def freezable(self) -> tuple[nn.Module, list[int]]:
        """Return a model with all of timm's feature maps, unless the levels are named by nodes."""
        if isinstance(self.body, Nodes):
            return super().freezable()
        whole = self.feature_maps(self.name)
        return whole, whole.feature_info.reduction()


def _create(name: str, **arguments: Any) -> Any:
    try:
        return timm.create_model(name, pretrained=False, **arguments)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise ModelError(
            f"backbone {name!r}: timm cannot create it ({error}); "
            f"timm.list_models() prints all names"
        ) from error
