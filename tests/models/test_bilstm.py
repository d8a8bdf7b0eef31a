"""The BiLSTM: against PyTorch's on packed rows, of texts and of pairs."""

import numpy as np
import pytest
import tensorflow as tf

from tfdistill.models.bilstm import borders
from tfdistill.models.configs.bilstm import BiLstmConfig
from tfdistill.models.configs.config_files import named_config
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.final_states import FinalStatesHead
from tfdistill.models.heads.tokens import TokenHead
from tfdistill.models.hugging_face.checkpoint import load_model, save_model
from tfdistill.models.model import Model
from tfdistill.system.errors import UserError

SHAPE = dict(
    vocab_size=40,
    hidden_size=14,
    intermediate_size=9,
    embedding_size=5,
    hidden_dropout_prob=0.0,
    initializer_range=0.5,
)
LABELS = "no", "so", "yes"


def make(compares_pairs=False, head=None):
    config = BiLstmConfig(**SHAPE, compares_pairs=compares_pairs)
    head = head(config) if head else FinalStatesHead(config, LABELS)
    model = Model(Encoder(config), head, seed=1)
    generator = np.random.default_rng(2)
    for variable in model.variables:
        if len(variable.shape) == 1:  # not zeros and ones, which hide what is missing
            variable.assign(variable.numpy() + generator.normal(0, 0.2, variable.shape))
    return model


def rows_of(tokens, length, seed=3):
    ids = np.random.default_rng(seed).integers(1, 40, (len(tokens), length)).astype(np.int32)
    mask = (np.arange(length) < np.array(tokens)[:, None]).astype(np.int32)
    return ids, mask


@pytest.fixture(scope="module")
def torch_states(tmp_path_factory):
    """A function of a model and lists of ids to PyTorch's states: (of tokens, final ones) of each.

    The file of the model is read as it is.
    """
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    def run(model, texts):
        folder = tmp_path_factory.mktemp("model")
        save_model(model, folder)
        tensors = load_file(folder / "model.safetensors")
        config = model.config
        lstm = torch.nn.LSTM(
            config.embedding_size, config.units, batch_first=True, bidirectional=True
        )
        own = {name.removeprefix("bilstm.lstm."): each for name, each in tensors.items()}
        state = {name: own.get(name, torch.zeros_like(v)) for name, v in lstm.state_dict().items()}
        assert sum(name in own for name in state) == 6  # the other two are second biases
        lstm.load_state_dict(state)
        table = tensors["bilstm.embeddings.word_embeddings.weight"]
        found = []
        for text in texts:
            with torch.no_grad():
                of_tokens, (final, _) = lstm(table[torch.tensor(text)][None])
            found.append((of_tokens[0].numpy(), final[:, 0].reshape(-1).numpy()))
        return found, {name: each.numpy() for name, each in tensors.items()}

    return run


def dense(tensors, name, x):
    return x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]


def scores(tensors, states):
    return dense(tensors, "classifier", np.maximum(dense(tensors, "pooler.dense", states), 0.0))


def test_texts_are_read_as_by_pytorch(torch_states):
    """Whatever padding follows, and whatever stands in it."""
    model, tokens = make(), [7, 1, 4, 5]
    ids, mask = rows_of(tokens, 7)
    texts = [row[:n].tolist() for row, n in zip(ids, tokens, strict=True)]
    expected, tensors = torch_states(model, texts)
    batch = {"input_ids": ids, "attention_mask": mask}
    hidden = model.encoder(batch)["last_hidden_state"].numpy()
    for row, n, (of_tokens, _) in zip(hidden, tokens, expected, strict=True):
        np.testing.assert_allclose(row[:n], of_tokens, atol=1e-6)
    logits = model(batch)["logits"].numpy()
    np.testing.assert_allclose(logits, [scores(tensors, final) for _, final in expected], atol=1e-6)
    ids[mask == 0] = 39
    wide = np.pad(ids, ((0, 0), (0, 6))), np.pad(mask, ((0, 0), (0, 6)))
    for padded in (batch, dict(zip(batch, wide, strict=True))):
        np.testing.assert_allclose(model(padded)["logits"].numpy(), logits, atol=1e-6)


