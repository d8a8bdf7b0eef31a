"""What a step takes from the system it keeps for the next one."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tfdistill.system import hardware

SCRIPT = Path(__file__).with_name("page_faults.py")
OF_LOGITS = 10_000  # pages of the smallest buffer that is asked for

pytestmark = pytest.mark.skipif(
    platform.system() != "Linux" or hardware.has_nvidia_driver(),
    reason="memory is kept on Linux's CPUs; elsewhere nothing is set",
)


def page_faults(**environment):
    kept = {n: v for n, v in os.environ.items() if not n.startswith("TF_CPU_")}
    result = subprocess.run(
        [sys.executable, SCRIPT], env={**kept, **environment}, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.slow
def test_steps_and_evaluation_take_next_to_no_pages():
    assert max(page_faults().values()) < OF_LOGITS / 20


@pytest.mark.slow
def test_they_would_without_the_allocator():
    assert min(page_faults(TF_CPU_ALLOCATOR_USE_BFC="0").values()) > OF_LOGITS / 2
