"""Measures the page of a student: what a first visit fetches, and its answers beside LiteRT's.

    python scripts/bench/page.py runs/mini/export
    python scripts/bench/page.py L-4_H-128_A-2       # random weights

The folder holds student.tflite, student_int8.tflite and the tokenizer. Both run on one thread, in
turn: the page in headless Chromium, and Python. Needs what `scripts/test.sh --web` installs.
Printed are the name of the processor; the bytes of a first visit, as files and with gzip; for each
length the median CPU time of an answer, and how many times slower the page is; and for the int8
file the mean difference of its logits from float32 and the share of texts with the same likeliest
token, of the page and of Python, over masked sentences of the bundled text.
"""

import argparse
import gzip
import importlib.util
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.variants import FLOAT32_FILE, INT8_FILE
from tfdistill.deployment.web_page import write_page
from tfdistill.deployment.web_runtime import runtime_files
from tfdistill.system import hardware

ROOT = Path(__file__).resolve().parents[2]
TEXT = ROOT / "tfdistill" / "assets" / "sample"
NOT_FETCHED = "compat", "LICENSE"  # the second build of the runtime
TEXTS, ROUNDS, RUNS, WARM_UP = 200, 12, 20, 60


def load_chromium():
    path = ROOT / "tests" / "deployment" / "web" / "chromium.py"
    spec = importlib.util.spec_from_file_location("chromium", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def random_files(shape, folder):
    """Writes both files of a masked LM with random weights, and the bundled tokenizer."""
    from tfdistill.deployment.signatures import usual_lengths
    from tfdistill.deployment.tflite import DYNAMIC_INT8, export_tflite_files
    from tfdistill.models.configs.bert import named_shape
    from tfdistill.models.model import MaskedLanguageModel

    tokenizer = load_tokenizer()
    model = MaskedLanguageModel(named_shape(shape, "bert", tokenizer.vocab_size), seed=0)
    files = {folder / FLOAT32_FILE: None, folder / INT8_FILE: DYNAMIC_INT8}
    export_tflite_files(model, files, usual_lengths(128))
    tokenizer.save(folder, "bert", 128)


def masked_rows(tokenizer, longest):
    """Rows of sentences, each with one token hidden: list of (ids, its place)."""
    lines = [line for path in sorted(TEXT.rglob("*.txt")) for line in path.open(encoding="utf-8")]
    lines = [line for line in lines if len(line) > 20]
    generator, rows = np.random.default_rng(0), []
    for line in np.random.default_rng(1).permutation(lines)[:TEXTS]:
        ids, mask = tokenizer.encode(str(line), longest)
        ids = ids[: mask.sum()].tolist()
        place = int(generator.integers(1, len(ids) - 1))
        ids[place] = tokenizer.mask_id
        rows.append((ids, place))
    return rows


def inputs_of(ids, place, longest):
    row = np.zeros(longest, np.int32)
    row[: len(ids)] = ids
    mask = (np.arange(longest) < len(ids)).astype(np.int32)
    return {"input_ids": row, "attention_mask": mask, "masked_positions": [place]}


class Page:
    """A page in the browser; its student is the variable `student` of what runs in it."""

    def __init__(self, browser, address):
        self.browser = browser
        browser.open(address)
        print(f"# {browser.state()}")

    def run(self, code):
        start = 'const student = await (await import("./page.js")).opened;'
        return self.browser.run(f"{start} {code}")

    def logits(self, rows):
        found = []
        for ids, place in rows:
            row = json.dumps({"ids": ids, "types": [0] * len(ids)})
            code = f"return [...(await student.run({row}, {{masked_positions: {place}}})).logits]"
            found.append(self.run(code))
        return np.array(found)

    def seconds(self, length, runs):
        """CPU seconds of an answer to a row without padding."""
        row = json.dumps({"ids": [1000] * length, "types": [0] * length})
        before = self.browser.seconds()
        self.run(
            f"for (let i = 0; i < {runs}; i++) await student.run({row}, {{masked_positions: 1}})"
        )
        return (self.browser.seconds() - before) / runs


def native_seconds(model, length, runs):
    inputs = inputs_of([1000] * length, 1, length)
    before = time.thread_time()
    for _ in range(runs):
        model.logits(inputs, length)
    return (time.thread_time() - before) / runs


def print_sizes(page):
    files = [path for path in sorted(page.rglob("*")) if path.is_file()]
    files = [path for path in files if not any(word in path.name for word in NOT_FETCHED)]
    packed = {path: len(gzip.compress(path.read_bytes(), 6)) for path in files}
    rows = [(p.name, p.stat().st_size, packed[p]) for p in sorted(files, key=packed.get)[-4:]]
    rows.append(("first visit", sum(p.stat().st_size for p in files), sum(packed.values())))
    for name, size, small in rows:
        print(f"{name:32} {size / 1e6:6.2f} MB, {small / 1e6:5.2f} MB with gzip")


def print_times(page, model):
    for length in model.lengths:
        page.seconds(length, WARM_UP)
        native_seconds(model, length, WARM_UP)
        times = [
            (page.seconds(length, RUNS), native_seconds(model, length, RUNS)) for _ in range(ROUNDS)
        ]
        mine, native = (1000 * statistics.median(each) for each in zip(*times, strict=True))
        ratio = statistics.median(a / b for a, b in times)
        print(f"{length:4} tokens: page {mine:6.2f} ms, Python {native:6.2f} ms: {ratio:.2f} times")


def print_errors(page, folder, tokenizer):
    exact, native = LiteModel(folder / FLOAT32_FILE), LiteModel(folder / INT8_FILE)
    rows = masked_rows(tokenizer, exact.length)
    inputs = [inputs_of(*row, exact.length) for row in rows]
    expected, usual = (
        np.array([model.logits(each)[0] for each in inputs]) for model in (exact, native)
    )
    for name, found in {"page": page.logits(rows), "Python": usual}.items():
        error = np.abs(found - expected).mean()
        same = (found.argmax(-1) == expected.argmax(-1)).mean()
        print(f"int8, {name:7} {error:.5f} from float32 in the mean; same top token: {same:.1%}")
    print(f"logits of float32: {np.abs(expected).mean():.3f} in the mean; {len(rows)} sentences")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="folder of exported files, or a shape")
    folder, chromium = Path(parser.parse_args().model), load_chromium()
    print(hardware.chip(), *hardware.instruction_sets())
    with tempfile.TemporaryDirectory() as temporary:
        if not folder.is_dir():
            shape, folder = str(folder), Path(temporary)
            random_files(shape, folder)
        tokenizer = load_tokenizer(str(folder))
        with runtime_files() as runtime, tempfile.TemporaryDirectory() as parent:
            page = Path(parent, "page")
            write_page(folder / INT8_FILE, tokenizer, page, folder.name, runtime)
            print_sizes(page)
            with chromium.chromium() as browser, chromium.served(page) as address:
                shown = Page(browser, address)
                print_times(shown, LiteModel(folder / INT8_FILE))
                print_errors(shown, folder, tokenizer)


if __name__ == "__main__":
    main()
