# Tests singleshot/data/formats/csv_files.py

from __future__ import annotations

from pathlib import Path

import pytest

from singleshot.data.formats import csv_table
from singleshot.data.opening import read_dataset, splits_of
from singleshot.data.reading import ReadingOptions
from singleshot.errors import DataError

HEADER = "image,xmin,ymin,xmax,ymax,label\n"


@pytest.mark.parametrize(
    "table",
    [
        HEADER + "a.png,1,2,11,22,cat\n",
        "\ufeff" + HEADER.replace(",", ";") + "a.png;1,0;2,0;11,0;22,0;cat\n",
        HEADER.replace(",", "\t") + "a.png\t1\t2\t11\t22\tcat\r\n",
        "\n" + HEADER + '"a.png", "1", 2, "11,0","22,0", cat\n\n',
        "filename,width,height,class,xmin,ymin,xmax,ymax\na.png,40,30,cat,1,2,11,22\n",
        "path,x1,y1,x2,y2,class\n/content/gone/a.png,1,2,11,22,cat\n",
        "Image_ID,X_Min,X_Max,Y_Min,Y_Max,Class_Name,Score\na,1,11,2,22,cat,\n",
        "label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height\n"
        "cat,1,2,10,20,a.png,40,30\n",
        "image,x,y,width,height,label\na.png,1,2,10,20,cat\n",
        "image,left,top,width,height,label\na.png,1,2,10,20,cat\n",
        "image,x_center,y_center,width,height,label\na.png,6,12,10,20,cat\n",
        'image_id,width,height,bbox,class,source\na,40,30,"[1.0, 2.0, 10.0, 20.0]",cat,x\n',
        "a.png,1,2,11,22,cat\n",
        "a.png,40,30,cat,1,2,11,22\n",
        "cat,1,2,10,20,a.png,40,30\n",
        "a.png,1,2,11,22,cat,40,30\n",
    ],
)
def test_columns_as_programs_name_them(add_images, add_texts, table):
    add_images("a.png")
    dataset = read_dataset(add_texts({"table.csv": table}))
    assert dataset.truths.boxes.tolist() == [[1, 2, 11, 22]]
    assert dataset.class_names == ("cat",)
    assert dataset.description.startswith("CSV")


def test_a_box_in_one_column_has_four_numbers(add_images, add_texts):
    add_images("a.png", "b.png")
    header = "image_id,bbox\n"
    dataset = read_dataset(add_texts({"t.csv": header + 'a,"[1, 2, 10, 20]"\nb,\n'}))
    assert dataset.truths.boxes.tolist() == [[1, 2, 11, 22]]
    assert dataset.ends.tolist() == [1, 1]
    assert dataset.class_names == ("object",)
    for box in ("[1, 2, 3]", "[1, 2, 3, 4, 5]", "[1, 2, 3, x]"):
        with pytest.raises(DataError, match=r"t\.csv, line 2: the box is .*expected four numbers"):
            read_dataset(add_texts({"t.csv": f'{header}a,"{box}"\n'}))


def test_an_image_alone_has_no_objects(add_images, add_texts):
    add_images("a.png", "b.png")
    path = add_texts({"train.csv": "a.png,,,,,\nb.png,1,2,3,4,cat\nb.png,1,2,5,6,cat\n"})
    assert read_dataset(path).ends.tolist() == [0, 2]


def test_names_and_classes_may_have_commas_quotes_and_spaces(add_images, add_texts):
    add_images("my images/a, b.png")
    row = '"my images/a, b.png",1,2,3,4,"big, ""red"" bus"\n'
    dataset = read_dataset(add_texts({"t.csv": HEADER + row}))
    assert dataset.class_names == ('big, "red" bus',)


def test_utf16_of_spreadsheets_is_read(add_images, tmp_path):
    add_images("a.png")
    table = (HEADER + "a.png,1,2,3,4,Straße\n").replace(",", "\t")
    (tmp_path / "t.csv").write_bytes(table.encode("utf-16"))
    assert read_dataset(tmp_path).class_names == ("Straße",)


def test_each_table_is_a_split_whose_classes_are_those_of_all(add_images, add_texts):
    add_images("images/train/a.png", "images/test/b.png")
    tables = {"data/train_labels.csv": "a.png,1,2,3,4,cat\n"}
    tables |= {"data/test_labels.csv": "b.png,1,2,3,4,dog\n", "data/other.csv": "a,b\n1,2\n"}
    path = add_texts(tables)
    assert splits_of(path) == ("test", "train")
    assert read_dataset(path, "train").class_names == ("cat", "dog")
    assert read_dataset(path, "test").truths.labels.tolist() == [1]


