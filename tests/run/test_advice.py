"""Advice on a new run: shapes, budgets, settings, and the flagfile."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tfdistill import tasks
from tfdistill.advise import COMMAND
from tfdistill.command_line.run_config import RunConfig
from tfdistill.deployment.operators import POOLER, VOCABULARY
from tfdistill.models.configs.config_files import named_config
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.encoder import Encoder
from tfdistill.models.model import Model, parameters
from tfdistill.run import advice_models, advice_settings, advice_shapes
from tfdistill.run.advice import FIRST_LINE, advise
from tfdistill.run.advice_shapes import Size
from tfdistill.run.early_plan import begin_plan, check_settings, open_directory
from tfdistill.run.learning_rates import fine_tuning_rate
from tfdistill.starts.compatibility import choose_layers
from tfdistill.system.errors import UserError
from tfdistill.train import COMMAND as TRAIN

ROOT = Path(__file__).resolve().parents[2]
BERT = "bert-base-uncased"


class Silent:
    """A console whose lines are recorded."""

    def __init__(self):
        self.said = []

    def say(self, text):
        self.said.append(text)


def advice(**settings):
    found = advise(RunConfig(**{"teacher": BERT, **settings}), Silent())
    values = {each["setting"]: each["value"] for each in found["choices"]}
    return found, values


# -- sizes


@pytest.mark.parametrize(
    "shape, model_type", [("L-2_H-12_A-3_I-20", "bert"), ("L-3_H-8_A-2", "distilbert")]
)
def test_parameters_are_those_of_the_encoder(shape, model_type):
    config = named_config(shape, model_type, vocab_size=50)
    assert Size.of(config).parameters == parameters(Model(Encoder(config)))["total"]
    assert Size.of(config).name == shape


@pytest.mark.parametrize(
    "size, lengths, head, written",
    [
        ((3, 384, 12, 1536), (16, 32, 64, 128), "", 17_763_384),  # STS-B, mean of the tokens
        ((3, 384, 12, 1536), (16, 32, 64), "", 17_540_112),  # SST-2
        ((6, 384, 12, 1536), (128,), "", 22_941_944),  # a teacher's
        ((2, 128, 2, 512), (16, 32, 64), POOLER, 4_596_456),  # the bundled sentences
        ((2, 128, 2, 512), (16, 32, 64), VOCABULARY, 5_086_200),  # mini
        ((6, 128, 2, 512), (64,), VOCABULARY, 5_882_176),
    ],
)
def test_sizes_of_files_that_runs_wrote(size, lengths, head, written):
    assert Size(*size, vocabulary=30_522).int8_bytes(lengths, head) == pytest.approx(written, 2e-3)


def test_multiply_adds():
    """A layer of width 4 with 8 inside, counted by hand for 3 tokens."""
    per_token = 4 * 4 * 4 + 2 * 4 * 8
    scores_and_sums = 2 * 3 * 3 * 4
    assert Size(1, 4, 2, 8, 9).multiply_adds(3) == 3 * per_token + scores_and_sums


# -- shapes


@pytest.mark.parametrize("teacher", [BERT, "bert-large-uncased", "distilbert-base-uncased"])
def test_every_shape_starts_from_the_teacher(teacher):
    config = advice_models.config_of_known(teacher)
    whole, found = Size.of(config), advice_shapes.candidates(config, (16, 64))
    assert len(found) > 6
    amounts = [each.size.multiply_adds(64) for each in found]
    assert amounts == sorted(amounts, reverse=True) and 1.5 * amounts[0] <= whole.multiply_adds(64)
    for each in found:
        shape = named_config(each.size.name, config.model_type)
        init = "every_other" if shape.hidden_size == config.hidden_size else "spaced:pca"
        assert len(choose_layers(config, shape, init)) == shape.num_hidden_layers


def test_a_budget_of_bytes():
    found, values = advice(task="regression")
    assert values["student_config"] == "L-6_H-768_A-12" and values["student_init"] == "every_other"
    sizes = {each["shape"]: each["int8_bytes"] for each in found["shapes"]}
    for budget in (50, 20, 5):
        found, values = advice(task="regression", budget_mb=budget)
        fitting = [shape for shape in sizes if sizes[shape] <= 1e6 * budget]
        assert values["student_config"] == fitting[0]  # the shapes begin with the largest
        assert values["student_init"] == "spaced:pca"
        assert found["student"]["int8_bytes"] <= 1e6 * budget
    with pytest.raises(UserError, match="budget_mb=4: the smallest shape, L-2_H-128"):
        advice(task="regression", budget_mb=4)


def test_a_budget_of_time():
    made = [
        advice_shapes.Candidate(Size(layers, 8, 2, 32, 50), "", 100 * layers, float(layers))
        for layers in (3, 2, 1)
    ]
    assert advice_shapes.choose(made, 0, 2.5).size.layers == 2
    assert advice_shapes.choose(made, 150e-6, 2.5).size.layers == 1
    with pytest.raises(UserError, match="budget_ms=0.5: L-1_H-8_A-2 takes 1.00 ms"):
        advice_shapes.choose(made, 0, 0.5)


# -- settings


@pytest.mark.parametrize(
    "task, rows, recipe, epochs, seeds",
    [
        ("text_classification", 3_000, "kd", 4, 3),
        ("text_classification", 8_000, "pkd", 6, None),
        ("text_classification", 12_000, "kd", 5, None),
        ("text_classification", 0, "kd", None, None),
        ("token_classification", 7_000, "kd", 6, None),
        ("regression", 5_000, "kd", 4, None),
        ("question_answering", 9_000, "kd", None, None),
        ("masked_lm", 0, "distilbert", None, None),
    ],
)
def test_settings_of_tasks(task, rows, recipe, epochs, seeds):
    _, values = advice(task=task, rows=rows)
    found = [values.get(name) for name in ("recipe", "n_epoch", "teacher_seeds")]
    assert found == [recipe, epochs, seeds]
    temperatures = {"regression": None, "text_classification": 2.0, "masked_lm": 2.0}
    assert values.get("temperature") == temperatures.get(task, 2.5)
    if task != "masked_lm":
        rate = values["learning_rate"]
        assert rate == pytest.approx(fine_tuning_rate(tasks.get(task), 768, 2.0))


def test_layers_are_numbered_from_0():
    def told(task):
        texts = [each["reason"] for each in advice(task=task)[0]["choices"]]
        return next(text for text in texts if text.startswith("layers, counted from 0 to 11"))

    assert "here 6,7,8,9,10,11 (`layer_map`=last)" in told("text_classification")
    assert "here 0,1,2,9,10,11 (`layer_map`=0,1,2,9,10,11)" in told("question_answering")
    assert "are 1,3,5,7,9,11 (`layer_map`=skip" in told("token_classification")


def test_results_are_those_of_the_documentation():
    """`RESULTS` of run/advice_settings.py repeats rows of docs/RESULTS.md; change both."""
    text = (ROOT / "docs" / "RESULTS.md").read_text("utf-8")
    text = text.partition("## Tasks with labels: 6 × 384 → 3 × 384")[2].partition("\n## ")[0]
    rows = [line.split(" | ") for line in text.splitlines() if re.match(r"\| .*\(n = ", line)]
    for each in advice_settings.RESULTS:
        (row,) = [row for row in rows if row[0].startswith(f"| {each.data}")]
        assert f"(n = {each.seeds})" in row[0]
        assert row[7].replace("−", "-") == f"{each.lead:+.1f} ± {each.error:.1f}"
        assert row[8].partition(" ±")[0] == f"{each.kept:g}"
    assert len(rows) == len(advice_settings.RESULTS)


def test_two_classes_of_a_teacher_with_a_head(tmp_path):
    values = {"architectures": ["BertForSequenceClassification"], "num_hidden_layers": 4}
    (tmp_path / "config.json").write_text(json.dumps(values | {"id2label": {"0": "a", "1": "b"}}))
    found, values = advice(task="text_classification", teacher=str(tmp_path), rows=100)
    assert values["temperature"] == 1.5 and values["student_config"] == "L-2_H-768_A-12"
    assert not values.keys() & {"teacher_epochs", "teacher_seeds", "teacher_learning_rate"}
    assert f"--teacher={tmp_path}" in found["flags"]


def test_models_that_are_recommended_are_known():
    for task in advice_settings.TEMPERATURES:
        for models in advice_models.recommended(task).values():
            assert models and all(each["name"] in advice_models.KNOWN for each in models)
    ratio = {name: Size.of(advice_models.config_of_known(name)).parameters for name in (BERT,)}
    small = Size.of(advice_models.config_of_known("distilbert-base-uncased")).parameters
    assert f"{ratio[BERT] / small:.1f} times" in advice_models.NOTES["distilbert-base-uncased"]


def test_pickles_of_the_hub_are_converted_first(run_command, capfd):
    """Each is told with its command; what the hub has as safetensors has none."""
    told = {
        each["name"]: each["conversion"]
        for task in ("text_classification", "question_answering")
        for models in advice_models.recommended(task).values()
        for each in models
    }
    pickles = {name for name, command in told.items() if command}
    assert pickles == advice_models.PICKLES.keys() and len(told) > 8
    command = (
        "python -c \"import transformers as t; [each.from_pretrained('prajjwal1/bert-tiny')"
        ".save_pretrained('bert-tiny') for each in (t.BertModel, t.BertTokenizerFast)]\""
    )
    assert told["prajjwal1/bert-tiny"] == command
    assert run_command("advise", "--task=regression") == 0
    lines = capfd.readouterr().out.splitlines()
    place = lines.index("  tiny: prajjwal1/bert-tiny")
    assert "a pickle, which is not read here. This makes the folder bert-tiny:" in lines[place + 1]
    assert lines[place + 2].strip() == command
    flags = ["--task=question_answering", "--teacher=google/electra-large-discriminator"]
    assert run_command("advise", *flags) == 0
    _, _, after = capfd.readouterr().out.partition("\nteacher: google/electra-large-discriminator")
    assert after.splitlines()[2].strip() == told["google/electra-large-discriminator"]


@pytest.mark.parametrize(
    "teacher, task, students",
    [
        ("bert-large-uncased", "regression", "bert-base distilbert-base bert-tiny"),
        (BERT, "regression", "distilbert-base bert-tiny"),
        ("distilbert-base-uncased", "regression", "bert-tiny"),
        ("roberta-base", "question_answering", "distilroberta-base mobilebert distilbert-base"),
    ],
)
def test_recommended_students_are_smaller_than_the_teacher(teacher, task, students):
    found = [each["name"] for each in advice(teacher=teacher, task=task)[0]["students"]]
    plain = [name.rpartition("/")[2].removesuffix("-uncased") for name in found]
    assert plain == students.split()


# -- the flagfile


def test_the_flagfile_is_planned(encoder, words, write_data, tmp_path, run_command, capfd):
    data = write_data["text_classification"](tmp_path / "texts.csv", words)
    flags = ["--task=text_classification", f"--teacher={encoder}", f"--train_data={data}"]
    file = tmp_path / "advised.flags"
    more = ["--length=24", f"--shards_dir={tmp_path}", f"--write={file}"]
    for _ in range(2):  # its own file is replaced
        assert run_command("advise", *flags, *more) == 0
    assert f"--flagfile={file}" in capfd.readouterr().out
    config = TRAIN.config([f"--flagfile={file}", f"--output_dir={tmp_path / 'run'}"])
    assert config.train_data == str(data) and config.length == 24
    assert (config.temperature, config.teacher_seeds, config.recipe) == (1.5, 3, "kd")
    early = begin_plan(config, check_settings(config), open_directory(config))
    assert Size.of(early.shapes.student) == Size.of(early.shapes.teacher)._replace(layers=1)
    assert early.task.labels_names == ("land", "sea")
    file.write_text("--length=3\n")
    assert run_command("advise", *flags, *more) == 1
    assert "--write" in capfd.readouterr().err and file.read_text() == "--length=3\n"


def test_flags_that_are_given_are_kept():
    found, _ = advice(task="text_classification", rows=12_000, recipe="tinybert_task", alpha=0.8)
    assert {"--recipe=tinybert_task", "--alpha=0.8"} <= set(found["flags"])
    assert sum(flag.startswith("--recipe=") for flag in found["flags"]) == 1
    assert any(flag.startswith("# Name the examples") for flag in found["flags"])


def test_a_teacher_whose_files_lie_in_a_folder_of_its_own(tmp_path):
    """As in older folders of sentence-transformers, whose config.json beside it says nothing."""
    (tmp_path / "0_Transformer").mkdir()
    values = {"model_type": "bert", "hidden_size": 96, "num_attention_heads": 4}
    (tmp_path / "0_Transformer" / "config.json").write_text(json.dumps(values))
    (tmp_path / "config.json").write_text('{"__version__": "0.2.0"}')
    modules = [{"path": "0_Transformer", "type": "sentence_transformers.models.Transformer"}]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    found, _ = advice(task="text_classification", teacher=str(tmp_path), rows=5_000)
    shapes = {each["shape"] for each in found["shapes"]}
    assert {"L-6_H-96_A-4_I-3072", "L-3_H-96_A-4_I-3072"} <= shapes


def test_shapes_are_those_that_a_given_recipe_can_train(tmp_path):
    """Attention is compared head by head: the published shapes with fewer heads are left out."""
    values = {"model_type": "bert", "vocab_size": 30_522, "hidden_size": 384}
    values |= {"num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
    (tmp_path / "config.json").write_text(json.dumps(values))
    usual = dict(task="text_classification", teacher=str(tmp_path), budget_mb=15.0)
    found, _ = advice(**usual, recipe="tinybert_task")
    shapes = {each["shape"] for each in found["shapes"]}
    assert shapes == {"L-3_H-384_A-12", "L-4_H-312_A-12_I-1200", "L-2_H-384_A-12"}
    assert found["student"]["shape"] == "L-4_H-312_A-12_I-1200"
    # Its temperature is fixed.
    assert not any(flag.startswith("--temperature") for flag in found["flags"])
    for recipe, message in {
        "dynabert": "recipe=dynabert fits none of the shapes",
        "tinybert": "reads scores of all tokens",
        "other": "recipe=other is unknown",
    }.items():
        with pytest.raises(UserError, match=message):
            advice(**usual, recipe=recipe)


def test_files_of_random_weights_are_timed_once(encoder, tmp_path, run_command, capfd):
    flags = ["--task=text_classification", f"--teacher={encoder}", "--length=24", "--budget_ms=99"]
    for told in (True, False):
        assert run_command("advise", *flags, f"--shards_dir={tmp_path}", "--json") == 0
        text = capfd.readouterr()
        assert ("converting L-1_H-32_A-2" in text.err) == told
        found = json.loads(text.out)
        assert 0 < found["student"]["milliseconds"] < 99
    (file,) = tmp_path.rglob("*.tflite")
    size = Size(1, 32, 2, 128, vocabulary=200, positions=64)
    assert file.stat().st_size == pytest.approx(size.int8_bytes((24,), POOLER), rel=0.12)


def test_it_starts_without_tensorflow():
    words = [sys.executable, "-X", "importtime", "-m", "tfdistill.advise", "--task=regression"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and FIRST_LINE in done.stdout
    assert not re.search(r"\| +(tensorflow|keras)$", done.stderr, flags=re.M)


@pytest.mark.parametrize(
    "flags, words",
    [
        ("--task=translation", "--task=translation writes text"),
        ("--task=regression --teacher=/gone", "--teacher: no such directory: /gone"),
        ("--task=regression --teacher=google/mobilebert-uncased", "is a mobilebert"),
        ("--task=regression --student_config=tiny", "--student_config is what the advice"),
        ("--task=regression --length=600", "--length=600 is over the teacher's 512"),
        ("--run=/gone", "/gone is no run"),
    ],
)
def test_wrong_flags(run_command, capfd, flags, words):
    assert run_command("advise", *flags.split()) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("error: ") and words in line


def t5_parameters(layers, width, heads, inner, tokens=32_128):
    """A T5 counted by hand: one table, and its bias-free encoder and decoder.

    Heads have 64 numbers. A layer has a norm before each of its parts, each half one norm after the
    last layer and a table of 32 relative positions for each head.
    """
    attention, feed_forward = 4 * width * 64 * heads, 2 * width * inner
    encoder = layers * (attention + feed_forward + 2 * width)
    decoder = layers * (2 * attention + feed_forward + 3 * width)
    return tokens * width + encoder + decoder + 2 * (width + 32 * heads)


def test_what_is_said_of_tasks_that_write_text():
    """t5-large and t5-small have the shapes of Raffel et al., 2020 (base, small and large)."""
    small, large = t5_parameters(6, 512, 8, 2048), t5_parameters(24, 1024, 16, 4096)
    assert (small, large) == (60_506_624, 737_668_096)  # as Hugging Face's models have
    told = {}
    for task in advice_models.GENERATION:
        with pytest.raises(UserError) as error:
            advice(task=task)
        told[task] = str(error.value)
    assert (
        f"t5-large is {large / small:.0f} times larger than t5-small, not 4"
        in told["summarization"]
    )
    page = " ".join((ROOT / "docs" / "ADVICE.md").read_text("utf-8").split())
    assert f"t5-large to t5-small {large / small:.0f} : 1, not 4 : 1" in page
    names = "facebook/mbart-large-50-small facebook/mbart-large-50 m2m100_418M sshleifer/tiny-mbart"
    both = f"{told['summarization']} {told['translation']}"
    for name in names.split():
        assert name in both and name in page
    assert told["translation"] == (
        "task=translation writes text, and tfdistill reads encoders only: use another library (and "
        "note: facebook/mbart-large-50-small is no model that is known, and "
        "facebook/mbart-large-50 and m2m100_418M are no small students)"
    )
    named = int(re.search(r"m2m100_(\d+)M", told["translation"])[1])
    bert_large = Size.of(advice_models.config_of_known("bert-large-uncased")).parameters
    assert 1e6 * named > bert_large  # larger than a teacher that is recommended


def test_a_teacher_that_is_too_small():
    config = EncoderConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
    with pytest.raises(UserError, match="too small for a student"):
        advice_shapes.choose(advice_shapes.candidates(config, (16,)), 0, 0)


def test_help_names_the_budgets():
    assert {"budget_ms", "budget_mb", "rows", "run", "write"} <= set(COMMAND.setting_names())


def test_embeddings_of_another_width_are_not_counted(tmp_path):
    values = {"model_type": "electra", "hidden_size": 256, "embedding_size": 128}
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(UserError, match="with embeddings as wide as the layers"):
        advice(task="text_classification", teacher=str(tmp_path))
