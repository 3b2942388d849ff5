"""The demo as an app on a phone: camera, offline, accessible, any host."""

import json
import os

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from export.demo import PAGE, PAGE_FILES, write_kept
from tests.browser import SECONDS, choose, classes, served, wait

PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
AXE = PAGE / "node_modules" / "axe-core" / "axe.min.js"
# A camera that takes a while to open; `tracks` are all that it ever opened.
SLOW_CAMERA = """
window.tracks = [];
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  const stream = await open(wanted);
  window.tracks.push(...stream.getTracks());
  await new Promise((done) => setTimeout(done, 300));
  return stream;
};
"""
# The first photo takes longer to decode than the second.
SLOW_FIRST = """
const decode = createImageBitmap;
let wait = 500;
window.createImageBitmap = async (...given) => {
  const bitmap = await decode(...given);
  const wanted = wait;
  wait = 0;
  await new Promise((done) => setTimeout(done, wanted));
  window.decoded = (window.decoded ?? 0) + 1;
  return bitmap;
};
"""


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    random = np.random.default_rng(0)
    pixels = np.uint8(random.integers(0, 256, (30, 20, 3)))
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def opened(browser, address):
    browser.get(address)
    wait(browser, "ready")
    return browser


def press(browser, name):
    browser.find_element(By.ID, name).click()


def status(browser):
    return browser.find_element(By.ID, "status").text


def test_the_same_photo_may_be_picked_again(opened, photo):
    assert classes(opened, photo) == classes(opened, photo)


def test_what_is_transparent_is_white(opened, tmp_path):
    shown = {}
    for color in ((0, 0, 0, 0), (255, 255, 255, 255), (0, 0, 0, 255)):
        path = tmp_path / "plain.png"
        Image.new("RGBA", (8, 8), color).save(path)
        shown[color] = classes(opened, path)
    clear, white, black = shown.values()
    assert clear == white != black


def test_the_camera_is_classified_until_it_is_stopped(opened):
    press(opened, "use-camera")
    wait(opened, "live")
    assert "frames per second on the CPU" in status(opened)
    assert len(opened.find_elements(By.CSS_SELECTOR, "#classes li")) == 5
    keep_tracks(opened)
    press(opened, "use-camera")
    wait(opened, "ready")
    assert track_states(opened) == ["ended"]
    assert not opened.find_elements(By.CSS_SELECTOR, "#classes li")


@pytest.mark.parametrize("by", ["a photo", "a shot", "the other side"])
def test_the_camera_is_turned_off(opened, photo, by):
    press(opened, "use-camera")
    wait(opened, "live")
    keep_tracks(opened)
    if by == "a photo":
        classes(opened, photo)
    elif by == "a shot":
        press(opened, "shoot")
        wait(opened, "done")
    else:
        press(opened, "turn")
        wait(opened, "live")
    assert track_states(opened) == ["ended"]
    # And a photo may be picked after it.
    assert len(classes(opened, photo)) == 5


@pytest.mark.parametrize("second", ["use-camera", "turn"])
def test_a_camera_that_is_opening_can_be_stopped(opened, second):
    opened.execute_script(SLOW_CAMERA)
    press(opened, "use-camera")
    press(opened, second)
    if second == "turn":
        wait(opened, "live")
        press(opened, "use-camera")
    until(opened, f"tracks.length == {1 + (second == 'turn')}")
    until(opened, "tracks.every((track) => track.readyState == 'ended')")
    assert not opened.find_element(By.ID, "camera").is_displayed()


def test_a_camera_that_ends_by_itself_is_told(opened):
    press(opened, "use-camera")
    wait(opened, "live")
    opened.execute_script(
        "camera.srcObject.getTracks()[0].dispatchEvent(new Event('ended'))"
    )
    wait(opened, "error")
    assert status(opened) == "The camera has ended."
    assert not opened.find_elements(By.CSS_SELECTOR, "#classes li")


def test_the_photo_that_was_picked_last_stays(opened, photo, tmp_path):
    other = tmp_path / "other.png"
    Image.new("RGB", (9, 9), "red").save(other)
    expected = classes(opened, other)
    opened.execute_script(SLOW_FIRST)
    opened.find_element(By.ID, "photo").send_keys(str(photo))
    assert classes(opened, other) == expected
    until(opened, "window.decoded == 2")
    view = opened.find_element(By.ID, "view")
    assert view.get_attribute("aria-label") == "The middle of other.png"


