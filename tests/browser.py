"""What tests do with the demo page."""

import contextlib
import threading

from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from export.demo_server import serve

# After which a page has failed, however busy the machine is.
SECONDS = 180


def wait(browser, *states):
    """Until the page says that it is so far."""
    selector = ", ".join(f"#status[data-state={state}]" for state in states)
    WebDriverWait(browser, SECONDS).until(
        lambda page: page.find_elements(By.CSS_SELECTOR, selector)
    )


def choose(browser, format, delegate=None):
    """Chooses a file, and the delegate that runs it."""
    delegate = delegate or ("WebGL" if format == "gpu" else "CPU")
    # It is ready before it has classified the photo that it shows once more.
    has_photo = browser.find_element(By.ID, "view").is_displayed()
    states = ("done",) if has_photo else ("ready", "done")
    for field, value in (
        ("delegate", delegate),
        ("model", f"digits_{format}.tflite"),
    ):
        select = Select(browser.find_element(By.ID, field))
        select.select_by_value(value)
        wait(browser, *states)


def classes(browser, path):
    """Names and shares that the page shows for a picture."""
    script = "document.getElementById('status').dataset.state = 'waiting'"
    browser.execute_script(script)
    browser.find_element(By.ID, "photo").send_keys(str(path))
    wait(browser, "done")
    rows = browser.find_elements(By.CSS_SELECTOR, "#classes .row")
    return [row.text.split("\n") for row in rows]


@contextlib.contextmanager
def served(folder):
    """The address of a server for a folder."""
    with serve(folder, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
