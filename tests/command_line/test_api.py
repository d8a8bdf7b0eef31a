"""The Python API: imports, inputs, errors, and the examples in its docstrings."""

import inspect
import pkgutil
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import tfdistill
from tfdistill.distillation.phases import Recipe

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PUBLIC = sorted(set(tfdistill.__all__) - {"recipes", "UserError"})


@pytest.mark.parametrize(
    "use, heavy",
    [
        ("", {"numpy", "absl"}),
        ("tfdistill.RunConfig(); tfdistill.EncoderConfig(); tfdistill.UserError", set()),
        ("tfdistill.load_tokenizer()", set()),
        ("tfdistill.LabelPredictor", set()),
        ("tfdistill.train_model; tfdistill.fill_masks; tfdistill.evaluate_model", set()),
    ],
)
def test_heavy_packages_are_imported_late(use, heavy):
    heavy = heavy | {"tensorflow", "keras", "matplotlib", "datasets", "transformers"}
    code = f"import sys, tfdistill\n{use}\nprint(*(set(sys.modules) & {heavy!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_public_names_differ_from_module_names():
    """Importing a module of the same name would replace the public name."""
    modules = {module.name for module in pkgutil.iter_modules(tfdistill.__path__)}
    assert set(tfdistill.__all__) & modules == {"recipes"}
    assert set(tfdistill.__all__) <= set(dir(tfdistill))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = tfdistill.nothing


def python_blocks(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)


@pytest.mark.slow
def test_python_code_in_the_docs(user_folder, uncompiled, monkeypatch):
    monkeypatch.chdir(user_folder)
    ran = []
    for page in PAGES:
        for block in python_blocks(page):
            file = re.match(r"# (\w+\.py)\n", block)
            if file:  # a file for --recipe
                Path(file[1]).write_text(block)
                (name,) = re.findall(r"^def (\w+)", block, re.M)
                assert tfdistill.recipes.get(f"{file[1]}:{name}", alpha_cos=0.5).phases
            else:
                exec(compile(block, page.name, "exec"), {})
            ran.append(page.name)
    assert {"README.md", "RECIPES.md"} <= set(ran)
    assert (user_folder / "runs" / "twenty_steps" / "report.html").is_file()


def example_of(thing):
    text = inspect.getdoc(thing)
    assert text and "\nExample:\n" in text, thing
    block = text.split("\nExample:\n")[1]
    return textwrap.dedent(block.split("\n\nAttributes:")[0])


LONG = ["train_model", "FineTunePipeline"]  # whole runs
WHOLE_RUNS = [pytest.param(name, marks=pytest.mark.slow) for name in LONG]
SHORT = [name for name in PUBLIC if name not in LONG]


@pytest.mark.parametrize("name", [*SHORT, *WHOLE_RUNS, "recipes.get"])
def test_examples_run(name, user_folder, uncompiled, monkeypatch):
    thing = tfdistill
    for part in name.split("."):
        thing = getattr(thing, part)
    monkeypatch.chdir(user_folder)
    namespace = {}
    exec(compile(example_of(thing), name, "exec"), namespace)
    assert namespace["tfdistill"] is tfdistill
    made = {"Distiller": "student", "initialize_student": "student", "recipes.get": "recipe"}
    kinds = {"student": tfdistill.MaskedLanguageModel, "recipe": Recipe}
    if name in made:
        assert isinstance(namespace[made[name]], kinds[made[name]])
    if name == "FineTunePipeline":
        assert namespace["metrics"]["models"]["student"]["accuracy"] >= 0.5
    if name == "train_model":  # the run of the README, which is finished
        assert namespace["metrics"]["models"]["student"]["top1"] >= 0


@pytest.fixture(scope="module")
def model(user_folder):
    return tfdistill.load_model(user_folder / "runs" / "mini" / "student")


IDS = [[2, 50, 4, 3], [2, 60, 4, 3]]


class Encoding(dict):
    """A mapping with more keys than a model reads, as tokenizers of transformers return."""


def test_a_model_takes_ids_in_any_container(model):
    import tensorflow as tf

    expected = model({"input_ids": tf.constant(IDS, tf.int32)})["logits"].numpy()
    mask = [[1, 1, 1, 1], [1, 1, 1, 1]]
    for inputs in (
        IDS,
        np.array(IDS),
        tf.constant(IDS),
        tuple(map(tuple, IDS)),
        [np.array(row, np.int64) for row in IDS],
        {"input_ids": IDS},
        {"input_ids": IDS, "attention_mask": mask, "token_type_ids": None},
        Encoding(input_ids=IDS, attention_mask=np.array(mask), other="text"),
    ):
        assert np.array_equal(model(inputs)["logits"].numpy(), expected)
    positions = {"input_ids": IDS, "masked_positions": [[2], [2]]}
    np.testing.assert_allclose(model(positions)["logits"], expected[:, 2:3], atol=1e-6)
    assert len(model(IDS, taps="hidden_states")["hidden_states"]) == 2


