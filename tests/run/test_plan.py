"""The plan of a run, made from its settings."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from huggingface_hub import constants

from tfdistill import recipes, tasks
from tfdistill.command_line.console import Console
from tfdistill.command_line.run_config import RunConfig
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.distillation.phases import Phase
from tfdistill.models.configs.config_files import named_config
from tfdistill.run import plan, sources
from tfdistill.run.checks import check_masking, require_even_batches
from tfdistill.run.early_plan import (
    begin_plan,
    check_settings,
    deciding_settings,
    open_directory,
    reads_teacher,
)
from tfdistill.run.job import MainJob
from tfdistill.run.planned_shapes import plan_shapes
from tfdistill.run.recipe_checks import split_steps
from tfdistill.system.errors import UserError


@pytest.fixture(scope="module")
def tokenizer(tiny_text):
    return load_tokenizer(str(tiny_text / "vocabulary"))


@pytest.fixture(scope="module")
def teacher(tiny_model, tokenizer):
    """A teacher to load: 3 layers of width 12, and another dropout than the default."""
    shape = dict(num_hidden_layers=3, vocab_size=tokenizer.vocab_size)
    return tiny_model(dropout=0.25, max_position_embeddings=40, **shape)


@pytest.fixture
def make(tokenizer):
    """A function of a loaded teacher, or a tuple of them, and flags to the plan."""

    def make(loaded=None, /, **flags):
        config = RunConfig(**{"length": 16, **flags})
        losses = tasks.get(config.task).distillation_losses
        recipe = recipes.get(config.recipe, task_losses=losses, **dataclasses.asdict(config))
        loaded = list(loaded) if isinstance(loaded, tuple) else [loaded] * (loaded is not None)
        return plan.make_plan(config, recipe, loaded, tokenizer)

    return make


# -- shapes


def test_a_teacher_made_here_and_half_of_it(make, tokenizer):
    found = make(teacher_config="L-5_H-16_A-2", dropout=0.3, teacher_steps=70)
    teacher, student = found.teacher_config, found.student_config
    assert (teacher.num_hidden_layers, teacher.hidden_size) == (5, 16)
    assert teacher.vocab_size == tokenizer.vocab_size
    assert teacher.pad_token_id == tokenizer.pad_id
    assert teacher.hidden_dropout_prob == teacher.attention_probs_dropout_prob == 0.3
    assert student == dataclasses.replace(teacher, num_hidden_layers=3)
    assert found.teacher_steps == 70 and found.student_init == "every_other"


def test_a_loaded_teacher_keeps_its_shape_and_dropout(make, teacher):
    found = make(teacher, teacher="somewhere", dropout=0.0, layerdrop_adapt_steps=9)
    assert found.teacher_config == teacher.config and found.teacher_steps == 9
    assert found.student_config == dataclasses.replace(teacher.config, num_hidden_layers=2)


def test_a_student_of_the_other_type(make, teacher):
    student = make(teacher, teacher="somewhere", student_type="distilbert").student_config
    assert student.model_type == "distilbert" and student.type_vocab_size == 0
    assert (student.num_hidden_layers, student.hidden_size) == (2, 12)


@pytest.mark.parametrize(
    ("teacher_type", "student_type", "positions"),
    [
        ("bert", "mobilebert", 40),
        ("roberta", "roberta", 40),
        ("roberta", "bert", 512),
        ("bert", "roberta", 514),
        ("bert", "electra", 512),
        ("deberta-v2", "deberta-v2", 40),
    ],
)
def test_positions_of_a_named_student(tokenizer, teacher_type, student_type, positions):
    """They are its teacher's, unless the two types count them in other ways."""
    shape = named_config("L-2_H-12_A-2", teacher_type, tokenizer.vocab_size)
    if teacher_type == "deberta-v2":
        shape = dataclasses.replace(shape, position_buckets=8)
    shape = dataclasses.replace(shape, max_position_embeddings=40)
    mobile = student_type == "mobilebert"
    config = RunConfig(
        task="text_classification",
        length=16,
        teacher="somewhere",
        student_type=student_type,
        student_config="L-1_H-8_B-12_A-2_F-2_OPT" if mobile else "L-1_H-12_A-2",
        student_init="random",
    )
    both = sources.Tokenizers(tokenizer, tokenizer)
    student = plan_shapes(config, True, shape, both).student
    assert student.model_type == student_type
    assert student.max_position_embeddings == positions


