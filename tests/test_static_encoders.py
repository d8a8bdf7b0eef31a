"""The script that compares static encoders with those of model2vec."""

import importlib
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)  # as where the script is run
    return importlib.import_module("static_encoders")


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
    """Two names of one folder: the second has no lead."""
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
