"""A web server, and Chromium at phone size, driven by `browse.mjs`."""

import contextlib
import functools
import http.server
import json
import os
import shutil
import subprocess
import threading
from pathlib import Path

SCRIPT = Path(__file__).with_name("browse.mjs")
NAMES = "chromium", "chromium-browser", "google-chrome"
# Also while a page of a busy machine compiles.
SHOWN = """
    const lines = () => [...document.querySelectorAll(".state")];
    const text = () => lines().find((each) => each.checkVisibility()).textContent;
    for (let i = 0; i < 2000 && /^(Loading.*)?$/.test(text()); i++)
      await new Promise((done) => setTimeout(done, 50));
    return text();
"""


class Browser:
    """Chromium with one page.

    Args:
        process: the running script.
    """

    def __init__(self, process):
        self._process = process

    def open(self, url):
        """Opens a page; waits until it has loaded, not for what its scripts do then."""
        self._ask(open=url)

    def run(self, code):
        """The value that the body of an async function returns in the page."""
        return self._ask(run=code)

    def press(self, key):
        """Presses and releases a key, such as "ArrowRight"."""
        self._ask(press=key)

    def go_offline(self):
        """Takes the page's connection away."""
        self._ask(offline=True)

    def tree(self):
        """What screen readers get: list of [role, name, whether it is selected]."""
        return self._ask(tree=True)

    def seconds(self):
        """CPU time of the page's main thread."""
        return self._ask(seconds=True)

    def screenshot(self, path, scheme="light"):
        """Writes a picture; the page gets and keeps the scheme, "light" or "dark"."""
        self._ask(screenshot=str(path), scheme=scheme)

    def state(self):
        """The page's line of state, once it does not say that something is loading."""
        return self.run(SHOWN)

    def _ask(self, **command):
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["value"]


@contextlib.contextmanager
def chromium():
    """Yields a `Browser`; FileNotFoundError if there is no Chromium."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if not path:
        raise FileNotFoundError(f"none of {', '.join(NAMES)} is installed")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(["node", str(SCRIPT), path], **pipes) as process:
        try:
            yield Browser(process)
        finally:
            process.stdin.close()
            process.wait(timeout=30)


@contextlib.contextmanager
def served(folder, port=0, asked=None):
    """Serves a folder as `python -m http.server` does; yields its address.

    Args:
        folder: its path.
        port: 0 for a free one.
        asked: list that gets the paths that are asked for; None: nothing does.
    """

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_request(self, code="-", size="-"):
            if asked is not None:
                asked.append(self.path)

        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=os.fspath(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
