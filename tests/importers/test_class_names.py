import pytest

from singleshot.importers.class_names import COCO_NAMES, VOC_NAMES, class_names_for


@pytest.mark.parametrize(("names", "number"), [(VOC_NAMES, 20), (COCO_NAMES, 80)])
def test_20_classes_are_vocs_and_80_are_cocos(tmp_path, names, number):
    assert len(set(names)) == number
    assert class_names_for(number, tmp_path / "weights.pth") == names


def test_cocos_names_are_torchvisions():
    from torchvision.models import detection

    weights = detection.SSD300_VGG16_Weights.COCO_V1
    known = [name for name in weights.meta["categories"][1:] if name != "N/A"]
    assert list(COCO_NAMES) == known


def test_any_other_number_is_counted_from_1(tmp_path):
    assert class_names_for(2, tmp_path / "weights.pth") == ("class 1", "class 2")


def test_a_file_of_labels_comes_first(tmp_path):
    (tmp_path / "labels.txt").write_text("BACKGROUND\n" + "\n".join(map(str, range(20))) + "\n")
    assert class_names_for(20, tmp_path / "weights.pth") == tuple(map(str, range(20)))
