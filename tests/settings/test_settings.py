"""Settings: their types, bounds, paths and groups."""

import dataclasses
from pathlib import Path

import pytest

from tfdistill.command_line.run_config import RunConfig
from tfdistill.settings.settings import bounds_of, groups_of, options_of, types_of
from tfdistill.system.errors import UserError
from tfdistill.system.options import NOTHING, RESULT, SPEED, STEP

OPTIONS = options_of(RunConfig)
ONE = [name for name, option in OPTIONS.items() if option.path == "path" and name != "recipe"]
SEVERAL = [name for name, option in OPTIONS.items() if option.path == "paths"]


@pytest.fixture(autouse=True)
def home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/of")
    return "/home/of"


@pytest.mark.parametrize("name", [*ONE, *SEVERAL])
def test_a_tilde_is_the_home_folder(name, home):
    for given, meant in {"~": home, "~/a b": f"{home}/a b", "./~": "./~", "a~": "a~"}.items():
        assert getattr(RunConfig(**{name: given}), name) == meant
    assert getattr(RunConfig(**{name: Path("~/x")}), name) == f"{home}/x"
    if name in SEVERAL:
        value = getattr(RunConfig(**{name: "~/a, ~/b,c,~/d*/**"}), name)
        assert value == f"{home}/a, {home}/b,c,{home}/d*/**"


def test_a_tilde_after_a_prefix_and_before_a_name(home):
    assert RunConfig(recipe="~/r.py:mine").recipe == f"{home}/r.py:mine"
    assert RunConfig(corpus="hf:~/texts:plain").corpus == f"hf:{home}/texts:plain"
    assert RunConfig(text="~ [MASK]").text == "~ [MASK]"  # no path


def test_every_setting_with_a_path_is_declared_as_one():
    """Its help mentions files or folders; so a new setting takes `~`, too."""
    words = ("folder", "file", "director")
    options = options_of(RunConfig).items()
    texts = {name: option for name, option in options if types_of(RunConfig)[name] is str}
    speaking = {
        name for name, option in texts.items() if any(word in option.help.lower() for word in words)
    }
    # What files have inside.
    others = {"text_column", "encoding_errors", "tflite_lengths", "tflite_variants"}
    assert speaking - others <= {name for name, option in texts.items() if option.path}


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("layerdrop", 1.5, "layerdrop=1.5 is out of range: give at least 0.0 and at most 0.95"),
        ("seed", -1, "seed=-1"),
        ("steps", "8", "steps='8' is a str: give a whole number"),
        ("steps", 8.0, "steps=8.0"),
        ("steps", True, "steps=True"),
        ("remat", 1, "remat=1"),
        ("device", "tpu", "device=tpu: choose one of auto, cpu, gpu"),
        ("corpus", None, "corpus=None"),
    ],
)
def test_wrong_values_in_python(name, value, words):
    with pytest.raises(UserError) as error:
        RunConfig(**{name: value})
    assert words in str(error.value) and "\n" not in str(error.value)
    assert RunConfig(n_epoch=2).n_epoch == 2.0


def test_every_setting_is_described():
    for name, option in OPTIONS.items():
        assert option.help.endswith((".", "…")), name
        assert option.effect in (RESULT, STEP, SPEED, NOTHING)
        default = getattr(RunConfig, name)
        assert type(default) is types_of(RunConfig)[name]
        assert not option.choices or default in option.choices
        assert option.path or not option.source
        if isinstance(default, (int, float)) and not isinstance(default, bool):
            assert bounds_of(option) or name == "relation_layer"


def test_groups_hold_all_settings():
    found = [name for group in groups_of(RunConfig).values() for name in options_of(group)]
    assert found == list(OPTIONS) and len(set(found)) == len(found)
    assert {"corpus", "length", "teacher", "alpha_ce", "seed", "output_dir"} <= set(found)


def test_settings_are_read_only():
    with pytest.raises(AttributeError):
        RunConfig().length = 5


def test_defaults_depend_on_the_task():
    usual, other = RunConfig(), RunConfig(task="text_classification")
    assert (usual.recipe, usual.baseline, usual.n_epoch) == ("distilbert", "none", 3.0)
    assert (other.recipe, other.baseline, other.n_epoch) == ("kd", "start", 6.0)
    assert (usual.learning_rate, other.learning_rate) == (5e-4, 0.0)
    assert other.batch_size == usual.batch_size
    sentences = RunConfig(task="sentence_embedding")
    assert (sentences.recipe, sentences.dropout, sentences.n_epoch) == ("sentence", 0.0, 6.0)
    # A given value counts, also where it is the default of masked LM.
    assert RunConfig(task="text_classification", baseline="none").baseline == "none"
    assert dataclasses.replace(other, seed=3).recipe == "kd"
    with pytest.raises(TypeError, match="no setting wrong"):
        RunConfig(wrong=1)


def test_defaults_of_a_task_have_the_type_and_range_of_the_setting():
    for name, option in OPTIONS.items():
        if option.fine_tuning is not None:
            assert type(option.fine_tuning) is types_of(RunConfig)[name]
            RunConfig(**{name: option.fine_tuning})
        for _, value in option.of_task:
            assert type(value) is types_of(RunConfig)[name]
            RunConfig(**{name: value})
