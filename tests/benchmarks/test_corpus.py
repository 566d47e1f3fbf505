"""The corpus: data sets as VOC folders, trainings that are not repeated, tables and curves."""

from __future__ import annotations

import json
import runpy
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from cells import COLOURS, make_cells
from PIL import Image
from small_ssd import make_run

import singleshot
from benchmarks import corpus, corpus_data, corpus_trainings
from benchmarks.corpus_data import find_set, names_in, prepare, split_of
from benchmarks.corpus_tables import Results, plot_curves, tables
from benchmarks.corpus_trainings import Job, Ours, Peer, TrainingFailed
from benchmarks.starts import Set

PEER = """
import json, sys
folder, train, test, minutes, weights, seed = sys.argv[1:]
if seed == "7":
    sys.exit("out of memory")
print("step 1", file=sys.stderr)
print(json.dumps({"AP": 0.25, "AP50": 0.5 + int(seed) / 10, "steps": 3, "minutes": 1}))
"""


@pytest.fixture
def cells(tmp_path):
    return Set("cells", make_cells(tmp_path / "cells"), "train", "test")


@pytest.fixture
def peer(tmp_path):
    path = tmp_path / "peer.py"
    path.write_text(PEER)
    return path


def job(folder: Path, place: Path, **changes) -> Job:
    return Job(
        **{"folder": folder, "split": "trainval", "seed": 0, "minutes": 20, "place": place}
        | changes
    )


def line(name: str, contestant: str, seed: int, ap50: float, **more):
    known = {"set": name, "contestant": contestant, "seed": seed, "minutes": 20, "images": None}
    return {**known, "training_images": 100, "AP50": ap50, "AP": ap50 / 5, **more}


def rows(results) -> dict[str, list[str]]:
    """The cells of all rows of all tables, by the first cell; the first row of a name counts."""
    found: dict[str, list[str]] = {}
    for text in tables(Results(results)):
        first, *rest = text.strip("| ").split(" | ")
        found.setdefault(first, rest)
    return found


def test_a_data_set_becomes_a_voc_folder_with_two_splits(cells, tmp_path):
    folder = prepare(cells, tmp_path / "data")
    for split, theirs in (("trainval", "train"), ("test", "test")):
        ours = singleshot.open_dataset(folder, split=split)
        original = singleshot.open_dataset(cells.folder, split=theirs)
        assert ours.fingerprint() == original.fingerprint()


def test_a_peer_can_read_each_image_by_its_name(cells, tmp_path):
    images = cells.folder / "JPEGImages"
    (images / "train_0.jpg").write_bytes((images / "train_0.jpg").read_bytes()[:-20])
    for file in (images / "train_1.jpg", cells.folder / "Annotations/train_1.xml"):
        file.rename(file.with_stem("image [1] of 2"))
    splits = cells.folder / "ImageSets/Main/train.txt"
    splits.write_text(splits.read_text().replace("train_1\n", "image [1] of 2\n"))
    folder = prepare(cells, tmp_path / "data")
    names = names_in(folder, "trainval")
    assert len(names) == 6
    for name in names:
        assert (folder / "Annotations" / f"{name}.xml").exists()
        [image] = (folder / "JPEGImages").glob(name + ".*")
        with Image.open(image) as opened:
            assert np.asarray(opened).shape == (96, 128, 3)  # not cut short


def test_a_data_set_without_splits_gets_the_same_ones_each_time(tmp_path):
    folder = make_cells(tmp_path / "cells")
    for split in (folder / "ImageSets/Main").iterdir():
        split.unlink()
    each = Set("cells", folder, "", "")
    first, second = (prepare(each, tmp_path / name) for name in ("first", "second"))
    parts = [[names_in(one, split) for split in ("trainval", "test")] for one in (first, second)]
    assert parts[0] == parts[1]
    assert [len(part) for part in parts[0]] == [7, 3]
    assert len({*parts[0][0], *parts[0][1]}) == 10


def test_training_images_of_a_seed_are_nested(cells, tmp_path):
    folder = prepare(cells, tmp_path / "data")
    few, more = (names_in(folder, split_of(folder, number, 0)) for number in (2, 4))
    others = names_in(folder, split_of(folder, 4, 1))
    assert few == more[:2]
    assert {*more} != {*others}
    assert {*more} | {*others} <= {*names_in(folder, "trainval")}
    assert split_of(folder, None, 0) == "trainval"


def test_a_data_set_is_of_the_corpus_or_has_a_folder():
    assert find_set("own=a:b:test") == Set("own", Path("a"), "b", "test")
    assert find_set("bccd").folder == corpus_data.shared_data() / "bccd"
    with pytest.raises(SystemExit, match="no data set bcd; there are bccd"):
        find_set("bcd")


