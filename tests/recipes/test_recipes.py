"""Recipes: their terms, options, schedules, and recipes in users' files."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tfdistill import recipes, tasks
from tfdistill.command_line.cli import Command
from tfdistill.command_line.run_config import RunConfig
from tfdistill.distillation.bound_terms import check_phase
from tfdistill.distillation.layer_maps import layer_map
from tfdistill.distillation.losses import LOSSES
from tfdistill.distillation.phases import Phase, Term
from tfdistill.distillation.schedules import Schedule
from tfdistill.models.configs.config_files import named_config
from tfdistill.models.part_grid import PartGrid
from tfdistill.recipes.next_sentence import with_next_sentence
from tfdistill.recipes.recipe_file import fingerprint
from tfdistill.run.checks import check_schedules
from tfdistill.run.recipe_checks import (
    check_own_defaults,
    check_recipe,
    check_terms,
    split_steps,
    without_meaning,
)
from tfdistill.system.errors import UserError

CLASSES = tasks.get("text_classification").distillation_losses


def terms_of(recipe):
    (phase,) = recipe.phases
    return {term.loss: term for term in phase.terms}


def test_names():
    expected = "autotinybert bilstm distilbert dynabert hybrid kd minilm minilm_v1 mlm "
    expected += "mobilebert_akt mobilebert_jkt mobilebert_pkt pkd sentence static "
    expected += "textbrewer tinybert tinybert_task"
    assert recipes.names() == tuple(expected.split())


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_names_losses_that_exist_and_its_source(name):
    recipe = recipes.get(name)
    assert recipe.name == name and recipe.source.startswith("arXiv:")
    assert sum(phase.share for phase in recipe.phases) == pytest.approx(1.0)
    for phase in recipe.phases:
        assert phase.active_terms
        for term in phase.terms:
            loss = LOSSES[term.loss]
            assert all(isinstance(signal, str) for signal in loss.signals(**term.options))


def test_distilbert_as_published():
    """5 CE at temperature 2, 2 MLM, 1 cosine: the command that made DistilBERT."""
    terms = terms_of(recipes.get("distilbert"))
    assert {loss: term.weight for loss, term in terms.items()} == {
        "ce": 5.0,
        "mlm": 2.0,
        "cos": 1.0,
        "mse": 0.0,
    }
    assert terms["ce"].options == {"temperature": 2.0, "restrict_to_mask": False}
    (phase,) = recipes.get("distilbert").phases
    assert [term.loss for term in phase.active_terms] == ["ce", "mlm", "cos"]


@pytest.mark.parametrize("name", recipes.names())
def test_defaults_of_settings_are_those_of_the_recipes(name):
    assert recipes.get(name, **dataclasses.asdict(RunConfig())) == recipes.get(name)


def test_static_students_learn_vectors_or_predictions():
    """Those of `sentence` for a task without labels; else those of `kd`."""
    vectors = recipes.get("static", task_losses={}, alpha_vectors=2.0, alpha_similarities=3.0)
    other = recipes.get("sentence", alpha_vectors=2.0, alpha_similarities=3.0)
    assert vectors.phases == other.phases
    losses = tasks.get("regression").distillation_losses
    predictions = recipes.get("static", task_losses=losses, alpha=0.25)
    assert predictions.phases == recipes.get("kd", task_losses=losses, alpha=0.25).phases
    assert {vectors.name, predictions.name} == {"static"}


@pytest.mark.parametrize(
    ("name", "losses", "message"),
    [
        ("sentence", CLASSES, "recipe=sentence learns vectors of texts"),
        ("sentence", {"labels": "mlm"}, "set task=sentence_embedding"),
        ("kd", {}, "recipe=kd learns from labels, and the task has none"),
    ],
)
def test_recipes_that_the_task_cannot_have(name, losses, message):
    with pytest.raises(UserError, match=message):
        recipes.get(name, task_losses=losses)


def test_options_reach_their_terms():
    terms = terms_of(
        recipes.get(
            "distilbert",
            alpha_ce=0.5,
            alpha_mlm=0.25,
            alpha_cos=0.0,
            alpha_mse=0.125,
            temperature=4.0,
            restrict_ce_to_mask=True,
        )
    )
    assert terms["ce"] == Term("ce", 0.5, {"temperature": 4.0, "restrict_to_mask": True})
    assert terms["mse"] == Term("mse", 0.125, {"restrict_to_mask": True})
    assert terms["mlm"].weight == 0.25 and terms["cos"].weight == 0.0


def test_mlm_ignores_options_of_other_recipes():
    recipe = recipes.get("mlm", alpha_mlm=7.0, alpha_ce=5.0, temperature=3.0)
    assert recipe.phases == (Phase("mlm", (Term("mlm", 1.0),)),)


def test_restricting_changes_what_is_compared():
    batch = {"attention_mask": np.ones((2, 5)), "masked_weights": np.ones((2, 3))}
    for name in ("ce", "mse", "soft_ce"):
        loss = LOSSES[name]
        assert float(loss.count(batch, restrict_to_mask=True)) == 6
        assert float(loss.count(batch, restrict_to_mask=False)) == 10
        signals = [loss.signals(restrict_to_mask=restrict) for restrict in (True, False)]
        assert signals == [("masked_rows",), ("token_rows",)]


def test_kd_has_the_losses_of_the_task():
    """Hinton et al., 2015, section 2: a weighted mean of soft and hard targets."""

    def terms(**options):
        return {
            loss: (term.weight, dict(term.options))
            for loss, term in terms_of(recipes.get("kd", **options)).items()
        }

    assert terms(temperature=4.0) == {"mlm": (0.5, {}), "ce": (0.5, {"temperature": 4.0})}
    spans = {"labels": "span_cross_entropy", "kl": "span_kl", "mse": "span_mse"}
    assert terms(alpha=0.75, task_losses=spans) == {
        "span_cross_entropy": (0.25, {}),
        "span_kl": (0.75, {"temperature": 2.0}),
    }
    assert terms(kd_loss="mse", task_losses=spans).keys() == {"span_cross_entropy", "span_mse"}
    scores = {"labels": "squared_error", "kl": "logits_mse", "mse": "logits_mse"}
    for choice in ("kl", "mse"):
        found = terms(kd_loss=choice, task_losses=scores)
        assert found == {"squared_error": (0.5, {}), "logits_mse": (0.5, {})}
    assert "task_losses" not in recipes.OPTIONS and "task_losses" not in recipes.options_of("kd")


def test_adjustments_reach_the_kl_of_classes():
    """Only options that are used, so that other tasks need not know them."""
    options = dict(task_losses=CLASSES, temperature=4.0)
    plain = terms_of(recipes.get("kd", temperature_spread=3.0, **options))
    assert plain["logits_kl"].options == {"temperature": 4.0}
    both = recipes.get("kd", temperature_by="cwsm", probability_shift=True, **options)
    assert terms_of(both)["logits_kl"].options == {
        "temperature": 4.0,
        "temperature_by": "cwsm",
        "temperature_spread": 1.0,
        "probability_shift": True,
    }


@pytest.mark.parametrize("option", [{"temperature_by": "flsw"}, {"probability_shift": True}])
@pytest.mark.parametrize("task", [{}, {"task_losses": CLASSES, "kd_loss": "mse"}])
def test_adjustments_need_the_kl_of_classes(option, task):
    (name,) = option
    with pytest.raises(UserError, match=f"{name} adjusts the KL of classes and tags"):
        recipes.get("kd", **option, **task)


def test_textbrewer_as_published():
    """T of 8, no labels; the sum there has no T^2, so the other weights of 1 are T^2 here."""
    flags = Command("", ()).config(["--flagfile=configs/textbrewer.flags"])
    recipe = recipes.get(flags.recipe, task_losses=CLASSES, **dataclasses.asdict(flags))
    terms = terms_of(recipe)
    assert {loss: term.weight for loss, term in terms.items()} == {
        "cross_entropy": 0.0,
        "logits_kl": 1.0,
        "hidden": 64.0,
        "embedding": 64.0,
        "nst": 64.0,
    }
    assert terms["logits_kl"].options == {"temperature": 8.0}
    assert terms["hidden"].layers == terms["nst"].layers == "uniform"
    assert terms["hidden"].projection == "shared" and terms["nst"].projection == "none"


def test_tinybert_as_published():
    """Equal weights of the three terms; one projection for all layers."""
    general, head = recipes.get("tinybert").phases
    assert [(t.loss, t.weight, t.projection) for t in general.terms] == [
        ("attention_scores", 1.0, "none"),
        ("hidden", 1.0, "shared"),
        ("embedding", 1.0, "shared"),
    ]
    assert {t.layers for t in general.terms[:2]} == {"uniform"}
    assert head.trainable == ("head",) and [t.loss for t in head.terms] == ["mlm"]
    assert [phase.name for phase in recipes.get("tinybert", head_share=0.0).phases] == ["general"]


def test_tinybert_for_a_task_as_published():
    """Layers at a constant rate, then the teacher's predictions alone at T = 1, without labels."""
    classes = {"labels": "cross_entropy", "kl": "logits_kl", "mse": "logits_mse"}
    layers, predictions = recipes.get(
        "tinybert_task", task_losses=classes, transfer_share=0.75
    ).phases
    assert layers.terms == recipes.get("tinybert").phases[0].terms
    assert layers.constant_rate and not layers.measured and layers.trainable == ("encoder",)
    assert predictions.terms == (Term("logits_kl", 1.0, {"temperature": 1.0}),)
    assert predictions.measured and not (predictions.constant_rate or predictions.trainable)
    assert (layers.share, predictions.share) == (0.75, 0.25)
    assert 5e-5 * predictions.learning_rate == pytest.approx(3e-5)
    scores = {"labels": "squared_error", "kl": "logits_mse", "mse": "logits_mse"}
    _, numbers = recipes.get("tinybert_task", task_losses=scores).phases
    assert numbers.terms == (Term("logits_mse", 1.0),)