def test_a_named_student_has_the_dropout_of_the_flag(make, teacher, tokenizer):
    student = make(
        teacher, teacher="somewhere", student_config="L-1_H-12_A-2_I-20", dropout=0.05
    ).student_config
    assert student.num_hidden_layers == 1 and student.hidden_dropout_prob == 0.05
    assert student.max_position_embeddings == 40  # the teacher's: a name says nothing of them
    assert student.vocab_size == tokenizer.vocab_size


def test_a_student_from_a_file(make, teacher, tmp_path, monkeypatch):
    shape = dataclasses.replace(teacher.config, num_hidden_layers=1, hidden_dropout_prob=0.4)
    path = tmp_path / "student.json"
    path.write_text(json.dumps(shape.to_hugging_face()))
    student = make(teacher, teacher="somewhere", student_config=str(path)).student_config
    assert student.num_hidden_layers == 1 and student.hidden_dropout_prob == 0.4
    (tmp_path / "mini").mkdir()
    path.rename(tmp_path / "mini" / "config.json")
    source = str(tmp_path / "mini")
    assert make(teacher, teacher="somewhere", student_config=source).student_config == student
    # A folder that holds no model does not hide the size of that name.
    (tmp_path / "tiny").mkdir()
    monkeypatch.chdir(tmp_path)
    assert make(recipe="mlm", student_config="tiny").student_config.hidden_size == 128


def test_no_teacher_for_a_recipe_that_needs_none(make):
    found = make(recipe="mlm", student_config="L-2_H-16_A-2")
    assert found.teacher_config is None and found.teacher_steps == 0
    assert found.student_init == "random"


def test_a_student_may_start_from_the_text(make, teacher):
    alone = dict(recipe="mlm", student_config="L-2_H-16_A-2", student_init="text")
    found = make(**alone, baseline="random")
    assert found.teacher_config is None and found.student_init == "text"
    assert "same start; leave it out, or give random" in fails(make, **alone, baseline="text")
    taught = dict(teacher="somewhere", student_config="L-1_H-12_A-2", student_init="text")
    assert make(teacher, **taught, baseline="text").student_init == "text"
    labelled = dict(task="text_classification", recipe="kd", teacher="somewhere")
    assert "learns from examples" in fails(make, teacher, **labelled, student_init="text")


def test_no_teacher_where_its_losses_weigh_nothing(make):
    found = make(alpha_ce=0.0, alpha_cos=0.0, student_config="L-2_H-16_A-2")
    assert found.teacher_config is None and found.student_init == "random"


def test_a_loaded_teacher_may_start_a_student_that_learns_alone(make, teacher):
    found = make(teacher, teacher="somewhere", recipe="mlm", student_init="last")
    assert found.teacher_config == teacher.config and found.student_init == "last"


def test_search_is_planned_without_a_search(make):
    found = make(teacher_config="L-8_H-16_A-2", student_init="search")
    assert found.student_init == "search" and found.student_config.num_hidden_layers == 4


# -- impossible plans


def test_losses_of_the_labels_of_another_task_need_no_teacher(make):
    config = RunConfig(recipe="mlm", task="text_classification")
    assert not reads_teacher(config, recipes.get("mlm"))
    assert "'mlm' reads scores of all tokens" in fails(make, recipe="mlm", task=config.task)
    assert fails(make, recipe="mlm", task="sentence_embedding").endswith("such as sentence")
    assert reads_teacher(config, recipes.get("kd"))


def fails(make, loaded=None, /, **flags):
    with pytest.raises(UserError) as error:
        make(loaded, **flags)
    message = str(error.value)
    assert "\n" not in message
    return message


def test_rows_longer_than_the_positions(make, teacher, tiny_model, tokenizer, tmp_path):
    short = tiny_model(vocab_size=tokenizer.vocab_size, max_position_embeddings=24)
    message = fails(make, short, teacher="somewhere", length=25)
    assert "length=25" in message and "the teacher's 24" in message
    make(short, teacher="somewhere", length=24)
    shape = dataclasses.replace(teacher.config, num_hidden_layers=1, max_position_embeddings=20)
    path = tmp_path / "short.json"
    path.write_text(json.dumps(shape.to_hugging_face()))
    message = fails(make, teacher, teacher="somewhere", student_config=str(path), length=24)
    assert "the student's 20" in message


