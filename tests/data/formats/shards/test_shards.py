# Tests singleshot/data/formats/shards/index.py
# Tests singleshot/data/formats/shards/names.py
# Tests singleshot/data/formats/shards/samples.py
# Tests singleshot/data/formats/shards/writer.py
# Tests singleshot/data/formats/shards/writing.py

from __future__ import annotations

import gc
import hashlib
import io
import json
import multiprocessing
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch.utils.data
from cells import make_cells
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file, save_file

from singleshot.data.dataset import DataSet
from singleshot.data.formats.shards.names import INDEX, shard_name
from singleshot.data.formats.shards.writing import write_shards
from singleshot.data.opening import open_dataset, read_dataset, splits_of
from singleshot.errors import DataError
from singleshot.files import read_safetensors_header
from singleshot.runs.splits import hash_image, hash_images
from singleshot.structures import Truth


@pytest.fixture
def cells(tmp_path: Path) -> DataSet:
    return open_dataset(make_cells(tmp_path / "cells"))


@pytest.fixture
def written(cells: DataSet, tmp_path: Path) -> Path:
    """Ten images in several shards; two splits share one image, a third has all."""
    splits = {"all": list(range(10)), "train": list(range(6)), "val": [5, 6, 7, 8, 9]}
    write_shards(cells, tmp_path / "to", splits=splits, shard_bytes=10_000)
    return tmp_path / "to"


def names(dataset: DataSet) -> list[str]:
    return [Path(path).name for path in dataset.paths]


def test_images_in_several_shards_are_those_that_were_written(cells: DataSet, written: Path):
    assert len(list(written.glob("train-*.tar"))) > 1
    again = open_dataset(written)
    assert sorted(names(again)) == sorted(names(cells)) != names(again)
    for name in names(cells):
        ours, theirs = names(cells).index(name), names(again).index(name)
        assert Path(cells.paths[ours]).read_bytes() == content_of(again.paths[theirs])
        assert torch.equal(cells[ours].image, again[theirs].image)
        assert torch.equal(cells.truth(ours).boxes, again.truth(theirs).boxes)
    assert again.truths.boxes.dtype == torch.float64


def content_of(path: str) -> bytes:
    from singleshot.data.image_files.archives import read_content

    return read_content(Path(path))


def test_an_image_in_two_splits_is_stored_once(cells: DataSet, written: Path):
    assert splits_of(written) == ("all", "train", "val")
    assert {path.name[:5] for path in written.glob("*.tar")} == {"train", "val-0"}
    train, val = open_dataset(written, "train"), open_dataset(written, "val")
    assert set(names(train)) & set(names(val)) == {names(cells)[5]}
    assert len(open_dataset(written, "train+val")) == 10
    whole = open_dataset(written)
    assert val.paths.tolist() == whole.paths.tolist()[:5]
    with pytest.raises(DataError, match="no split 'test'; it has all, train, val"):
        open_dataset(written, "test")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_webdataset_reads_the_shards(cells: DataSet, written: Path):
    webdataset = pytest.importorskip("webdataset")
    urls = [str(path) for path in sorted(written.glob("*.tar"))]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"))
    gc.collect()  # webdataset leaves files open
    assert sorted(sample["json"]["file_name"] for sample in samples) == sorted(names(cells))
    for sample in samples:
        index = names(cells).index(sample["json"]["file_name"])
        assert np.array_equal(sample["jpg"], cells[index].image.permute(1, 2, 0).numpy())
        assert sample["json"]["boxes"] == cells.truth(index).boxes.tolist()
        found = [cells.class_names[label] for label in cells.truth(index).labels.tolist()]
        assert sample["json"]["classes"] == found


def test_the_same_data_gives_the_same_bytes(cells: DataSet, written: Path, tmp_path: Path):
    splits = {"all": list(range(10)), "train": list(range(6)), "val": [5, 6, 7, 8, 9]}
    write_shards(cells, tmp_path / "again", splits=splits, shard_bytes=10_000)
    for path in written.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()
    content = read_content_of(written)
    for name, size, sha256 in content["shards"]:
        shard = (written / name).read_bytes()
        assert (size, sha256) == (len(shard), hashlib.sha256(shard).hexdigest())


