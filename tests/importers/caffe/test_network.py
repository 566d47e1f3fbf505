import numpy as np
import pytest
from oracle.caffe_files import PROTOTXT, small_weights

from singleshot.errors import ModelError
from singleshot.importers.caffe.detector import read_caffe


def test_batch_norms_are_folded_where_a_convolution_is_before_them(files):
    backbone = read_caffe(files() / "small.caffemodel").recipe.model.backbone
    operations = {layer.name: layer.operation for layer in backbone.layers}
    # The image's and the sum's have none before them; the image's two are one.
    assert [name for name in operations if operations[name] == "scale"] == ["input/bn", "sum/bn"]
    assert operations["conv1"] == "convolution"


def test_weights_of_another_network_are_refused(files):
    weights = small_weights()
    del weights["conv1"]
    with pytest.raises(ModelError, match=r"'conv1' \(Convolution\) has 0 tensors .* expected 1"):
        read_caffe(files(weights=weights) / "small.caffemodel")
    weights["conv1"] = [np.zeros((8, 3, 5, 5)), np.zeros(8)]
    with pytest.raises(ModelError, match=r"weights \[8, 3, 5, 5\] .* expected 8 kernels of 3 × 5"):
        read_caffe(files(weights=weights) / "small.caffemodel")
    weights["conv1"] = [np.zeros((8, 4, 3, 5)), np.zeros(8)]
    with pytest.raises(ModelError, match=r"do not fit .* backbone\.layers\.conv1\.weight"):
        read_caffe(files(weights=weights) / "small.caffemodel")


def test_a_batch_norm_of_another_network_is_refused(files):
    weights = {**small_weights(), "conv1/bn": [np.ones(4), np.ones(4), np.ones(1)]}
    with pytest.raises(ModelError, match="'conv1/bn' has 4 channels and 'conv1' before it 8"):
        read_caffe(files(weights=weights) / "small.caffemodel")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('type: "Dropout"', 'type: "PReLU"', r"'drop' \(PReLU\): a layer of this type"),
        ("pool: AVE", "pool: STOCHASTIC", "pooling other than"),
        ("pool: MAX kernel_size: 3", "pool: MAX kernel_size: 1", "stride larger than the kernel"),
        ("across_spatial: false", "", "across_spatial: true"),
        ('bottom: "sum" top: "sum/bn"', 'bottom: "some" top: "sum/bn"', "has the input 'some'"),
        ("pad: 2 dilation: 2", "pad: 2 dilation: 0", "dilation: 0, which"),
        ('bottom: "pool2" top: "pool2/relu"', 'top: "pool2/relu"', "has no input; give it"),
        ("kernel_size: 3 pad: 2 dilation", "kernel_size: 3 pad: 1 dilation", "do not fit each oth"),
    ],
)
def test_a_layer_that_cannot_be_expressed_is_named(files, old, new, message):
    assert old in PROTOTXT
    with pytest.raises(ModelError, match=message):
        read_caffe(files(PROTOTXT.replace(old, new, 1)) / "small.caffemodel")