def test_dynabert_as_published():
    """1 soft cross-entropy + 0.1 states by width; 1 + 1 by width and depth, taught by itself."""
    classes = {"labels": "cross_entropy", "kl": "logits_kl", "mse": "logits_mse"}
    recipe = recipes.get("dynabert", task_losses=classes)
    width, depth = recipe.phases
    predictions = Term("logits_kl", 1.0, {"temperature": 1.0})
    assert width.terms == (predictions, Term("part_states", 0.1))
    assert depth.terms == (predictions, Term("part_states", 1.0))
    assert width.rewired and not depth.rewired and depth.own_teacher and not width.own_teacher
    assert width.parts == PartGrid((1.0, 0.75, 0.5, 0.25))
    assert depth.parts == PartGrid((1.0, 0.75, 0.5, 0.25), (1.0, 0.75, 0.5))
    made = recipes.get("dynabert", task_losses=classes, final_share=0.2, rewire=False)
    final = made.phases[2]
    assert final.terms == (Term("cross_entropy", 1.0),) and final.parts == depth.parts
    assert [phase.share for phase in made.phases] == pytest.approx([0.5, 0.3, 0.2])
    assert not made.phases[0].rewired
    for width_share, final_share in ((0.8, 0.2), (0.7, 0.3)):
        with pytest.raises(UserError, match="leave no steps for the depth"):
            recipes.get("dynabert", width_share=width_share, final_share=final_share)


