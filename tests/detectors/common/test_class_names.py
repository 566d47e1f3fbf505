from singleshot.detectors.common.class_names import coco_name


def test_only_names_that_voc_and_coco_spell_differently_are_translated():
    names = ["aeroplane", "sofa", "person", "cell"]
    assert [coco_name(name) for name in names] == ["airplane", "couch", "person", "cell"]