def test_vocabularies_that_differ(make, teacher, tiny_model, tmp_path):
    message = fails(make, tiny_model(vocab_size=50), teacher="somewhere")
    assert "tokenizer" in message and "teacher=somewhere" in message and "50" in message
    path = tmp_path / "other.json"
    path.write_text(json.dumps(tiny_model(vocab_size=50).config.to_hugging_face()))
    for flag in ("student_config", "teacher_config"):
        message = fails(make, **{flag: str(path)})
        assert f"{flag}={path}" in message and "50" in message


def test_a_teacher_with_spare_rows(make, tiny_model, tokenizer, tmp_path):
    words = tokenizer.vocab_size
    padded = tiny_model(vocab_size=words + 8)
    shape = json.dumps(tiny_model(vocab_size=words).config.to_hugging_face())
    (tmp_path / "plain.json").write_text(shape)
    cut = make(padded, teacher="somewhere")
    assert cut.student_config.vocab_size == words + 8
    named = make(padded, teacher="somewhere", student_config="L-1_H-12_A-2_I-20")
    assert named.student_config.vocab_size == words + 8
    plain = make(padded, teacher="somewhere", student_config=str(tmp_path / "plain.json"))
    assert plain.student_config.vocab_size == words
    short = fails(make, tiny_model(vocab_size=words - 1), teacher="somewhere")
    assert "tokenizer" in short and "teacher=somewhere" in short and f"{words - 1}" in short


def test_a_teacher_without_a_head(make, tiny_model, tokenizer):
    headless = tiny_model(vocab_size=tokenizer.vocab_size, with_head=False)
    message = fails(make, (headless, headless), teacher="somewhere,there")
    assert "teacher=somewhere " in message and "recipe=distilbert" in message
    named = message.partition("do without: ")[2].split(", ")
    assert named == ["minilm", "minilm_v1", "tinybert"]
    alone = dict(teacher="somewhere")
    assert make(headless, **alone).gets_head
    for name in named:
        made = make(headless, recipe=name, student_config="L-1_H-12_A-2_I-20", **alone)
        assert made.teacher_config == headless.config and not made.gets_head
    # Hidden states alone need none; the student's head is then a fresh one.
    alone |= dict(alpha_ce=0.0)
    assert make(headless, **alone).student_init == "every_other"
    assert not make(headless, **alone).gets_head
    for needs in (dict(layerdrop_adapt_steps=1), dict(student_init="search")):
        assert make(headless, **alone, **needs).gets_head


@pytest.mark.parametrize(
    "flags, words",
    [
        (dict(student_config="L-4_H-12_A-2_I-20"), ["student_config", "deeper"]),
        (dict(student_config="L-1_H-16_A-2"), ["student_config", "hidden_size"]),
        (dict(student_init="spacd"), ["student_init", "spacd"]),
        (dict(student_init="0,1,2"), ["student_init", "0,1,2"]),
        (dict(student_init="distilbert"), ["student_init=distilbert"]),
        (
            dict(student_type="distilbert", freeze_token_type_embds=True),
            ["freeze_token_type_embds finds nothing"],
        ),
        (
            dict(alpha_ce=0.0, alpha_mlm=0.0, alpha_cos=0.0),
            ["loss has the weight 0", "alpha"],
        ),
        (dict(recipe="autotinybert", super_layers=3), ["super_layers=3", "over the 2"]),
        (dict(recipe="autotinybert", baseline="start"), ["baseline=start", "only parts are used"]),
        (dict(recipe="dynabert"), ["recipe=dynabert trains parts", "set task"]),
        (
            dict(recipe="dynabert", task="text_classification", student_config="L-1_H-12_A-2_I-20"),
            ["student_config", "num_hidden_layers is 1", "leave student_config out"],
        ),
    ],
)
def test_impossible_students(make, teacher, flags, words):
    message = fails(make, teacher, teacher="somewhere", **flags)
    assert all(word in message for word in words), message


def test_a_baseline_of_a_student_without_teacher(make):
    flags = dict(recipe="mlm", student_config="L-2_H-16_A-2")
    assert "baseline=both" in fails(make, baseline="both", **flags)
    assert "leave it out, or give text" in fails(make, baseline="text,random", **flags)
    assert make(baseline="text", **flags).teacher_config is None
    assert "random, start, text" in fails(make, baseline="best", **flags)


