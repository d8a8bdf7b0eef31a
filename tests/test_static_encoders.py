"""The script that compares static encoders with those of model2vec."""

import pytest
import static_encoders as script


@pytest.mark.slow
def test_the_table(tiny_tokenizer, tmp_path, capsys):
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
