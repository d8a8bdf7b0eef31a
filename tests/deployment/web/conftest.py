"""Pages of tiny models, a web server, and a browser at phone size."""

import contextlib
import functools
import http.server
import json
import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CHROMIUM = "chromium", "chromium-browser", "google-chrome"


class Browser:
    """Chromium, driven by `browse.mjs`.

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

    def offline(self, value):
        self._ask(offline=value)

    def screenshot(self, path, scheme="light"):
        self._ask(screenshot=str(path), scheme=scheme)

    def state(self):
        """The page's line of state, once it does not say that something is loading."""
        return self.run("""
            const line = document.getElementById("state");
            for (let i = 0; i < 1200 && /^(Loading.*)?$/.test(line.textContent); i++)
              await new Promise((done) => setTimeout(done, 50));
            return line.textContent;
        """)

    def _ask(self, **command):
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["value"]


@contextlib.contextmanager
def chromium():
    """Yields a `Browser`."""
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if not path or not shutil.which("node") or not (HERE / "node_modules").is_dir():
        pytest.skip("needs Chromium, Node.js and puppeteer-core: scripts/test.sh --web")
    command = ["node", str(HERE / "browse.mjs"), path]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        try:
            yield Browser(process)
        finally:
            process.stdin.close()
            process.wait(timeout=30)


@contextlib.contextmanager
def served(folder, port=0):
    """Serves a folder as `python -m http.server` does; yields its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=os.fspath(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


@pytest.fixture(scope="session")
def serve():
    """The function `served`."""
    return served


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found
