"""The report in a real browser: what a reader does, against what Python computes."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from report_scene import NAMES, Scene

from singleshot.metrics import Protocol, find_class_curves, find_true_positives
from singleshot.metrics.operating_points import best_f1
from singleshot.metrics.sweep import IOU_THRESHOLDS, Counts

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1440, "height": 900}
STYLES = ("tp", "fp", "fn")


@pytest.fixture(scope="module")
def opened(browser, scene) -> Iterator[Page]:
    """The page from disk, for all tests; it logs nothing and requests nothing."""
    yield from opening(browser, scene, viewport=DESK)


def opening(browser: Browser, scene: Scene, **options) -> Iterator[Page]:
    context = browser.new_context(**options)
    page, log = context.new_page(), []
    page.on("console", lambda message: log.append(message.text))
    page.on("pageerror", lambda error: log.append(str(error)))
    page.on("request", lambda request: log.append(request.url[:80]))
    page.goto(scene.page.as_uri())
    yield page
    context.close()
    own = re.compile(r"file:.*/report\.html$|data:")
    assert [one for one in log if not own.match(one)] == []


def kept(scene: Scene, step: int | None, iou_threshold: float) -> np.ndarray:
    """Mask the detections above a score threshold; without a step, above that of the best F1."""
    if step is not None:
        return scene.predictions.scores >= step / 100
    curves = find_class_curves(
        scene.predictions,
        scene.truths,
        len(NAMES),
        protocol=Protocol.VOC10,
        iou_threshold=iou_threshold,
    )
    bests = [None if one is None else best_f1(one.at_thresholds()) for one in curves]
    thresholds = [
        0.3 if best is None or best.score_threshold is None else best.score_threshold
        for best in bests
    ]
    return scene.predictions.scores >= np.array(thresholds)[scene.predictions.labels]


def outcomes(
    scene: Scene, label: int | None, step: int | None, iou_threshold: float
) -> dict[str, np.ndarray]:
    """The images of true positives, false positives and false negatives, evaluated anew."""
    ignore = Protocol.VOC10.ignores(scene.truths)
    sure = scene.predictions[kept(scene, step, iou_threshold)]
    outcomes = find_true_positives(sure, scene.truths, ignore=ignore, iou_threshold=iou_threshold)
    missed = ~ignore
    missed[outcomes.truths[outcomes.true_positive]] = False
    own = np.full(len(sure), True) if label is None else sure.labels == label
    own_truths = np.full(len(missed), True) if label is None else scene.truths.labels == label
    return {
        "tp": sure.images[outcomes.true_positive & own],
        "fp": sure.images[~outcomes.true_positive & ~outcomes.ignored & own],
        "fn": scene.truths.images[missed & own_truths],
    }


def choose(page: Page, label: int | None, step: int | None, iou: int) -> None:
    """Move the controls, and wait until the page has followed."""
    page.select_option("#class", "" if label is None else str(label))
    page.fill("#iou", str(iou))
    if step is None:
        page.click("#best")
    else:
        page.fill("#score", f"{step / 100:.2f}")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")


def shown_numbers(page: Page, within: str = "#readings") -> list[str]:
    return page.locator(f"{within} [data-number]").all_text_contents()


def in_words(value: float | None) -> str:
    return "\N{EN DASH}" if value is None else f"{value:.3f}"


# Of each image its name, the words below it, and how many boxes of each style are seen.
IMAGES = """() => [...document.querySelectorAll(".image")].map(figure => [
  figure.querySelector("img").alt,
  figure.querySelector(".tally").textContent,
  ["tp", "fp", "fn"].map(style => [...figure.querySelectorAll(`.mark.${style}`)].filter(
    mark => getComputedStyle(mark).display !== "none").length),
])"""
STATES = [
    (None, None, 0),
    (None, 50, 0),
    (0, 37, 0),
    (0, None, 4),
    (1, 0, 9),
    (2, 99, 2),
    (2, 100, 5),
    (3, 10, 0),
    (None, 5, 7),
]


@pytest.mark.parametrize(("label", "step", "iou"), STATES)
def test_numbers_and_boxes_follow_the_sliders_as_python_computes_them(
    opened, scene, label, step, iou
):
    choose(opened, label, step, iou)
    found = outcomes(scene, label, step, IOU_THRESHOLDS[iou])
    num_truths = len(found["tp"]) + len(found["fn"])
    counts = Counts(len(found["tp"]), len(found["fp"]), num_truths)
    expected = [in_words(one) for one in (counts.precision, counts.recall, counts.f1)]
    assert shown_numbers(opened) == expected

    images = opened.evaluate(IMAGES)
    assert len(images) >= 8
    for name, tally, boxes in images:
        own = [int((found[style] == int(name.split("<")[0])).sum()) for style in STYLES]
        counted = re.findall(r"(\d+) (?:true positives?|false positives?|false negatives?)", tally)
        assert [int(count) for count in counted] == own
        assert boxes == own


def test_every_step_of_the_slider_agrees_with_python(opened, scene):
    for step in range(0, 101, 10):
        choose(opened, 1, step, 3)
        found = outcomes(scene, 1, step, IOU_THRESHOLDS[3])
        counts = Counts(len(found["tp"]), len(found["fp"]), len(found["tp"]) + len(found["fn"]))
        assert shown_numbers(opened)[1:] == [in_words(counts.recall), in_words(counts.f1)]


def test_coming_back_shows_the_page_as_it_was_written(opened):
    opened.reload()
    before = state_of(opened)
    choose(opened, None, 20, 3)
    assert all(one != other for one, other in zip(before, state_of(opened), strict=True))
    choose(opened, None, None, 0)
    words, whole_line, threshold_line, dot, boxes = state_of(opened)
    assert words == before[0]
    # In pixels: Python and the browser may round a tenth differently.
    assert whole_line == pytest.approx(before[1], abs=0.2)
    assert threshold_line == pytest.approx(before[2], abs=0.2)
    assert dot == pytest.approx(before[3], abs=0.2)
    assert boxes == before[4]


def state_of(page: Page) -> list[list[str] | list[float]]:
    """What is read, drawn and marked."""
    lines = [
        page.locator(f"{chart} polyline").first.get_attribute("points")
        for chart in ("svg.whole", "svg.thresholds")
    ]
    dot = page.locator("svg.whole .dot")
    return [
        page.locator("#readings, #state, .tally, .readings").all_inner_texts(),
        *(numbers_in(line) for line in lines),
        [float(dot.get_attribute(name)) for name in ("cx", "cy")],
        page.locator(".image .mark").evaluate_all("all => all.map(one => one.className.baseVal)"),
    ]


def numbers_in(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"[0-9.]+", text)]


def test_ties_are_rounded_as_in_python(opened):
    values = [0.0625, 0.1875, 0.3125, 0.4375, 0.5625, 0.0005, 1 / 3, 2 / 3, 0.9995, 1.0, 0.0]
    assert [opened.evaluate(f"text({value!r})") for value in values] == [
        f"{value:.3f}" for value in values
    ]


def test_the_dot_is_at_the_precision_and_recall_shown(opened):
    choose(opened, 1, 30, 0)
    precision, recall, _ = map(float, shown_numbers(opened))
    dot = opened.locator("svg.whole .dot")
    assert float(dot.get_attribute("cx")) == pytest.approx(42 + 266 * recall, abs=0.3)
    assert float(dot.get_attribute("cy")) == pytest.approx(180 - 170 * precision, abs=0.3)


def test_all_images_load(opened):
    widths = opened.evaluate(
        """() => Promise.all([...document.querySelectorAll("img, image")].map(async one => {
          const loaded = Object.assign(new Image(), {src: one.src ?? one.getAttribute("href")});
          await loaded.decode();
          return loaded.naturalWidth;
        }))"""
    )
    assert len(widths) >= 50
    assert min(widths) > 0


def test_the_keyboard_alone_reaches_and_moves_everything(opened):
    opened.reload()
    reached = set()
    for _ in range(60):
        opened.keyboard.press("Tab")
        what = opened.evaluate(
            "() => { const one = document.activeElement;"
            " return one.id || one.value || one.getAttribute('aria-label') || one.tagName }"
        )
        if what in reached:
            continue
        if what == "score":
            opened.keyboard.press("Home")
            for _ in range(7):
                opened.keyboard.press("ArrowRight")
            expect(opened.locator("#score-text")).to_have_text("0.07")
        if what == "iou":
            opened.keyboard.press("ArrowRight")
            expect(opened.locator("#iou-text")).to_have_text("0.55")
        if what == "class":
            opened.keyboard.press("ArrowDown")
            expect(opened.locator("[data-title]").first).to_have_text(NAMES[0])
        if what == "names":
            opened.keyboard.press("Space")
            assert opened.locator(".mark text:visible").count() == 0
        if what == "best":
            opened.keyboard.press("Enter")
            expect(opened.locator("#best")).to_have_attribute("aria-pressed", "true")
        reached.add(what)
    controls = {"class", "score", "iou", "best", *STYLES, "annotated", "ignored", "names"}
    regions = set(
        opened.locator(".scroll").evaluate_all(
            "all => all.map(one => one.getAttribute('aria-label'))"
        )
    )
    assert controls | regions <= reached


def test_changes_are_announced_to_screen_readers_after_the_last_one(opened):
    choose(opened, None, 40, 0)
    precision, recall, f1 = shown_numbers(opened)
    announced = opened.locator("output[aria-live=polite]")
    expect(announced).to_have_text(f"precision {precision}, recall {recall}, F1 {f1}")


@pytest.mark.parametrize(("colours", "viewport"), [("light", DESK), ("dark", PHONE)])
def test_axe_finds_no_violation(browser, scene, viewport, colours):
    for page in opening(browser, scene, viewport=viewport, color_scheme=colours):
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width == viewport["width"]
        violations = Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == []


def test_paper_has_the_numbers_and_no_controls(opened):
    opened.emulate_media(media="print")
    assert not opened.locator("#score").is_visible()
    assert opened.locator("#readings").is_visible()
    assert opened.pdf()[:5] == b"%PDF-"
    opened.emulate_media(media="screen")


def test_without_scripts_numbers_charts_and_images_are_there(browser, scene):
    for page in opening(browser, scene, viewport=DESK, java_script_enabled=False):
        assert not page.locator("#score").is_visible()
        assert page.locator("#readings b").first.text_content() != "\N{EN DASH}"
        assert page.locator(".image .mark.tp").first.is_visible()
        assert page.locator("svg.whole polyline").is_visible()


def test_the_sections_stay_in_reach_above_the_controls(opened):
    opened.reload()
    opened.locator("#suspects, #confusion").last.scroll_into_view_if_needed()
    nav = opened.locator("nav").bounding_box()
    assert nav["y"] == 0
    opened.locator("#explore .charts.two").scroll_into_view_if_needed()
    opened.mouse.wheel(0, 300)
    controls = opened.locator(".bar-of-controls").bounding_box()
    assert controls["y"] >= opened.locator("nav").bounding_box()["height"] - 1


def test_names_of_boxes_do_not_cover_each_other(opened):
    opened.reload()
    choose(opened, None, 0, 0)
    covering = opened.evaluate(
        """() => [...document.querySelectorAll(".image svg")].map((svg) => {
          const names = [...svg.querySelectorAll(".mark:not(.off, .crowded, .annotated) text")];
          const boxes = names.map((name) => name.getBoundingClientRect());
          const apart = (a, b) => a.right <= b.left || b.right <= a.left
            || a.bottom <= b.top + a.height / 3 || b.bottom <= a.top + a.height / 3;
          return boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) => !apart(a, b))).length;
        })"""
    )
    assert sum(covering) == 0
    assert opened.locator(".mark.crowded").count() > 0
