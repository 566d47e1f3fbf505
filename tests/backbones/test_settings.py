import pytest

from singleshot.errors import RecipeError
from singleshot.recipes.load import load_recipe


@pytest.mark.parametrize("strides", [[16, 8], [8, 8], []])
def test_levels_go_from_fine_to_coarse(strides):
    with pytest.raises(RecipeError, match=r"model\.backbone\.strides = .*strides rise"):
        load_recipe("ssdlite320-lite0", {"model.backbone.strides": strides})


def test_layers_of_torchvisions_networks_are_named():
    backbone = {"kind": "torchvision", "name": "mobilenet_v2", "weights": "none"}
    with pytest.raises(RecipeError, match="give nodes: the layers whose outputs are the levels"):
        load_recipe("ssdlite320-lite0", {"model.backbone": backbone})
