"""Progressive phases: compared layers, trained parts, and learning rates."""

import numpy as np
import pytest
import tensorflow as tf

from tfdistill import recipes
from tfdistill.distillation.distiller import Distiller, StepOptions
from tfdistill.distillation.phases import Phase, Recipe, Term, rates_of
from tfdistill.distillation.progressive import unfold
from tfdistill.system.errors import UserError


@pytest.fixture(scope="module")
def batch(tiny_batch):
    return {name: tf.constant(array) for name, array in tiny_batch((10, 7, 1)).items()}


def test_one_phase_for_each_layer():
    recipe = unfold(recipes.get("mobilebert_pkt", lower_rate=0.1, transfer_share=0.6), 3, 6)
    names = [phase.name for phase in recipe.phases]
    assert names == ["transfer_0", "transfer_1", "transfer_2", "distil"]
    assert [phase.share for phase in recipe.phases] == pytest.approx([0.2, 0.2, 0.2, 0.4])
    second = recipe.phases[1]
    assert all(term.layers == ((1, 3),) for term in second.terms)  # uniform: 1, 3, 5
    lower = ("encoder/embeddings", "encoder/layer_0")
    assert second.trainable == (*lower, "encoder/layer_1")
    assert second.rates == tuple((part, 0.1) for part in lower)
    assert not any(phase.each_layer for phase in recipe.phases)
    assert recipe.phases[3].trainable == ()


def test_lower_layers_can_be_frozen():
    recipe = unfold(recipes.get("mobilebert_pkt", lower_rate=0.0), 2, 2)
    assert [phase.trainable for phase in recipe.phases[:2]] == [
        ("encoder/layer_0",),
        ("encoder/layer_1",),
    ]
    assert recipe.phases[1].rates == ()


def test_other_recipes_are_unchanged():
    for name in ("distilbert", "mobilebert_akt", "mobilebert_jkt", "tinybert"):
        assert unfold(recipes.get(name), 3, 6) == recipes.get(name)


def test_layers_that_a_term_names_itself():
    term = Term("hidden", 1.0, layers=((0, 3), (1, 1)))
    phase = Phase("one", (term, Term("mlm", 1.0)), trainable=("head",), each_layer=True)
    first, second = unfold(Recipe("own", (phase,), "mine"), 2, 4).phases
    assert first.terms[0].layers == ((0, 3),) and second.terms[0].layers == ((1, 1),)
    assert first.terms[1] == Term("mlm", 1.0)
    assert first.trainable == ("encoder/layer_0", "head")
    with pytest.raises(UserError, match="deeper"):
        unfold(recipes.get("mobilebert_pkt", layer_map="last"), 4, 2)


def test_the_mean_over_layers(tiny_model, batch):
    student, teacher = tiny_model(seed=1), tiny_model(seed=2)
    losses = {}
    for over_layers in ("sum", "mean"):
        term = Term("feature_map", 1.0, layers="uniform", over_layers=over_layers)
        distiller = Distiller(student, Phase("test", (term,)), teacher)
        losses[over_layers] = float(distiller.gradients(batch, 0)[1]["loss_feature_map"])
    assert losses["sum"] == pytest.approx(2 * losses["mean"]) and losses["mean"] > 0
    with pytest.raises(ValueError, match="over_layers"):
        Term("feature_map", 1.0, layers="uniform", over_layers="max")
    with pytest.raises(UserError, match="has no layers"):
        Distiller(student, Phase("test", (Term("cos", 1.0, over_layers="mean"),)), teacher)


def test_rates_of_parts(tiny_model):
    model = tiny_model()
    rates = (("encoder", 0.5), ("encoder/layer_-1", 0.1))
    phase = Phase("test", (Term("mlm", 1.0),), rates=rates)
    found = dict(
        zip([v.path for v in model.variables], rates_of(phase, model.variables, 2), strict=True)
    )
    for path, rate in found.items():
        last, encoder = path.startswith("encoder/layer_1/"), path.startswith("encoder/")
        assert rate == (0.1 if last else 0.5 if encoder else 1.0), path
    assert len(set(found.values())) == 3


@pytest.mark.parametrize("micro_batches", [1, 3])
def test_trigram_padding_is_not_trained(batch, micro_batches):
    """Its embedding has gradients from trigrams and the decoder, which are set to zero."""
    from tfdistill.models.configs.config_files import named_config
    from tfdistill.models.model import MaskedLanguageModel

    config = named_config("L-1_H-8_B-12_A-2_F-1_E-6", "mobilebert", vocab_size=50)
    student = MaskedLanguageModel(config, seed=1)
    phase = Phase("test", (Term("mlm", 1.0),))
    distiller = Distiller(student, phase, options=StepOptions(micro_batches=micro_batches))
    table = student.encoder.embeddings.word_embeddings
    index = next(i for i, v in enumerate(distiller.trained_variables) if v is table)
    gradient = distiller.gradients(batch, 0)[0][index].numpy()
    assert not gradient[config.pad_token_id].any()
    assert np.abs(np.delete(gradient, config.pad_token_id, axis=0)).max(axis=1).min() > 0
