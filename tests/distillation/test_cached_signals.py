"""What is kept of a teacher says what the teacher says."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdistill import recipes
from tfdistill.data.cached_batches import CachedBatches
from tfdistill.data.row_store import RowStore
from tfdistill.distillation import cached_signals as cached_signals_module
from tfdistill.distillation import distiller as distiller_module
from tfdistill.distillation import terms
from tfdistill.distillation.cached_signals import (
    PREFIX,
    Answering,
    Kept,
    arrays_of,
    cached_signals,
    kept_for,
)
from tfdistill.distillation.distiller import Distiller
from tfdistill.distillation.phases import Phase, Recipe, Term
from tfdistill.distillation.signals import MASKED_ROWS, TOKEN_ROWS
from tfdistill.system.errors import UserError

RECIPES = {
    "distilbert": {},
    "distilbert at masked tokens": dict(restrict_ce_to_mask=True, temperature=1.5),
    "pkd": dict(layer_map="last"),
    "tinybert": dict(alpha_attention=0.0, projection="per_layer", head_share=0.0),
    "mobilebert_akt": dict(alpha_attention=0.0),
}


def recipe_of(name):
    return recipes.get(name.split()[0], **RECIPES[name])


def test_what_recipes_read(tiny_model):
    config = tiny_model(0).config
    deep = dataclasses.replace(config, num_hidden_layers=6)
    found = {
        name: [kept.name for kept in kept_for(recipe_of(name), config, deep)[0]] for name in RECIPES
    }
    assert found == {
        "distilbert": ["token_rows-2.0", "last_hidden_state"],
        "distilbert at masked tokens": ["masked_rows-1.5", "last_hidden_state"],
        "pkd": ["token_rows-2.0", "hidden_states-5"],
        "tinybert": ["embeddings", "hidden_states-3", "hidden_states-6"],
        "mobilebert_akt": ["masked_rows-1.0", "hidden_states-3", "hidden_states-6"],
    }


def test_arrays():
    answers = Kept("answers", TOKEN_ROWS, 2.0)
    assert arrays_of(answers, 128, 19, 256, 30_522) == {
        "token_rows-2.0-ids": ((128, 64), np.uint16),
        "token_rows-2.0-logs": ((128, 65), np.float16),
    }
    few = Kept("answers", MASKED_ROWS)
    assert arrays_of(few, 128, 19, 256, 119_547)["masked_rows-1.0-ids"] == ((19, 64), np.int32)
    assert arrays_of(few, 128, 19, 256, 20)["masked_rows-1.0-ids"][0] == (19, 19)
    state = Kept("hidden_states", index=3)
    assert arrays_of(state, 128, 19, 256, 30_522) == {"hidden_states-3": ((128, 256), np.float16)}


@pytest.fixture
def both(tiny_model, tiny_batch, monkeypatch):
    """A function of a recipe to the gradients with the teacher in the step, and with its answers.

    Of 50 words all but one are kept, so that only what float16 rounds is lost.
    """

    def run(name, narrow=np.float16):
        batch = tiny_batch([10, 7, 4, 1])
        student, teacher = tiny_model(0, num_hidden_layers=3), tiny_model(1, num_hidden_layers=4)
        recipe = recipe_of(name)
        (kept,) = kept_for(recipe, student.config, teacher.config)
        answers = Answering([teacher], (1.0,), kept)(batch)
        for key, array in answers.items():
            if array.dtype == np.float32:
                array = array.astype(narrow).astype(np.float32)
            answers[key] = array
        distiller = Distiller(student, recipe.phases[0], teacher, steps=4)
        live = distiller.gradients(batch, 0)
        monkeypatch.setattr(distiller_module, "compute_signals", only_of(student))
        found = distiller.gradients(batch | {PREFIX + key: a for key, a in answers.items()}, 0)
        monkeypatch.undo()
        return live, found

    return run


def only_of(student):
    compute = distiller_module.compute_signals

    def compute_students(model, *args, **options):
        assert model is student, "the teacher ran"
        return compute(model, *args, **options)

    return compute_students


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("narrow, error", [(np.float32, 2e-5), (np.float16, 4e-3)])
def test_the_step_is_the_live_one(both, name, narrow, error):
    (live, live_losses), (found, losses) = both(name, narrow)
    assert losses.keys() == live_losses.keys()
    for key, value in live_losses.items():
        np.testing.assert_allclose(losses[key], value, rtol=error, err_msg=key)
    norm = tf.linalg.global_norm(live)
    assert norm > 1e-3
    distance = tf.linalg.global_norm([a - b for a, b in zip(live, found, strict=True)])
    assert distance < error * norm


def test_a_loss_of_what_is_not_kept_is_refused(tiny_model, monkeypatch):
    """Those of logits and attention, and any that is added and reads neither hidden states."""
    config = tiny_model(0).config
    monkeypatch.setitem(terms.LOSSES, "new", terms.LOSSES["attention_maps"])
    for loss in ("mse", "attention_scores", "attention_maps", "new"):
        phase = Phase("distil", (Term(loss, 1.0, layers=() if loss == "mse" else "uniform"),))
        with pytest.raises(UserError, match=f"--teacher_cache cannot serve the loss '{loss}'"):
            kept_for(Recipe("own", (phase,), source=""), config, config)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_equal_models_get_no_gradient(tiny_model, tiny_batch, precision):
    """In 16 bits too: the answers that are kept are products of the student's type."""
    policy = {"float32": "float32", "bfloat16": "mixed_bfloat16"}[precision]
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        models = [tiny_model(seed, initializer_range=0.5) for seed in (1, 1, 2)]
    finally:
        keras.config.set_dtype_policy(before)
    teacher, batch = models[0], tiny_batch([10, 7, 4, 1])
    (phase,) = recipes.get("distilbert", alpha_mlm=0.0, alpha_cos=0.0).phases
    answers = Answering([teacher], (1.0,), [Kept("answers", TOKEN_ROWS, 2.0)])(batch)
    batch |= {PREFIX + name: array for name, array in answers.items()}
    same, other = (
        tf.linalg.global_norm(Distiller(model, phase, teacher).gradients(batch, 0)[0])
        for model in models[1:]
    )
    assert same < 1e-4 * other


