"""Terms between two models: compared layers, projections, and refusals."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfdistill import recipes
from tfdistill.distillation.bound_terms import BoundTerm, bind_terms, check_phase
from tfdistill.distillation.distiller import Distiller, StepOptions
from tfdistill.distillation.losses.attention import attention_scores_mse
from tfdistill.distillation.losses.hidden import hidden_mse, patient_distance
from tfdistill.distillation.losses.relations import relation_kl
from tfdistill.distillation.phases import Phase, Term, rates_of
from tfdistill.distillation.schedules import Schedule
from tfdistill.distillation.signals import compute_signals
from tfdistill.system.errors import UserError

ROWS = (10, 7, 3, 4)
QKV = {"relations": ("queries", "keys", "values")}


@pytest.fixture(scope="module")
def teacher(tiny_model):
    return tiny_model(seed=1, num_hidden_layers=4)


@pytest.fixture(scope="module")
def student(tiny_model):
    return tiny_model(seed=2)


@pytest.fixture(scope="module")
def narrow(tiny_model):
    return tiny_model(seed=3, hidden_size=8)


@pytest.fixture(scope="module")
def batch(tiny_batch):
    return {name: tf.constant(array) for name, array in tiny_batch(ROWS).items()}


@pytest.fixture(scope="module")
def signals(student, narrow, teacher, batch):
    """All signals of each model for the batch, from the models themselves."""
    taps = {"hidden_states", "embeddings", "attention_scores", "queries", "keys", "values"}
    models = {"student": student, "narrow": narrow, "teacher": teacher}
    return {name: model.encode(batch, taps=taps) for name, model in models.items()}


def value_of(term, student, teacher, batch):
    distiller = Distiller(student, Phase("test", (term,)), teacher)
    losses = distiller.gradients(batch, 0)[1]
    np.testing.assert_allclose(losses["loss"], term.weight * losses[f"loss_{term.name}"], rtol=1e-6)
    return distiller, float(losses[f"loss_{term.name}"])


@pytest.mark.parametrize(
    ("layers", "pairs"),
    [
        ("uniform", [(0, 1), (1, 3)]),
        ("first", [(0, 0), (1, 1)]),
        ("0,3", [(0, 0), (1, 3)]),
        (((1, 2),), [(1, 2)]),
        (((-1, -1), (0, -3)), [(1, 3), (0, 1)]),
    ],
)
def test_layer_maps_decide_the_compared_layers(student, teacher, signals, batch, layers, pairs):
    """Attention and hidden states of a layer have the same number; the loss is the sum."""
    mask = batch["attention_mask"]
    expected = {
        "attention_scores": sum(
            attention_scores_mse(
                student_scores=signals["student"]["attention_scores"][s],
                teacher_scores=signals["teacher"]["attention_scores"][t],
                mask=mask,
            )
            for s, t in pairs
        ),
        "hidden": sum(
            hidden_mse(
                student_hidden=signals["student"]["hidden_states"][s + 1],
                teacher_hidden=signals["teacher"]["hidden_states"][t + 1],
                mask=mask,
            )
            for s, t in pairs
        ),
    }
    for loss, value in expected.items():
        found = value_of(Term(loss, 0.5, layers=layers), student, teacher, batch)[1]
        np.testing.assert_allclose(found, value, rtol=1e-5)


def test_patient_distance_leaves_the_last_layer_out(student, teacher, signals, batch):
    """The mean over the other layers, as in PKD; here there is one."""
    term = Term("patient", 100.0, {"over_width": "sum"}, layers="skip")
    expected = patient_distance(
        student_hidden=signals["student"]["hidden_states"][1],
        teacher_hidden=signals["teacher"]["hidden_states"][2],
        mask=batch["attention_mask"],
        over_width="sum",
    )
    np.testing.assert_allclose(value_of(term, student, teacher, batch)[1], expected, rtol=1e-5)


def test_patient_distance_is_a_mean_over_layers(tiny_model, teacher, batch):
    deep = tiny_model(seed=5, num_hidden_layers=3)
    both = value_of(Term("patient", 1.0, layers=((0, 0), (1, 2))), deep, teacher, batch)[1]
    each = [value_of(Term("patient", 1.0, layers=(p,)), deep, teacher, batch)[1]
            for p in ((0, 0), (1, 2))]  # fmt: skip
    np.testing.assert_allclose(both, np.mean(each), rtol=1e-5)


def test_relations_of_any_width(narrow, teacher, signals, batch):
    """Widths 8 and 12: four relation heads, the sum over queries, keys and values."""
    expected = sum(
        relation_kl(
            student_vectors=signals["narrow"][name][1],
            teacher_vectors=signals["teacher"][name][3],
            mask=batch["attention_mask"],
            relation_heads=4,
        )
        for name in QKV["relations"]
    )
    term = Term("relations", 1.0, QKV, layers=((-1, -1),))
    np.testing.assert_allclose(value_of(term, narrow, teacher, batch)[1], expected, rtol=1e-5)


@pytest.mark.parametrize(("projection", "count"), [("none", 0), ("shared", 1), ("per_layer", 2)])
def test_projections(student, teacher, signals, batch, projection, count):
    term = Term("hidden", 1.0, layers="uniform", projection=projection)
    distiller, value = value_of(term, student, teacher, batch)
    projections = distiller.state_variables[len(student.variables) :]
    assert len(projections) == 2 * count  # a kernel and a bias each
    assert distiller.trained_variables[len(student.trainable_variables) :] == projections
    expected = 0.0
    for number, (s, t) in enumerate([(0, 1), (1, 3)]):
        hidden = signals["student"]["hidden_states"][s + 1].numpy()
        if count:
            kernel, bias = projections[2 * min(number, count - 1) :][:2]
            hidden = hidden @ kernel.numpy() + bias.numpy()
        squares = (hidden - signals["teacher"]["hidden_states"][t + 1].numpy()) ** 2
        expected += squares.mean(axis=-1)[batch["attention_mask"].numpy() > 0].mean()
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_projections_are_trained_and_seeded(narrow, teacher, batch):
    terms = (
        Term("hidden", 1.0, layers="uniform", projection="per_layer"),
        Term("embedding", 1.0, projection="shared"),
    )
    phase = Phase("test", terms)
    distillers = [
        Distiller(narrow, phase, teacher, options=StepOptions(seed=seed)) for seed in (0, 0, 1)
    ]
    first, same, other = (d.state_variables[len(narrow.variables) :] for d in distillers)
    assert [v.shape for v in first] == [(8, 12), (12,)] * 3
    assert len({v.path for v in first}) == 6
    for one, two, three in zip(first[::2], same[::2], other[::2], strict=True):
        np.testing.assert_array_equal(one, two)
        assert np.abs(one.numpy() - three.numpy()).max() > 0.01
        assert 0.01 < one.numpy().std() < 0.03
    gradients = distillers[0].gradients(batch, 0)[0][len(narrow.trainable_variables) :]
    assert len(gradients) == 6 and all(np.abs(gradient).max() > 0 for gradient in gradients)


@pytest.mark.parametrize(("projection", "count"), [("shared", 1), ("per_layer", 2)])
def test_projections_start_at_a_least_squares_fit(narrow, teacher, tiny_batch, projection, count):
    """Fitted on the real tokens of all batches; the student's variables do not change."""
    batches = [tiny_batch((10, 9, 8, 9), seed=seed) for seed in (1, 2)]
    term = Term("hidden", 1.0, layers="uniform", projection=projection)
    distiller = Distiller(narrow, Phase("test", (term, Term("mlm", 1.0))), teacher)
    before = [variable.numpy() for variable in narrow.variables]
    distiller.fit_projections(batches)
    for variable, same in zip(narrow.variables, before, strict=True):
        np.testing.assert_array_equal(variable, same)
    rows = {0: ([], []), 1: ([], [])}
    for batch in batches:
        real = batch["attention_mask"] > 0
        ours, theirs = (model.encode(batch, taps={"hidden_states"}) for model in (narrow, teacher))
        for pair, (s, t) in enumerate([(0, 1), (1, 3)]):
            rows[pair % count][0].append(ours["hidden_states"][s + 1].numpy()[real])
            rows[pair % count][1].append(theirs["hidden_states"][t + 1].numpy()[real])
    projections = distiller.state_variables[len(narrow.variables) :]
    for number in range(count):
        inputs, targets = map(np.concatenate, rows[number])
        with_ones = np.c_[inputs, np.ones(len(inputs))]
        residual = targets - with_ones @ np.linalg.lstsq(with_ones, targets, rcond=None)[0]
        kernel, bias = projections[2 * number :][:2]
        found = targets - inputs @ kernel.numpy() - bias.numpy()
        assert np.mean(residual**2) <= np.mean(found**2) < 1.05 * np.mean(residual**2)
        assert np.mean(found**2) < 0.95 * np.mean((targets - targets.mean(axis=0)) ** 2)


