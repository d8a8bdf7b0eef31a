"""The script that writes parts of a classifier."""

import sys

import cut_parts as script
import numpy as np
import pytest

from tfdistill import load_tokenizer, tasks
from tfdistill.models.heads.classification import ClassificationHead
from tfdistill.models.hugging_face.checkpoint import save_model
from tfdistill.models.model import Model
from tfdistill.models.part_shapes import SpreadShape
from tfdistill.models.subnet import run_subnet

SHAPE = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=4, initializer_range=0.1)


@pytest.fixture
def cut(tmp_path, tiny_model, monkeypatch):
    """A classifier, and a function of names of parts that runs the script on it."""
    tokenizer = load_tokenizer()
    encoder = tiny_model(with_head=False, vocab_size=tokenizer.vocab_size, **SHAPE).encoder
    model = Model(encoder, ClassificationHead(encoder.config, ("no", "yes")), seed=None)
    for seed, variable in enumerate(model.head.variables):
        variable.assign(np.random.default_rng(seed).normal(0, 0.3, variable.shape))
    save_model(model, tmp_path / "whole")
    tokenizer.save(tmp_path / "whole")

    def run(*parts):
        words = ["cut_parts", f"--model={tmp_path / 'whole'}", f"--output_dir={tmp_path}", *parts]
        monkeypatch.setattr(sys, "argv", words)
        script.main()

    return model, run


def test_parts_are_models_of_their_own(cut, tmp_path, tiny_batch):
    model, run = cut
    run("full", "w50d50")
    batch = {name: tiny_batch([10, 4])[name] for name in ("input_ids", "attention_mask")}
    for name, shape in (("full", (2, 16, 20, 4, 4)), ("w50d50", (1, 16, 10, 2, 4))):
        part = tasks.get("text_classification").load(str(tmp_path / name))
        expected = run_subnet(model, SpreadShape(*shape), batch)["logits"]
        np.testing.assert_allclose(part(batch)["logits"], expected, atol=1e-5)
        assert part.head.labels == ("no", "yes")
    tokenizers = [load_tokenizer(str(tmp_path / name)) for name in ("whole", "w50d50")]
    ids = [each.encode("It rained.", length=8)[0] for each in tokenizers]
    np.testing.assert_array_equal(*ids)


def test_unknown_parts_are_refused(cut, capsys):
    with pytest.raises(SystemExit):
        cut[1]("w40")
    assert "w40: not among the parts full, w75, w50, w25" in capsys.readouterr().err