def test_roboflows_folder_for_each_split(add_images, add_texts):
    add_images("train/a.png", "valid/a.png")
    table = "filename,width,height,class,xmin,ymin,xmax,ymax\na.png,40,30,cat,1,2,11,22\n"
    path = add_texts({"train/_annotations.csv": table, "valid/_annotations.csv": table})
    assert splits_of(path) == ("train", "valid")
    assert len(read_dataset(path)) == 2


def test_classes_csv_orders_the_classes(add_images, add_texts):
    add_images("a.png")
    path = add_texts({"t.csv": "a.png,1,2,3,4,cat\n", "classes.csv": "dog,0\ncat,1\n"})
    assert read_dataset(path).class_names == ("dog", "cat")
    add_texts({"t.csv": "a.png,1,2,3,4,cow\n"})
    with pytest.raises(DataError, match=r"t\.csv, line 1: class 'cow' is none of those"):
        read_dataset(path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.png,1,2,3", "has 4 columns; expected 6"),
        ("a.png,1,2,3,4,cat,5", "has 7 columns; expected 6"),
        ("a.png,1,2,3,,cat", "the box is '1', '2', '3', ''; expected four numbers"),
        ("a.png,,,,,cat", "expected four numbers"),
        ("a.png,1,2,inf,4,cat", "expected four numbers"),
        ("a.png,1,2,3,4,", "has a box without class"),
        (",1,2,3,4,cat", "names no image"),
        ("gone.png,1,2,3,4,cat", r"there is no image 'gone\.png'"),
    ],
)
def test_a_wrong_row_is_named(add_images, add_texts, row, message):
    add_images("a.png")
    path = add_texts({"t.csv": f"{HEADER}a.png,1,2,3,4,cat\n{row}\n"})
    with pytest.raises(DataError, match=rf"t\.csv, line 3: .*{message}"):
        read_dataset(path)


def test_all_wrong_rows_are_reported_together(add_images, add_texts):
    add_images("a.png")
    path = add_texts({"t.csv": HEADER + "a.png,1,2,3,4,cat\na.png,1\na.png,x,2,3,4,cat\n"})
    with pytest.raises(DataError, match=r"(?s)2 errors.*line 3.*line 4"):
        read_dataset(path)
    kept = read_dataset(path, None, ReadingOptions(on_error="skip"))
    assert len(kept.truths) == 1


def test_another_encoding_is_named(add_images, tmp_path):
    add_images("a.png")
    (tmp_path / "t.csv").write_bytes((HEADER + "a.png,1,2,3,4,Stra\xdfe\n").encode("latin-1"))
    with pytest.raises(DataError, match=r"t\.csv, after line 1: is not UTF-8; save"):
        read_dataset(tmp_path)


def test_a_stated_size_that_is_not_the_images_is_an_error(add_images, add_texts):
    add_images("a.png")
    table = "filename,width,height,class,xmin,ymin,xmax,ymax\na.png,80,60,cat,1,2,11,22\n"
    with pytest.raises(DataError, match=r"t\.csv, line 2.*annotated as 80 × 60"):
        read_dataset(add_texts({"t.csv": table}))


@pytest.mark.parametrize("table", ["", "\n", "a,b,c\n1,2,3\n", "image,label\na.png,cat\n", "\0\0,"])
def test_other_tables_are_not_recognised(add_texts, table):
    path = add_texts({"t.csv": table})
    assert not csv_table.FORMAT.recognise(path)
    assert not csv_table.FORMAT.recognise(path / "t.csv")


def test_flags_are_columns_of_their_own(add_images, add_texts, tmp_path):
    add_images("from/a.png")
    table = HEADER.strip() + ",crowd,difficult\na.png,1,2,3,4,cat,1,\na.png,1,2,5,6,cat,0,1\n"
    dataset = read_dataset(add_texts({"from/t.csv": table}) / "from")
    csv_table.FORMAT.write(dataset, tmp_path / "to")
    again = read_dataset(tmp_path / "to")
    assert again.truths.crowd.tolist() == [True, False]
    assert again.truths.difficult.tolist() == [False, True]
    assert Path(tmp_path / "to/classes.csv").read_text() == "class,number\ncat,0\n"


def test_all_tables_of_a_split_are_read(add_images, add_texts, tmp_path):
    add_images("a.png", "b.png", "c.png")
    rows = {"train": "a", "annotations/train_labels": "b", "test": "c"}
    add_texts(
        {f"{name}.csv": HEADER + f"{image}.png,1,2,11,22,cat\n" for name, image in rows.items()}
    )
    assert set(splits_of(tmp_path)) == {"train", "test"}
    names = {Path(path).name for path in read_dataset(tmp_path, "train").paths}
    assert names == {"a.png", "b.png"}
