from __future__ import annotations

import hashlib
import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from singleshot.data.dataset import DataSet, join_datasets
from singleshot.errors import DataError
from singleshot.structures import Truth


def dataset_of(
    class_names: tuple[str, ...], *labels: list[int], name: str = "a", **options: object
) -> DataSet:
    """An image for each list of labels; every box as wide as its label is high, plus one."""
    truths = [
        Truth.of(
            torch.tensor([[0, 0, label + 1, 1] for label in found]).reshape(-1, 4).float(),
            torch.tensor(found, dtype=torch.int64),
        )
        for found in labels
    ]
    images = [(Path(f"{name}{index}.jpg"), truth) for index, truth in enumerate(truths)]
    return DataSet.of(class_names, images, description=name, **options)


def labels_of(dataset: DataSet) -> list[list[int]]:
    return [dataset.truth(index).labels.tolist() for index in range(len(dataset))]


def test_each_image_gets_its_own_truth():
    dataset = dataset_of(("x", "y"), [0, 1], [], [1])
    assert labels_of(dataset) == [[0, 1], [], [1]]
    assert dataset.ends.tolist() == [2, 2, 3]


def test_a_subset_is_in_the_order_of_its_indices():
    dataset = dataset_of(("x", "y", "z"), [0, 1], [], [1, 2, 0], [2])
    subset = dataset.subset([2, 1, 0], description="some")
    assert labels_of(subset) == [[1, 2, 0], [], [0, 1]]
    assert subset.truths.boxes[:, 2].tolist() == [2, 3, 1, 1, 2]
    assert subset.paths.tolist() == ["a2.jpg", "a1.jpg", "a0.jpg"]
    assert subset.image_ids.tolist() == [2, 1, 0]


def test_a_subset_may_be_empty_or_hold_empty_images_alone():
    dataset = dataset_of(("x",), [0], [])
    assert len(dataset.subset([], description="none")) == 0
    assert labels_of(dataset.subset([1, 1], description="empty")) == [[], []]


def test_an_empty_data_set_has_no_truths():
    assert len(DataSet.of(("x",), [], description="").truths) == 0


def test_labels_follow_the_names_of_the_model():
    dataset = dataset_of(("x", "y"), [0, 1], [1], category_ids=[7, 3])
    renamed = dataset.with_classes(("y", "new", "x"))
    assert labels_of(renamed) == [[2, 0], [0]]
    assert renamed.category_ids == (3, 8, 7)


def test_a_class_unknown_to_the_model_is_named_with_its_objects():
    dataset = dataset_of(("x", "virus"), [0, 1], [1])
    with pytest.raises(
        DataError, match=r"a: .*does not have.*'virus' \(2 objects\).*has x\. Train with"
    ):
        dataset.with_classes(("x",))


def test_of_many_unknown_classes_six_are_named():
    dataset = dataset_of(tuple("abcdefghij"), list(range(10)))
    with pytest.raises(DataError, match=r"'g' \(1 objects\), 'h' \(1 objects\) and 2 more; it"):
        dataset.with_classes(("a", "b"))


def test_sizes_follow_their_images():
    sizes = np.array([[1, 2], [3, 4], [5, 6]])
    dataset = replace(dataset_of(("x",), [0], [], [0]), sizes=sizes)
    assert dataset.subset([2, 0], description="").sizes.tolist() == [[5, 6], [1, 2]]
    assert join_datasets([dataset, dataset_of(("y",), [0])]).sizes.tolist() == [
        *sizes.tolist(),
        [0, 0],
    ]
    assert dataset.with_classes(("y", "x")).sizes.tolist() == sizes.tolist()


def test_an_unknown_class_without_objects_is_no_obstacle():
    assert labels_of(dataset_of(("x", "virus"), [0]).with_classes(("x",))) == [[0]]


def test_data_sets_join_by_class_name():
    first = dataset_of(("x", "y"), [0, 1], name="a", notes=["same", "first"])
    second = dataset_of(("z", "y"), [0], [], [1], name="b", notes=["same"])
    joined = join_datasets([first, second])
    assert joined.class_names == ("x", "y", "z")
    assert labels_of(joined) == [[0, 1], [2], [], [1]]
    assert joined.description == "a + b"
    assert joined.notes == ("same", "first")
    assert joined.image_ids.tolist() == [0, 1, 2, 3]
    assert joined.category_ids == (1, 2, 3)


