"""A model type that is added in one file: this one. It is trained, evaluated and exported.

Its layers have no attention: each token reads the mean of all tokens.
"""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfdistill
from tfdistill.models.configs import bert
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.configs.model_types import (
    MODEL_TYPES,
    HuggingFaceFormat,
    ModelType,
    Parts,
    StartRules,
    register,
)
from tfdistill.models.dense import dense
from tfdistill.models.embeddings import Embeddings
from tfdistill.models.heads.masked_lm import MaskedLanguageModelHead
from tfdistill.models.hugging_face.tensor_names import (
    dense_tensors,
    embedding_tensors,
    norm_tensors,
)
from tfdistill.models.normalization import LayerNormalization
from tfdistill.starts.compatibility import choose_layers


class MeanLayer(keras.layers.Layer):
    """A projection of the mean of all real tokens, a residual connection and a norm."""

    def __init__(self, config, index, name):
        super().__init__(name=name)
        self.context = dense(config.hidden_size, "context")
        self.norm = LayerNormalization(config.layer_norm_eps, name="norm")

    def build(self, input_shape):
        self.context.build(input_shape)
        self.norm.build(input_shape)

    def call(self, hidden, select=None, attention_mask=None, dropout=None, taps=frozenset()):
        real = tf.ones_like(hidden[..., :1])  # (batch, length, 1)
        if attention_mask is not None:
            real = tf.cast(attention_mask, hidden.dtype)[..., None]
        total = tf.reduce_sum(hidden * real, axis=1, keepdims=True)
        mean = total / tf.maximum(tf.reduce_sum(real, axis=1, keepdims=True), 1.0)
        rows = hidden if select is None else select(hidden)
        return self.norm(rows + self.context(mean)), {}


def encoder_tensors(encoder):
    named = embedding_tensors(encoder.embeddings)
    for index, block in enumerate(encoder.blocks):
        named |= dense_tensors(f"layer.{index}.context", block.context)
        named |= norm_tensors(f"layer.{index}.norm", block.norm)
    return named


MEANBERT = ModelType(
    name="meanbert",
    family="meanbert",
    config=EncoderConfig,
    parts=lambda: Parts(Embeddings, MeanLayer, MaskedLanguageModelHead),
    hugging_face=HuggingFaceFormat(
        class_prefix="MeanBert",
        encoder_tensors=encoder_tensors,
        head_tensors=bert.head_tensors,
        keys={"intermediate_size": "unused_size"},
    ),
    starts=StartRules(),
    named_shape=bert.named_shape,
    shape_example=bert.SHAPE_EXAMPLE,
)


@pytest.fixture
def meanbert():
    register(MEANBERT)
    yield
    del MODEL_TYPES["meanbert"]


@pytest.mark.slow
def test_a_model_type_in_one_file(meanbert, tmp_path, run_command, tiny_flags):
    run = tmp_path / "run"
    flags = tiny_flags(output_dir=run, teacher_type="meanbert", student_type="meanbert")
    assert run_command("train", *flags) == 0

    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["models"].keys() >= {"unigram", "teacher", "student_start", "student"}
    assert metrics["export"]["student.tflite"]["agreement"] > 0.99
    assert "meanbert" in (run / "report.html").read_text("utf-8")
    assert "meanbert" in (run / "export" / "model_card.md").read_text("utf-8")

    config = json.loads((run / "student" / "config.json").read_text())
    assert (config["model_type"], config["architectures"]) == ("meanbert", ["MeanBertForMaskedLM"])
    teacher, student = (tfdistill.load_model(run / name) for name in ("teacher", "student"))
    start = tfdistill.initialize_student(teacher, student.config, init="last")
    ids = {"input_ids": np.array([[2, 9, 4, 3]], "int32")}
    np.testing.assert_array_equal(start(ids)["logits"], teacher(ids, layers=(1,))["logits"])
    (words,) = tfdistill.fill_masks(run / "export" / "student.tflite", "the [MASK] of the sea")
    assert len(words) == 5


def test_other_types_cannot_take_its_layers(meanbert):
    with pytest.raises(tfdistill.UserError, match="no layers in common with a teacher of type"):
        choose_layers(EncoderConfig(model_type="meanbert"), EncoderConfig(), "first")