def test_a_fixed_projection_is_not_trained(narrow, teacher, batch):
    """It is shared by all layers, fitted, and stored in checkpoints."""
    phase = Phase("test", (Term("hidden", 1.0, layers="uniform", projection="fixed"),))
    distiller = Distiller(narrow, phase, teacher)
    projections = distiller.state_variables[len(narrow.variables) :]
    assert [variable.shape for variable in projections] == [(8, 12), (12,)]
    before = projections[0].numpy()
    distiller.fit_projections([batch])
    assert np.abs(projections[0] - before).max() > 0.01
    assert len(distiller.trained_variables) == len(narrow.trainable_variables)
    assert len(distiller.gradients(batch, 0)[0]) == len(narrow.trainable_variables)


def test_projections_are_fitted_on_few_rows_at_a_time(narrow, teacher, tiny_batch):
    """For every loss with a projection, the outputs equal those of a fit on all rows at once.

    The kernels may differ: layer norms leave the hidden states without one direction, along which a
    kernel is determined by rounding alone.
    """
    losses = {"embedding": (), "cos": (), "patient": ((0, 1),), "hidden": ((1, 3),)}
    terms = [Term(n, 1.0, layers=layers, projection="shared") for n, layers in losses.items()]
    batch = tiny_batch((10, 9, 8, 9, 10))
    shown = compute_signals(narrow, batch, {"embeddings", "hidden_states"})
    states = shown["hidden_states"]
    inputs = shown["embeddings"], shown["last_hidden_state"], states[1], states[2]
    found = []
    for rows in (2, 8):
        distiller = Distiller(narrow, Phase("test", tuple(terms)), teacher)
        before = distiller.gradients(batch, 0)[1]
        distiller.fit_projections([batch], rows_at_once=rows)
        after = distiller.gradients(batch, 0)[1]
        for name in losses:
            assert after[f"loss_{name}"] < 0.95 * before[f"loss_{name}"]
        projections = iter(distiller.state_variables[len(narrow.variables) :])
        pairs = zip(inputs, zip(projections, projections, strict=True), strict=True)
        found.append([hidden @ kernel + bias for hidden, (kernel, bias) in pairs])
    real = batch["attention_mask"] > 0
    for few, all_at_once in zip(*found, strict=True):
        np.testing.assert_allclose(few[real], all_at_once[real], atol=1e-4)


