"""The script that compares static encoders with those of model2vec."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

SCRIPT = Path(__file__).parents[1] / "scripts" / "static_encoders.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("static_encoders", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_correlations_of_cosines(script):
    first, second = np.random.default_rng(0).normal(size=(2, 50, 4))
    first[3] = 0
    found = script.cosines(first, second)
    assert found[3] == 0
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    expected = [a @ b / n for a, b, n in zip(first, second, lengths, strict=True) if n]
    np.testing.assert_allclose(np.delete(found, 3), expected)
    scores = np.round(found * 5)  # with equal ones
    assert script.spearman(found, scores) == pytest.approx(spearmanr(found, scores).statistic)


def test_intervals_of_a_model_and_of_its_lead(script):
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


@pytest.mark.slow
def test_the_table(script, tiny_tokenizer, tmp_path, capsys):
    """A folder of model2vec's form beside one of ours."""
    from tfdistill.models.configs.config_files import named_config
    from tfdistill.models.encoder import Encoder
    from tfdistill.models.heads.embedding import EmbeddingHead
    from tfdistill.models.hugging_face.checkpoint import save_model
    from tfdistill.models.model import Model

    shape = named_config("H-8", "static", vocab_size=200).for_tokenizer(tiny_tokenizer)
    save_model(Model(Encoder(shape), EmbeddingHead(shape), seed=1), tmp_path / "ours")
    tiny_tokenizer.save(tmp_path / "ours")
    pairs = ["sentence1\tsentence2\tscore", "the sea\ta ship\t1"]
    pairs += ["the sea\tthe old sea\t4", "a\tb\t2"]
    (tmp_path / "dev.tsv").write_text("\n".join(pairs))
    script.compare(tmp_path / "dev.tsv", tmp_path / "ours", [("again", tmp_path / "ours")])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[2].startswith("again") and "200 x 8" in lines[2]
    assert "+0.0000" in lines[2]