def test_minilm_as_published():
    relations = recipes.get("minilm", relation_heads=12, relation_layer=20).phases[0].terms
    (term,) = relations
    assert term.options == {"relations": ("queries", "keys", "values"), "relation_heads": 12}
    assert term.layers == ((-1, 20),)
    maps, values = recipes.get("minilm_v1").phases[0].terms
    assert maps.loss == "attention_maps" and maps.layers == values.layers == ((-1, -1),)
    assert values.options == {"relations": ("values",), "relation_heads": "attention"}


def test_mobilebert_as_published():
    """Section 3.4, with the weights of the authors' code; the three transfers of section 3.5."""
    layers = {"feature_map": 100.0, "feature_mean": 5000.0, "feature_variance": 5.0}
    layers["attention_maps"] = 1.0
    answers = {"mlm": 0.5, "soft_ce": 0.5}

    def weights(phase):
        return {term.name: term.weight for term in phase.terms}

    (one,) = recipes.get("mobilebert_akt").phases
    assert weights(one) == layers | answers
    for name in ("mobilebert_jkt", "mobilebert_pkt"):
        transfer, distil = recipes.get(name, transfer_share=0.25).phases
        assert weights(transfer) == layers and weights(distil) == answers
        assert (transfer.share, distil.share) == (0.25, 0.75)
        assert transfer.each_layer == (name == "mobilebert_pkt")
        assert all(term.over_layers == "mean" for term in transfer.terms)
    soft = one.terms[-1].options
    assert soft == {"temperature": 1.0, "restrict_to_mask": True}


