"""The page of a detector in a real browser: what is shown of detections that are known."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser_page import DESK, HEIGHT, WIDTH, add, image_file, opened_page, settle, wait_until
from page_service import ABOUT, FOUND, PageService, detections_in, serving_page
from PIL import Image
from playwright.sync_api import Page, expect

from singleshot.browser.page import PageExample, PageSource, build_page
from singleshot.detectors.common.priors import PriorLevel, prior_boxes
from singleshot.drawing.colours import class_colour

NAMES = [label for label, *_ in FOUND]


def rows(page: Page) -> list[tuple[str, float]]:
    """Read label and score of each row of the table."""
    cells = page.locator("#rows tr").evaluate_all(
        "all => all.map(({children: [label, score]}) => [label.textContent, +score.textContent])"
    )
    return [tuple(one) for one in cells]


@pytest.fixture(scope="module")
def service() -> Iterator[PageService]:
    with serving_page(PageService()) as running:
        yield running


@pytest.fixture
def page(browser, service) -> Iterator[Page]:
    service.bodies.clear()
    service.types.clear()
    with opened_page(browser, service.url, viewport=DESK) as opened:
        wait_until(opened, "state.source !== null")
        yield opened


def test_detections_are_those_of_the_service_from_the_threshold_on(page):
    add(page)
    page.click("text=One for all")
    settle(page)
    assert rows(page) == [(label, score) for label, score, *_ in FOUND if score >= 0.3]
    shown = page.evaluate("shownIn(state.current)")
    assert shown == [one for one in detections_in(WIDTH, HEIGHT) if one["score"] >= 0.3]
    expect(page.locator("#count")).to_have_text("4")


def test_the_slider_filters_at_once_and_requests_nothing(page, service):
    add(page)
    for threshold in (0.01, 0.32, 0.33, 0.8, 1):
        page.fill("#score", str(threshold))
        settle(page)
        assert rows(page) == [(label, score) for label, score, *_ in FOUND if score >= threshold]
        expect(page.locator("#score-text")).to_have_text(f"{threshold:.2f}")
    assert len(service.bodies) == 1


def test_an_operating_point_sets_the_threshold_of_each_class(page):
    add(page)
    for words, rule in (("Best F1", "f1"), ("Precision ≥ 0.9", "precision=0.9")):
        button = page.get_by_role("button", name=words)
        button.click()
        settle(page)
        expect(button).to_have_attribute("aria-pressed", "true")
        # A class that cannot meet the rule is kept from the default.
        points = ABOUT["operating_points"]
        least = {name: 0.3 if of[rule] is None else of[rule] for name, of in points.items()}
        assert rows(page) == [(label, score) for label, score, *_ in FOUND if score >= least[label]]


def test_a_class_has_a_threshold_of_its_own(page):
    add(page)
    page.click("#classes summary")
    settle(page)
    row = page.locator("#class-list li", has_text="dog")
    row.locator("input").fill("0.97")
    settle(page)
    assert rows(page) == [("cat", 0.8), ("cat", 0.45)]
    expect(page.locator("#score-text")).to_have_text("by class")


def test_a_row_and_its_box_highlight_each_other(page):
    add(page)
    page.hover("#rows tr:nth-child(2)")
    assert page.evaluate("highlighted().score") == 0.8
    # The middle of the dog, in the right half of the image.
    view = page.evaluate("({...stage.view})")
    page.locator("#overlay").hover(
        position={"x": view["x"] + 0.9 * view["width"], "y": view["y"] + 0.5 * view["height"]}
    )
    expect(page.locator("#rows tr.highlighted th")).to_have_text("dog")
    assert page.evaluate("highlighted().score") == 0.95


def test_boxes_are_drawn_at_whole_pixels_of_the_screen(browser, service):
    with opened_page(browser, service.url, viewport=DESK, device_scale_factor=2) as page:
        add(page)
        page.uncheck("#show-labels")
        settle(page)
        overlay = page.evaluate(
            """() => { const {width, height} = element("overlay");
            const pixels = element("overlay").getContext("2d").getImageData(0, 0, width, height);
            const at = (x, y) => [0, 1, 2, 3].map((one) => pixels.data[4 * (y * width + x) + one]);
            const box = toCanvas(stage.view, shownIn(state.current)[0].box);
            const middle = box.top + Math.round(box.height / 2);
            return {width, css: element("stage").getBoundingClientRect().width,
                    line: stage.view.line, edge: at(box.left, middle),
                    inner: at(box.left + stage.view.line - 1, middle)}; }"""
        )
    assert overlay["width"] == pytest.approx(2 * overlay["css"], abs=1)
    assert overlay["line"] == 4
    assert overlay["edge"] == overlay["inner"] == [*class_colour(NAMES.index("cat")), 255]


def test_priors_are_those_of_python(page):
    levels = [
        PriorLevel((7, 7), (9, 9), (5, 5), ((12, 12), (8, 18))),
        PriorLevel((2, 2), (32, 32), (16, 16), ((40, 40),)),
    ]
    expected = prior_boxes(levels, (64, 64)).numpy()
    expected = np.hstack(
        [expected[:, :2] - expected[:, 2:] / 2, expected[:, :2] + expected[:, 2:] / 2]
    )
    for about in (ABOUT, ABOUT | {"priors": prior_boxes(levels, (64, 64)).tolist()}):
        shown = page.evaluate(
            "(about) => { const read = readAbout(about);"
            " return [...Array(102).keys()].map((index) => priorBox(read, index)) }",
            about,
        )
        np.testing.assert_allclose(np.array(shown), expected, atol=1e-6)


def test_levels_count_the_detections_of_their_priors(page):
    add(page)
    page.fill("#score", "0.1")
    expect(page.locator("#levels")).to_be_hidden()
    page.check("#show-priors")
    settle(page)
    cells = page.locator("#level-rows tr").evaluate_all(
        "all => all.map((row) => [...row.children].map((cell) => cell.textContent))"
    )
    assert cells == [["7 × 7", "9", "12–12", "3"], ["2 × 2", "32", "40–40", "2"]]
    page.hover("#level-rows tr:nth-child(2)")
    assert page.evaluate("state.level") == 1


def test_time_is_divided_into_phases(page):
    add(page)
    expect(page.locator("#time-total")).to_have_text("20 ms")
    assert page.locator(".phase-list dd").all_text_contents() == ["2.0 ms", "15 ms", "3.0 ms"]
    widths = page.locator("#phases i").evaluate_all("all => all.map((one) => one.style.flexGrow)")
    assert [float(width) for width in widths] == pytest.approx([0.1, 0.75, 0.15])


def test_files_are_sent_as_they_are(page, service):
    webp = image_file(kind="WEBP")
    add(page, "photo.webp", content=webp, kind="image/webp")
    assert (service.bodies, service.types) == ([webp], ["image/webp"])


def test_other_files_are_sent_as_png_with_the_same_pixels(page, service):
    add(page, "photo.bmp", content=image_file(kind="BMP"), kind="image/bmp")
    assert service.types == ["image/png"]
    sent = Image.open(io.BytesIO(service.bodies[0])).convert("RGB")
    original = Image.open(io.BytesIO(image_file(kind="BMP")))
    np.testing.assert_array_equal(np.asarray(sent), np.asarray(original))


def test_a_sideways_photograph_is_shown_upright(page):
    exif = Image.Exif()
    exif[0x0112] = 6
    add(page, "phone.jpg", content=image_file(kind="JPEG", exif=exif), kind="image/jpeg")
    expect(page.locator("#image-size")).to_have_text(f"{HEIGHT} × {WIDTH}")


def test_the_saved_json_is_that_of_predict(page):
    add(page, "one.png", "two.png")
    page.fill("#score", "0.5")
    settle(page)
    with page.expect_download() as saved:
        page.click("#save-json")
    document = json.loads(Path(saved.value.path()).read_text())
    expected = [one for one in detections_in(WIDTH, HEIGHT) if one["score"] >= 0.5]
    assert document == [
        {"image": name, "width": WIDTH, "height": HEIGHT, "detections": expected}
        for name in ("one.png", "two.png")
    ]


def test_the_saved_image_has_the_boxes_in_its_own_pixels(page):
    add(page, "one.png", content=image_file((800, 600)))
    page.uncheck("#show-labels")
    settle(page)
    with page.expect_download() as saved:
        page.click("#save-png")
    assert saved.value.suggested_filename == "one-detections.png"
    image = Image.open(saved.value.path()).convert("RGB")
    assert image.size == (800, 600)
    # The left side of the dog, at half the image's width.
    assert image.getpixel((400, 500)) == class_colour(1)


def test_several_images_are_listed_with_their_counts(page):
    add(page, "one.png", "two.png", "three.png")
    assert page.locator("#strip .badge").all_text_contents() == ["4", "4", "4"]
    expect(page.locator("#image-name")).to_have_text("one.png")
    page.get_by_role("button", name="two.png, 4 detections").click()
    expect(page.locator("#image-name")).to_have_text("two.png")
    page.click("text=Remove all")
    expect(page.locator("#empty")).to_be_visible()


def test_images_are_dropped_and_pasted(page):
    for kind in ("drop", "paste"):
        page.evaluate(
            """([kind, bytes]) => {
              const data = new DataTransfer();
              const type = "image/png";
              data.items.add(new File([Uint8Array.from(bytes)], `${kind}.png`, {type}));
              const event = kind === "drop"
                ? new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true})
                : new ClipboardEvent(kind, {clipboardData: data, bubbles: true});
              document.body.dispatchEvent(event);
            }""",
            [kind, list(image_file((40, 30)))],
        )
        expect(page.locator("#image-name")).to_have_text(f"{kind}.png")
        wait_until(page, "state.current.status === 'done'")


def test_names_of_classes_are_never_markup(page):
    add(page)
    page.fill("#score", "0.3")
    assert page.locator("b:text-is('bird')").count() == 0
    expect(page.locator("#rows")).to_contain_text("red <b>bird</b>", use_inner_text=True)


def test_attachments_cannot_end_their_script():
    page = build_page("A & B", PageSource(["1"], attachments={"a": "x</script><!--y"}))
    assert page.count("</script>") == 5  # whole, settings, attachment, source, page
    assert "<!--" not in page
    assert "<title>A &amp; B" in page


SOURCE = """
globalThis.openSource = async () => ({
  place: "device",
  notes: ["A note."],
  about: {name: "middle", labels: ["middle"], input: [300, 300]},
  async detect(frame, {scoreThreshold}) {
    const {data, width, height} = frame.imageData();
    const box = [width / 4, height / 4, 3 * width / 4, 3 * height / 4];
    return {width, height, detections: [{box, label: "middle", score: data[0] / 255}]};
  },
});
"""


def test_a_page_from_disk_has_a_source_and_examples_of_its_own(browser, tmp_path):
    red = io.BytesIO()
    Image.new("RGB", (80, 40), (204, 0, 0)).save(red, "PNG")
    url = "data:image/png;base64," + base64.b64encode(red.getvalue()).decode()
    path = tmp_path / "index.html"
    examples = [PageExample("red image", url)]
    path.write_text(build_page("middle", PageSource([SOURCE]), examples), encoding="utf-8")
    with opened_page(browser, path.as_uri(), viewport=DESK) as page:
        page.get_by_role("button", name="Try red image").click()
        expect(page.locator("#rows tr")).to_contain_text("0.80")
        assert page.evaluate("shownIn(state.current)[0].box") == [20, 10, 60, 30]
        expect(page.locator("#privacy")).to_have_text("Images do not leave this device. A note.")
        expect(page.locator("#time")).to_be_hidden()
