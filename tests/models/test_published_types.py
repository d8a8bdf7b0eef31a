"""RoBERTa, XLM-R, ELECTRA and DeBERTa-v3: what they have other than BERT. See also tests/parity."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from tfdistill import tasks
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.deberta import by_position, rows_of_distances
from tfdistill.models.dropout import DropoutKey
from tfdistill.models.embeddings import RobertaEmbeddings
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.classification import ClassificationHead
from tfdistill.models.heads.tokens import TokenHead
from tfdistill.models.hugging_face.checkpoint import describe_model, save_model
from tfdistill.models.model import MaskedLanguageModel, Model
from tfdistill.system.errors import UserError

SLOW = pytest.mark.slow
TYPES = ("roberta", pytest.param("xlm-roberta", marks=SLOW), "electra", "deberta-v2")
LABELS = ("bad", "good", "odd")
DEBERTA_V3 = {
    "model_type": "deberta-v2",
    "relative_attention": True,
    "position_biased_input": False,
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "pos_att_type": "p2c|c2p",
    "position_buckets": 256,
    "type_vocab_size": 0,
}


@pytest.fixture
def tokens():
    """Rows of 9, 5 and 1 real tokens; padding has the id 1."""
    ids = np.random.default_rng(0).integers(5, 37, (3, 9)).astype("int32")
    mask = (np.arange(9) < np.array([[9], [5], [1]])).astype("int32")
    return {"input_ids": np.where(mask, ids, 1).astype("int32"), "attention_mask": mask}


def test_positions_count_tokens_from_the_id_of_padding(tiny_config):
    embeddings = RobertaEmbeddings(tiny_config("roberta", pad_token_id=3))
    embeddings.build()
    embeddings.position_embeddings.assign(np.arange(24.0)[:, None] * np.ones((24, 12)))
    ids = np.array([[5, 6, 7, 3, 3], [3, 3, 5, 6, 7], [5, 3, 6, 3, 7], [3] * 5])
    positions = embeddings.positions(tf.constant(ids, tf.int32))[..., 0]
    expected = [[4, 5, 6, 3, 3], [3, 3, 4, 5, 6], [4, 3, 5, 3, 6], [3] * 5]
    np.testing.assert_array_equal(positions, expected)


def test_rows_are_as_long_as_there_are_positions_for_tokens(tiny_config):
    config = tiny_config("xlm-roberta", max_position_embeddings=9)
    model = Model(Encoder(config), TokenHead(config, LABELS))
    assert config.max_length == 7  # of 9 rows, two are below the first token
    assert model(np.full((2, 7), 5))["logits"].shape == (2, 7, 3)
    with pytest.raises(UserError, match="over the model's 7 positions"):
        model(np.full((2, 8), 5))
    with pytest.raises(UserError, match="leaves no position"):
        tiny_config("roberta", max_position_embeddings=2)


@pytest.mark.parametrize("length", [1, 2, 5])
def test_products_are_sorted_by_position(length):
    products = np.random.default_rng(1).normal(size=(2, 3, length, 2 * length)).astype("float32")
    sorted_ = np.asarray(by_position(tf.constant(products)))
    for row in range(length):
        for other in range(length):
            expected = products[:, :, row, other - row + length - 1]
            np.testing.assert_array_equal(sorted_[:, :, row, other], expected)


def test_distances_share_rows_on_a_logarithmic_scale(tiny_config):
    """32 rows: 8 to each side have their own; up to 63, the others share 7 more."""
    config = tiny_config("deberta-v2", position_buckets=16, max_relative_positions=64)
    distances = np.arange(-100, 101)
    rows = rows_of_distances(distances, config) - 16
    near = np.abs(distances) <= 8
    np.testing.assert_array_equal(rows[near], distances[near])
    np.testing.assert_array_equal(rows[101:108], np.arange(1, 8))
    # ceil(7 log(d / 8) / log(63 / 8)) + 8, by hand
    assert [rows[100 + d] for d in (9, 10, 11, 14, 15, 20, 35, 47, 62, 63)] == [
        9, 9, 10, 10, 11, 12, 14, 15, 15, 15
    ]  # fmt: skip
    assert rows.max() == 15 and rows.min() == -16  # longer ones are cut to the table
    each = tiny_config("deberta-v2", position_buckets=-1, max_relative_positions=4)
    np.testing.assert_array_equal(
        rows_of_distances([-9, -4, -1, 0, 3, 4], each), [0, 0, 3, 4, 7, 7]
    )


@pytest.mark.parametrize("model_type", TYPES)
def test_a_folder_is_read_as_it_was_written(model_type, tiny_config, tokens, tmp_path):
    """And padding has no effect on real tokens."""
    config = tiny_config(model_type, hidden_dropout_prob=0.25)
    model = Model(Encoder(config), ClassificationHead(config, LABELS, dropout=0.5), seed=1)
    save_model(model, tmp_path)
    again = tasks.get("text_classification").load(tmp_path)
    assert again.config == config and again.head.labels == LABELS
    assert (again.head.dropout_rate, again.head.pooler_dropout) == (
        model.head.dropout_rate,
        model.head.pooler_dropout,
    )
    logits = model(tokens)["logits"]
    np.testing.assert_array_equal(again(tokens)["logits"], logits)
    alone = model({name: rows[1:2, :5] for name, rows in tokens.items()})["logits"]
    np.testing.assert_allclose(logits[1:2], alone, atol=1e-5)
    dropped = model(tokens, dropout=DropoutKey(tf.constant([1, 2]), tf.constant(0)))["logits"]
    assert not np.allclose(dropped, logits, atol=1e-3)
    if model_type == "electra":
        assert describe_model(tmp_path).head is None


def test_masked_lm_of_a_roberta_survives(tiny_config, tokens, tmp_path):
    model = MaskedLanguageModel(tiny_config("roberta"), seed=1)
    model.head.bias.assign(np.linspace(-1, 1, 37))
    save_model(model, tmp_path)
    again = tasks.get("masked_lm").load(tmp_path)
    np.testing.assert_array_equal(again(tokens)["logits"], model(tokens)["logits"])


@pytest.mark.parametrize(
    "model_type", [pytest.param("roberta", marks=SLOW), "electra", "deberta-v2"]
)
def test_students_take_layers_of_a_teacher_of_their_type(model_type, tiny_config, tokens):
    config = tiny_config(model_type)
    teacher = Model(Encoder(config), ClassificationHead(config, LABELS), seed=1)
    shape = dataclasses.replace(config, num_hidden_layers=2)
    task = tasks.get("text_classification").bound(LABELS)
    student = task.initialize_student(teacher, shape, init="0,2", seed=2)
    expected = teacher(tokens, layers=(0, 2))["logits"]
    np.testing.assert_array_equal(student(tokens)["logits"], expected)


@pytest.mark.parametrize("model_type", ["electra", "deberta-v2"])
def test_others_have_no_masked_lm_head(model_type, tiny_config):
    with pytest.raises(UserError, match=f"{model_type} have no masked-LM head here"):
        MaskedLanguageModel(tiny_config(model_type))


def test_gradients_of_relative_positions(tiny_config, tokens):
    """They are equal where only one row of the last layer is computed, and with remat."""
    config = tiny_config("deberta-v2")
    model = Model(Encoder(config), ClassificationHead(config, LABELS), seed=1)
    variables = [variable.value for variable in model.trainable_variables]

    def gradients(**options):
        with tf.GradientTape() as tape:
            rows, _ = model.encode_rows(tokens, **options)
            loss = tf.reduce_sum(model.logits(rows, tokens)[:, 0])
        return [tf.convert_to_tensor(each) for each in tape.gradient(loss, variables)]

    plain = gradients(taps=("last_hidden_state",))
    for ours in (gradients(), gradients(taps=("last_hidden_state",), remat=True)):
        for mine, expected in zip(ours, plain, strict=True):
            np.testing.assert_allclose(mine, expected, atol=1e-5)
    table = model.encoder.embeddings.relative_positions.table
    at = next(i for i, each in enumerate(model.trainable_variables) if each is table)
    assert np.abs(plain[at]).max() > 1e-4


def test_missing_keys_have_hugging_faces_values():
    read = EncoderConfig.from_hugging_face
    roberta = read({"model_type": "roberta"})
    assert (roberta.vocab_size, roberta.pad_token_id, roberta.max_length) == (50265, 1, 510)
    assert (roberta.type_vocab_size, roberta.layer_norm_eps) == (2, 1e-12)
    assert read({"model_type": "xlm-roberta"}).vocab_size == 30522
    electra = read({"model_type": "electra"})
    assert (electra.embedding_size, electra.hidden_size, electra.intermediate_size) == (
        128, 256, 1024,
    )  # fmt: skip
    deberta = read(DEBERTA_V3)
    assert (deberta.layer_norm_eps, deberta.span, deberta.longest_distance) == (1e-7, 256, 512)
    for config in (roberta, electra, deberta):
        written = json.loads(json.dumps(config.to_hugging_face()))
        assert EncoderConfig.from_hugging_face(written) == config
    assert written.items() >= {**DEBERTA_V3, "pos_att_type": "c2p|p2c"}.items() - {
        ("type_vocab_size", 0)
    }


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"relative_attention": False}, "relative_attention=False"),
        ({"position_biased_input": None}, "position_biased_input=None"),  # true in transformers
        ({"share_att_key": None}, "share_att_key=None"),
        ({"conv_kernel_size": 3}, "conv_kernel_size=3"),
        ({"pos_att_type": ["c2p"]}, "pos_att_type"),
        ({"pos_att_type": None}, "pos_att_type"),
        ({"position_buckets": 4096}, "position_buckets"),
        ({"type_vocab_size": 2}, "type_vocab_size=2"),
    ],
)
def test_other_settings_of_deberta_are_refused(values, named):
    with pytest.raises(UserError, match=named) as caught:
        EncoderConfig.from_hugging_face({**DEBERTA_V3, **values})
    assert "\n" not in str(caught.value)