def until(browser, condition):
    WebDriverWait(browser, SECONDS).until(
        lambda browser: browser.execute_script(f"return {condition}")
    )


def keep_tracks(browser):
    browser.execute_script(
        "window.tracks = camera.srcObject.getTracks().slice()"
    )


def track_states(browser):
    return browser.execute_script("return tracks.map((t) => t.readyState)")


def test_an_error_leaves_no_earlier_photo(opened, photo, tmp_path):
    classes(opened, photo)
    broken = tmp_path / "holiday.heic"
    broken.write_text("not an image")
    opened.find_element(By.ID, "photo").send_keys(str(broken))
    wait(opened, "error")
    assert status(opened).startswith("holiday.heic can't be read")
    assert "HEIC" in status(opened)
    assert not opened.find_elements(By.CSS_SELECTOR, "#classes li")
    assert not opened.find_element(By.ID, "view").is_displayed()
    assert len(classes(opened, photo)) == 5


def test_without_its_server_the_app_opens_and_classifies(
    browser, demo, address, photo
):
    with served(demo) as place:
        browser.get(place)
        wait(browser, "ready")
        browser.execute_async_script(
            "navigator.serviceWorker.ready.then(arguments[0])"
        )
    browser.get(place)
    wait(browser, "ready")
    assert len(classes(browser, photo)) == 5
    choose(browser, "gpu", "WebGPU")
    assert len(classes(browser, photo)) == 5


def test_a_new_export_takes_the_place_of_the_last(browser, demo, tmp_path):
    """Written within the same second; and a file may have any name."""
    site = tmp_path / "site"
    site.mkdir()
    for name in (*PAGE_FILES, "vendor"):
        (site / name).symlink_to(demo / name)
    (row, *_) = json.loads((demo / "files.json").read_text())
    with served(site) as place:
        for kilobytes in (1, 2):
            row_now = {**row, "file": "50% #1?.tflite", "kilobytes": kilobytes}
            (site / "files.json").write_text(json.dumps([row_now]))
            (site / row_now["file"]).write_bytes(
                (demo / row["file"]).read_bytes()
            )
            (site / "kept.js").unlink(missing_ok=True)
            write_kept(site)
            for path in (site / "kept.js", site / "files.json"):
                os.utime(path, (0, 0))
            browser.get(place)
            shown = json.dumps(f"({kilobytes} KB)")
            until(browser, f"model.textContent.includes({shown})")
            wait(browser, "ready")
            browser.execute_async_script(
                "navigator.serviceWorker.ready.then(arguments[0])"
            )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_at_the_size_of_a_phone(opened, photo, scheme):
    feature = {"name": "prefers-color-scheme", "value": scheme}
    command = opened.execute_cdp_cmd
    command("Emulation.setDeviceMetricsOverride", PHONE)
    command("Emulation.setEmulatedMedia", {"features": [feature]})
    try:
        violations = [check(opened)]
        classes(opened, photo)
        violations.append(check(opened))
        press(opened, "use-camera")
        wait(opened, "live")
        violations.append(check(opened))
        wide = "return document.documentElement.scrollWidth > innerWidth"
        assert not opened.execute_script(wide)
    finally:
        command("Emulation.clearDeviceMetricsOverride", {})
        command("Emulation.setEmulatedMedia", {"features": []})
    assert violations == [[], [], []]


def check(browser):
    """What axe has against the page as it is now."""
    browser.execute_script(AXE.read_text())
    return browser.execute_async_script(
        "axe.run().then(({ violations }) => arguments[0](violations.map("
        "({ id, nodes }) => [id, nodes.map(({ html }) => html)])))"
    )


def test_every_control_is_reached_by_keyboard_once(opened):
    reached = []
    for _ in range(4):
        # Sent to the page as a whole: a file input takes keys for paths.
        ActionChains(opened).send_keys(Keys.TAB).perform()
        reached.append(opened.switch_to.active_element.get_attribute("id"))
    assert reached == ["photo", "use-camera", "delegate", "model"]
