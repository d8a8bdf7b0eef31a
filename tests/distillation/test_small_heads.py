"""Distillation of models whose heads have few outputs: losses read the signal "logits"."""

import numpy as np
import pytest
import tensorflow as tf

from tfdistill import recipes
from tfdistill.data.cached_batches import answer_name
from tfdistill.distillation.cached_signals import answers_suffice
from tfdistill.distillation.distiller import Distiller
from tfdistill.distillation.losses import LOSSES, Loss, register
from tfdistill.distillation.losses.means import mean_over
from tfdistill.distillation.phases import Phase, Term
from tfdistill.distillation.signals import LOGITS
from tfdistill.distillation.teachers import Teachers
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.small import SmallHead
from tfdistill.models.model import Model
from tfdistill.system.errors import UserError


@pytest.fixture(autouse=True)
def class_distance():
    """Registers a loss of the logits of classes, for one test."""

    @register
    class ClassDistance(Loss):
        name = "class_distance"
        description = "squared distance of the logits of classes"
        needs_head = True

        def signals(self):
            return (LOGITS,)

        def count(self, batch):
            return tf.cast(tf.shape(batch["input_ids"])[0], tf.float32)

        def compute(self, comparison):
            teachers = [signals[LOGITS] for signals in comparison.teachers.signals]
            weighted = zip(comparison.teachers.shares, teachers, strict=True)
            mean = tf.add_n([share * logits for share, logits in weighted])
            distance = tf.reduce_sum((comparison.student[LOGITS] - mean) ** 2, axis=-1)  # (batch,)
            return mean_over(distance, tf.ones_like(distance), comparison.normalizer)

    yield
    LOSSES.pop("class_distance")


@pytest.fixture
def classifier(tiny_model):
    """A function of a seed to a model of 3 classes."""

    def make(seed):
        config = tiny_model().config
        return Model(Encoder(config), SmallHead(config, outputs=3), seed=seed)

    return make


PHASE = Phase("classes", (Term("class_distance", 2.0),))


def test_logits_of_two_teachers(classifier, tiny_batch):
    arrays = tiny_batch([10, 7, 4])
    batch = {name: tf.constant(arrays[name]) for name in ("input_ids", "attention_mask")}
    student, first, second = (classifier(seed) for seed in range(3))
    distiller = Distiller(student, PHASE, Teachers([first, second], weights=(3.0, 1.0)))
    gradients, losses = distiller.gradients(batch, 0)
    logits = [model(batch)["logits"].numpy() for model in (student, first, second)]
    expected = ((logits[0] - 0.75 * logits[1] - 0.25 * logits[2]) ** 2).sum(axis=-1).mean()
    np.testing.assert_allclose(losses["loss_class_distance"], expected, rtol=1e-5)
    variables = [id(variable) for variable in distiller.trained_variables]
    assert np.abs(gradients[variables.index(id(student.head.dense.kernel))]).max() > 0


def test_a_masked_lm_loss_needs_a_vocabulary(classifier):
    with pytest.raises(UserError, match="student_config: the model has no masked-LM head"):
        Distiller(classifier(0), Phase("text", (Term("mlm", 1.0),)))


def test_a_model_without_a_head(classifier, tiny_model):
    with pytest.raises(UserError, match="teacher: the model has no head"):
        Distiller(classifier(0), PHASE, tiny_model(with_head=False))


KD = Phase("kd", (Term("cross_entropy", 0.5), Term("logits_kl", 0.5, {"temperature": 2.0})))


def labelled(tiny_batch, **arrays):
    batch = tiny_batch([10, 7, 4])
    batch = {name: batch[name] for name in ("input_ids", "attention_mask")}
    batch |= {"labels": np.array([0, 2, 1], np.int32), "label_weights": np.ones(3, np.float32)}
    return {name: tf.constant(array) for name, array in (batch | arrays).items()}


@pytest.mark.parametrize("weights", [(1.0,), (3.0, 1.0)])
def test_cached_logits_replace_the_teachers(classifier, tiny_batch, weights):
    student, *teachers = map(classifier, range(1 + len(weights)))
    distiller = Distiller(student, KD, Teachers(teachers, weights))
    batch = labelled(tiny_batch)
    gradients, losses = distiller.gradients(batch, 0)
    logits = {answer_name(i): each(batch)["logits"].numpy() for i, each in enumerate(teachers)}
    for variable in (variable for teacher in teachers for variable in teacher.variables):
        variable.assign(tf.zeros_like(variable))
    cached, cached_losses = distiller.gradients(labelled(tiny_batch, **logits), 0)
    for name, loss in losses.items():
        np.testing.assert_allclose(cached_losses[name], loss, rtol=1e-5)
    for one, other in zip(gradients, cached, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-6)


def test_examples_without_a_label_learn_from_the_teacher_alone(classifier, tiny_batch):
    """Labels count where there are some; predictions are compared wherever `taught` says so."""
    student, teacher = map(classifier, range(2))
    distiller = Distiller(student, KD, teacher)
    weights = np.array([1, 0, 0], np.float32)
    _, alone = distiller.gradients(labelled(tiny_batch, label_weights=weights), 0)
    taught = {"label_weights": weights, "taught": np.array([1, 1, 0], np.float32)}
    _, both = distiller.gradients(labelled(tiny_batch, **taught), 0)
    _, labels = distiller.gradients(labelled(tiny_batch, label_weights=taught["taught"]), 0)
    assert float(both["loss_cross_entropy"]) == float(alone["loss_cross_entropy"])
    assert float(both["loss_logits_kl"]) == float(labels["loss_logits_kl"])
    assert float(both["loss_logits_kl"]) != float(alone["loss_logits_kl"])
    taught["label_weights"] *= 0
    _, none = distiller.gradients(labelled(tiny_batch, **taught), 0)
    assert float(none["loss_cross_entropy"]) == 0.0
    assert float(none["loss_logits_kl"]) == float(both["loss_logits_kl"])


def test_a_teacher_with_a_tokenizer_of_its_own(classifier, tiny_model, tiny_batch):
    config = tiny_model(vocab_size=500).config
    teacher = Model(Encoder(config), SmallHead(config, outputs=3), seed=1)
    distiller = Distiller(classifier(0), KD, teacher)
    logits = np.zeros((3, 3), np.float32)
    _, losses = distiller.gradients(labelled(tiny_batch, **{"cached/logits": logits}), 0)
    assert float(losses["loss_logits_kl"]) > 0
    with pytest.raises(UserError, match="vocabulary has 500 tokens and the student's 50"):
        distiller.gradients(labelled(tiny_batch), 0)


def test_recipes_that_answers_suffice_for():
    losses = {"labels": "cross_entropy", "kl": "logits_kl", "mse": "logits_mse"}
    assert answers_suffice(*recipes.get("kd", task_losses=losses).phases)
    layers, predictions = recipes.get("tinybert_task", task_losses=losses).phases
    assert answers_suffice(predictions) and not answers_suffice(layers, predictions)
    for name in ("kd", "mlm", "tinybert", "tinybert_task"):  # of masked LM
        assert not answers_suffice(*recipes.get(name).phases)
