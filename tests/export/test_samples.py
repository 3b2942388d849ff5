"""What can be checked of the samples for phones without their compilers."""

import re
from xml.etree import ElementTree

from tests.processes import ROOT

ANDROID = ROOT / "examples" / "android"
MAIN = ANDROID / "app" / "src" / "main"
NAME = "{http://schemas.android.com/apk/res/android}name"
ID = "{http://schemas.android.com/apk/res/android}id"


def kotlin():
    return "\n".join(path.read_text() for path in MAIN.rglob("*.kt"))


def test_the_manifest_names_what_there_is():
    manifest = ElementTree.parse(MAIN / "AndroidManifest.xml").getroot()
    used = [item.get(NAME) for item in manifest.iter("uses-permission")]
    assert used == ["android.permission.CAMERA"]
    (activity,) = manifest.iter("activity")
    name = activity.get(NAME).removeprefix(".")
    assert (MAIN / "java" / "app" / "convmixer" / f"{name}.kt").is_file()


def test_views_that_the_code_names_are_in_the_layout():
    layout = ElementTree.parse(MAIN / "res" / "layout" / "main.xml")
    ids = [item.get(ID) for item in layout.iter()]
    views = {name.removeprefix("@+id/") for name in ids if name}
    assert views == set(re.findall(r"R\.id\.(\w+)", kotlin()))


def test_the_build_has_the_versions_of_the_pages():
    build = (ANDROID / "app" / "build.gradle.kts").read_text()
    versions = dict(re.findall(r'"[\w.]+:([\w-]+):([\d.]+)"', build))
    page = (ROOT / "docs" / "phone.md").read_text()
    readme = (ANDROID / "README.md").read_text()
    for name in ("litert", "litert-gpu"):
        assert f":{name}:{versions[name]}" in page
    assert f"| LiteRT | {versions['litert']}," in readme
    assert f"| CameraX | {versions['camera-view']} |" in readme
    assert f"API level {re.search('minSdk = (.*)', build)[1]}" in readme


def test_the_code_has_balanced_brackets():
    """The least that a compiler asks for."""
    files = [
        *ANDROID.rglob("*.kt"),
        *ANDROID.rglob("*.kts"),
        *(ROOT / "examples" / "ios").rglob("*.swift"),
    ]
    assert len(files) == 7
    for path in files:
        code = re.sub(r'"(?:\\.|[^"\\])*"', '""', path.read_text())
        for opening, closing in ("()", "[]", "{}"):
            assert code.count(opening) == code.count(closing), path.name


def test_the_resize_of_the_sample_is_that_of_the_page():
    page = (ROOT / "docs" / "phone.md").read_text()
    (block,) = re.findall(r"```kotlin\n(/\*\* The middle.*?)```", page, re.S)
    lines = [line.strip() for line in block.strip().splitlines()]
    code = [line.strip() for line in kotlin().splitlines()]
    start = code.index(lines[0])
    assert code[start : start + len(lines)] == lines