@pytest.mark.parametrize("tokens", [(), (0, 0), (1,)])
def test_projections_stay_random_without_tokens_to_fit(narrow, teacher, tiny_batch, tokens):
    phase = Phase("test", (Term("embedding", 1.0, projection="shared"),))
    distiller = Distiller(narrow, phase, teacher)
    before = distiller.state_variables[-2].numpy()
    distiller.fit_projections([tiny_batch(tokens)] if tokens else [])
    np.testing.assert_array_equal(distiller.state_variables[-2], before)


def test_remat_changes_nothing(narrow, teacher, batch):
    terms = (
        Term("hidden", 1.0, layers="uniform", projection="shared"),
        Term("attention_scores", 1.0, layers="uniform"),
        Term("relations", 1.0, QKV, layers=((-1, -1),)),
    )
    results = [
        Distiller(
            narrow, Phase("test", terms), teacher, options=StepOptions(remat=remat)
        ).gradients(batch, 0)
        for remat in (False, True)
    ]
    for gradient, same in zip(results[0][0], results[1][0], strict=True):
        np.testing.assert_allclose(gradient, same, atol=1e-6)
    np.testing.assert_allclose(results[0][1]["loss"], results[1][1]["loss"], rtol=1e-6)


@pytest.mark.slow
def test_compiled(narrow, teacher, batch):
    terms = (
        Term("hidden", 1.0, layers="uniform", projection="per_layer"),
        Term("attention_scores", 1.0, layers="uniform"),
        Term("relations", 1.0, QKV, layers=((-1, -1),)),
        Term("patient", 1.0, layers="last", projection="shared"),
    )
    distiller = Distiller(narrow, Phase("test", terms), teacher)
    plain = distiller.gradients(batch, 0)
    compiled = tf.function(distiller.gradients, jit_compile=True)(batch, tf.constant(0))
    for gradient, same in zip(plain[0], compiled[0], strict=True):
        np.testing.assert_allclose(gradient, same, atol=1e-5)


# -- schedules and parts


