import pytest

from singleshot.errors import ModelError
from singleshot.importers.recognise import WEIGHT_KINDS, detect_weight_kind, import_weights


def test_files_of_caffe_and_darknet_are_known_by_content_and_suffix(tmp_path):
    (tmp_path / "deploy.prototxt").write_text('layer { type: "Convolution" }')
    (tmp_path / "yolo.weights").write_bytes(bytes(20))
    (tmp_path / "notes.txt").write_text("nothing")
    kinds = [detect_weight_kind(path) for path in sorted(tmp_path.iterdir())]
    assert kinds == ["caffe", None, "darknet"]


def test_vgg16_is_a_detector_with_heads_alone(tmp_path):
    (tmp_path / "vgg.caffemodel").write_bytes(b"fc7 Convolution fc8 Convolution")
    assert detect_weight_kind(tmp_path / "vgg.caffemodel") is None
    (tmp_path / "ssd.caffemodel").write_bytes(b"fc7 Convolution fc7_mbox_loc Convolution")
    assert detect_weight_kind(tmp_path / "ssd.caffemodel") == "caffe"


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"neither a run's recipe\.toml nor a model\.json"):
        detect_weight_kind(tmp_path)


def test_a_missing_file_and_an_unknown_kind_are_refused(tmp_path):
    with pytest.raises(ModelError, match="gone: no such file"):
        detect_weight_kind(tmp_path / "gone")
    with pytest.raises(ModelError, match="gone: no such file"):
        import_weights(tmp_path / "gone", "caffe")
    with pytest.raises(ModelError, match="--from keras: there are torchvision, amdegroot"):
        import_weights(tmp_path / "gone", "keras")
    assert len(WEIGHT_KINDS) == 8


def test_a_pointer_of_git_lfs_is_named(tmp_path):
    (tmp_path / "ssd.pth").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(ModelError, match="git lfs pull"):
        detect_weight_kind(tmp_path / "ssd.pth")
