#!/usr/bin/env bash
# model2vec 0.10: where a tokenizer pads, distill(vocabulary=...) counts the padding of an added word as text.
#
# The tokenizer.json of all-MiniLM-L6-v2, for example, pads each text to 128 tokens. A word that is not in the
# vocabulary is tokenised by it, with the padding, and the attention mask is made of the number of ids. The encoder then
# attends to all 128 tokens, and the mean is over all of them: the vector is mostly that of [PAD], and takes 128 tokens'
# time to compute. tokenlearn 0.2.1 adds the words of its texts in this way by default.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir \
  "model2vec[distill,quantization]==0.10.0" torch==2.13.0 transformers==5.3.0 skeletoken==0.6.1
cat > "$folder/padded.py" <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
import tokenizers
import torch
from model2vec.distill import distill_from_model
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "sea", "ship", "##ward"]
print("model2vec", version("model2vec"), "transformers", version("transformers"), "skeletoken", version("skeletoken"))


def vector_of_added_word(padded):
    """The vector of 'seaward' by distill, of an encoder that is the same in each call."""
    torch.manual_seed(0)
    shape = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    model = BertModel(BertConfig(vocab_size=len(words), **shape)).eval()
    kind = tokenizers.models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]")
    tokenizer = tokenizers.Tokenizer(kind)
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    if padded:
        tokenizer.enable_padding(length=32, pad_id=0, pad_token="[PAD]")
    names = dict(pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]")
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
    static = distill_from_model(
        model, fast, vocabulary=["seaward"], device="cpu", pca_dims=None, sif_coefficient=None, quantize_to="float32"
    )
    with torch.no_grad():
        alone = model(torch.tensor([[2, 4, 6, 3]])).last_hidden_state[0].mean(0).numpy()
    return static.embedding[static.tokens.index("seaward")], alone


found = {}
for padded in (False, True):
    vector, alone = vector_of_added_word(padded)
    found[padded] = float(np.abs(vector - alone).max())
    print(f"tokenizer pads: {padded}. Largest difference from the mean over the word's 4 tokens: {found[padded]:.6f}")
sys.exit(not (found[False] < 1e-5 and found[True] > 0.05))
PYTHON
"$folder/venv/bin/python" "$folder/padded.py" || { echo "padding no longer changes the vector"; exit 1; }
