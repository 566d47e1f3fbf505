"""The residual detectors with a ResNet-18 and a few channels: the same grids, little work."""

from __future__ import annotations

__all__ = ["tiny"]


def tiny(recipe: str) -> dict[str, object]:
    """Overrides of the recipes of SSD321, SSD513 and the DSSDs."""
    # ResNet-18 cannot be dilated; its third stage has the stride that the fourth has there.
    overrides: dict[str, object] = {
        "model.backbone.name": "resnet18",
        "model.backbone.nodes": ["layer2", "layer3"],
        "model.backbone.arguments": {},
        "model.heads.squeeze": [4] * (7 if "513" in recipe else 6),
    }
    if recipe.startswith("dssd"):
        overrides["model.pyramid.top_down"] = 16
    if "dssd513" in recipe:
        overrides["model.heads.between"] = 8
    return overrides