def test_pkd_as_published():
    terms = terms_of(recipes.get("pkd", alpha=0.7, beta=500.0, temperature=10.0, layer_map="last"))
    assert {loss: term.weight for loss, term in terms.items()} == {
        "mlm": pytest.approx(0.3),
        "ce": 0.7,
        "patient": 500.0,
    }
    assert terms["ce"].options["temperature"] == 10.0 and terms["patient"].layers == "last"
    assert terms_of(recipes.get("pkd"))["patient"].layers == "skip"


@pytest.mark.parametrize(
    ("depths", "layers", "expected"),
    [
        ((12, 6), "skip", [2, 4, 6, 8, 10]),
        ((12, 6), "last", [7, 8, 9, 10, 11]),
        ((12, 3), "skip", [4, 8]),
        ((12, 3), "last", [10, 11]),
        ((6, 3), "skip", [2, 4]),
        ((6, 3), "last", [4, 5]),
    ],
)
def test_layers_of_pkd_as_published(depths, layers, expected):
    """Counted from 1; the student's last layer is left to the logits."""
    teacher, student = (named_config(f"L-{depth}_H-32_A-2") for depth in depths)
    (phase,) = recipes.get("pkd", layer_map=layers).phases
    patient = check_phase(phase, student, teacher)[-1]
    assert patient.pairs == tuple((i, layer - 1) for i, layer in enumerate(expected))


@pytest.mark.parametrize("then", ["distilbert", "tinybert", "minilm", "pkd"])
def test_hybrid_puts_masked_lm_first(then):
    recipe = recipes.get("hybrid", then=then, mlm_share=0.25, temperature=3.0)
    other = recipes.get(then, temperature=3.0)
    assert recipe.phases[0].name == "mlm" and recipe.phases[0].share == 0.25
    assert [phase.terms for phase in recipe.phases[1:]] == [phase.terms for phase in other.phases]
    assert [phase.share for phase in recipe.phases[1:]] == [
        pytest.approx(0.75 * phase.share) for phase in other.phases
    ]
    assert sum(phase.share for phase in recipe.phases) == pytest.approx(1.0)


@pytest.mark.parametrize("then", ["mlm", "hybrid", "bert"])
def test_recipes_that_cannot_follow(then):
    with pytest.raises(UserError, match=f"then={then} is"):
        recipes.get("hybrid", then=then)


def test_schedules_replace_numbers():
    schedules = "alpha_ce=linear:5:1,temperature=cosine:4:1"
    terms = terms_of(recipes.get("distilbert", alpha_ce=3.0, schedules=schedules))
    assert terms["ce"].weight == Schedule(5.0, 1.0, "linear")
    assert terms["ce"].options["temperature"] == Schedule(4.0, 1.0, "cosine")
    then = recipes.get("hybrid", then="distilbert", schedules=schedules).phases[1]
    assert then.terms[0].weight == Schedule(5.0, 1.0, "linear")
    half = recipes.get("pkd", schedules="alpha=linear:0:1").phases[0].terms
    assert half[0].weight == Schedule(1.0, 0.0) and half[1].weight == Schedule(0.0, 1.0)
    with pytest.raises(UserError, match="schedules: the recipe mlm has no number 'alpha_ce'"):
        recipes.get("mlm", schedules=schedules)


@pytest.mark.parametrize("name", ["relation_heads", "layer_map", "projection", "head_share"])
def test_only_numbers_can_be_scheduled(name):
    with pytest.raises(UserError, match=f"schedules: .* no number '{name}'"):
        recipes.get("tinybert", schedules=f"{name}=linear:0:1")


@pytest.mark.parametrize(
    "text", ["temperature=linear:4:0", "alpha_ce=linear:-1:5", "alpha=cosine:0:2", "x=linear:0:nan"]
)
def test_schedules_stay_in_the_range_of_the_option(text):
    with pytest.raises(UserError, match="schedules: .* cannot be"):
        check_schedules(RunConfig(schedules=text))
    check_schedules(RunConfig(schedules="temperature=linear:4:1,own=cosine:-3:9"))


