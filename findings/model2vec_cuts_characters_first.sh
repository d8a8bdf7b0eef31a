#!/usr/bin/env bash
# model2vec 0.10: encode(max_length=N) cuts a text that has N tokens or fewer, if its words are long.
#
# The argument is documented as "the maximum length of the sentences. Any tokens beyond this length will be truncated".
# Before a text is tokenised, though, its characters are cut to N times the median length of the vocabulary's tokens.
# Tokens at the end of a text of long words are lost, although fewer than N stand before them, also with the default of
# 512. With max_length=None nothing is cut.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  model2vec==0.10.0 tokenizers==0.23.3 numpy==2.4.6 safetensors==0.8.0
cat > "$folder/cut.py" <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
import tokenizers
from model2vec import StaticModel

words = ["[UNK]", "cat", "dog", "sea", "extraordinarily", "uncharacteristically"]
tokenizer = tokenizers.Tokenizer(
    tokenizers.models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]")
)
tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
vectors = np.eye(len(words), dtype=np.float32)
text = "extraordinarily uncharacteristically extraordinarily uncharacteristically cat"  # 5 tokens
print("model2vec", version("model2vec"), "tokenizers", version("tokenizers"))
found = {}
for longest in (None, 5):
    model = StaticModel(vectors, tokenizer, max_length=longest)
    found[longest] = float(model.encode([text])[0, words.index("cat")])
    print(f"max_length={longest}: the share of the last of 5 tokens is {found[longest]:.2f}")
print("median length of a token:", model.median_token_length, "of the text:", len(text))
sys.exit(not (found[None] > 0.19 and found[5] == 0.0))
PYTHON
"$folder/venv/bin/python" "$folder/cut.py" || { echo "a text of 5 tokens is no longer cut"; exit 1; }
