"""An ELECTRA, which has no masked-LM head, teaches hidden states in masked LM."""

import json

import pytest

pytestmark = pytest.mark.slow


def test_an_electra_teaches_attention(tiny_tokenizer, tiny_flags, run_command, tmp_path):
    from tfdistill.models.configs.electra import ElectraConfig
    from tfdistill.models.encoder import Encoder
    from tfdistill.models.hugging_face.checkpoint import save_model
    from tfdistill.models.model import Model

    shape = ElectraConfig(
        vocab_size=tiny_tokenizer.vocab_size,
        hidden_size=16,
        embedding_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=20,
        max_position_embeddings=16,
    )
    save_model(Model(Encoder(shape), seed=1), tmp_path / "electra")
    tiny_tokenizer.save(tmp_path / "electra")
    flags = tiny_flags(
        output_dir=tmp_path / "run",
        teacher=tmp_path / "electra",
        teacher_config=None,
        teacher_steps=None,
        tokenizer=None,
        recipe="minilm",
        student_init="random",
        layerdrop=None,
    )
    assert run_command("train", *flags) == 0
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["models"]["student"]