@pytest.mark.parametrize(
    "flag, value",
    [
        ("corpus", "{}/texts/*.txt"),
        ("corpus", "sample,{}/texts"),
        ("teacher", "{}/texts"),
        ("teacher", "org/bert,{}/texts"),
        ("teacher_cache", "{}/texts"),
        ("student_config", "{}/texts/a.txt"),
    ],
)
def test_force_deletes_no_source_of_the_run(tmp_path, flag, value):
    (tmp_path / "run" / "texts").mkdir(parents=True)
    (tmp_path / "run" / "texts" / "a.txt").write_text("text")
    flags = {"output_dir": str(tmp_path / "run"), flag: value.format(tmp_path / "run")}
    with pytest.raises(UserError, match=f"force would delete {flag}"):
        sources.require_sources_outside(RunConfig(force=True, **flags))
    sources.require_sources_outside(RunConfig(**flags))
    flags["output_dir"] = str(tmp_path / "other")
    sources.require_sources_outside(RunConfig(force=True, **flags))


def test_a_student_with_no_shape(make):
    assert "student_config is empty" in fails(make, recipe="mlm")


# -- several teachers, and the teacher cache


def test_several_teachers(make, teacher, tiny_model, tokenizer):
    other = tiny_model(3, vocab_size=tokenizer.vocab_size, max_position_embeddings=40)
    found = make((teacher, other), teacher="a,b", teacher_weights="2,1")
    assert found.teacher_config == teacher.config and found.student_config.num_hidden_layers == 2
    refused = {
        "teacher_weights=1: give": dict(teacher_weights="1"),
        "teacher_weights=1,x: give numbers": dict(teacher_weights="1,x"),
        "teacher_weights=1,,2: give numbers": dict(teacher_weights="1,,2"),
        "'mse' compares logits": dict(alpha_mse=1.0),
    }
    for message, flags in refused.items():
        assert message in fails(make, (teacher, other), teacher="a,b", **flags)
    assert "teacher_weights is for" in fails(make, teacher, teacher="a", teacher_weights="2")
    for flags in (dict(recipe="minilm"), dict(alpha_ce=0.0)):
        assert "name one teacher" in fails(make, (teacher, other), teacher="a,b", **flags)
    short = tiny_model(3, vocab_size=tokenizer.vocab_size, max_position_embeddings=8)
    assert "8 positions of teacher=b" in fails(make, (teacher, short), teacher="a,b")
    foreign = tiny_model(3, vocab_size=7, max_position_embeddings=40)
    assert "vocabulary of teacher 2" in fails(make, (teacher, foreign), teacher="a,b")


@pytest.mark.parametrize(
    "flags, message",
    [
        (dict(alpha_mse=1.0), "the loss 'mse' of the phase 'distil': it needs every logit"),
        (dict(recipe="tinybert"), "the loss 'attention_scores' of the phase 'general'"),
        (dict(recipe="minilm"), "the loss 'relations'"),
        (dict(recipe="mobilebert_jkt"), "the loss 'attention_maps' of the phase 'transfer'"),
        (dict(schedules="temperature=linear:4:1"), "a temperature that changes"),
        (dict(recipe="mlm"), "does not read a teacher"),
    ],
)
def test_recipes_that_a_cache_cannot_serve(make, teacher, flags, message):
    assert message in fails(make, teacher, teacher="a", teacher_cache="c", **flags)


@pytest.mark.parametrize(
    "flags",
    [
        dict(schedules="alpha_ce=linear:5:1"),
        dict(recipe="pkd"),
        dict(recipe="tinybert", alpha_attention=0.0, head_share=0.0),
        dict(recipe="hybrid"),
        dict(recipe="mobilebert_pkt", alpha_attention=0.0),
    ],
)
def test_recipes_that_a_cache_can_serve(make, teacher, flags):
    make(teacher, teacher="a", teacher_cache="c", cached_mask_epochs=3, **flags)


def test_masks_of_a_missing_cache(make, teacher):
    message = fails(make, teacher, teacher="a", cached_mask_epochs=3)
    assert "cached_mask_epochs is for teacher_cache" in message