def test_without_an_index_the_samples_are_read_in_one_pass(cells: DataSet, written: Path):
    indexed = open_dataset(written, "val+train")
    (written / INDEX).unlink()
    again = open_dataset(written, "val+train")
    assert splits_of(written) == ("train", "val")
    assert again.paths.tolist() == indexed.paths.tolist()
    assert again.class_names == cells.class_names
    assert torch.equal(again.truths.boxes, indexed.truths.boxes)
    assert torch.equal(again.truths.areas, indexed.truths.areas)
    assert len(open_dataset(written / shard_name("val", 0))) <= 4


def test_contents_are_known_without_reading_them(cells: DataSet, written: Path):
    again = open_dataset(written)
    known = dict(zip(names(again), hash_images(again), strict=True))
    assert known == {Path(path).name: hash_image(path) for path in cells.paths}
    assert hash_images(again) == [hash_image(path) for path in again.paths]


def test_an_image_on_its_side_is_written_upright(tmp_path: Path):
    image = Image.new("RGB", (40, 30), (200, 0, 0))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    truth = Truth.of(torch.tensor([[0.0, 30, 20, 40]]), torch.tensor([0]))
    dataset = DataSet.of(("a",), [(tmp_path / "a.jpg", truth)], description="")
    write_shards(dataset, tmp_path / "to")
    again = open_dataset(tmp_path / "to")
    assert again.sizes.tolist() == [[40, 30]]
    with Image.open(io.BytesIO(content_of(again.paths[0]))) as stored:
        assert (stored.size, stored.getexif().get(0x0112, 1)) == ((30, 40), 1)


@example(name=" ", boxes=1)  # a blank name: the class is called by its number without the index
@settings(max_examples=20, deadline=None)
@given(
    name=st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=40),
    boxes=st.integers(0, 3),
)
def test_any_name_survives(name: str, boxes: int, tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    path = folder / f"x{name}.png"
    Image.new("RGB", (5, 4)).save(path)
    truth = Truth.of(
        torch.tensor([[0.0, 0, 1, 1]] * boxes).reshape(-1, 4), torch.zeros(boxes).long()
    )
    write_shards(DataSet.of((name,), [(path, truth)], description=""), folder / "to")
    again = open_dataset(folder / "to")
    assert again[0].image.shape == (3, 4, 5)
    assert again.class_names == (name,)
    assert len(again.truth(0)) == boxes
    (folder / "to" / INDEX).unlink()
    assert open_dataset(folder / "to")[0].image.shape == (3, 4, 5)


def test_subsets_of_shards_share_their_memory(written: Path):
    whole, val = open_dataset(written), open_dataset(written, "val")
    assert val.truths.boxes.untyped_storage().nbytes() > val.truths.boxes.nbytes
    assert val.ends.tolist() == whole.ends.tolist()[:5]


# Damage.


def test_shards_that_are_missing_or_cut_short_are_named(written: Path):
    first, second = sorted(written.glob("*.tar"))[:2]
    first.unlink()
    second.write_bytes(second.read_bytes()[:-5])
    with pytest.raises(DataError) as caught:
        read_dataset(written)
    assert f"{first}: is missing" in str(caught.value)
    assert f"{second}: is cut short" in str(caught.value)


def edit_index(written: Path, edit: Callable[[dict, dict], None]) -> None:
    """Write the index anew with changes."""
    content, tensors = read_content_of(written), load_file(written / INDEX)
    edit(content, tensors)
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    save_file(tensors, written / INDEX, metadata={"singleshot_shards": json.dumps(content)})


def read_content_of(written: Path) -> dict:
    """Read what the index states besides its tensors."""
    return json.loads(read_safetensors_header(written / INDEX)["__metadata__"]["singleshot_shards"])


def test_an_index_of_another_version_is_refused(written: Path):
    edit_index(written, lambda content, _: content.update(version=2))
    with pytest.raises(DataError, match=r"index.safetensors: is of version 2.*reads 1; update"):
        read_dataset(written)


def test_an_index_that_is_cut_short_is_refused(written: Path):
    content = (written / INDEX).read_bytes()
    for length in (len(content) - 1, len(content) // 2, 100):
        (written / INDEX).write_bytes(content[:length])
        with pytest.raises(DataError, match=r"index.safetensors: cut short"):
            read_dataset(written)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda _, t: t["offsets"].add_(10**9), "places outside the shards"),
        (lambda _, t: t["offsets"].sub_(10**9), "places outside the shards"),
        (lambda _, t: t["lengths"].fill_(2**62), "places outside the shards"),
        (lambda _, t: t["labels"].add_(2), "labels out of range"),
        (lambda _, t: t["ends"].add_(1), "ends do not rise"),
        (lambda _, t: t["name_ends"].copy_(t["name_ends"].flip(0)), "name_ends do not rise"),
        (lambda _, t: t["names"].fill_(ord("/")), "names of images with folders"),
        (lambda _, t: t["shard"].fill_(99), "shard out of range"),
        (lambda _, t: t["boxes"].fill_(torch.nan), "boxes without area"),
        (lambda _, t: t["split.val"].fill_(-1), "split val out of range"),
        (lambda _, t: t.update(boxes=t["boxes"].float()), "boxes is of another type"),
        (lambda _, t: t.pop("areas"), "areas"),
        (lambda c, _: c["shards"][0].__setitem__(0, "../other.tar"), "names of shards"),
        (lambda c, _: c["shards"][0].__setitem__(0, ".."), "names of shards"),
        (lambda c, _: c.pop("class_names"), "class_names"),
        (lambda c, _: c.update(category_ids=[1]), "category ids"),
    ],
)
def test_an_index_that_contradicts_itself_is_refused(written: Path, edit, reason: str):
    edit_index(written, edit)
    with pytest.raises(DataError, match=rf"index.safetensors: damaged \(.*{reason}"):
        read_dataset(written)


