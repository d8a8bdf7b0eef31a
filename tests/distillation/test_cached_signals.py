"""Training on cached signals of a teacher equals training with the teacher."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdistill import recipes
from tfdistill.data.cached_batches import CachedBatches
from tfdistill.data.row_store import RowStore
from tfdistill.distillation.cached_signals import CacheableSignals, signals_to_cache
from tfdistill.distillation.distiller import Distiller, StepOptions
from tfdistill.distillation.phases import Phase, Recipe, Term
from tfdistill.distillation.signals import (
    MASKED_ROWS,
    TOKEN_ROWS,
    CachedStates,
    CachedTopK,
    RowSizes,
)
from tfdistill.distillation.teachers import PREFIX, Teachers
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


def test_signals_that_recipes_read(tiny_model):
    config = tiny_model(0).config
    deep = dataclasses.replace(config, num_hidden_layers=6)
    found = {
        name: [each.name for each in signals_to_cache(recipe_of(name), config, deep)[0]]
        for name in RECIPES
    }
    assert found == {
        "distilbert": ["last_hidden_state", "token_rows-2.0"],
        "distilbert at masked tokens": ["last_hidden_state", "masked_rows-1.5"],
        "pkd": ["hidden_states-5", "token_rows-2.0"],
        "tinybert": ["embeddings", "hidden_states-3", "hidden_states-6"],
        "mobilebert_akt": ["hidden_states-3", "hidden_states-6", "masked_rows-1.0"],
    }


def test_arrays():
    def arrays(signal, vocabulary):
        return signal.arrays(RowSizes(length=128, masked=19, width=256, vocabulary=vocabulary))

    assert arrays(CachedTopK(TOKEN_ROWS, 2.0), 30_522) == {
        "token_rows-2.0-ids": ((128, 64), np.uint16),
        "token_rows-2.0-logs": ((128, 65), np.float16),
    }
    masked = CachedTopK(MASKED_ROWS)
    assert arrays(masked, 119_547)["masked_rows-1.0-ids"] == ((19, 64), np.int32)
    assert arrays(masked, 20)["masked_rows-1.0-ids"][0] == (19, 19)
    states = CachedStates("hidden_states", layer=3)
    assert arrays(states, 30_522) == {"hidden_states-3": ((128, 256), np.float16)}


def cached_arrays(teacher, signals, batch):
    """The arrays of a batch by their names in a batch."""
    arrays = CacheableSignals(Teachers([teacher]), signals, teacher.config.vocab_size)(batch)
    return {PREFIX + name: array for name, array in arrays.items()}


class FailingTeacher:
    """Stands for a teacher that must not run; it has a configuration only."""

    def __init__(self, teacher):
        self.config, self.head, self.trainable = teacher.config, teacher.head, False


@pytest.fixture
def both(tiny_model, tiny_batch):
    """A function of a recipe's name to the (gradients, losses) with the teacher and from the cache.

    The cache holds all but one of the 50 tokens, so that only rounding to float16 is lost.
    """

    def run(name, narrow=np.float16):
        batch = tiny_batch([10, 7, 4, 1])
        student, teacher = tiny_model(0, num_hidden_layers=3), tiny_model(1, num_hidden_layers=4)
        recipe = recipe_of(name)
        (signals,) = signals_to_cache(recipe, student.config, teacher.config)
        arrays = cached_arrays(teacher, signals, batch)
        for key, array in arrays.items():
            if array.dtype == np.float32:
                array = array.astype(narrow).astype(np.float32)
            arrays[key] = array
        phase, options = recipe.phases[0], StepOptions(steps=4)
        live = Distiller(student, phase, teacher, options).gradients(batch, 0)
        without_teacher = Distiller(student, phase, FailingTeacher(teacher), options)
        return live, without_teacher.gradients(batch | arrays, 0)

    return run


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("narrow, error", [(np.float32, 2e-5), (np.float16, 4e-3)])
def test_the_step_equals_the_live_one(both, name, narrow, error):
    (live, live_losses), (found, losses) = both(name, narrow)
    assert losses.keys() == live_losses.keys()
    for key, value in live_losses.items():
        np.testing.assert_allclose(losses[key], value, rtol=error, err_msg=key)
    norm = tf.linalg.global_norm(live)
    assert norm > 1e-3
    distance = tf.linalg.global_norm([a - b for a, b in zip(live, found, strict=True)])
    assert distance < error * norm


@pytest.mark.parametrize("loss", ["mse", "attention_scores", "attention_maps"])
def test_losses_that_a_cache_cannot_serve(tiny_model, loss):
    config = tiny_model(0).config
    phase = Phase("distil", (Term(loss, 1.0, layers=() if loss == "mse" else "uniform"),))
    with pytest.raises(UserError, match=f"teacher_cache cannot serve the loss '{loss}'"):
        signals_to_cache(Recipe("own", (phase,), source=""), config, config)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_equal_models_get_no_gradient(tiny_model, tiny_batch, precision):
    """In 16 bits too: cached probabilities come from products of the student's type."""
    policy = {"float32": "float32", "bfloat16": "mixed_bfloat16"}[precision]
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        models = [tiny_model(seed, initializer_range=0.5) for seed in (1, 1, 2)]
    finally:
        keras.config.set_dtype_policy(before)
    teacher, batch = models[0], tiny_batch([10, 7, 4, 1])
    (phase,) = recipes.get("distilbert", alpha_mlm=0.0, alpha_cos=0.0).phases
    batch |= cached_arrays(teacher, [CachedTopK(TOKEN_ROWS, 2.0)], batch)
    same, other = (
        tf.linalg.global_norm(Distiller(model, phase, teacher).gradients(batch, 0)[0])
        for model in models[1:]
    )
    assert same < 1e-4 * other