@pytest.mark.parametrize(
    "value, names", [("", []), ("a", ["a"]), ("a, org/b ,c", ["a", "org/b", "c"])]
)
def test_names_of_teachers(value, names):
    assert sources.teacher_names(RunConfig(teacher=value)) == names


@pytest.mark.parametrize("value", [",", "a,", ",a", "a,,b", " "])
def test_a_teacher_without_a_name(value):
    with pytest.raises(UserError, match="teacher=.*a name is missing"):
        sources.teacher_names(RunConfig(teacher=value))


# -- settings that decide the result


def test_settings_are_the_flags_that_decide():
    settings = deciding_settings(RunConfig(learning_rate=0.1))
    assert settings["learning_rate"] == 0.1 and "seed" in settings and "corpus" in settings
    assert settings["teacher_cache"] == ""
    cached = [deciding_settings(RunConfig(teacher_cache=folder)) for folder in ("a", "b")]
    assert cached[0] == cached[1] and cached[0]["teacher_cache"]
    assert not {"output_dir", "force", "log_interval", "checkpoint_interval"} & set(settings)
    json.dumps(settings)


@pytest.mark.parametrize(
    "flags, rows, steps",
    [
        (dict(n_epoch=3.0, batch_size=32), 3200, 300),
        (dict(n_epoch=3.0, batch_size=32, gradient_accumulation_steps=4), 3200, 75),
        (dict(n_epoch=1.0, batch_size=32), 33, 2),  # a begun batch is a step
        (dict(n_epoch=0.5, batch_size=10), 100, 5),
        (dict(n_epoch=0.0), 100, 1),
        (dict(n_epoch=3.0, steps=7), 3200, 7),
    ],
)
def test_student_steps(flags, rows, steps):
    assert plan.student_steps(RunConfig(**flags), tasks.get("masked_lm"), range(rows)) == steps


@pytest.mark.parametrize(
    "steps, shares, expected",
    [
        (10, [1.0], [10]),
        (10, [1.0, 1.0], [5, 5]),
        (10, [2.0, 1.0, 1.0], [5, 3, 2]),
        (7, [1.0, 1.0, 1.0], [2, 3, 2]),
        (100, [0.1, 0.9], [10, 90]),
    ],
)
def test_split_steps(steps, shares, expected):
    phases = [Phase("p", (), share) for share in shares]
    assert split_steps(steps, phases) == expected


def test_split_steps_lose_none():
    generator = np.random.default_rng(0)
    for _ in range(200):
        shares = generator.uniform(0.1, 1.0, generator.integers(1, 6))
        steps = int(generator.integers(100, 1000))
        found = split_steps(steps, [Phase("p", (), share) for share in shares])
        assert sum(found) == steps and min(found) > 0


# -- tokenizer


def test_where_the_tokenizer_comes_from(tmp_path):
    def source(**flags):
        config = RunConfig(**flags)
        return sources.tokenizer_source(config, sources.teacher_names(config))

    assert source() == ""
    assert source(tokenizer="mine", teacher="org/bert") == "mine"
    assert source(teacher="org/bert") == source(teacher="org/bert,org/other") == "org/bert"
    assert source(teacher=str(tmp_path)) == ""  # a folder that holds none
    (tmp_path / "vocab.txt").write_text("[PAD]\n")
    assert source(teacher=str(tmp_path)) == str(tmp_path)


