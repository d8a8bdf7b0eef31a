"""The losses `nst`, `gram` and `fsp` of whole models, against NumPy.

Their formulas for one layer, with padding and gradients, are tested in test_layers.py.
"""

import numpy as np
import pytest
import tensorflow as tf

from tfdistill.distillation.distiller import Distiller
from tfdistill.distillation.phases import Phase, Term

TOKENS = 10, 6, 1  # a full row, a padded one, a text of one token
PAIRS = (0, 1), (1, 3), (2, 5)  # layers of the student and of the teacher


def layers_of(model, batch):
    """The hidden states of each row's real tokens in each layer: a list for each row."""
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    layers = model(inputs, taps={"hidden_states"})["hidden_states"][1:]
    layers = [layer.numpy().astype(np.float64) for layer in layers]
    return [[layer[row, :tokens] for layer in layers] for row, tokens in enumerate(TOKENS)]


def nst(rows):
    """TextBrewer's nst: S Sᵀ / width of each layer, and the mean over all pairs of tokens."""
    value = 0.0
    for i, j in PAIRS:
        squares = [(s[i] @ s[i].T / 12 - t[j] @ t[j].T / 16) ** 2 for s, t in rows]
        value += np.concatenate([each.ravel() for each in squares]).mean()
    return value


def flows(rows, steps):
    """TextBrewer's gram and fsp: S₁ᵀ S₂ / tokens, from a layer to itself or to the next one."""
    value = 0.0
    for (i, j), (i_next, j_next) in steps:
        squares = [
            (s[i].T @ s[i_next] / len(s[i]) - t[j].T @ t[j_next] / len(t[j])) ** 2 for s, t in rows
        ]
        value += np.mean(squares)
    return value


@pytest.mark.parametrize(
    "name, width, expected",
    [
        ("nst", 16, nst),
        ("gram", 12, lambda rows: flows(rows, [(pair, pair) for pair in PAIRS])),
        ("fsp", 12, lambda rows: flows(rows, [PAIRS[:2], PAIRS[1:]])),
    ],
)
def test_value(name, width, expected, tiny_model, tiny_batch):
    """Summed over layers; `nst` compares any two widths, and the others equal ones or projected."""
    student = tiny_model(seed=2, num_hidden_layers=3)
    teacher = tiny_model(seed=1, num_hidden_layers=6, hidden_size=width)
    batch = {key: tf.constant(array) for key, array in tiny_batch(TOKENS).items()}
    phase = Phase("test", (Term(name, 1.0, layers=PAIRS),))
    found = Distiller(student, phase, teacher).gradients(batch, 0)[1][f"loss_{name}"]
    rows = list(zip(layers_of(student, batch), layers_of(teacher, batch), strict=True))
    assert expected(rows) > 0.01
    np.testing.assert_allclose(found, expected(rows), rtol=1e-5)
