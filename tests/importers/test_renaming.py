import pytest
import torch
from port_files import by_formula, normalised
from torch import nn

from singleshot.errors import ModelError
from singleshot.importers.renaming import Renaming


def test_a_bias_before_a_batch_norm_has_the_same_effect_in_its_mean():
    theirs = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)).eval()
    ours = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8)).eval()
    shapes = normalised(("0", "1"), 3, 8, 3, bias=True)
    theirs.load_state_dict({name: by_formula(name, shape) for name, shape in shapes.items()})
    renaming = Renaming(theirs.state_dict(), "a file", "detector")
    renaming.rename_conv_norm(("0", "1"), ("0", "1"))
    ours.load_state_dict(renaming.finish())
    images = torch.rand(1, 3, 10, 10)
    torch.testing.assert_close(ours(images), theirs(images))


def test_what_is_missing_and_what_is_left_over_is_named():
    renaming = Renaming({"a.weight": torch.zeros(1)}, "a file", "detector")
    with pytest.raises(
        ModelError, match=r"a file lacks 'b\.weight', so it is no complete detector"
    ):
        renaming.rename_convolution("b", "ours")
    with pytest.raises(ModelError, match=r"a file has 'a\.weight', which no detector has"):
        renaming.finish()