def test_ours_trains_on_all_images_of_the_split_within_the_minutes(tmp_path):
    command = Ours(("auto", "--init", "coco")).command(job(tmp_path, tmp_path / "run", seed=2))
    expected = (
        f"train auto --init coco --data {tmp_path} --split trainval --val-split none --run "
        f"{tmp_path}/run --time-budget 1200s --device cpu --set training.seed=2"
    )
    assert " ".join(command) == f"{sys.executable} -m singleshot {expected}"


def test_ours_evaluates_the_last_weights_on_the_test_images(cells, tmp_path, monkeypatch):
    folder, run = prepare(cells, tmp_path / "data"), make_run(tmp_path / "run", classes=[*COLOURS])
    (run / "log.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"message": "done"}\n')
    monkeypatch.setattr(Ours, "train_only", lambda *_: 60.0)
    total = SimpleNamespace(total=SimpleNamespace(median=12.5))
    monkeypatch.setattr(singleshot, "benchmark", lambda *_, **__: SimpleNamespace(rows=[total]))
    values = Ours(("auto",), keep=True).train(job(folder, run))
    report = singleshot.evaluate(run, folder, split="test").coco
    assert (values["AP"], values["AP50"]) == (report.AP, report.AP50)
    assert [values[key] for key in ("seconds", "steps", "milliseconds")] == [60, 2, 12.5]
    detector = singleshot.load(run)
    assert values["parameters"] == sum(own.numel() for own in detector.parameters())
    assert values["input"] == list(detector.settings.input)
    Ours(("auto",)).train(job(folder, run))  # without keep
    assert not (run / "checkpoints").exists()


def test_the_command_takes_options(monkeypatch):
    given = []
    monkeypatch.setattr(corpus, "main", given.append)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "corpus", "--output", "a.jsonl"])
    runpy.run_module("benchmarks", run_name="__main__")
    assert given == [["--output", "a.jsonl"]]


def test_missing_data_are_reported_in_a_line(peer, tmp_path):
    command = ["--output", str(tmp_path / "a.jsonl"), "--folder", str(tmp_path / "work")]
    own = [*("--peer", str(peer), "--contestants", "peer", "--peer-weights", "w")]
    with pytest.raises(SystemExit, match="none"):
        corpus.main([*command, *own, "--sets", f"cells={tmp_path}/none:train:test"])


def test_a_peer_gives_the_numbers_of_its_last_line(peer, tmp_path):
    values = Peer(peer, tmp_path / "weights").train(job(tmp_path, tmp_path / "runs/a", seed=1))
    assert values.pop("seconds") > 0
    assert values == {"AP": 0.25, "AP50": 0.6, "steps": 3}
    assert "step 1" in (tmp_path / "runs/a.log").read_text()


@pytest.mark.parametrize(
    ("script", "message"),
    [("import sys; sys.exit('no memory')", "exit code 1"), ("print('AP 0.5')", "is not JSON")],
)
def test_a_peer_that_fails_names_the_file_with_its_output(script, message, tmp_path):
    path = tmp_path / "peer.py"
    path.write_text(script)
    with pytest.raises(TrainingFailed, match=rf"{message}.*a\.log"):
        Peer(path, tmp_path / "weights").train(job(tmp_path, tmp_path / "a"))


def test_the_weights_of_a_peer_are_in_a_zip_file(tmp_path):
    with zipfile.ZipFile(corpus_trainings.write_weights(tmp_path)) as archive:
        assert [Path(name).suffix for name in archive.namelist()] == [".pth"]


def test_each_training_is_a_line_and_is_not_repeated(cells, peer, tmp_path, monkeypatch, capsys):
    output, plot = tmp_path / "corpus.jsonl", tmp_path / "curves.svg"
    command = [
        *("--output", str(output), "--folder", str(tmp_path / "work"), "--peer", str(peer)),
        *("--peer-weights", "w", "--contestants", "peer", "--train-images", "2", "all", "100"),
        *("--sets", f"cells={cells.folder}:train:test", "--plot", str(plot), "--seeds", "0"),
    ]
    corpus.main([*command, "1"])
    lines = [json.loads(text) for text in output.read_text().splitlines()]
    assert [(one["seed"], one["images"], one["training_images"], one["AP50"]) for one in lines] == [
        (0, 2, 2, 0.5),
        (0, None, 6, 0.5),
        (1, 2, 2, 0.6),
        (1, None, 6, 0.6),
    ]
    printed = capsys.readouterr()
    assert "| cells | 0.550 ± 0.071 | 2 |" in printed.out
    assert "left out, all are 6 images" in printed.err
    assert "<svg" in plot.read_text()
    monkeypatch.setattr(Peer, "train", lambda *_: pytest.fail("trained again"))
    corpus.main([*command, "1"])


