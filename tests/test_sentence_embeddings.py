"""The script that measures sentence encoders."""

import sys

import numpy as np
import pytest
import sentence_embeddings as script

TEXTS = ["the sea", "a man and the whale of the sea", ""]


@pytest.fixture(scope="module")
def folders(tiny_model, tiny_tokenizer, tmp_path_factory):
    """Folders of one encoder: "plain", without a tokenizer, and "cls", of sentence-transformers."""
    from tfdistill.models.heads.embedding import EmbeddingHead
    from tfdistill.models.hugging_face.checkpoint import save_model
    from tfdistill.models.model import Model

    folder = tmp_path_factory.mktemp("encoders")
    model = tiny_model(vocab_size=tiny_tokenizer.vocab_size, max_position_embeddings=64)
    save_model(model, folder / "plain")
    head = EmbeddingHead(model.config, "cls", normalize=False)
    save_model(Model(model.encoder, head), folder / "cls")
    tiny_tokenizer.save(folder / "cls")
    return folder, model


def states(model, tokenizer, text):
    """The hidden states of a text's own tokens."""
    ids, mask = tokenizer.encode(text, 40)
    return model({"input_ids": ids[: mask.sum()][None]})["last_hidden_state"].numpy()[0]


def test_spearman():
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


def test_intervals_of_a_model_and_of_its_lead():
    """Paired: a model that is as good as its peer has no lead, however wide its own interval."""
    draws = np.random.default_rng(1)
    scores = draws.normal(size=300)
    good, bad = (scores + sigma * draws.normal(size=300) for sigma in (0.5, 2.0))
    own, lead = script.intervals(good, good, scores, draws=200)
    assert lead == (0, 0) and own[0] < script.spearman(good, scores) < own[1]
    _, lead = script.intervals(good, bad, scores, draws=200)
    difference = script.spearman(good, scores) - script.spearman(bad, scores)
    assert 0 < lead[0] < difference < lead[1]
    _, behind = script.intervals(bad, good, scores, draws=200)
    np.testing.assert_allclose(behind, [-lead[1], -lead[0]], atol=1e-12)


def test_embeddings_are_means_over_the_sentence_alone(folders, tiny_tokenizer, tiny_text):
    """Brought to length 1, on which cosines do not depend."""
    folder, model = folders
    found = script.embed(folder / "plain", TEXTS, str(tiny_text / "vocabulary"))
    assert found.shape == (3, 12)
    for text, embedding in zip(TEXTS, found, strict=True):
        mean = states(model, tiny_tokenizer, text).mean(axis=0)
        np.testing.assert_allclose(embedding, mean / np.linalg.norm(mean), atol=1e-5)


def test_a_folder_that_says_its_pooling_has_its_own_tokenizer(folders, tiny_tokenizer):
    folder, model = folders
    found = script.embed(folder / "cls", TEXTS, "no tokenizer of this name")
    expected = [states(model, tiny_tokenizer, text)[0] for text in TEXTS]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_table(folders, tmp_path, monkeypatch, capsys):
    """The lead over a peer has the other sign the other way round, and a peer none over itself."""
    folder, _ = folders
    words = "the sea|a ship|whale|an old man|of the|men and boats".split("|")
    pairs = [(words[i], words[j], (7 * i + 3 * j) % 6) for i in range(6) for j in range(i)]
    lines = ["sentence1\tsentence2\tscore", *("\t".join(map(str, pair)) for pair in pairs)]
    (tmp_path / "dev.tsv").write_text("\n".join(lines))
    fixed = ["script", f"--pairs={tmp_path / 'dev.tsv'}", f"--teacher={folder / 'cls'}"]

    def table(*words):
        monkeypatch.setattr(sys, "argv", [*fixed, *words, f"plain={folder / 'plain'}"])
        script.main()
        heads, *rows = capsys.readouterr().out.splitlines()
        return heads, {name: values for name, *values in map(str.split, rows)}

    heads, rows = table("--peer=plain")
    assert "- plain" in heads and list(rows) == ["teacher", "plain"]
    # with the teacher, with people, its interval, lead, its interval
    assert rows["plain"][3:] == ["+0.0000"] * 3 and rows["teacher"][0] == "1.000"
    heads, others = table()
    assert "- teacher" in heads and others["teacher"][3:] == ["+0.0000"] * 3
    assert others["plain"][:3] == rows["plain"][:3]
    lead, low, high = map(float, others["plain"][3:])
    assert low < lead < high
    assert [lead, high, low] == [-float(value) for value in rows["teacher"][3:]]
    with pytest.raises(SystemExit):
        table("--peer=other")
    assert "--peer=other: give one of teacher, plain" in capsys.readouterr().err


def test_pairs_keep_their_quotes(tmp_path):
    file = tmp_path / "dev.tsv"
    file.write_text('index\tsentence1\tsentence2\tscore\n0\tHe said "no.\tHe said no.\t4.5\n')
    assert script.read_pairs(file)[:2] == (['He said "no.'], ["He said no."])
    assert script.read_pairs(file)[2] == [4.5]
