# Tests singleshot/report/page.py

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from page_reader import Reader
from PIL import Image
from report_scene import EVIL, NAMES, NUM_IMAGES, make_scene

from singleshot.data.dataset import DataSet
from singleshot.evaluation.evaluate_predictions import evaluate_predictions, with_confidence
from singleshot.evaluation.page import write_evaluation_page
from singleshot.metrics import ClassReport, Predictions, Protocol
from singleshot.metrics.sweep import sweep
from singleshot.report.page import signed
from singleshot.structures import Detections, Truth


@pytest.fixture(scope="module")
def reader(scene) -> Reader:
    return Reader.of(scene.page)


@pytest.mark.parametrize(
    ("protocol", "name"),
    [("voc07", "PASCAL VOC 2007."), ("voc10", "PASCAL VOC 2010."), ("coco", "COCO.")],
)
def test_the_page_is_well_formed_and_names_the_protocol(tmp_path, protocol, name):
    page = make_scene(tmp_path, Protocol(protocol)).page
    assert f"Protocol. {name}" in Reader.of(page).text


def test_the_page_needs_nothing_from_anywhere(scene, reader):
    text = scene.page.read_text(encoding="utf-8")
    assert not re.search(r"https?://|url\(|@import", text)
    for _, attributes in reader.tags:
        for name in ("src", "href", "srcset"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))


def test_only_the_script_of_the_page_may_run(reader):
    (policy,) = [tag["content"] for tag in reader.all("meta") if "http-equiv" in tag]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    _, script = reader.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert [tag.get("type") for tag in reader.all("script")] == ["application/json", None]


def test_names_cannot_become_markup(reader):
    assert len(reader.all("script")) == 2
    assert reader.text.count(EVIL) >= 5  # class name, data, command, comparison, galleries
    data = json.loads(reader.scripts[0])
    assert [one["name"] for one in data["classes"]] == list(NAMES)
    assert "<" not in reader.scripts[0]


def test_the_page_opens_with_the_best_f1_of_each_class(scene, reader):
    now, *_ = sweep(scene.predictions, scene.truths, len(NAMES), protocol=Protocol.VOC10)
    counts = now.at_best()
    assert f"precision {counts.precision:.3f}" in reader.text
    assert f"recall {counts.recall:.3f}" in reader.text
    assert (
        f"{counts.true_positives} true positives, {counts.false_positives} false positives"
        in reader.text
    )


def test_the_marks_of_an_image_are_the_outcomes_of_its_detections(scene, reader):
    marks = Counter(tag["class"].split()[-1] for tag in reader.of_class("detection"))
    assert set(marks) == {"tp", "fp", "ignored", "off"}
    for tag in reader.of_class("detection"):
        sure = float(tag["data-score"]) >= scene.report.score_thresholds[int(tag["data-label"])]
        assert sure == ("off" not in tag["class"])
        assert len(tag["data-outcomes"]) == 10


def test_images_open_and_a_broken_one_is_left_out(reader):
    images = reader.all("img")
    assert 8 <= len(images) <= 12
    assert not any(image["alt"].startswith("3<") for image in images)
    for image in [*images, *reader.all("image")]:
        data = (image.get("src") or image["href"]).removeprefix("data:image/jpeg;base64,")
        with Image.open(io.BytesIO(base64.b64decode(data))) as opened:
            assert opened.size == (int(image["width"]), int(image["height"]))


def test_a_page_without_any_image_states_it(tmp_path):
    reader = Reader.of(make_scene(tmp_path, Protocol.COCO, images=False).page)
    assert reader.all("img") == reader.all("image") == []
    assert "No images are shown" in reader.text
    assert "#galleries" in [link["href"] for link in reader.all("a")]  # counts are still shown


def test_images_over_the_limit_of_coco_and_few_images_are_noted(scene, tmp_path):
    page = write_evaluation_page(
        scene.predictions,
        scene.dataset,
        report=replace(scene.report, images_over_coco_limit=2),
        model="a",
        command="",
        path=tmp_path / "report.html",
    )
    text = Reader.of(page).text
    assert "Here 2 images have more than 100 objects of a class" in text
    assert "images have objects that count: confidence intervals and p-values are rough" in text


