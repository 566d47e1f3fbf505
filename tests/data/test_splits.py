from __future__ import annotations

from singleshot.data.splits import evaluation_split, training_split

CAT = ("cat", (1, 1, 10, 10))


def without(folder, *splits):
    for split in splits:
        (folder / "ImageSets/Main" / f"{split}.txt").unlink()
    return folder


def test_training_takes_train_and_validates_on_val(voc_folder):
    train, validation, messages, _ = training_split([voc_folder], None, None, 0)
    assert (len(train), len(validation)) == (8, 2)
    assert messages[0].startswith("training on 8 images (VOC layout, split train")
    assert messages[1].startswith("validating on 2 images (VOC layout, split val")


def test_val_inside_trainval_is_not_validated_on(voc_folder):
    train, validation, messages, _ = training_split([voc_folder], "trainval", None, 0)
    assert len(train) + len(validation) == 10
    assert not set(train.paths) & set(validation.paths)
    assert "stratified tenth" in messages[0]
    assert "seed 0" in messages[0]


def test_without_train_comes_trainval_and_without_that_everything(voc_folder):
    assert len(training_split([without(voc_folder, "train")], None, "none", 0).train) == 10
    assert len(training_split([without(voc_folder, "trainval")], None, "none", 0).train) == 12


def test_no_validation_with_none(voc_folder):
    train, validation, messages, _ = training_split([voc_folder], "trainval", "none", 0)
    assert (len(train), validation) == (10, None)
    assert messages[0].endswith("without validation")


def test_validating_on_what_x(voc_folder):
    messages = training_split([voc_folder], "trainval", "val", 0).messages
    assert messages[2].startswith("2 of the validation images are also in the training split")


def test_fewer_images_to_validate_on_are_drawn_evenly(voc_folder):
    data = training_split([voc_folder], "val", "train", 0)
    few = data.with_validation_images(3)
    assert few.train is data.train
    assert few.validation.paths.tolist() == [data.validation.paths[index] for index in (0, 4, 7)]
    assert few.validation.description.startswith("3 of 8 images, drawn evenly: VOC layout")
    for number in (0, 8, 9):
        assert data.with_validation_images(number) is data
    without = training_split([voc_folder], "trainval", "none", 0)
    assert without.with_validation_images(3) is without


def test_a_single_image_is_not_set_aside(add_voc, tmp_path):
    add_voc("a", CAT)
    train, validation, messages, _ = training_split([tmp_path], None, None, 0)
    assert (len(train), validation) == (1, None)
    assert "too few" in messages[0]


def test_what_the_reader_drops_is_reported_once(add_voc, tmp_path):
    for stem in "abcd":
        add_voc(stem, CAT, ("cat", (5, 5, 5, 5)))
    train, validation, *_ = training_split([tmp_path], None, None, 0)
    assert train.notes == (
        "dropped 4 boxes without area: a object 2, b object 2, c object 2 and 1 more",
    )
    assert validation.notes == ()


def test_evaluation_takes_test_then_val_then_everything(voc_folder):
    dataset, messages = evaluation_split([voc_folder], None)
    assert len(dataset) == 2
    assert messages[0].startswith("evaluating on 2 images (VOC layout, split test")
    without(voc_folder, "test")
    assert "split val " in evaluation_split([voc_folder], None).messages[0]
    without(voc_folder, "val")
    assert len(evaluation_split([voc_folder], None).dataset) == 12
    assert len(evaluation_split([voc_folder], "train").dataset) == 8


def test_the_year_of_coco_may_be_left_out(shared):
    train, validation, *_ = training_split([shared / "data/tiny_coco"], None, None, 0)
    assert (len(train), len(validation)) == (50, 50)
    assert train.class_names == validation.class_names


def test_several_data_sets_are_joined_by_class_name(voc_folder, shared):
    paths = [voc_folder, shared / "data/bccd"]
    train, validation, messages, _ = training_split(paths, None, None, 0)
    assert train.class_names == ("cat", "dog", "Platelets", "RBC", "WBC")
    assert validation.class_names == train.class_names
    assert (len(train), len(validation)) == (8 + 205, 2 + 87)
    assert len(messages) == 4
    assert len(evaluation_split(paths, None).dataset) == 2 + 72
