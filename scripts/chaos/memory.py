"""The peak memory of a run is known before it: `--dry_run` beside the peak of a short run.

Every flagfile of `configs/` that needs the bundled data alone is cut to a few steps, which need as
much memory as many. The estimate may be too high, up to twice the peak, but hardly too low.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "parts"))
import tiny  # noqa: E402
from promise import ROOT, check_promise  # noqa: E402

LOW, HIGH = 0.95, 2.0  # of the peak
FEW = {"teacher_steps": 20, "steps": 20, "shards_dir": None, "output_dir": None}
LABELS = {"n_epoch": 0.2, "teacher_epochs": 0.2, "shards_dir": None, "output_dir": None}
TEACHER = "mini"  # whose teacher the tasks with labels begin from
RUNS = {
    TEACHER: {},
    "autotinybert": {},
    "hybrid": {},
    "minilm": {},
    "pkd": {},
    "tinybert": {},
    "mobilebert_akt": {},
    "sample_authors": {"teacher": TEACHER},
    "sample_authors, bfloat16": {"teacher": TEACHER, "precision": "bfloat16"},
    "sample_authors, bilstm": {
        "teacher": TEACHER,
        "recipe": "bilstm",
        "student_type": "bilstm",
        "student_config": "H-150_F-200",
        "student_init": "embeddings",
    },
}


def check(state):
    """Makes the runs; returns the estimates and the peaks."""
    told, ratios = [], []
    for name, changes in RUNS.items():
        if state.is_over:
            break
        found = _compare(state, name, changes)
        if found:
            predicted, peak = found
            ratios.append(predicted / peak)
            told.append(f"{name} {predicted:.1f} ÷ {peak:.2f}")
            state.expect(LOW <= ratios[-1] <= HIGH, f"{name}: {predicted:.1f}, not {peak:.2f} GB")
            state.say(told[-1])
    if not ratios:
        return "no figures"
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    return f"estimate ÷ peak (GB) {spread} over {len(ratios)} runs: {'; '.join(told)}"


def _compare(state, name, changes):
    """(estimated GB, peak GB) of a run; None if it failed."""
    flagfile, folder = name.split(",")[0], state.folder / name.replace(", ", "-")
    flags = dict(FEW if "teacher" not in changes else LABELS) | changes
    flags |= {"output_dir": folder, "shards_dir": state.folder / "shards", "device": "cpu"}
    flags.setdefault("precision", "float32")
    if "teacher" in changes:
        flags["teacher"] = state.folder / changes["teacher"] / "teacher"
    words = [f"--flagfile={ROOT / 'configs' / flagfile}.flags"]
    words += [f"--{flag}={value}" for flag, value in flags.items()]
    plan = subprocess.run(
        [sys.executable, "-m", "tfdistill.train", *words, "--dry_run"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    estimate = re.search(r"memory +up to ([\d.]+) GB", plan.stdout)
    if not state.expect(estimate, f"{name}: no plan: {plan.stderr[-300:]}"):
        return None
    with open(state.folder / "log", "w+b") as log:
        tiny.start("train", words, log).wait()  # a file that loses too much ends it with 1
        log.seek(0)
        told = log.read()[-300:].decode(errors="replace")
    metrics = folder / "checkpoints" / "state.json"
    done = json.loads(metrics.read_text())["done"] if metrics.is_file() else {}
    if not state.expect("export" in done, f"{name} did not end: {told}"):
        return None
    peaks = [stage.get("peak_memory_bytes", 0) for stage in done.values()]
    return float(estimate[1]), max(peaks) / 1e9


if __name__ == "__main__":
    check_promise("memory", check)
