"""The plot of growth says what its axes are."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_axes_have_sizes_and_units(tmp_path):
    shutil.copy(ROOT / "docs" / "scale.json", tmp_path)
    plot = tmp_path / "scale.svg"
    script = ROOT / "scripts" / "bench" / "scale.py"
    subprocess.run([sys.executable, script, f"--plot={plot}", "--redraw"], check=True)
    drawn = plot.read_text()
    for label in (
        *("rows of 64 tokens in a batch", "tokens in a row, 8 rows", "MB of text"),
        *("thousand words, 8 rows of 64 tokens", "thousand tokens/s", "peak memory, GB"),
        *("8", "64", "512", "244", "96"),  # sizes
    ):
        assert f"<!-- {label} -->" in drawn, label
    assert drawn.count("<!-- peak memory, GB -->") == 4
