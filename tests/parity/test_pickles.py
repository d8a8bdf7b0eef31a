"""The commands that the advice prints for models that the hub has as pickles."""

import json
import os
import shlex
import subprocess
import sys

import pytest

from tfdistill import load_model, load_tokenizer
from tfdistill.run.advice_models import PICKLES, conversion

pytestmark = pytest.mark.parity

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] the whale ship a b ##c".split()
SMALL = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
SIZES = {
    "BertModel": SMALL,
    "MobileBertModel": dict(num_hidden_layers=2),
    "ElectraModel": SMALL | dict(embedding_size=16),
}


@pytest.mark.parametrize("name", PICKLES)
def test_a_pickle_is_converted(name, torch, transformers, tmp_path):
    """The folder NAME stands for the repository: random weights of its class with heads."""
    folder, kind = tmp_path / name, PICKLES[name].removesuffix("Model")
    folder.mkdir(parents=True)
    config = getattr(transformers, f"{kind}Config")(vocab_size=len(WORDS), **SIZES[PICKLES[name]])
    model = getattr(transformers, f"{kind}ForPreTraining")(config)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    values = {key: value for key, value in config.to_dict().items() if value is not None}
    if kind == "Bert":
        del values["model_type"]
    (folder / "config.json").write_text(json.dumps(values))
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    words = [sys.executable, *shlex.split(conversion(name))[1:]]
    subprocess.run(words, cwd=tmp_path, env=os.environ | {"HF_HUB_OFFLINE": "1"}, check=True)
    made = tmp_path / name.rpartition("/")[2]
    table = load_model(made).encoder.embeddings.word_embeddings.numpy()
    ours = dict(model.named_parameters())
    (key,) = [key for key in ours if key.endswith("embeddings.word_embeddings.weight")]
    assert (table == ours[key].detach().numpy()).all()
    (ids,) = load_tokenizer(made).encode_lines(["The whale"])
    assert [WORDS[i] for i in ids] == ["the", "whale"]
