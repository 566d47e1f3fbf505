import numpy as np
import pytest
import torch
from oracle.caffe_files import caffemodel, old_blob, part, small_weights

from singleshot.backbones.caffe_weights import read_caffemodel
from singleshot.errors import ModelError


@pytest.fixture
def path(tmp_path):
    """A caffemodel."""
    (tmp_path / "small.caffemodel").write_bytes(caffemodel(small_weights()))
    return tmp_path / "small.caffemodel"


@pytest.mark.parametrize("part_kept", [0.999, 0.5, 0.01])
def test_a_caffemodel_that_is_cut_off_is_refused(path, part_kept):
    content = path.read_bytes()
    path.write_bytes(content[: int(part_kept * len(content))])
    with pytest.raises(ModelError, match="not a caffemodel, or truncated"):
        read_caffemodel(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip", bytes(range(256))])
def test_files_of_another_kind_are_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ModelError, match="not a caffemodel"):
        read_caffemodel(path)


def test_caffes_first_format_is_named(path):
    path.write_bytes(part(2, part(1, part(1, b"conv1"))))
    with pytest.raises(ModelError, match="upgrade_net_proto_binary"):
        read_caffemodel(path)


def test_numbers_one_by_one_and_old_shapes_are_read(tmp_path):
    layer = part(1, b"fc") + part(7, old_blob(np.array([[1.0, 2.0, 3.0]])))
    (tmp_path / "a.caffemodel").write_bytes(part(100, layer))
    (blob,) = read_caffemodel(tmp_path / "a.caffemodel").blobs["fc"]
    assert torch.equal(blob, torch.tensor([[[[1.0, 2.0, 3.0]]]]))


def test_caffes_second_format_is_read(tmp_path):
    layer = part(4, b"conv1") + part(6, old_blob(np.array([[1.0, 2.0]])))
    (tmp_path / "a.caffemodel").write_bytes(part(2, layer))
    assert read_caffemodel(tmp_path / "a.caffemodel").blobs["conv1"][0].tolist() == [[[[1.0, 2.0]]]]
