"""The demo page of an exported run, in a real browser."""

import shutil
import subprocess
import sys

import pytest
from selenium import webdriver

from export.demo import PAGE, find_packages
from keras_convmixer.utils.checks import UserError
from tests.browser import SECONDS, wait
from tests.processes import ROOT

CHROMIUM = shutil.which("chromium")
CHROMEDRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",
    # WebGL without a GPU.
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    # And WebGPU.
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    # A camera that shows a moving pattern, and leave to use it.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def packages():
    """The page's packages, installed as the README says."""
    try:
        find_packages()
    except UserError:
        if not shutil.which("npm"):
            pytest.skip("needs npm")
        install = ["npm", "ci", "--prefix", PAGE]
        done = subprocess.run(install, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"npm can't install: {done.stderr}")


@pytest.fixture(scope="module")
def run(digits_export, tmp_path_factory):
    run = tmp_path_factory.mktemp("demo") / "digits"
    return shutil.copytree(digits_export.parent, run)


@pytest.fixture(scope="module")
def demo(run):
    return run / "demo"


@pytest.fixture(scope="module")
def address(packages, run):
    """Where the demo of the digits run is served."""
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
        browser.set_script_timeout(SECONDS)
        browser.get(address)
        wait(browser, "ready")
        yield browser
