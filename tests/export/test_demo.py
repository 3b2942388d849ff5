"""The demo page in a real browser, on the exported files."""

import json
import re
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from export.demo import PACKAGE, PAGE, find_package
from keras_convmixer.data.image_data import as_arrays
from keras_convmixer.data.source import Source
from tests.helpers import ROOT, TFLITE_FILES, outputs

CHROMIUM = shutil.which("chromium")
CHROMEDRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def packages():
    """The page's packages, installed as the README says."""
    if not (PAGE / "node_modules" / PACKAGE).is_dir():
        if not shutil.which("npm"):
            pytest.skip("needs npm")
        install = ["npm", "ci", "--prefix", PAGE]
        done = subprocess.run(install, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"npm can't install: {done.stderr}")


@pytest.fixture(scope="module")
def address(packages, digits_export, tmp_path_factory):
    """Where the demo of the digits run is served."""
    run = tmp_path_factory.mktemp("demo") / "digits"
    shutil.copytree(digits_export.parent, run)
    command = [sys.executable, "-m", "export.demo", run, "--port", "0"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as server:
        yield server.stdout.readline().strip()
        server.terminate()


@pytest.fixture(scope="module")
def browser(address, tmp_path_factory):
    if not (CHROMIUM and CHROMEDRIVER):
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('user')}"):
        options.add_argument(flag)
    service = webdriver.ChromeService(CHROMEDRIVER)
    with webdriver.Chrome(options, service) as browser:
        browser.get(address)
        wait(browser, "ready")
        yield browser


def wait(browser, *states):
    """Until the page says that it is so far."""
    selector = ", ".join(f"#status[data-state={state}]" for state in states)
    WebDriverWait(browser, 60).until(
        lambda page: page.find_elements(By.CSS_SELECTOR, selector)
    )


def classes(browser, path):
    """Names and shares that the page shows for a picture."""
    script = "document.getElementById('status').dataset.state = 'waiting'"
    browser.execute_script(script)
    browser.find_element(By.ID, "photo").send_keys(str(path))
    wait(browser, "done")
    rows = browser.find_elements(By.CSS_SELECTOR, "#classes .row")
    return [row.text.split("\n") for row in rows]


@pytest.mark.parametrize("format", TFLITE_FILES)
def test_page_names_what_keras_does(browser, digits_export, tmp_path, format):
    name = f"digits_{format}.tflite"
    Select(browser.find_element(By.ID, "model")).select_by_value(name)
    wait(browser, "ready", "done")
    images, _ = as_arrays(Source("digits").load(8).held_out, 10)
    model = keras.saving.load_model(digits_export.parent / "model.keras")
    probabilities = model.predict(images, verbose=0)
    best, sure = probabilities.argmax(-1), probabilities.max(-1) > 0.9
    assert sure.sum() >= 8
    expected = outputs((digits_export / name).read_bytes(), images)
    for index, image in enumerate(images):
        path = tmp_path / f"{index}.png"
        Image.fromarray(image).save(path)
        shown = classes(browser, path)
        assert len(shown) == 5
        assert shown[0][0] == str(expected[index].argmax())
        # Of two classes that are level a file may name either.
        assert shown[0][0] == str(best[index]) or not sure[index]
        share = float(shown[0][1].rstrip("%")) / 100
        assert share == pytest.approx(expected[index].max(), abs=2e-3)


def test_page_offers_every_file(browser):
    options = Select(browser.find_element(By.ID, "model")).options
    offered = [option.get_attribute("value") for option in options]
    assert offered == [f"digits_{format}.tflite" for format in TFLITE_FILES]
    for option in options:
        assert re.search(r"\(\d+ KB\)", option.text)


def test_page_shows_the_middle_of_a_wide_photograph(browser, tmp_path):
    images, labels = as_arrays(Source("digits").load(8).held_out, 1)
    large = np.kron(images[0], np.ones((40, 40, 1), "uint8"))
    wide = np.pad(large, ((0, 0), (90, 90), (0, 0)), constant_values=255)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    shown = classes(browser, tmp_path / "wide.png")
    assert shown[0][0] == str(labels[0])


def test_page_says_what_goes_wrong(browser, tmp_path):
    (tmp_path / "text.png").write_text("not an image")
    browser.find_element(By.ID, "photo").send_keys(str(tmp_path / "text.png"))
    wait(browser, "error")
    assert browser.find_element(By.ID, "status").text


def test_page_loads_nothing_from_elsewhere(browser, address):
    entries = browser.execute_script(
        "return performance.getEntriesByType('resource').map("
        "e => [e.name, e.transferSize + e.decodedBodySize])"
    )
    loaded = [name for name, size in entries if size]
    assert f"{address}files.json" in loaded
    assert all(name.startswith((address, "blob:")) for name in loaded), loaded


def test_the_package_may_be_in_the_current_folder(tmp_path, monkeypatch):
    """Where the error's own command puts it, for want of a checkout."""
    page = tmp_path / "site-packages" / "page"
    page.mkdir(parents=True)
    shutil.copy(PAGE / "package.json", page)
    monkeypatch.setattr("export.demo.PAGE", page)
    monkeypatch.chdir(tmp_path)
    version = json.loads((PAGE / "package.json").read_text())
    version = version["dependencies"][PACKAGE]
    command = f"npm install --no-save --prefix . {PACKAGE}@{version}"
    with pytest.raises(ValueError, match=re.escape(f"`{command}`")):
        find_package()
    package = tmp_path / "node_modules" / PACKAGE
    package.mkdir(parents=True)
    assert find_package() == package
