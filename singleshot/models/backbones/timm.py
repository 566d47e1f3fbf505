"""Any timm model as a backbone: it is asked for its feature maps, channels and statistics."""

from typing import Any

import timm
import torch
from jaxtyping import Float
from timm.models import PretrainedCfg
from torch import Tensor, nn

from singleshot.errors import ModelError
from singleshot.models.backbones.backbone import Backbone
from singleshot.models.backbones.folding import fold_batch_norm, frozen_batch_norm, replace_module

__all__ = ["TimmBackbone"]


class TimmBackbone(Backbone):
    """Feature maps of a timm model at the given strides, with random weights."""

    def __init__(self, name: str, strides: tuple[int, ...]) -> None:
        super().__init__()
        self.name = name
        available = feature_maps(name).feature_info.reduction()
        if missing := sorted(set(strides) - set(available)):
            raise ModelError(
                f"backbone {name!r} has feature maps at strides {available}, not {missing}; "
                f"choose with --set model.backbone.strides=[...]"
            )
        # Stages above the last one asked for are then not there at all.
        body = feature_maps(name, tuple(available.index(stride) for stride in strides))
        self.channels = tuple(body.feature_info.channels())
        self.body: nn.Module = body
        # Some transformers keep channels last in the shape itself.
        self.nhwc = str(getattr(body, "output_fmt", "NCHW")).endswith("NHWC")
        # A model without published weights has no statistics of its own: ImageNet's then.
        statistics = timm.get_pretrained_cfg(name) or PretrainedCfg()
        self.pixel_mean = scaled_to_255(statistics.mean)
        self.pixel_std = scaled_to_255(statistics.std)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """One feature map for each stride."""
        features: list[Tensor] = self.body(images)
        return [feature.permute(0, 3, 1, 2) for feature in features] if self.nhwc else features

    def freeze(self, up_to_stride: int, *, batch_norm: bool) -> None:
        """Stop stages up to a stride from learning, and, with `batch_norm`, all statistics.

        Frozen statistics are folded into the convolutions: call this after weights are loaded.
        """
        if not (up_to_stride or batch_norm):
            return
        frozen = self.parameters_below(up_to_stride) if up_to_stride else set()
        modules = {name.rpartition(".")[0] for name in frozen}

        def keeps_statistics(name: str) -> bool:
            return batch_norm or name in modules

        fold_batch_norm(self.body, torch.zeros(1, 3, 64, 64), where=keeps_statistics)
        for name, module in list(self.body.named_modules()):
            # One that follows no convolution cannot be folded.
            if isinstance(module, nn.BatchNorm2d) and keeps_statistics(name):
                replace_module(self.body, name, frozen_batch_norm(module))
        for name, parameter in self.body.named_parameters():
            parameter.requires_grad_(name.rpartition(".")[0] not in modules)

    def parameters_below(self, stride: int) -> set[str]:
        """Names of the parameters that the feature map at this stride depends on."""
        whole = feature_maps(self.name)
        available = whole.feature_info.reduction()
        if stride not in available:
            raise ModelError(
                f"backbone {self.name!r} has feature maps at strides {available}, so it cannot be "
                f"frozen up to {stride}"
            )
        feature = whole.eval()(torch.rand(1, 3, 64, 64))[available.index(stride)]
        names, parameters = zip(*whole.named_parameters(), strict=True)
        gradients = torch.autograd.grad(feature.sum(), parameters, allow_unused=True)
        return {name for name, grad in zip(names, gradients, strict=True) if grad is not None}


def feature_maps(name: str, indices: tuple[int, ...] | None = None) -> Any:
    """A timm model that gives the feature maps with these indices, or all of its default ones."""
    chosen: dict[str, Any] = {} if indices is None else {"out_indices": indices}
    try:
        return timm.create_model(name, features_only=True, pretrained=False, **chosen)
    except (RuntimeError, AttributeError) as error:
        raise ModelError(
            f"backbone {name!r}: timm cannot give its feature maps ({error}); "
            f"timm.list_models() prints the names it knows"
        ) from error


def scaled_to_255(values: tuple[float, ...]) -> tuple[float, float, float]:
    red, green, blue = (255 * value for value in values)
    return red, green, blue