def test_ids_that_do_not_contradict_each_other_are_kept():
    first = dataset_of(("x", "y"), [0], image_ids=[139], category_ids=[1, 90])
    second = dataset_of(("y",), [0], image_ids=[285], category_ids=[90])
    joined = join_datasets([first, second])
    assert joined.image_ids.tolist() == [139, 285]
    assert joined.category_ids == (1, 90)


def test_one_data_set_joins_to_itself():
    dataset = dataset_of(("x",), [0])
    assert join_datasets([dataset]) is dataset


def test_only_ids_of_the_files_are_ids():
    counted = dataset_of(("x",), [0])
    own = dataset_of(("x",), [0], [], image_ids=[139, 285], category_ids=[90])
    assert not counted.has_ids
    assert own.has_ids
    assert own.subset([1], description="").has_ids
    assert own.with_classes(("new", "x")).has_ids


@pytest.mark.parametrize(
    ("other", "kept"),
    [
        ({"image_ids": [7], "category_ids": [90]}, True),
        ({"image_ids": [139], "category_ids": [90]}, False),  # one id, two images
        ({"image_ids": [7], "category_ids": [1]}, False),  # one class, two ids
        ({}, False),
    ],
)
def test_joined_data_sets_have_ids_where_they_were_kept(other, kept):
    first = dataset_of(("x",), [0], image_ids=[139], category_ids=[90])
    assert join_datasets([first, dataset_of(("x",), [0], **other)]).has_ids is kept


def test_an_id_of_one_image_that_is_another_one_elsewhere_is_none():
    first = replace(dataset_of(("x",), [0], image_ids=[1], category_ids=[9]), other_ids={2: 1})
    for number, kept in ((3, True), (2, False)):
        second = dataset_of(("x",), [0], image_ids=[number], category_ids=[9])
        joined = join_datasets([first, second])
        assert (joined.has_ids, joined.other_ids) == (kept, {2: 1} if kept else {})


def test_the_fingerprint_is_that_of_all_names_and_boxes_at_once(monkeypatch):
    dataset = dataset_of(("x", "y"), [0, 1], [], [1])
    names = [Path(path).name for path in dataset.paths]
    content = json.dumps([dataset.class_names, names, dataset.truths.boxes.tolist()])
    expected = hashlib.sha256(content.encode()).hexdigest()
    assert dataset.fingerprint() == expected
    monkeypatch.setattr("singleshot.data.dataset._AT_ONCE", 2)
    assert dataset.fingerprint() == expected
    empty = DataSet.of(("x",), [], description="")
    assert empty.fingerprint() == hashlib.sha256(b'[["x"], [], []]').hexdigest()


def test_neighbours_share_the_memory_of_their_truths():
    dataset = dataset_of(("x", "y"), [0, 1], [], [1], [0])
    part = dataset.subset([1, 2], description="middle")
    assert labels_of(part) == [[], [1]]
    assert part.truths.boxes.data_ptr() == dataset.truths.boxes[2:].data_ptr()


def test_it_is_handed_to_other_processes_as_what_it_is():
    dataset = dataset_of(("x", "y"), [0, 1], [], [1], image_ids=[5, 7, 9], category_ids=[1, 2])
    again = pickle.loads(pickle.dumps(dataset))
    assert again.image_ids.tolist() == [5, 7, 9]
    assert again.paths.tolist() == dataset.paths.tolist()
    assert labels_of(again) == labels_of(dataset)
    assert again.content_hashes is None


def test_the_exact_truth_is_in_double_precision():
    box = torch.tensor([[0.1, 0.2, 10.3, 20.4]], dtype=torch.float64)
    dataset = DataSet.of(
        ("a",), [(Path("a.png"), Truth.of(box, torch.zeros(1).long()))], description=""
    )
    assert dataset.exact_truth(0).boxes.tolist() == box.tolist()
    assert dataset.truth(0).boxes.dtype == torch.float32


def test_stored_hashes_of_contents_are_in_the_fingerprint():
    dataset = dataset_of(("x", "y"), [0, 1], [], [1])
    hashed = replace(dataset, content_hashes=np.array([1, 2, 3]))
    again = pickle.loads(pickle.dumps(hashed))
    assert again.content_hashes.tolist() == [1, 2, 3]
    assert again.fingerprint() == hashed.fingerprint()
    other = replace(dataset, content_hashes=np.array([1, 2, 4]))
    moved = replace(hashed, ends=torch.tensor([1, 2, 3]))
    assert len({one.fingerprint() for one in (dataset, hashed, other, moved)}) == 4
    assert hashed.subset([2, 0], description="").content_hashes.tolist() == [3, 1]