def test_options_of_other_recipes_are_reported():
    config = RunConfig(recipe="minilm", layer_map="last", temperature=4.0, relation_heads=8)
    assert without_meaning(config) == ["temperature", "layer_map"]
    config = RunConfig(recipe="hybrid", then="pkd", alpha=0.2, alpha_ce=1.0, mlm_share=0.1)
    assert without_meaning(config) == ["alpha_ce"]
    assert without_meaning(RunConfig()) == []
    for transfer, known in {"akt": 0, "jkt": 1, "pkt": 2}.items():
        given = RunConfig(recipe=f"mobilebert_{transfer}", transfer_share=0.1, lower_rate=0.0)
        assert without_meaning(given) == ["transfer_share", "lower_rate"][known:]


@pytest.mark.parametrize(
    ("given", "idle"),
    [
        (dict(recipe="autotinybert", super_terms="logits", alpha=0.9), ["super_terms", "alpha"]),
        (dict(recipe="autotinybert", sandwich=True, head_share=0.1), ["head_share"]),
        (dict(recipe="autotinybert", super_width=64, alpha_hidden=0.0), ["alpha_hidden"]),
        (dict(recipe="autotinybert", super_regime="kd", alpha=0.9, head_share=0.1), ["alpha"]),
        (dict(recipe="kd", kd_loss="mse", temperature=4.0, alpha=0.9), ["temperature"]),
        (dict(recipe="kd", temperature_spread=2.0), ["temperature_spread"]),
        (dict(recipe="kd", alpha=0.0, temperature=4.0), ["temperature"]),
        (dict(recipe="autotinybert", restrict_ce_to_mask=True), ["restrict_ce_to_mask"]),
        (dict(recipe="pkd", layer_map="skip"), []),  # its own default
        (dict(recipe="hybrid", then="pkd", schedules="beta=linear:0:9"), []),
    ],
)
def test_options_that_other_options_make_idle_are_reported(given, idle):
    assert sorted(without_meaning(RunConfig(**given))) == sorted(idle)


def test_a_super_student_of_a_task_learns_from_labels():
    losses = tasks.get("regression").distillation_losses

    def phases(**options):
        return recipes.get("autotinybert", task_losses=losses, **options).phases

    (alone,) = phases()
    assert [(term.loss, term.weight) for term in alone.terms] == [("squared_error", 1.0)]
    (both,) = phases(super_regime="kd", super_terms="logits", alpha=0.25)
    assert [(t.loss, t.weight) for t in both.terms] == [
        ("squared_error", 0.75),
        ("logits_mse", 0.25),
    ]
    layers, last = phases(super_regime="kd", head_share=0.3)
    assert (layers.share, last.share, layers.measured) == (0.7, 0.3, False)
    assert last.parts == layers.parts == both.parts and not last.parts.whole_heads
    assert phases(super_regime="kd", head_share=0.0) == (dataclasses.replace(layers, share=1.0),)
    (whole,) = phases(super_regime="kd", super_terms="logits", alpha=0.25, train_parts=False)
    assert whole == dataclasses.replace(both, parts=None)
    config = RunConfig(task="regression", recipe="autotinybert")
    assert (config.super_regime, config.super_terms) == ("kd", "logits")


def test_phases_get_at_least_a_step():
    phases = recipes.get("tinybert").phases
    assert split_steps(10, phases) == [8, 2]
    with pytest.raises(UserError, match="steps: of 2 steps none is left for the phase 'head'"):
        split_steps(2, phases)


def test_an_unknown_recipe():
    with pytest.raises(
        UserError, match="recipe=bert is unknown.* distilbert, dynabert, hybrid.*FILE.py"
    ):
        recipes.get("bert")


# -- recipes in users' files

OWN = """
from tfdistill.distillation.phases import Phase, Recipe, Term

def angles(alpha_cos=1.0, alpha_mlm=2.0):
    terms = (Term("mlm", alpha_mlm), Term("cos", alpha_cos))
    return Recipe("angles", (Phase("distil", terms),), source="my own")

ready = angles()
number = 3

def wrong():
    return 3

def broken():
    return Recipe("twice", (Phase("a", (Term("mlm", 1.0),)),) * 2, source="my own")
"""


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    return tmp_path / "own.py"


def test_a_users_recipe(own):
    recipe = recipes.get(f"{own}:angles", alpha_cos=0.5, alpha_ce=9.0)
    assert recipe.name == "angles"
    assert {t.loss: t.weight for t in recipe.phases[0].terms} == {"mlm": 2.0, "cos": 0.5}
    assert recipes.get(f"{own}:ready", alpha_cos=0.5) == recipes.get(f"{own}:angles")
    scheduled = recipes.get(f"{own}:angles", schedules="alpha_cos=linear:0:1")
    assert scheduled.phases[0].terms[1].weight == Schedule(0.0, 1.0)