def test_schedules_run_over_the_phase(student, teacher, batch):
    options = {"temperature": Schedule(4.0, 2.0), "restrict_to_mask": False}
    phase = Phase("test", (Term("ce", Schedule(3.0, 1.0, "cosine"), options),))
    distiller = Distiller(student, phase, teacher, options=StepOptions(steps=5))
    for step, weight, temperature in ((2, 2.0, 3.0), (4, 1.0, 2.0)):
        losses = distiller.gradients(batch, step)[1]
        fixed = Term("ce", weight, {**options, "temperature": temperature})
        expected = Distiller(student, Phase("test", (fixed,)), teacher).gradients(batch, step)[1]
        np.testing.assert_allclose(losses["loss"], expected["loss"], rtol=1e-5)
        np.testing.assert_allclose(losses["loss_ce"], expected["loss_ce"], rtol=1e-5)
    beyond = distiller.gradients(batch, 9)[1]  # as Keras's fit may continue
    np.testing.assert_allclose(beyond["loss"], distiller.gradients(batch, 4)[1]["loss"])
    with pytest.raises(ValueError, match="needs the number of its steps"):
        Distiller(student, phase, teacher)


def test_trainable_parts(student, tiny_model, batch):
    whole = Distiller(student, Phase("test", (Term("mlm", 1.0),)))
    head = Distiller(student, Phase("test", (Term("mlm", 1.0),), trainable=("head",)))
    paths = [variable.path for variable in head.trained_variables]
    assert len(paths) == 5 and all(path.startswith("head/") for path in paths)
    gradients = dict(
        zip([v.path for v in whole.trained_variables], whole.gradients(batch, 0)[0], strict=True)
    )
    for path, gradient in zip(paths, head.gradients(batch, 0)[0], strict=True):
        np.testing.assert_allclose(gradient, gradients[path], atol=1e-6)
    two = Phase("test", (Term("mlm", 1.0),), trainable=("head", "encoder/layer_1/"))
    assert len(Distiller(student, two).trained_variables) == 5 + 16
    for last in ("encoder/layer_1", "encoder/layer_-1"):
        two = Phase("test", (Term("mlm", 1.0),), trainable=(last,))
        paths = [variable.path for variable in Distiller(student, two).trained_variables]
        assert len(paths) == 16 and all(path.startswith("encoder/layer_1/") for path in paths)
    with pytest.raises(UserError, match="names 'haed' in trainable, .* to train; its parts are"):
        Distiller(student, Phase("test", (Term("mlm", 1.0),), trainable=("haed",)))
    frozen = tiny_model(seed=2)
    frozen.encoder.blocks[-1].trainable = False
    last = Phase("test", (Term("mlm", 1.0),), trainable=("encoder/layer_-1",))
    with pytest.raises(UserError, match="names 'encoder/layer_-1' in trainable, but"):
        Distiller(frozen, last)
    with pytest.raises(UserError, match="names 'encoder/layer_-3' in trainable, but"):
        Distiller(student, Phase("test", (Term("mlm", 1.0),), trainable=("encoder/layer_-3",)))


@pytest.mark.parametrize("part", ["haed", "below"])
def test_a_rate_of_an_unknown_part(student, part):
    phase = Phase("test", (Term("mlm", 1.0),), rates=((part, 0.1),))
    with pytest.raises(UserError, match=f"names '{part}' in rates, but"):
        rates_of(phase, student.trainable_variables, student.config.num_hidden_layers)


@pytest.mark.parametrize("recipe", ["minilm", "minilm_v1"])
def test_the_last_phase_of_minilm_trains_the_remaining_parts(student, teacher, batch, recipe):
    relations, end = recipes.get(recipe).phases
    first = Distiller(student, relations, teacher)
    gradients = zip(first.trained_variables, first.gradients(batch, 0)[0], strict=True)
    sizes = {variable.path: np.abs(gradient).max() for variable, gradient in gradients}
    unreached = {path for path, size in sizes.items() if size < 1e-6 * max(sizes.values())}
    # A constant added to all keys shifts all scores of a query equally: no loss sees it.
    unreached -= {path for path in unreached if path.endswith("attention/key/bias")}
    second = Distiller(student, end)
    assert {variable.path for variable in second.trained_variables} == unreached


# -- refusals