def test_the_texts_of_a_pair_are_read_alone_and_compared(torch_states):
    model = make(compares_pairs=True)
    ids, mask = rows_of([8, 6, 9, 3], 9)
    firsts = [5, 1, 8, 3]  # tokens; the last row has no second text
    types = (np.arange(9) >= np.array(firsts)[:, None]).astype(np.int32)
    types *= mask
    types[3] = 0
    texts = []
    for row, n, first in zip(ids, mask.sum(axis=1), firsts, strict=True):
        texts += [row[:first].tolist(), row[first:n].tolist()]
    expected, tensors = torch_states(model, [text for text in texts if text])
    final = [each for _, each in expected] + [np.zeros(14, np.float32)]
    compared = [
        np.concatenate([a, b, abs(a - b), a * b])
        for a, b in zip(final[::2], final[1::2], strict=True)
    ]
    batch = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    logits = model(batch)["logits"].numpy()
    np.testing.assert_allclose(logits, [scores(tensors, each) for each in compared], atol=1e-6)
    del batch["token_type_ids"]
    np.testing.assert_allclose(model(batch)["logits"].numpy()[3], logits[3], atol=1e-6)


def test_a_tagger_reads_the_state_of_each_token(torch_states):
    model = make(head=lambda config: TokenHead(config, LABELS))
    ids, mask = rows_of([6, 3], 6)
    expected, tensors = torch_states(model, [ids[0].tolist(), ids[1, :3].tolist()])
    logits = model({"input_ids": ids, "attention_mask": mask})["logits"].numpy()
    for row, (of_tokens, _) in zip(logits, expected, strict=True):
        right = dense(tensors, "classifier", of_tokens)
        np.testing.assert_allclose(row[: len(right)], right, atol=1e-6)


def test_borders_of_pairs():
    types = np.array([[0, 0, 1, 1, 0], [0, 0, 0, 0, 0], [0, 1, 1, 1, 1], [0, 0, 1, 1, 1]])
    mask = np.array([[1, 1, 1, 1, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])
    begins, ends = (each.numpy().astype(int).tolist() for each in borders(types, mask))
    assert begins == [[0, 0, 1, 0, 0], [0] * 5, [0, 1, 0, 0, 0], [0] * 5]
    assert ends == [[0, 1, 0, 0, 0], [0] * 5, [1, 0, 0, 0, 0], [0] * 5]


def test_xla_computes_the_same_gradients():
    """And with what stands in padding, no gradient changes."""
    model = make(compares_pairs=True)
    ids, mask = rows_of([6, 4], 7)
    types = np.array([[0, 0, 1, 1, 1, 1, 0], [0, 0, 0, 1, 0, 0, 0]])

    def gradients(ids):
        batch = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(batch)["logits"] ** 2)
        return [tf.convert_to_tensor(g) for g in tape.gradient(loss, model.trainable_variables)]

    found = gradients(tf.constant(ids))
    compiled = tf.function(gradients, jit_compile=True)(tf.constant(ids))
    other = gradients(tf.constant(np.where(mask, ids, 7)))
    assert min(float(tf.reduce_max(tf.abs(each))) for each in found) > 0
    for one, two, three in zip(found, compiled, other, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)
        np.testing.assert_array_equal(one, three)


def test_a_saved_model_is_the_same(tmp_path):
    model = make(compares_pairs=True)
    save_model(model, tmp_path)
    again = load_model(tmp_path, head=FinalStatesHead.of)
    assert again.config == model.config and again.head.labels == LABELS
    for one, other in zip(model.variables, again.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_fresh_forget_gates_keep():
    config = BiLstmConfig(**SHAPE)
    biases = [d.inputs.bias.numpy() for d in Encoder(config).blocks[0].directions]
    assert all(bias.tolist() == [0.0] * 7 + [1.0] * 7 + [0.0] * 14 for bias in biases)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (dict(hidden_size=15), "hidden_size must be an even number"),
        (dict(embedding_size=0), "embedding_size must be a whole number above 0"),
        (dict(num_hidden_layers=2), "num_hidden_layers of a tfdistill_bilstm is always 1"),
        (dict(compares_pairs=1), "compares_pairs must be true or false"),
    ],
)
def test_wrong_shapes_are_refused(values, words):
    with pytest.raises(UserError, match=words):
        BiLstmConfig(**values)


def test_shapes_by_name():
    config = named_config("H-20_F-7", "bilstm", vocab_size=99)
    assert (config.units, config.intermediate_size, config.vocab_size) == (20, 7, 99)
    assert named_config("bilstm_wide", "bilstm").hidden_size == 600
    with pytest.raises(UserError, match="H-150_F-200"):
        named_config("L-2_H-128_A-2", "bilstm")
    with pytest.raises(UserError, match="reads its final states"):
        FinalStatesHead(config, LABELS, "mean")