@pytest.mark.parametrize("protocol", [Protocol.VOC10, Protocol.COCO])
def test_the_page_shows_how_sure_the_number_is(tmp_path, protocol):
    scene = make_scene(tmp_path, protocol)
    report = with_confidence(scene.report, scene.predictions, scene.dataset)
    path = write_evaluation_page(
        scene.predictions, scene.dataset, report=report, model="m", command="c", path=tmp_path / "p"
    )
    text, interval = Reader.of(path).text, report.confidence_interval
    low, high = interval.mean_average_precision[1:]
    assert f"mean average precision {low:.3f} to {high:.3f}" in " ".join(text.split())
    assert f"draws of the images, of which {interval.images} have objects" in text
    assert f"Note: only {interval.images} images have objects that count" in text
    if interval.AP50 is not None:
        assert f"{interval.AP50.low:.3f} to {interval.AP50.high:.3f}" in text
    assert "Confidence intervals." not in Reader.of(scene.page).text


def test_the_page_recommends_what_to_do_next(reader):
    assert "#recommendations" in [link["href"] for link in reader.all("a")]
    assert "mean average precision would be" in reader.text


def test_comparison_and_chosen_thresholds_are_shown(scene, reader):
    assert "Compared with" in reader.text
    assert "chosen for recall ≥ 0.5 on" in reader.text
    first = next(iter(scene.report.operating_point.per_class.values()))
    assert f"{first.score_threshold:.3f}" in reader.text


def test_classes_have_their_miss_rate_and_false_positives(scene, reader):
    now, *_ = sweep(scene.predictions, scene.truths, len(NAMES), protocol=Protocol.VOC10)
    assert f"{now.at_best(1).false_positives / NUM_IMAGES:.2f}" in reader.text
    assert "not shown for fewer than 100 images" in reader.text


def test_the_miss_rate_is_shown_from_a_hundred_images_on(tmp_path):
    reader = Reader.of(page_of_cats_and_dogs(tmp_path, num_images=100))
    assert "not shown for fewer than 100 images" not in reader.text
    assert "1.000" in row_of(reader, "cat")  # all are missed


def test_a_class_without_a_true_positive_is_shown_on_the_page(tmp_path):
    """Ten cats, all of them detected as dogs, which are not annotated at all."""
    reader = Reader.of(page_of_cats_and_dogs(tmp_path, num_images=10))
    dash = "\N{EN DASH}"
    cat = ["cat", "10", "0.000", "never", "0.000", "0.300", "0.00", dash]
    assert row_of(reader, "cat") == cat
    dog = ["dog", "0", dash, dash, dash, "0.300", "1.00", dash]
    assert row_of(reader, "dog") == dog
    assert "0 true positives, 10 false positives (1.00 per image), 10 objects" in reader.text
    assert "without a true positive, or without objects, is evaluated from score 0.3" in reader.text
    assert "Of cat no object is detected, and fixing false negatives gains nothing" in reader.text
    best = [one["best"][0] for one in json.loads(reader.scripts[0])["classes"]]
    assert best == [[0.3, 0, 0], [0.3, 0, 10]]


def page_of_cats_and_dogs(folder, *, num_images: int):
    """A page about a cat in each image that was found as a dog; the images are not there."""
    box = torch.tensor([[0.0, 0, 10, 10]], dtype=torch.float64)
    truths = [Truth.of(box, torch.tensor([0]))] * num_images
    paths = [folder / f"{index}.png" for index in range(num_images)]
    dataset = DataSet.of(("cat", "dog"), zip(paths, truths, strict=True), description="cats")
    dog = Detections(box.float(), torch.tensor([0.9]), torch.tensor([1]))
    predictions = Predictions.of([dog] * num_images)
    return write_evaluation_page(
        predictions,
        dataset,
        report=evaluate_predictions(predictions, dataset, protocol=Protocol.VOC10),
        model="dogs",
        command="singleshot score dogs",
        path=folder / "report.html",
    )