def test_a_disk_that_is_full_leaves_no_index(cells: DataSet, tmp_path: Path, monkeypatch):
    from singleshot.errors import StorageError

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tarfile.TarFile.addfile", full)
    with pytest.raises(StorageError, match="No space left"):
        write_shards(cells, tmp_path / "to")
    assert not (tmp_path / "to" / INDEX).exists()


# Shards from elsewhere.


@pytest.fixture
def add_tar(tmp_path: Path) -> Callable[..., Path]:
    """Write a tar file with an image of 40 × 30 pixels for each JSON."""

    def add(*samples: object, suffix: str = "json", name: str = "train-0000.tar") -> Path:
        with tarfile.open(tmp_path / name, "w") as tar:
            for number, sample in enumerate(samples):
                image = io.BytesIO()
                Image.new("RGB", (40, 30), (number, 0, 0)).save(image, "PNG")
                content = sample if isinstance(sample, bytes) else json.dumps(sample).encode()
                for end, data in (("png", image.getvalue()), (suffix, content)):
                    header = tarfile.TarInfo(f"some/{number:04d}.{end}")
                    header.size = len(data)
                    tar.addfile(header, io.BytesIO(data))
        return tmp_path / name

    return add


BOX = [1.5, 2, 11, 22]
SIDES = [1.5, 2, 9.5, 20]


@pytest.mark.parametrize(
    "sample",
    [
        {"boxes": [BOX], "classes": ["cat"]},
        {"boxes": [BOX], "labels": ["cat"], "width": 40, "height": 30},
        {"annotations": [{"bbox": SIDES, "category": "cat"}]},
        {"annotations": [{"bbox": SIDES, "category_name": "cat", "category_id": 7, "iscrowd": 0}]},
        {"objects": {"bbox": [SIDES], "category": ["cat"]}},
        {"objects": [{"bbox": SIDES, "label": "cat"}]},
    ],
)
def test_common_layouts_of_json_are_read(add_tar, tmp_path: Path, sample):
    add_tar(sample, {"boxes": []})
    dataset = read_dataset(tmp_path)
    assert dataset.truths.boxes.tolist() == [BOX]
    assert dataset.class_names == ("cat",)
    assert dataset.ends.tolist() == [1, 1]
    assert int(dataset[1].image[0, 0, 0]) == 1
    assert splits_of(tmp_path) == ("train",)