@pytest.mark.parametrize(
    "shape, layers",
    [("L-4_H-312_A-12_I-1200", (2, 5, 8, 11)), ("L-6_H-768_A-12_I-3072", (1, 3, 5, 7, 9, 11))],
)
def test_tinyberts_published_students_fit_bert_base(shape, layers):
    base, student = named_config("base"), named_config(shape)
    recipe = recipes.get("tinybert")
    check_recipe(recipe, student, base, lambda _: None)
    assert layer_map("uniform", base.num_hidden_layers, student.num_hidden_layers) == layers


@pytest.mark.parametrize(
    "signature, wrong",
    [
        ("alpha_cos=1.0, layer_map='last', mine=7.0", None),  # an empty setting keeps it
        ("alpha_cos", None),
        (
            "alpha_mlm=2.0, alpha_cos=3.0",
            r"alpha_cos=3\.0 never .*=1\.0 and",
        ),
        ("restrict_ce_to_mask=True", "restrict_ce_to_mask=True never counts"),
    ],
)
def test_defaults_that_settings_would_replace_are_refused(tmp_path, signature, wrong):
    own = tmp_path / "own.py"
    own.write_text(OWN + f"\ndef mine({signature}):\n    return angles()\n")
    config = RunConfig(recipe=f"{own}:mine")
    if wrong is None:
        check_own_defaults(config)
    else:
        with pytest.raises(UserError, match=wrong):
            check_own_defaults(config)
    check_own_defaults(RunConfig(recipe=f"{own}:ready"))
    check_own_defaults(RunConfig(recipe="pkd"))


def test_the_example_in_the_docs(tmp_path, tiny_model):
    """The code of docs/RECIPES.md, run with two models."""
    text = (Path(__file__).parents[2] / "docs" / "RECIPES.md").read_text("utf-8")
    (tmp_path / "my_recipes.py").write_text(text.split("```python\n")[1].split("```")[0])
    recipe = recipes.get(f"{tmp_path}/my_recipes.py:angles", alpha_mlm=7.0)
    assert recipe.phases[1].terms == (Term("mlm", 7.0),)
    config = tiny_model().config
    check_terms(recipe)
    check_recipe(recipe, config, config, lambda student: None)
    wrong = dataclasses.replace(recipe.phases[1], rates=(("encoder/layer_7", 0.1),))
    recipe = dataclasses.replace(recipe, phases=(recipe.phases[0], wrong))
    with pytest.raises(UserError, match="names 'encoder/layer_7' in rates"):
        check_recipe(recipe, config, config, lambda student: None)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("missing.py:angles", "there is no file missing.py"),
        ("{own}", "add :NAME"),
        ("{own}:circles", "no recipe 'circles'"),
        ("{own}:number", "no recipe 'number'"),
        ("{own}:wrong", "returned int, not a Recipe"),
        ("{own}:broken", "need names of their own"),
    ],
)
def test_files_without_a_recipe(own, name, complaint):
    with pytest.raises(UserError, match=f"recipe=.*{complaint}"):
        recipes.get(name.format(own=own))


def test_a_file_that_does_not_run(tmp_path):
    (tmp_path / "bad.py").write_text("1 / 0")
    with pytest.raises(UserError, match="does not run: ZeroDivisionError"):
        recipes.get(f"{tmp_path}/bad.py:x")


def test_the_fingerprint_changes_with_the_file(own):
    before = fingerprint(f"{own}:angles")
    assert before.startswith(f"{own}:angles (") and fingerprint("pkd") == "pkd"
    own.write_text(OWN + "# changed")
    assert fingerprint(f"{own}:angles") != before


def test_losses_without_a_teacher_are_the_label_losses_of_tasks():
    alone = {name for name, loss in LOSSES.items() if not loss.needs_teacher}
    of_tasks = set().union(*(tasks.get(name).label_losses for name in tasks.names()))
    assert alone == of_tasks - {""} and {"nsp", "mlm", "cross_entropy"} < alone


