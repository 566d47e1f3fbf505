from __future__ import annotations

import pytest

from singleshot.errors import ModelError
from singleshot.models.locating import checkpoint_file, require_model, require_weights
from singleshot.runs.folder import RunFolder


def test_a_run_stands_for_its_best_checkpoint(tmp_path):
    run = RunFolder(tmp_path)
    run.last.parent.mkdir()
    run.last.touch()
    assert checkpoint_file(tmp_path) == run.last
    run.best.touch()
    assert checkpoint_file(tmp_path) == run.best
    assert checkpoint_file(run.last) == run.last


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match="there is no such run folder, checkpoint or weight file"):
        require_model(tmp_path / "nowhere")
    with pytest.raises(ModelError, match="holds no checkpoint yet"):
        require_model(tmp_path)


def test_weights_that_are_cut_short_are_refused(tmp_path):
    (tmp_path / "a.pth").write_bytes(b"PK\x03\x04")
    with pytest.raises(ModelError, match=r"a\.pth: cut short"):
        require_weights(tmp_path / "a.pth")
