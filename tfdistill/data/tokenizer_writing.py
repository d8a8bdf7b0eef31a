"""Writes a tokenizer as Hugging Face files with the same ids in all versions of transformers.

transformers 5 reads the settings, transformers 4 the pipeline in `tokenizer.json`: both are written
with the same content. A tokenizer that BERT's settings cannot describe gets the class that reads
`tokenizer.json` alone.
"""

import json
from pathlib import Path

from tfdistill.data.tokenizer_files import SERIALISED, SETTINGS, VOCABULARY
from tfdistill.data.tokenizer_reading import bert_settings
from tfdistill.system.sums import forget_sums

_FLAGS = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")


def write_folder(backend, directory, roles, *, token_types, max_length):
    """Writes tokenizer.json, tokenizer_config.json and, if it is equivalent, vocab.txt.

    Args:
        backend: a `tokenizers.Tokenizer`.
        directory: an existing folder.
        roles: `Roles`, its special tokens.
        token_types: whether the model reads token types; DistilBERT does not.
        max_length: most tokens of a text, [CLS] and [SEP] included; None if unknown.
    """
    directory, text = Path(directory), backend.to_str(pretty=True)
    forget_sums(directory)
    state = json.loads(text)
    words = _lines(state["model"]["vocab"])
    pair = backend.encode("", "")
    # BERT's classes frame pairs in their own way, whatever tokenizer.json says, and need all roles.
    frames_as_bert = (pair.tokens, pair.type_ids) == (
        [roles.cls, roles.sep, roles.sep],
        [0, 0, 1],
    )
    casing = bert_settings(state, roles.unk) if frames_as_bert and all(roles) else None
    # Its own save raises another exception than OSError for a full disk.
    (directory / SERIALISED).write_text(text, "utf-8")
    if casing is not None and words is not None:
        (directory / VOCABULARY).write_text("".join(f"{word}\n" for word in words), "utf-8")
    else:
        (directory / VOCABULARY).unlink(missing_ok=True)
    settings = {"tokenizer_class": _class(casing, token_types), **(casing or {})}
    if max_length:
        settings["model_max_length"] = max_length
    if casing is None:
        inputs = ["input_ids", "token_type_ids", "attention_mask"]
        settings["model_input_names"] = [i for i in inputs if token_types or i != "token_type_ids"]
    settings |= roles.settings()
    special = [token["content"] for token in state["added_tokens"] if token["special"]]
    more = [token for token in special if token not in roles]
    if more:
        settings["additional_special_tokens"] = more
    # With this key, transformers reads added tokens from no other file.
    settings["added_tokens_decoder"] = {
        str(token["id"]): {flag: token[flag] for flag in _FLAGS} for token in state["added_tokens"]
    }
    (directory / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n", "utf-8")


def _class(casing, token_types):
    if casing is None:
        return "PreTrainedTokenizerFast"
    return "BertTokenizer" if token_types else "DistilBertTokenizer"


def _lines(words):
    """The words by id; None if ids are missing, or a word does not fit into one line."""
    if not isinstance(words, dict) or sorted(words.values()) != list(range(len(words))):
        return None
    found = sorted(words, key=words.get)
    whole = all(word and word == word.rstrip() and "\n" not in word for word in found)
    return found if whole else None