def test_pkd_takes_the_losses_of_a_task():
    classes = {"labels": "cross_entropy", "kl": "logits_kl", "mse": "logits_mse"}
    (phase,) = recipes.get("pkd", alpha=0.25, temperature=3.0, task_losses=classes).phases
    labels, logits, patient = phase.terms
    assert (labels.loss, labels.weight) == ("cross_entropy", 0.75)
    assert (logits.loss, logits.weight, logits.options) == ("logits_kl", 0.25, {"temperature": 3.0})
    assert (patient.loss, patient.layers) == ("patient", "skip")


@pytest.mark.parametrize(
    "name, options",
    [
        ("pkd", {}),
        ("kd", {}),
        ("kd", {"kd_loss": "mse"}),
        ("textbrewer", {}),
        ("autotinybert", {"super_regime": "kd", "super_terms": "logits"}),
    ],
)
def test_predictions_at_the_masked_tokens_alone(name, options):
    """`restrict_ce_to_mask` is for masked LM; a task with labels has no masked tokens."""

    def logits_of(**further):
        (phase,) = recipes.get(name, **options, restrict_ce_to_mask=True, **further).phases
        return phase.terms[1]

    masked_lm = logits_of()
    assert masked_lm.loss == options.get("kd_loss", "ce")
    assert masked_lm.options["restrict_to_mask"] is True
    classes = {"labels": "cross_entropy", "kl": "logits_kl", "mse": "logits_mse"}
    assert "restrict_to_mask" not in logits_of(task_losses=classes).options
    (phase,) = recipes.get(name, **options).phases
    assert not phase.terms[1].options.get("restrict_to_mask")


WITHOUT_TEXT = {"bilstm", "dynabert", "sentence", "static", "tinybert_task"}


@pytest.mark.parametrize("name", sorted(set(recipes.names()) - WITHOUT_TEXT))
def test_pairs_are_added_to_the_phases_of_masked_lm(name):
    plain = recipes.get(name)
    recipe = with_next_sentence(plain, alpha=3.0)
    for before, phase in zip(plain.phases, recipe.phases, strict=True):
        weights = {term.loss: term.weight for term in phase.terms}
        if "mlm" not in {term.loss for term in before.terms}:
            assert phase == before
            continue
        assert phase.terms[: len(before.terms)] == before.terms
        assert (weights["nsp"], weights["nsp_kl"]) == (weights["mlm"], 3.0)
        assert phase.trainable in (before.trainable, (*before.trainable, "next_sentence"))
        assert bool(phase.trainable) == bool(before.trainable)
        temperatures = {t.options.get("temperature", 1.0) for t in before.terms if t.loss == "ce"}
        assert phase.terms[-1].options == {"temperature": (temperatures or {1.0}).pop()}
    assert with_next_sentence(plain).phases[-1].active_terms[-1].loss != "nsp_kl"


def test_a_recipe_without_masked_lm_cannot_learn_pairs():
    with pytest.raises(UserError, match="no phase of recipe=minilm trains masked LM"):
        with_next_sentence(recipes.get("minilm", head_share=0.0))
    # A weight of 0 is no training, but then the teacher's logits can train the head.
    unmasked = recipes.get("distilbert", alpha_mlm=0.0)
    with pytest.raises(UserError, match="a weight of masked LM above 0"):
        with_next_sentence(unmasked)
    (phase,) = with_next_sentence(unmasked, alpha=3.0).phases
    assert [term.loss for term in phase.active_terms] == ["ce", "cos", "nsp_kl"]


@pytest.mark.parametrize("name", [name for name in recipes.names() if name.startswith("mobile")])
def test_mobilebert_takes_the_losses_of_a_task(name):
    classes = tasks.get("text_classification").distillation_losses
    *_, phase = recipes.get(name, alpha=0.25, task_losses=classes).phases
    labels, teacher = phase.terms[-2:]
    assert (labels.loss, labels.weight) == ("cross_entropy", 0.75)
    assert (teacher.loss, teacher.weight) == ("logits_kl", 0.25)
    assert teacher.options == {"temperature": 1.0}
    scores = tasks.get("regression").distillation_losses
    *_, phase = recipes.get(name, task_losses=scores).phases
    assert [term.loss for term in phase.terms[-2:]] == ["squared_error", "logits_mse"]
    *_, phase = recipes.get(name).phases
    assert [term.loss for term in phase.terms[-2:]] == ["mlm", "soft_ce"]