def test_cached_signals_of_padding_change_no_loss(tiny_model, tiny_batch):
    student, teacher, recipe = tiny_model(0), tiny_model(1), recipe_of("distilbert")
    batch = tiny_batch([6, 3])
    (signals,) = signals_to_cache(recipe, student.config, teacher.config)
    arrays = cached_arrays(teacher, signals, batch)
    distiller = Distiller(student, recipe.phases[0], teacher)
    expected = distiller.gradients(batch | arrays, 0)[1]["loss"]
    changed = dict(arrays)
    for key, array in arrays.items():
        padding = (batch["attention_mask"] == 0)[..., None]
        changed[key] = np.where(padding, array[::-1], array)
    np.testing.assert_allclose(distiller.gradients(batch | changed, 0)[1]["loss"], expected, 1e-6)


@pytest.mark.parametrize("k", [8, 24])
def test_a_few_likely_tokens_give_most_of_the_gradient(tiny_model, tiny_batch, k):
    """The documented approximation: the cached loss is a part of the KL."""
    batch, words = tiny_batch([10, 8, 7, 9]), dict(vocab_size=400)
    student, teacher = tiny_model(0, **words), tiny_model(1, **words)
    options = dict(alpha_mlm=0.0, alpha_cos=0.0, temperature=0.5)
    (phase,) = recipes.get("distilbert", **options).phases
    distiller = Distiller(student, phase, teacher)
    arrays = cached_arrays(teacher, [CachedTopK(TOKEN_ROWS, 0.5, most=k)], batch)
    live, losses = distiller.gradients(batch, 0)
    found, cached = distiller.gradients(batch | arrays, 0)
    assert arrays["cached/token_rows-0.5-ids"].shape == (4, 10, k)
    assert 0.5 * losses["loss"] < cached["loss"] < losses["loss"]
    products = [tf.reduce_sum(a * b) for a, b in zip(live, found, strict=True)]
    angle = tf.add_n(products) / (tf.linalg.global_norm(live) * tf.linalg.global_norm(found))
    assert angle > 0.7


def test_micro_batches_take_their_own_rows_of_cached_signals(tiny_model, tiny_batch):
    student, teacher, recipe = tiny_model(0), tiny_model(1), recipe_of("distilbert")
    batch = tiny_batch([10, 7, 4, 1])
    (signals,) = signals_to_cache(recipe, student.config, teacher.config)
    batch |= cached_arrays(teacher, signals, batch)
    batch = {name: tf.constant(array) for name, array in batch.items()}
    whole, parts = (
        Distiller(
            student, recipe.phases[0], teacher, options=StepOptions(micro_batches=n)
        ).gradients(batch, 0)
        for n in (1, 2)
    )
    np.testing.assert_allclose(parts[1]["loss"], whole[1]["loss"], rtol=1e-5)
    for one, other in zip(parts[0], whole[0], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


class Numbered:
    """Batches whose input ids are the numbers of their rows."""

    draws_per_row = 2

    def rows_of(self, step):
        places = np.arange(4 * step, 4 * step + 4)
        return places % 10, places // 10

    def at(self, step):
        return {"input_ids": self.rows_of(step)[0]}


def test_batches_bring_the_arrays_of_their_rows_and_epoch(tmp_path):
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