def row_of(reader: Reader, name: str) -> list[str]:
    """The cells of the first table row that begins with a name."""
    lines = [line.strip() for line in reader.text.splitlines() if line.strip()]
    start = lines.index(name)
    return lines[start : start + 8]


def test_every_link_leads_somewhere(reader):
    targets = {tag.get("id") for _, tag in reader.tags}
    assert all(link["href"].removeprefix("#") in targets for link in reader.all("a"))


def test_a_page_can_be_written_without_detections_and_annotations(scene, tmp_path):
    for predictions, dataset in [
        (scene.predictions[:0], scene.dataset),
        (scene.predictions[:0], scene.dataset.subset([], description="nothing")),
    ]:
        page = write_evaluation_page(
            predictions,
            dataset,
            report=evaluate_predictions(predictions, dataset, protocol=Protocol.VOC10),
            model="nothing",
            command="singleshot score nothing",
            path=tmp_path / "report.html",
        )
        text = Reader.of(page).text
        assert "\N{EN DASH}" in text
        assert not re.search(r"\bNone\b|\bnan\b|\binf\b", text)


def test_a_report_at_another_iou_threshold_opens_there(scene, tmp_path):
    report = evaluate_predictions(
        scene.predictions, scene.dataset, protocol=Protocol.VOC10, iou_threshold=0.3
    )
    page = write_evaluation_page(
        scene.predictions,
        scene.dataset,
        report=report,
        model="scene",
        command="singleshot score",
        path=tmp_path / "report.html",
    )
    data = json.loads(Reader.of(page).scripts[0])
    assert data["ious"][data["start"]] == 0.3
    assert len(data["ious"]) == 11


def test_many_classes_are_chosen_from_a_list_and_take_little_room(scene, tmp_path):
    names = [f"class {index}" for index in range(80)]
    dataset = replace(scene.dataset, class_names=tuple(names), category_ids=tuple(range(80)))
    truths = replace(dataset.truths, labels=(dataset.truths.boxes[:, 0] % 80).long())
    dataset = replace(dataset, truths=truths)
    labels = np.arange(len(scene.predictions)) % 80
    predictions = replace(scene.predictions, labels=labels)
    page = write_evaluation_page(
        predictions,
        dataset,
        report=evaluate_predictions(predictions, dataset, protocol=Protocol.COCO),
        model="scene",
        command="singleshot score",
        path=tmp_path / "report.html",
    )
    reader = Reader.of(page)
    assert len(reader.all("option")) == 81
    assert reader.of_class("of-class") == []
    assert reader.of_class("confusion") == []
    assert len(reader.scripts[0]) < 1_000_000


def test_every_scrolling_region_can_be_reached_by_keyboard(reader):
    scrolling = reader.of_class("scroll")
    assert len(scrolling) >= 5
    assert all(tag["tabindex"] == "0" and tag["aria-label"] for tag in scrolling)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0123, "+0.012"), (-0.5, "\N{MINUS SIGN}0.500"), (-0.0001, "0.000"), (None, "\N{EN DASH}")],
)
def test_differences_have_a_sign(value, text):
    assert signed(value) == text


@dataclass(frozen=True, kw_only=True)
class MoreMetrics(ClassReport):
    recall_at_fppi: dict[float, float]


def test_a_new_metric_of_classes_has_its_columns(scene, tmp_path):
    report = evaluate_predictions(scene.predictions, scene.dataset, protocol=Protocol.VOC10)
    more = {
        name: MoreMetrics(**vars(one), recall_at_fppi={0.1: 0.375})
        for name, one in report.per_class.items()
    }
    page = write_evaluation_page(
        scene.predictions,
        scene.dataset,
        report=replace(report, per_class=more),
        model="m",
        command="singleshot evaluate",
        path=tmp_path / "report.html",
    )
    text = page.read_text()
    assert text.count('<th scope="col">Recall at fppi 0.1</th>') == 1
    assert text.count("<td>0.375</td>") >= 2
