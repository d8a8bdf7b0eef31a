#!/usr/bin/env bash
# transformers 5 reads only the words of tokenizer.json for BERT's classes, not how it splits text.
#
# A tokenizer.json whose normalizer is built from parts (NFD and StripAccents, nothing lower-cased),
# beside a tokenizer_config.json that says no more than "tokenizer_class": "BertTokenizerFast":
#   transformers 4.57.6 keeps the parts:          "Hello naïve" -> ['Hello', 'naive']
#   transformers 5.23.0 builds BERT's normalizer: "Hello naïve" -> ['hello', 'naive']
# Nothing warns; the same folder gives a model other ids. Of a tokenizer.json with
# max_input_chars_per_word 200 the 120 letters of a known word become [UNK] in 5.23.0 alone.
# With "tokenizer_class": "PreTrainedTokenizerFast" both keep what tokenizer.json says.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/look.py" <<'PYTHON'
import json, sys
import tokenizers, transformers
from tokenizers import models, normalizers, pre_tokenizers

folder, major = sys.argv[1], transformers.__version__.split(".")[0]
words = "[PAD] [UNK] [CLS] [SEP] [MASK] Hello hello naive".split() + ["a" * 120]
model = models.WordPiece(
    {word: i for i, word in enumerate(words)}, unk_token="[UNK]", max_input_chars_per_word=200
)
backend = tokenizers.Tokenizer(model)
backend.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()])
backend.pre_tokenizer = pre_tokenizers.Whitespace()
backend.add_special_tokens(words[:5])
backend.save(f"{folder}/tokenizer.json")
found = {}
for kind in ("BertTokenizerFast", "PreTrainedTokenizerFast"):
    settings = {"tokenizer_class": kind, "unk_token": "[UNK]"}
    with open(f"{folder}/tokenizer_config.json", "w") as file:
        json.dump(settings, file)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    found[kind] = tokenizer.tokenize("Hello naïve " + "a" * 120)
    print(transformers.__version__, kind, [word[:9] for word in found[kind]])
kept = ["Hello", "naive", "a" * 120]
anew = ["hello", "naive", "[UNK]"]
assert found["PreTrainedTokenizerFast"] == kept
assert found["BertTokenizerFast"] == (kept if major == "4" else anew)
PYTHON
for version in 4.57.6 5.23.0; do
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/pip" install -q "transformers==$version"
  mkdir "$folder/$version/tokenizer"
  "$folder/$version/bin/python" "$folder/look.py" "$folder/$version/tokenizer" 2> "$folder/errors" ||
    { cat "$folder/errors"; exit 1; }
done
echo "as described"