def test_classes_that_are_numbers_are_in_their_order(add_tar):
    file = add_tar({"boxes": [BOX] * 3, "labels": [10, 9, 2]})
    dataset = read_dataset(file)
    assert dataset.class_names == ("2", "9", "10")
    assert dataset.truths.labels.tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        ({"caption": "a cat"}, "has no boxes, but caption; expected boxes and classes"),
        ({"boxes": [BOX], "classes": []}, r"classes = \[\]; expected one for each of 1 boxes"),
        ({"boxes": [BOX]}, "has no 'category'"),
        ({"boxes": [[1, 2, 3]], "labels": [0]}, r"expected \[x1, y1, x2, y2\] in pixels"),
        ({"annotations": [{"bbox": SIDES}]}, "annotations 1: has no 'category'"),
        (b"{", "broken JSON"),
        ([1], "expected an object"),
    ],
)
def test_json_that_has_no_boxes_is_an_error_with_the_place(add_tar, tmp_path, sample, reason):
    add_tar({"boxes": [BOX], "labels": ["cat"]}, sample)
    with pytest.raises(DataError, match=rf"train-0000.tar: sample some/0001.*{reason}"):
        read_dataset(tmp_path)


def test_a_class_for_each_image_is_no_box(add_tar, tmp_path: Path):
    add_tar(b"3", suffix="cls")
    with pytest.raises(DataError, match=r"sample some/0000: has no boxes \(only .png, .cls\)"):
        read_dataset(tmp_path)


def test_a_tar_file_that_is_cut_short_is_an_error(add_tar, tmp_path: Path):
    file = add_tar(*[{"boxes": [BOX], "labels": ["cat"]}] * 3)
    content = file.read_bytes()
    for length in (3100, 3500):
        file.write_bytes(content[:length])
        with pytest.raises(DataError, match=r"train-0000.tar: .*cut short"):
            read_dataset(tmp_path)


def test_an_archive_of_something_else_is_not_taken_for_shards(tmp_path: Path):
    make_cells(tmp_path / "cells")
    with tarfile.open(tmp_path / "cells/cells.tar", "w") as tar:
        tar.add(tmp_path / "cells/JPEGImages", "JPEGImages")
        tar.add(tmp_path / "cells/Annotations", "Annotations")
    assert open_dataset(tmp_path / "cells").description.startswith("VOC")
    assert open_dataset(tmp_path / "cells").notes == ()


def test_difficult_and_crowd_ids_and_areas_survive(cells: DataSet, tmp_path: Path):
    truths = replace(
        cells.truths,
        areas=cells.truths.areas / 3,
        crowd=torch.arange(len(cells.truths)) % 2 == 0,
        difficult=torch.arange(len(cells.truths)) % 3 == 0,
    )
    ids = np.arange(10) * 7
    dataset = replace(
        cells,
        truths=truths,
        image_ids=ids,
        has_ids=True,
        category_ids=(4, 9),
        other_ids={3: 0},
    )
    write_shards(dataset, tmp_path / "to")
    again = open_dataset(tmp_path / "to")
    for name in ("boxes", "labels", "crowd", "difficult", "areas"):
        assert torch.equal(getattr(again.truths, name), getattr(truths, name))
    assert again.image_ids.tolist() == ids.tolist()
    assert (again.category_ids, again.other_ids, again.has_ids) == ((4, 9), {3: 0}, True)


def test_a_spawned_process_shares_the_index(written: Path):
    context = multiprocessing.get_context("spawn")
    loader = torch.utils.data.DataLoader(
        Numbers(open_dataset(written)), num_workers=1, multiprocessing_context=context
    )
    assert [int(number) for number in loader] == [
        len(open_dataset(written).truth(index)) for index in range(10)
    ]


class Numbers(torch.utils.data.Dataset):
    """Numbers of objects by index."""

    def __init__(self, dataset: DataSet) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> int:
        assert self.dataset.paths[index].endswith(".jpg")
        return len(self.dataset.truth(index))


def test_images_that_are_cut_short_are_named_at_each_opening(cells: DataSet, tmp_path: Path):
    path = Path(cells.paths[0])
    path.write_bytes(path.read_bytes()[:-100])
    write_shards(cells, tmp_path / "to")
    [note] = open_dataset(tmp_path / "to").notes
    assert note == f"1 image cut short, used up to the cut: {path.name}"
