import numpy as np
import pytest
from oracle.darknet_rules import numbers_for, write_weights


@pytest.fixture
def files(tmp_path):
    """Writes a cfg and weights that fit it, or others; gives the path of the weights."""

    def write(cfg, like=None, **header):
        (tmp_path / "tiny.cfg").write_text(cfg)
        numbers = numbers_for(like or cfg, np.random.default_rng(0))
        write_weights(tmp_path / "tiny.weights", numbers, **header)
        return tmp_path / "tiny.weights"

    return write