@pytest.mark.parametrize(
    "inputs, words",
    [
        ("The whale", "input_ids is text: give ids"),
        (["The whale"], "input_ids is text"),
        (np.array([["whale"]]), "input_ids is text"),
        (None, "have no input_ids, only nothing"),
        ([[]], "input_ids is empty"),
        ([[2**70, 101]], "not 64-bit integers"),
        (
            np.array([[2**32 + 101]]),
            f"has the value {2**32 + 101}, but the model has 0 to 199",
        ),
        ([101, 103, 102], "input_ids has the shape (3,): give rows"),
        ([[[101]]], "input_ids has the shape (1, 1, 1)"),
        ([[101, 103], [101]], "rows of different lengths: pad them"),
        ([[101.5]], "numbers of type float64: give integers"),
        ([[101, 200]], "input_ids has the value 200, but the model has 0 to 199"),
        ([[-1]], "input_ids has the value -1"),
        ([[101] * 65], "length=65 is over the model's 64 positions"),
        ({"ids": IDS}, "have no input_ids, only ids"),
        ({}, "have no input_ids, only nothing"),
        ({"input_ids": IDS, "attention_mask": [[1, 1, 1]]}, "attention_mask has the shape (1, 3)"),
        (
            {"input_ids": IDS, "token_type_ids": [[0, 0, 0, 2]] * 2},
            "token_type_ids has the value",
        ),
        ({"input_ids": IDS, "masked_positions": [2, 2]}, "masked_positions has the shape (2,)"),
        (
            {"input_ids": IDS, "masked_positions": [[4], [0]]},
            "masked_positions has the value 4, but rows have the positions 0 to 3",
        ),
        ({"input_ids": IDS, "masked_positions": [[-1], [0]]}, "masked_positions has the value -1"),
        ({"input_ids": IDS, "masked_positions": [[1]]}, "masked_positions has 1 rows"),
    ],
)
def test_wrong_inputs(model, inputs, words):
    with pytest.raises(tfdistill.UserError) as error:
        model(inputs)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_settings_of_numpy_types():
    config = tfdistill.RunConfig(steps=np.int64(5), learning_rate=np.float32(0.5))
    assert (config.steps, config.learning_rate) == (5, 0.5)
    assert type(config.steps) is int and type(config.learning_rate) is float
    with pytest.raises(tfdistill.UserError, match="steps=True is a bool: give a whole number"):
        tfdistill.RunConfig(steps=True)


def test_wrong_arguments_of_functions(model, user_folder, monkeypatch):
    monkeypatch.chdir(user_folder)
    headless = tfdistill.MaskedLanguageModel(model.config, with_head=False)
    own = "runs/mini/student"
    calls = [
        (lambda: tfdistill.evaluate_model(model), "30522 tokens, but the model has 200"),
        (lambda: tfdistill.fill_masks(model, "[MASK]"), "30522 tokens, but the model has 200"),
        (lambda: tfdistill.train_model({"steps": 3}), "takes a tfdistill.RunConfig, not dict"),
        (lambda: tfdistill.train_model(tfdistill.RunConfig(recipe="none")), "recipe=none"),
        (lambda: tfdistill.evaluate_model("gone"), "gone"),
        (lambda: tfdistill.evaluate_model(headless), "no head for task=masked_lm"),
        (lambda: tfdistill.evaluate_model(model, None, own, length=65), "length=65"),
        (lambda: tfdistill.fill_masks(headless, "[MASK]"), "no masked-LM head"),
        (lambda: tfdistill.fill_masks(model, "no gap", tokenizer=own), "no [MASK]"),
        (lambda: tfdistill.fill_masks(model, ["[MASK]"]), "takes one text, not list"),
        (lambda: tfdistill.fill_masks(model, "[MASK]", top_k=0), "top_k=0: give a whole number"),
        (lambda: tfdistill.fill_masks(model, "[MASK]", top_k="3"), "top_k='3'"),
        (lambda: tfdistill.fill_masks(None, "[MASK]"), "there is no model (None)"),
        (lambda: tfdistill.evaluate_model(None), "there is no model (None)"),
    ]
    for call, words in calls:
        with pytest.raises(tfdistill.UserError) as error:
            call()
        assert words in str(error.value) and "\n" not in str(error.value)


def test_a_model_in_memory_gives_the_same_as_its_folder(model, user_folder, monkeypatch):
    monkeypatch.chdir(user_folder)
    text, folder = "The whale [MASK] the [MASK].", "runs/mini/student"
    tokenizer = tfdistill.load_tokenizer(folder)
    ours = tfdistill.fill_masks(model, text, top_k=2, tokenizer=tokenizer)
    assert ours == tfdistill.fill_masks(folder, text, 2) and len(ours) == 2
    texts = dict(corpus="my_texts", length=32)
    found = tfdistill.evaluate_model(model, tokenizer=folder, **texts)["models"]
    assert found.keys() == {"unigram", "model"}
    both = tfdistill.evaluate_model(Path(folder), teacher="runs/mini/teacher", **texts)
    assert "model-teacher" in both["differences"]
    both = both["models"]
    assert both["model"]["loss"] == pytest.approx(found["model"]["loss"], rel=1e-6)
    assert 0 <= both["model"]["agreement"] <= 1