def test_a_failure_does_not_stop_the_others_and_is_repeated(cells, peer, tmp_path):
    output = tmp_path / "corpus.jsonl"
    command = [
        *("--output", str(output), "--folder", str(tmp_path / "work"), "--peer", str(peer)),
        *("--peer-weights", "w", "--contestants", "peer", "--seeds", "7", "0"),
        *("--sets", f"cells={cells.folder}:train:test"),
    ]
    with pytest.raises(SystemExit, match=r"cells-peer-all-20m-7: exit code 1"):
        corpus.main(command)
    assert [json.loads(text)["seed"] for text in output.read_text().splitlines()] == [0]
    peer.write_text(PEER.replace('"7"', '"none"'))
    corpus.main(command)
    assert len(output.read_text().splitlines()) == 2


def test_a_contestant_that_needs_an_option_is_refused_without_it(tmp_path, capsys):
    with pytest.raises(SystemExit):
        corpus.main(["--output", str(tmp_path / "a.jsonl"), "--contestants", "auto-coco"])
    assert "auto-coco needs --coco MODEL" in capsys.readouterr().err


def test_a_peer_may_have_a_name_of_its_own(cells, peer, tmp_path, capsys):
    corpus.main(
        [
            *("--output", str(tmp_path / "corpus.jsonl"), "--folder", str(tmp_path / "work")),
            *("--peer", f"yolox={peer}", "--contestants", "yolox", "--peer-weights", "w"),
            *("--sets", f"cells={cells.folder}:train:test", "--seeds", "0"),
        ]
    )
    assert "| AP50 | yolox | seeds |" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        corpus.main(["--output", "a.jsonl", "--peer", str(tmp_path / "missing.py")])
    assert "missing.py: there is no such file" in capsys.readouterr().err


def test_tables_have_the_mean_over_seeds_sets_and_the_difference():
    results = [
        line("bccd", "peer", 0, 0.5),
        line("bccd", "peer", 1, 0.6),
        line("bccd", "auto", 0, 0.8),
        line("bccd", "auto", 1, 1.0),
        line("plates", "peer", 0, 0.4),
        line("plates", "peer", 1, 0.4),
        line("plates", "auto", 0, 0.3),
        line("plates", "auto", 1, 0.5, APs=None),
    ]
    found = rows(results)
    assert found["bccd"] == ["0.550 ± 0.071", "0.900 ± 0.141", "2"]
    # Over the seeds: (0.5 + 0.4) / 2 and (0.6 + 0.4) / 2; (0.8 + 0.3) / 2 and (1.0 + 0.5) / 2.
    assert found["**mean of all**"] == ["0.475 ± 0.035", "0.650 ± 0.141", "2 / 2"]
    assert found["minus peer"] == ["AP50, mean", "AP50, least", "AP, mean", "AP, least"]
    assert found["auto"] == ["+0.175", "+0.000 (plates)", "+0.035", "+0.000 (plates)"]


def test_a_set_that_one_contestant_lacks_is_not_in_the_mean():
    results = [
        line("bccd", "peer", 0, 0.5),
        line("bccd", "auto", 0, 0.7),
        line("plates", "auto", 0, 0.1),
    ]
    found = rows(results)
    assert found["**mean of bccd**"] == ["0.500", "0.700", "1 / 1"]
    assert found["plates"] == ["", "0.100", "0 / 1"]


def test_the_detectors_are_described_by_input_size_and_speed():
    numbers = {"input": [320, 320], "parameters": 3_579_920, "gmac": 0.78, "milliseconds": 21.34}
    results = [
        line("bccd", "auto", 0, 0.5, **numbers, seconds=1170, steps=300),
        line("bccd", "auto", 1, 0.5, **numbers, seconds=1200, steps=310),
        line("bccd", "peer", 0, 0.5, seconds=1320, steps=99),
    ]
    found = rows(results)
    assert found["bccd, auto"] == ["320×320", "3.58 M", "0.78", "21.3", "305", "19.8"]
    assert found["bccd, peer"] == ["", "", "", "", "99", "22.0"]


def test_learning_curves_are_by_the_number_of_training_images():
    results = [
        line("bccd", "auto", 0, 0.5, images=20, training_images=20),
        line("bccd", "auto", 0, 0.9, training_images=292),
    ]
    found = rows(results)
    assert found["bccd"] == ["0.900", "1"]
    assert found["bccd, 20"] == ["0.500", "1"]
    assert found["bccd, 292"] == ["0.900", "1"]


def test_the_plot_has_a_chart_for_each_set_and_a_point_for_each_mean():
    results = [
        line(name, contestant, seed, 0.5, images=number, training_images=number)
        for name in ("bccd", "R&D")
        for contestant in ("auto", "peer")
        for seed in (0, 1)
        for number in (20, 50)
    ]
    root = ElementTree.fromstring(plot_curves(Results(results)))
    svg = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{svg}g")) == 2
    assert len(list(root.iter(f"{svg}circle"))) == 8
