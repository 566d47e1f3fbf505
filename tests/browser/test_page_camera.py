"""The camera of the page: frames that the browser makes, detected in one after the other."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator
from threading import Lock

import pytest
from browser_page import DESK, add, opened_page, wait_until
from page_service import PageService, answer_to, serving_page
from PIL import Image
from playwright.sync_api import Page, expect


@pytest.fixture
def service() -> Iterator[PageService]:
    with serving_page(PageService()) as running:
        yield running


@pytest.fixture
def page(browser, service) -> Iterator[Page]:
    with opened_page(
        browser, service.url, viewport=DESK, allowed=lambda text: "429" in text
    ) as opened:
        wait_until(opened, "state.source !== null")
        yield opened


def start(page: Page) -> None:
    page.click("#camera")
    wait_until(page, "state.current?.frame >= 3")


def test_frames_are_detected_in_and_their_rate_is_shown(page, service):
    start(page)
    expect(page.locator("#rate")).to_have_text(re.compile(r"^[\d.]+ frames per second$"))
    expect(page.locator("#count")).to_have_text("4")
    assert set(service.types) == {"image/jpeg"}
    shown = page.evaluate("[state.current.width, state.current.height]")
    assert Image.open(io.BytesIO(service.bodies[-1])).size == tuple(shown)
    expect(page.locator("#time-note")).to_contain_text("means of")


def test_a_pause_keeps_the_frame_and_requests_nothing(page, service):
    start(page)
    page.click("#pause")
    expect(page.locator("#rate")).to_have_text("paused")
    page.wait_for_timeout(300)
    frame, requests = page.evaluate("state.current.frame"), len(service.bodies)
    page.wait_for_timeout(300)
    assert (page.evaluate("state.current.frame"), len(service.bodies)) == (frame, requests)
    page.click("text=Continue")
    wait_until(page, f"state.current.frame > {frame}")


def test_after_short_pauses_one_frame_is_detected_in_at_a_time(page, service):
    running, most, lock = [], [], Lock()

    def slowly(body):
        with lock:
            running.append(body)
            most.append(len(running))
        time.sleep(0.05)
        with lock:
            running.remove(body)
        return answer_to(body)

    service.answer = slowly
    start(page)
    page.evaluate("for (let n = 0; n < 3; n += 1) { pauseCamera(true); pauseCamera(false); }")
    frame = page.evaluate("state.current.frame")
    wait_until(page, f"state.current.frame > {frame + 2}")
    assert max(most) == 1


def test_stopping_leaves_the_last_frame_as_an_image(page):
    start(page)
    page.click("#stop")
    expect(page.locator("#camera")).to_be_focused()
    expect(page.locator("#image-name")).to_have_text(re.compile("^Camera [0-9:]+$"))
    expect(page.locator("#count")).to_have_text("4")
    assert page.evaluate("camera.stream") is None
    expect(page.locator("#save-png")).to_be_enabled()


def test_images_end_the_camera(page):
    start(page)
    add(page)
    expect(page.locator("#image-name")).to_have_text("one.png")
    assert page.evaluate("camera.stream") is None


def test_another_camera_is_chosen(page):
    start(page)
    names = page.locator("#cameras option").all_text_contents()
    assert len(names) == 2
    page.select_option("#cameras", index=1)
    wait_until(page, "state.current?.live && state.current.frame >= 2")
    assert page.evaluate("camera.stream.getVideoTracks()[0].label") == names[1]
    assert page.evaluate("state.items.length") == 1


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("camera2 1, facing front", "Front camera"),
        ("camera2 0, facing back", "Back camera"),
        ("", "Camera 1"),
    ],
)
def test_cameras_of_phones_have_short_names(page, label, name):
    assert page.evaluate("(label) => cameraName({label}, 0)", label) == name


def test_a_busy_server_is_given_time(page, service):
    service.refusals = [(429, {"Retry-After": "1"})] * 2
    page.click("#camera")
    wait_until(page, "state.current?.frame >= 2")
    assert service.refusals == []


@pytest.mark.parametrize(
    ("error", "title"),
    [
        ("NotAllowedError", "The camera is blocked"),
        ("NotFoundError", "There is no camera"),
        ("NotReadableError", "The camera cannot be read"),
    ],
)
def test_a_camera_that_cannot_be_used_is_explained(page, error, title):
    page.evaluate(
        "(name) => { navigator.mediaDevices.getUserMedia ="
        " async () => { throw new DOMException('no', name) } }",
        error,
    )
    page.click("#camera")
    notice = page.get_by_role("alert")
    expect(notice).to_contain_text(title)
    expect(notice.get_by_role("button", name="Try again")).to_be_visible()


def test_without_https_the_reason_is_given(page):
    page.evaluate("Object.defineProperty(navigator, 'mediaDevices', {value: undefined})")
    page.click("#camera")
    expect(page.get_by_role("alert")).to_contain_text("https://")
