"""What the page does where an image, a server or a key is refused."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from browser_page import DESK, add, image_file, opened_page, wait_until
from page_service import ABOUT, PageService, serving_page
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from singleshot.browser.page import build_page, server_source


@pytest.fixture
def service() -> Iterator[PageService]:
    with serving_page(PageService()) as running:
        yield running


def opening(browser: Browser, service: PageService):
    """Open the page; the browser logs answers that are errors."""
    return opened_page(
        browser, service.url, viewport=DESK, allowed=lambda text: "Failed to load resource" in text
    )


def choose(page: Page, content: bytes, name: str = "one.png") -> None:
    page.set_input_files("#files", [{"name": name, "mimeType": "image/png", "buffer": content}])


def test_an_error_of_the_server_is_explained_and_the_image_tried_again(browser, service):
    with opening(browser, service) as page:
        service.refusals = [(500, {})]
        choose(page, image_file())
        notice = page.get_by_role("alert")
        expect(notice).to_contain_text("Refused one.png. limit of 500")
        expect(page.locator("#state")).to_have_text("No detections")
        notice.get_by_role("button", name="Try again").click()
        expect(page.locator("#count")).to_have_text("4")
        expect(notice).to_have_count(0)


def test_an_image_that_is_too_large_is_shrunk(browser, service):
    service.about = ABOUT | {"limits": {"max_pixels": 200 * 150, "max_bytes": 10_000}}
    with opening(browser, service) as page:
        service.refusals = [(413, {})]
        choose(page, image_file((800, 600)))
        notice = page.get_by_role("alert")
        expect(notice).to_contain_text("too large for this server")
        notice.get_by_role("button", name="Shrink and try again").click()
        expect(page.locator("#count")).to_have_text("4")
        width, height = Image.open(io.BytesIO(service.bodies[0])).size
        assert width * height <= 200 * 150
        assert len(service.bodies[0]) <= 10_000
        # Drawn on the image as it was chosen.
        expect(page.locator("#image-size")).to_have_text("800 × 600")
        assert page.evaluate("shownIn(state.current)[0].box") == pytest.approx([400, 150, 800, 600])


def test_a_type_that_the_server_does_not_read_is_explained(browser, service):
    with opening(browser, service) as page:
        service.refusals = [(415, {})]
        choose(page, image_file())
        expect(page.get_by_role("alert")).to_contain_text("does not read such files")


def test_a_busy_server_is_tried_again_after_the_time_it_requires(browser, service):
    with opening(browser, service) as page:
        service.refusals = [(429, {"Retry-After": "1"})]
        choose(page, image_file())
        expect(page.get_by_role("alert")).to_contain_text("tried again in 1 second")
        expect(page.locator("#count")).to_have_text("4")
        expect(page.get_by_role("alert")).to_have_count(0)


def test_a_server_that_is_gone_and_comes_back(browser):
    service = PageService()
    with serving_page(service):
        port = int(service.url.rpartition(":")[2])
        context = opening(browser, service)
        page = context.__enter__()
        wait_until(page, "state.source !== null")
    choose(page, image_file())
    notice = page.get_by_role("alert")
    expect(notice).to_contain_text("The server cannot be reached")
    with serving_page(service, port):
        notice.get_by_role("button", name="Try again").click()
        expect(page.locator("#count")).to_have_text("4")
        context.__exit__(None, None, None)


def test_what_is_no_image_is_refused_and_others_are_not(browser, service):
    with opening(browser, service) as page:
        files = [
            ("notes.txt", b"text"),
            ("broken.png", image_file()[:60]),
            ("one.png", image_file()),
        ]
        page.set_input_files(
            "#files",
            [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in files],
        )
        wait_until(page, "state.items.length === 3 && state.items[2].status === 'done'")
        assert page.evaluate("state.items.map((one) => one.status)") == ["failed", "failed", "done"]
        expect(page.get_by_role("alert")).to_contain_text("cannot be read as an image")
        assert len(service.bodies) == 1


def test_a_key_is_requested_checked_and_kept_for_the_tab(browser, service):
    service.key = "open sesame"
    with opening(browser, service) as page:
        expect(page.get_by_role("alert")).to_contain_text("requires an API key")
        for key in ("wrong", "open sesame"):
            page.fill("#key", key)
            page.keyboard.press("Enter")
            if key == "wrong":
                expect(page.get_by_role("alert")).to_contain_text("not accepted")
        expect(page.get_by_role("alert")).to_have_count(0)
        add(page)
        page.reload()
        wait_until(page, "state.source !== null")


def test_a_key_that_is_withdrawn_is_requested_again(browser, service):
    with opening(browser, service) as page:
        wait_until(page, "state.source !== null")
        service.key = "new"
        choose(page, image_file())
        page.fill("#key", "new")
        assert service.num_without_key == 1
        page.keyboard.press("Enter")
        expect(page.locator("#count")).to_have_text("4")


def test_a_detector_without_priors_and_operating_points_has_no_controls_for_them(browser, service):
    service.about = {"name": "plain", "labels": ["cat", "dog"]}
    service.answer = lambda _: {
        "width": 320,
        "height": 240,
        "detections": [{"box": [1, 2, 30, 40], "label": "cat", "score": 0.5}],
        "milliseconds": {"preprocess": None, "network": None, "postprocess": None},
    }
    with opening(browser, service) as page:
        wait_until(page, "state.source !== null")
        add(page)
        expect(page.locator("#priors-option")).to_be_hidden()
        expect(page.locator("#rules")).to_be_hidden()
        expect(page.locator("#rows tr")).to_contain_text("29 × 38")
        expect(page.locator("#time-network")).to_have_text("–")


@pytest.mark.parametrize("part", [0.5, 0.99])
def test_a_file_that_is_cut_short_is_named_as_such(browser, tmp_path, part):
    page_text = build_page("cells", server_source())
    file = tmp_path / "cut.html"
    file.write_text(page_text[: int(part * len(page_text))], encoding="utf-8")
    with opened_page(browser, file.as_uri()) as page:
        expect(page.locator("#lead")).to_contain_text("cut short or damaged")