def test_padding_answers_change_no_loss(tiny_model, tiny_batch):
    student, teacher, recipe = tiny_model(0), tiny_model(1), recipe_of("distilbert")
    batch = tiny_batch([6, 3])
    (kept,) = kept_for(recipe, student.config, teacher.config)
    answering = Answering([teacher], (1.0,), kept)
    answers = {PREFIX + key: array for key, array in answering(batch).items()}
    distiller = Distiller(student, recipe.phases[0], teacher)
    expected = distiller.gradients(batch | answers, 0)[1]["loss"]
    changed = dict(answers)
    for key, array in answers.items():
        padding = (batch["attention_mask"] == 0)[..., None]
        changed[key] = np.where(padding, array[::-1], array)
    np.testing.assert_allclose(distiller.gradients(batch | changed, 0)[1]["loss"], expected, 1e-6)


@pytest.mark.parametrize("k", [8, 24])
def test_few_words_of_many_say_most(tiny_model, tiny_batch, monkeypatch, k):
    """The stated approximation: a part of the KL, and most of the gradient."""
    monkeypatch.setattr(cached_signals_module, "TOP_K", k)
    batch, words = tiny_batch([10, 8, 7, 9]), dict(vocab_size=400)
    student, teacher = tiny_model(0, **words), tiny_model(1, **words)
    options = dict(alpha_mlm=0.0, alpha_cos=0.0, temperature=0.5)
    (phase,) = recipes.get("distilbert", **options).phases
    distiller = Distiller(student, phase, teacher)
    kept = [Kept("answers", TOKEN_ROWS, 0.5)]
    answers = {PREFIX + n: a for n, a in Answering([teacher], (1.0,), kept)(batch).items()}
    live, losses = distiller.gradients(batch, 0)
    found, cached = distiller.gradients(batch | answers, 0)
    assert answers["cached/token_rows-0.5-ids"].shape == (4, 10, k)
    assert 0.5 * losses["loss"] < cached["loss"] < losses["loss"]
    products = [tf.reduce_sum(a * b) for a, b in zip(live, found, strict=True)]
    angle = tf.add_n(products) / (tf.linalg.global_norm(live) * tf.linalg.global_norm(found))
    assert angle > 0.7


def test_micro_batches_have_their_own_answers(tiny_model, tiny_batch):
    student, teacher, recipe = tiny_model(0), tiny_model(1), recipe_of("distilbert")
    batch = tiny_batch([10, 7, 4, 1])
    (kept,) = kept_for(recipe, student.config, teacher.config)
    answers = Answering([teacher], (1.0,), kept)(batch)
    batch |= {PREFIX + key: array for key, array in answers.items()}
    batch = {name: tf.constant(array) for name, array in batch.items()}
    whole, parts = (
        Distiller(student, recipe.phases[0], teacher, micro_batches=n).gradients(batch, 0)
        for n in (1, 2)
    )
    np.testing.assert_allclose(parts[1]["loss"], whole[1]["loss"], rtol=1e-5)
    for one, other in zip(parts[0], whole[0], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_batch_without_answers():
    assert cached_signals({"input_ids": tf.zeros((2, 3))}) is None


class Numbered:
    """Batches of rows that say which they are."""

    mask_epochs = 2

    def rows_of(self, step):
        places = np.arange(4 * step, 4 * step + 4)
        return places % 10, places // 10

    def at(self, step):
        return {"input_ids": self.rows_of(step)[0]}


def test_batches_bring_the_answers_of_their_rows_and_epoch(tmp_path):
    stores = []
    for number in range(2):
        folder = tmp_path / str(number)
        store = {name: RowStore(folder, name, (10, 2), dtype) for name, dtype in TYPES.items()}
        for each in store.values():
            each.write(np.arange(10), 100 * number + np.arange(20).reshape(10, 2))
        stores.append(store)
    batches = CachedBatches(Numbered(), stores.__getitem__, PREFIX)
    batch = batches.at(2)  # rows 8 and 9 of the first epoch, 0 and 1 of the second
    assert batch["input_ids"].tolist() == [8, 9, 0, 1]
    assert batch["cached/ids"].tolist() == [[16, 17], [18, 19], [100, 101], [102, 103]]
    assert batch["cached/ids"].dtype == np.int32 and batch["cached/logs"].dtype == np.float32
    np.testing.assert_array_equal(batch["cached/logs"], batch["cached/ids"])
    assert batches.at(5)["cached/ids"][0, 0] == 0  # the third epoch has the first's masks


TYPES = {"ids": np.uint16, "logs": np.float16}
