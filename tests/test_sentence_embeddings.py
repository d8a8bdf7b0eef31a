"""The script that measures sentence encoders."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "sentence_embeddings.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("sentence_embeddings", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_spearman(script):
    generator = np.random.default_rng(0)
    first, noise = generator.normal(size=(2, 200))
    assert script.spearman(first, np.exp(3 * first)) == pytest.approx(1.0)
    assert script.spearman(first, -first) == pytest.approx(-1.0)
    assert abs(script.spearman(first, noise)) < 0.2
    equal = [30, 10, 20, 20, 50]  # of ranks 4, 1, 2.5, 2.5, 5
    assert script.spearman(equal, range(5)) == pytest.approx(
        np.corrcoef([4, 1, 2.5, 2.5, 5], range(5))[0, 1]
    )
    # 1 - 6 sum d^2 / (n (n^2 - 1)) where no values are equal
    second = first + noise
    d = first.argsort().argsort() - second.argsort().argsort()
    assert script.spearman(first, second) == pytest.approx(
        1 - 6 * (d**2).sum() / 200 / (200**2 - 1)
    )


def test_embeddings_are_means_over_the_sentence_alone(script, tiny_model, tiny_text):
    from tfdistill.data.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(str(tiny_text / "vocabulary"))
    model = tiny_model(vocab_size=tokenizer.vocab_size, max_position_embeddings=64, with_head=False)
    sentences = ["the sea", "a man and the whale of the sea", ""]
    found = script.embed(model, tokenizer, sentences)
    assert found.shape == (3, 12)
    for sentence, embedding in zip(sentences, found, strict=True):
        ids, mask = tokenizer.encode(sentence, 40)
        ids = ids[: mask.sum()][None]
        hidden = model({"input_ids": ids})["last_hidden_state"].numpy()[0]
        np.testing.assert_allclose(embedding, hidden.mean(axis=0), atol=1e-5)


def test_pairs_keep_their_quotes(script, tmp_path):
    file = tmp_path / "dev.tsv"
    file.write_text('index\tsentence1\tsentence2\tscore\n0\tHe said "no.\tHe said no.\t4.5\n')
    assert script.read_pairs(file)[:2] == (['He said "no.'], ["He said no."])
    assert script.read_pairs(file)[2] == [4.5]
