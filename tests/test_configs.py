"""The flagfiles that ship."""

from pathlib import Path

import pytest
from absl import flags as absl_flags

from tfdistill import flags

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.flags"))


def read(path):
    values = absl_flags.FlagValues()
    flags.declare(values, [])
    values(["train", f"--flagfile={path}"])
    return flags.config_from(values)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_each_has_a_header_and_a_run_of_its_own(path):
    header = path.read_text().partition("--output_dir")[0].splitlines()
    assert header and all(line.startswith("#") for line in header)
    assert any(f"--flagfile=configs/{path.name}" in line for line in header)
    config = read(path)
    assert config.output_dir == f"runs/{path.stem}"
    assert not config.force and config.student_config + config.student_init


def test_mini_is_small_and_compared():
    config = read(next(path for path in CONFIGS if path.stem == "mini"))
    assert (config.corpus, config.teacher) == ("sample", "")
    assert config.teacher_steps + config.steps < 2000 and config.baseline == "both"