@pytest.mark.parametrize(
    ("term", "changes", "complaint"),
    [
        (Term("hidden", 1.0, layers="uniform"), {"hidden_size": 8}, "projection=shared"),
        (Term("embedding", 1.0), {"hidden_size": 8}, "projection=shared"),
        (Term("patient", 1.0, layers="skip"), {"hidden_size": 8}, "projection=shared"),
        (
            Term("attention_scores", 1.0, layers="uniform"),
            {"num_attention_heads": 3},
            "the teacher has 2 attention heads, the student 3; use 2, or recipe=minilm",
        ),
        (
            Term("attention_maps", 1.0, layers="last"),
            {"num_attention_heads": 1},
            "head by head.*super_terms=logits",
        ),
        (Term("patient", 1.0, layers="skip"), {"num_hidden_layers": 1}, "use at least 2"),
        (Term("hidden", 1.0, layers="last"), {"num_hidden_layers": 6}, "deeper"),
        (Term("hidden", 1.0, layers=((0, 4),)), {}, "names layer 4 of a teacher with 4 layers"),
        (Term("hidden", 1.0, layers=((2, 0),)), {}, "names layer 2 of a student with 2 layers"),
        (Term("hidden", 1.0, layers=((0, -5),)), {}, "names layer -5 of a teacher"),
        (
            Term("relations", 1.0, {**QKV, "relation_heads": 6}, layers=((-1, -1),)),
            {"hidden_size": 8},
            "relation_heads=6 does not divide the student's width of 8",
        ),
        (
            Term("relations", 1.0, {**QKV, "relation_heads": 8}, layers=((-1, -1),)),
            {"hidden_size": 8},
            "relation_heads=8 does not divide the teacher's width of 12",
        ),
        (
            Term("relations", 1.0, {**QKV, "relation_heads": 4}, layers=((-1, -1),)),
            {"attention_head_size": 3},
            "relation_heads=4 does not divide the student's width of 6 in attention",
        ),
        (Term("hiden", 1.0), {}, "there is no loss 'hiden'; the losses are .*hidden"),
        (Term("mlm", 1.0, {"temperature": 2.0}), {}, "the loss 'mlm': .*temperature"),
        (Term("relations", 1.0, layers=((-1, -1),)), {}, "the loss 'relations': .*relations"),
        (Term("relations", 1.0, {"relations": "queries"}, layers="last"), {}, "takes some of"),
        (Term("relations", 1.0, {"relations": ("query",)}, layers="last"), {}, "takes some of"),
        (
            Term("relations", 1.0, {**QKV, "relation_heads": "attention"}, layers="last"),
            {"num_attention_heads": 3},
            "the teacher has 2 attention heads, the student 3",
        ),
        (Term("patient", 1.0, {"over_width": "max"}, layers="last"), {}, "'mean' or 'sum'"),
        (Term("mlm", 1.0, projection="shared"), {}, "cannot use a projection"),
        (Term("hidden", 1.0), {}, "names none; add layers='uniform'"),
    ],
)
def test_refused_terms(student, teacher, term, changes, complaint):
    config = dataclasses.replace(student.config, **changes)
    with pytest.raises(UserError, match=complaint):
        check_phase(Phase("test", (term,)), config, teacher.config)


def test_a_student_deeper_than_its_teacher(tiny_model, teacher, batch):
    deep = tiny_model(num_hidden_layers=6)
    value = value_of(Term("hidden", 1.0, layers="uniform"), deep, teacher, batch)[1]
    assert value > 0


def test_two_terms_of_one_loss(student, teacher, batch):
    terms = (
        Term("relations", 1.0, {"relations": ("queries",)}, layers=((-1, -1),), name="queries"),
        Term("relations", 2.0, {"relations": ("keys",)}, layers=((-1, -1),), name="keys"),
    )
    losses = Distiller(student, Phase("test", terms), teacher).gradients(batch, 0)[1]
    assert set(losses) == {"loss", "loss_queries", "loss_keys"}
    with pytest.raises(ValueError, match="each term once"):
        Phase("test", (terms[0], terms[0]))


def test_invalid_terms_and_phases_are_refused():
    with pytest.raises(ValueError, match="a projection is one of"):
        Term("hidden", 1.0, projection="two")
    for wrong in ((2, 5), ((0, 1, 2),), (("a", 1),)):
        with pytest.raises(ValueError, match="map's name or pairs of numbers"):
            Term("hidden", 1.0, layers=wrong)
    with pytest.raises(ValueError, match="must be > 0"):
        Phase("test", (Term("mlm", 1.0),), share=0.0)
    with pytest.raises(ValueError, match="trainable is a tuple"):
        Phase("test", (Term("mlm", 1.0),), trainable="head")


def test_a_teacher_without_head_with_masked_lm(tiny_model, student, batch):
    """The teacher computes the signals of its own terms only, no logits."""
    headless = tiny_model(seed=1, with_head=False)
    phase = Phase("test", (Term("mlm", 1.0), Term("cos", 1.0)))
    losses = Distiller(student, phase, headless).gradients(batch, 0)[1]
    assert losses["loss_mlm"] > 0 and losses["loss_cos"] > 0


def test_terms_without_weight_are_left_out(student, teacher):
    terms = (Term("mlm", 1.0), Term("hidden", 0.0, layers="uniform"))
    (bound,) = bind_terms(Phase("test", terms), student, teacher, seed=0)
    assert isinstance(bound, BoundTerm) and bound.name == "mlm"
