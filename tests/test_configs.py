"""The bundled flagfiles."""

import dataclasses
import itertools
import re
import types
from pathlib import Path

import pytest

from tfdistill import recipes, tasks
from tfdistill.command_line.cli import Command
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.models.configs.config_files import named_config
from tfdistill.models.encoder import Encoder
from tfdistill.models.model import Model, parameters
from tfdistill.run import plan
from tfdistill.run.recipe_checks import without_meaning
from tfdistill.run.recipe_parts import keeps_shape

TEACHERS = {  # shape, and whether it has the task's head
    "runs/mini/teacher": ("L-6_H-128_A-2", False),
    "google-bert/bert-base-uncased": ("base", True),
    "sentence-transformers/all-MiniLM-L6-v2": ("L-6_H-384_A-12", False),
}

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.flags"))


def read(path):
    return Command("", ()).config([f"--flagfile={path}"])


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_header_and_output_folder(path):
    lines = path.read_text().splitlines()
    header = list(itertools.takewhile(lambda line: line.startswith("#"), lines))
    assert any(f"--flagfile=configs/{path.name}" in line for line in header)
    flags = [line.partition("=")[0] for line in lines if not line.startswith("#")]
    assert flags[0] == "--output_dir" and len(set(flags)) == len(flags)
    assert all(re.fullmatch("--[A-Za-z0-9_]+", flag) for flag in flags)
    config = read(path)
    assert config.output_dir == f"runs/{path.stem}"
    assert not config.force and config.student_config + config.student_init


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_each_run_can_be_planned(path):
    """With the teacher made here, or a stand-in with the shape of the one on the hub."""
    config = read(path)
    tokenizer = load_tokenizer()
    teacher = None
    if config.teacher:
        shape, with_head = TEACHERS[config.teacher]
        shape = dataclasses.replace(named_config(shape), vocab_size=tokenizer.vocab_size)
        head = object() if with_head else None
        teacher = types.SimpleNamespace(config=shape, head=head)
    losses = tasks.get(config.task).distillation_losses
    recipe = recipes.get(config.recipe, task_losses=losses, **dataclasses.asdict(config))
    made = plan.make_plan(config, recipe, [teacher] * bool(teacher), tokenizer)
    sizes = [
        parameters(Model(Encoder(shape), seed=None))["without_embeddings"]
        for shape in (made.student_config, made.teacher_config)
    ]
    assert sizes[0] == sizes[1] if keeps_shape(config) else sizes[0] < 0.75 * sizes[1]
    assert without_meaning(config) == []


def test_mini_is_small_and_compared():
    config = read(next(path for path in CONFIGS if path.stem == "mini"))
    assert (config.corpus, config.teacher) == ("sample", "")
    assert config.teacher_steps + config.steps < 2000 and config.baseline == "random,start,text"
