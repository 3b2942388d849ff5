"""The demo page in a real browser, on the exported files."""

import json
import re
import shutil

import keras
import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from export.converter import run_converter
from export.demo import PACKAGE, PAGE, find_package
from export.metadata import add_metadata
from keras_convmixer.data.image_data import as_arrays
from keras_convmixer.data.source import Source
from keras_convmixer.inference.gelu import finite_gelu
from tests.browser import choose, classes, wait
from tests.helpers import EACH_FILE, outputs

# What MediaPipe says of one colour, as text: JSON has no NaN.
SCORES = """
const [names, done] = arguments;
(async () => {
  const { FilesetResolver, ImageClassifier } =
    await import("./vendor/vision_bundle.mjs");
  const vision = await FilesetResolver.forVisionTasks("vendor/wasm");
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 8;
  const context = canvas.getContext("2d");
  context.fillStyle = "rgb(200, 120, 40)";
  context.fillRect(0, 0, 8, 8);
  const found = {};
  for (const name of names) {
    const classifier = await ImageClassifier.createFromOptions(vision, {
      baseOptions: { modelAssetPath: `${name}.tflite`, delegate: "GPU" },
    });
    const { categories } = classifier.classify(canvas).classifications[0];
    found[name] = categories.map(({ score }) => String(score));
    classifier.close();
  }
  return found;
})().then(done, (error) => done(String(error)));
"""


@pytest.mark.parametrize("format", EACH_FILE)
def test_page_names_what_keras_does(browser, digits_export, tmp_path, format):
    """The file for GPUs on WebGL: MediaPipe loads no file but a whole one."""
    name = f"digits_{format}.tflite"
    choose(browser, format)
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
        status = browser.find_element(By.ID, "status").text
        assert f"ms on the {'GPU' if format == 'gpu' else 'CPU'}," in status
        assert len(shown) == 5
        assert shown[0][0] == str(expected[index].argmax())
        # Of two classes that are level a file may name either.
        assert shown[0][0] == str(best[index]) or not sure[index]
        share = float(shown[0][1].rstrip("%")) / 100
        # A GPU rounds a logit to a hundredth, which moves what is not sure.
        close = 5e-3 if format == "gpu" and not sure[index] else 2e-3
        assert share == pytest.approx(expected[index].max(), abs=close)


def test_page_offers_every_file_to_the_delegate_that_runs_it(
    browser, digits_formats
):
    offered = {}
    for format in ("gpu", "float32"):
        choose(browser, format)
        options = Select(browser.find_element(By.ID, "model")).options
        offered[format] = [option.get_attribute("value") for option in options]
        for option in options:
            assert re.search(r"\(\d+ KB\)", option.text)
    on_cpu = [format for format in digits_formats if format != "gpu"]
    assert offered["float32"] == [f"digits_{name}.tflite" for name in on_cpu]
    assert offered["gpu"] == ["digits_gpu.tflite"]


def test_page_without_a_file_for_gpus_or_without_webgl(browser, address, demo):
    """Says why the choice is disabled."""
    smaller = demo / "smaller"
    smaller.mkdir()
    for path in demo.glob("*.*"):
        (smaller / path.name).symlink_to(path)
    (smaller / "vendor").symlink_to(demo / "vendor")
    files = json.loads((demo / "files.json").read_text())
    (smaller / "files.json").unlink()
    (smaller / "files.json").write_text(json.dumps(files[:1]))
    try:
        assert gpu_option(browser, f"{address}smaller/") == (
            False,
            "GPU (no file for it: export with --formats gpu)",
        )
        no_webgl = "HTMLCanvasElement.prototype.getContext = () => null"
        method = "Page.addScriptToEvaluateOnNewDocument"
        script = browser.execute_cdp_cmd(method, {"source": no_webgl})
        assert gpu_option(browser, address) == (
            False,
            "GPU (this browser has no WebGL 2)",
        )
        method = "Page.removeScriptToEvaluateOnNewDocument"
        browser.execute_cdp_cmd(method, script)
    finally:
        assert gpu_option(browser, address) == (True, "GPU")


def gpu_option(browser, address):
    """Whether the GPU can be chosen, and the text beside it."""
    browser.get(address)
    wait(browser, "ready")
    option = browser.find_element(By.CSS_SELECTOR, "#delegate [value=GPU]")
    return option.is_enabled(), option.text


def test_a_plain_gelu_of_large_numbers_is_nan_on_the_gpu(browser, demo):
    """And ours is not: the reason for a file for GPUs."""
    image = keras.Input((8, 8, 3), name="image")
    kinds = {"plain": keras.activations.gelu, "finite": finite_gelu}
    for name, gelu in kinds.items():
        x = keras.layers.GlobalAveragePooling2D()(gelu(image))
        model = keras.Model(image, {"logits": x})
        contents = add_metadata(
            run_converter(model), name, "a GELU", ["red", "green", "blue"]
        )
        (demo / f"{name}.tflite").write_bytes(contents)
    found = browser.execute_async_script(SCORES, list(kinds))
    finite = [float(score) for score in found["finite"]]
    assert finite == pytest.approx([200, 120, 40], rel=1e-3)
    assert found["plain"] == ["NaN", "NaN", "NaN"]


def test_page_shows_the_middle_of_a_wide_photograph(browser, tmp_path):
    images, labels = as_arrays(Source("digits").load(8).held_out, 1)
    large = np.kron(images[0], np.ones((40, 40, 1), "uint8"))
    wide = np.pad(large, ((0, 0), (90, 90), (0, 0)), constant_values=255)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    shown = classes(browser, tmp_path / "wide.png")
    assert shown[0][0] == str(labels[0])


def test_page_is_not_sure_below_the_threshold_of_a_file(
    browser, address, demo, digits_export, tmp_path
):
    contents = (digits_export / "digits_float32.tflite").read_bytes()
    images, _ = as_arrays(Source("digits").load(8).held_out, 10)
    blurred = np.full_like(images[:1], images.mean())
    candidates = np.concatenate([images, blurred])
    scores = outputs(contents, candidates).max(-1)
    threshold = (scores.min() + scores.max()) / 2
    page = demo / "unsure"
    page.mkdir()
    for path in demo.iterdir():
        if path != page and path.name != "files.json":
            (page / path.name).symlink_to(path)
    files = json.loads((demo / "files.json").read_text())
    described = {**files[0], "file": "unsure.tflite"}
    (page / "files.json").write_text(json.dumps([described]))
    labels = [str(digit) for digit in range(10)]
    with_threshold = add_metadata(contents, "unsure", "", labels, threshold)
    (page / "unsure.tflite").write_bytes(with_threshold)
    try:
        browser.get(f"{address}unsure/")
        wait(browser, "ready")
        for index in (scores.argmin(), scores.argmax()):
            path = tmp_path / f"{index}.png"
            Image.fromarray(candidates[index]).save(path)
            is_sure = scores[index] > threshold
            assert bool(classes(browser, path)) == is_sure
            status = browser.find_element(By.ID, "status").text
            assert status.startswith("Not sure. ") != is_sure
    finally:
        browser.get(address)
        wait(browser, "ready")


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