def test_a_tokenizer_that_cannot_be_read_can_be_replaced(tmp_path, tiny_text, tokenizer):
    (tmp_path / "vocab.txt").write_text("[PAD]\n")
    settings = {"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "mecab"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    names = [str(tmp_path)]
    other = RunConfig(tokenizer=str(tiny_text / "vocabulary"))
    sources.require_same_vocabulary(other, tasks.get("masked_lm"), names, tokenizer)
    with pytest.raises(UserError, match="BertJapaneseTokenizer"):
        sources.require_same_vocabulary(
            RunConfig(), tasks.get("masked_lm"), [names[0]] * 2, tokenizer
        )


# -- freezing


def test_freeze(tiny_model):
    student = tiny_model()
    embeddings = student.encoder.embeddings
    plan.freeze(student, RunConfig(freeze_pos_embs=True))
    names = {variable.path for variable in student.trainable_variables}
    assert embeddings.position_embeddings.path not in names
    assert len(names) == len(student.variables) - 1
    plan.freeze(student, RunConfig(freeze_token_type_embds=True))
    names = {variable.path for variable in student.trainable_variables}
    assert embeddings.token_type_embeddings.path not in names
    assert len(names) == len(student.variables) - 1


def test_freeze_without_token_types(tiny_model):
    student = tiny_model(model_type="distilbert")
    plan.freeze(student, RunConfig(freeze_pos_embs=True))
    assert len(student.trainable_variables) == len(student.variables) - 1


def test_a_batch_must_split_over_the_gpus():
    require_even_batches(RunConfig(batch_size=6), 3)
    with pytest.raises(UserError, match="batch_size=6 .*4 GPUs.*CUDA_VISIBLE_DEVICES"):
        require_even_batches(RunConfig(batch_size=6), 4)
    filled = RunConfig(task="text_classification", tokens_per_batch=1000)
    require_even_batches(filled, 1)
    with pytest.raises(UserError, match="tokens_per_batch=1000 .*2 GPUs.*use batch_size"):
        require_even_batches(filled, 2)


@pytest.mark.parametrize("name", sorted({*recipes.names()} - {"sentence"}))
def test_losses_of_recipes_for_masked_lm(name):
    """A run asks for the same losses as the recipe alone, whose defaults are those of masked LM."""
    config = RunConfig(recipe=name, then="pkd")
    assert check_settings(config) == recipes.get(name, **dataclasses.asdict(config))
    losses = {term.loss for phase in check_settings(config).phases for term in phase.terms}
    assert losses.isdisjoint({"cross_entropy", "logits_kl", "logits_mse"})


def test_whole_words_are_looked_for_in_masked_lm_alone():
    """Tokenizers of tasks with labels do not know which ids continue a word."""
    check_masking(RunConfig(task="regression", whole_word_masking=True), tokenizer=None)


@pytest.mark.parametrize("setting", ["teacher", "student"])
def test_a_missing_model_is_found_before_the_machine_is_tried(setting, tmp_path):
    missing = {setting: str(tmp_path / "nowhere")}
    with pytest.raises(UserError, match="no such directory: .*nowhere"):
        MainJob(RunConfig(output_dir=str(tmp_path / "run"), **missing), Console())


@pytest.mark.parametrize("setting", ["teacher", "student"])
def test_a_name_that_is_not_on_the_hub_is_found_then_too(setting, tmp_path, monkeypatch):
    """A relative path looks like one."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    missing = {setting: "teachers/no-such-folder"}
    with pytest.raises(UserError, match=f"^{setting} teachers/no-such-folder: no such folder, "):
        MainJob(RunConfig(output_dir=str(tmp_path / "run"), **missing), Console())


@pytest.mark.parametrize("setting", ["teacher", "student"])
def test_a_folder_without_a_model_is_found_then_too(setting, tmp_path):
    """Such as that of a run, which holds its models in folders."""
    given = {setting: str(tmp_path)}
    with pytest.raises(UserError, match="config.json: No such file .*name the folder of a model"):
        MainJob(RunConfig(output_dir=str(tmp_path / "run"), **given), Console())


def test_a_teacher_whose_files_lie_in_a_folder_of_its_own(tmp_path, tiny_text):
    """As in older folders of sentence-transformers, whose config.json beside it says nothing."""
    inner, config = tmp_path / "0_Transformer", named_config("L-4_H-48_A-2")
    shutil.copytree(tiny_text / "vocabulary", inner)
    vocabulary = load_tokenizer(str(inner)).vocab_size
    config = dataclasses.replace(config, vocab_size=vocabulary)
    (inner / "config.json").write_text(json.dumps(config.to_hugging_face()))
    (tmp_path / "config.json").write_text('{"__version__": "0.2.0"}')
    modules = [{"path": "0_Transformer", "type": "sentence_transformers.models.Transformer"}]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    for setting in ("teacher", "student"):
        asked = RunConfig(**{setting: str(tmp_path)}, output_dir=str(tmp_path / "run"))
        early = begin_plan(asked, check_settings(asked), open_directory(asked))
        found = early.shapes.teacher if setting == "teacher" else early.shapes.student
        assert (found.num_hidden_layers, found.hidden_size) == (4, 48)
        assert early.tokenizers.student.vocab_size == vocabulary
