from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
import torch

from singleshot.data.dataset import DataSet
from singleshot.errors import DataError
from singleshot.evaluation.attributes import read_attributes
from singleshot.structures import Truth

NOBODY = Truth.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
DATASET = DataSet.of(
    ["cat"],
    [(Path("street") / name, NOBODY) for name in ("a.jpg", "b.png", "c.jpg")],
    description="three streets",
)


def table(folder: Path, text: str) -> Path:
    path = folder / "attributes.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_images_are_named_with_or_without_extension_and_may_be_missing(tmp_path):
    path = table(tmp_path, "image,weather,time\nc.jpg,rain,\na,sun,night\nother.jpg,fog,day\n")
    messages = []
    assert read_attributes(path, DATASET, messages.append) == {
        "weather": ("sun", "", "rain"),
        "time": ("night", "", ""),
    }
    assert messages == [f"{path}: 1 of 3 images are not in the table"]


def test_a_mark_of_a_spreadsheet_and_quoted_commas_are_no_obstacle(tmp_path):
    path = table(tmp_path, '\ufeffimage,place\n\nb,"Bonn, station"\n')
    assert read_attributes(path, DATASET, print) == {"place": ("", "Bonn, station", "")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no attribute"),
        ("image\na.jpg\n", "has no attribute"),
        ("image,weather\na.jpg,rain,wet\n", "line 2: has 3 values"),
        ("image,weather\na.jpg,rain\na.jpg,sun\n", "line 3: 'a.jpg' occurs twice"),
        ("image,weather\na.jpg,rain\na,sun\n", "line 3: 'a' occurs twice"),
        ("image,light,light\na.jpg,1,2\n", "two columns are called 'light'"),
        ("image,crowding\na.jpg,1\n", "'crowding' is a reserved name"),
        ("image,weather\nx.jpg,rain\n", "names no image of three streets"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read_attributes(table(tmp_path, text), DATASET, print)


def test_images_of_one_name_differ_by_their_folders(tmp_path):
    paths = ("day/7.jpg", "night/7.jpg", "frame.001", "frame.002")
    dataset = DataSet.of(["cat"], [(Path(path), NOBODY) for path in paths], description="two")
    rows = "image,light\nnight/7.jpg,0\nday/7,1\nframe.001,2\nframe.002,3\n"
    path = table(tmp_path, rows)
    assert read_attributes(path, dataset, print) == {"light": ("1", "0", "2", "3")}
    with pytest.raises(DataError, match=r"'7' names day/7.jpg and night/7.jpg; write"):
        read_attributes(table(tmp_path, "image,light\n7.jpg,0\n"), dataset, print)


@pytest.mark.parametrize("order", list(permutations(("day", "night", "fog"))))
def test_rows_about_images_of_other_splits_are_ignored(tmp_path, order):
    dataset = DataSet.of(["cat"], [(Path("day/7.jpg"), NOBODY)], description="days")
    rows = [f"{folder}/7.jpg,{folder}\n" for folder in order]
    path = table(tmp_path, "image,light\n" + "".join(rows))
    assert read_attributes(path, dataset, print) == {"light": ("day",)}
    path = table(tmp_path, "image,light\n" + "".join(row for row in rows if "day" not in row))
    with pytest.raises(DataError, match="names no image of days"):
        read_attributes(path, dataset, print)


def test_images_may_be_named_by_their_whole_paths(tmp_path):
    rows = f"image,light\n{Path('street/a.jpg').absolute()},1\n./street/b.png,2\n"
    assert read_attributes(table(tmp_path, rows), DATASET, print) == {"light": ("1", "2", "")}


def test_a_missing_table_and_one_that_is_no_text_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv: cannot be read"):
        read_attributes(tmp_path / "none.csv", DATASET, print)
    (tmp_path / "image.csv").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(DataError, match="not a CSV table in UTF-8"):
        read_attributes(tmp_path / "image.csv", DATASET, print)
