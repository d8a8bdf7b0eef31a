"""A tokenizer with a part of another's vocabulary: the pieces that some texts need most."""

import json
import re

import numpy as np
import tokenizers
from tokenizers import processors

from tfdistill.data.text_tokenizer import TextTokenizer
from tfdistill.system.errors import UserError

AT_ONCE = 4096  # texts that are counted
_UNUSED = re.compile(r"\[unused\d+\]")  # of BERT's vocabularies


def cut_tokenizer(tokenizer, texts, size):
    """Cuts a WordPiece vocabulary to the most frequent pieces of some texts.

    All single characters stay, as words and as continuations, so that every word has pieces that
    the whole vocabulary can spell. Special tokens stay, too, and so does the order of the ids. If
    the texts have too few pieces, the first ones of the vocabulary are added, which are frequent
    words in BERT's.

    Args:
        tokenizer: a `TextTokenizer` with BERT's frame of texts and pairs.
        texts: list of str.
        size: most pieces beside single characters and special tokens; equally frequent ones in the
            order of their ids.

    Returns:
        A `TextTokenizer` without unused ids.

    Raises:
        UserError: the vocabulary is of another kind.
    """
    state = json.loads(json.dumps(tokenizer.state))
    roles, model = tokenizer.roles, state["model"]
    pair = tokenizer.text_pipeline().encode("", "")
    framed = (pair.tokens, pair.type_ids) == ([roles.cls, roles.sep, roles.sep], [0, 0, 1])
    if model.get("type") != "WordPiece" or not framed:
        raise UserError(
            "`student_type`: only vocabularies of BERT's kind can be cut to the words of the "
            "texts, and this one is of another: set `tokenizer`"
        )
    special = {token["content"]: token["id"] for token in state["added_tokens"]}
    words = model["vocab"] | special
    special |= {role: words[role] for role in roles if role}
    kept = set(special.values()) | _characters(words, model["continuing_subword_prefix"])
    left = [i for word, i in words.items() if i not in kept and not _UNUSED.fullmatch(word)]
    kept |= set(_most_frequent(tokenizer, texts, left, size))
    ids = {old: new for new, old in enumerate(sorted(kept))}
    model["vocab"] = {word: ids[i] for word, i in model["vocab"].items() if i in ids}
    for token in state["added_tokens"]:
        token["id"] = ids[token["id"]]
    state["post_processor"] = None
    backend = tokenizers.Tokenizer.from_str(json.dumps(state))
    backend.post_processor = processors.TemplateProcessing(
        single=f"{roles.cls}:0 $A:0 {roles.sep}:0",
        pair=f"{roles.cls}:0 $A:0 {roles.sep}:0 $B:1 {roles.sep}:1",
        special_tokens=[(token, ids[special[token]]) for token in (roles.cls, roles.sep)],
    )
    settings = {"model_max_length": tokenizer.max_length}
    return TextTokenizer(backend, settings, tokenizer.notes, roles)


def _characters(words, prefix):
    """The ids of single characters, with or without the prefix of continuations."""
    return {i for word, i in words.items() if len(word.removeprefix(prefix)) == 1}


def _most_frequent(tokenizer, texts, ids, size):
    """Those of some ids that texts have most often: a list of int."""
    pipeline, counts = tokenizer.text_pipeline(), np.zeros(tokenizer.vocab_size, np.int64)
    for start in range(0, len(texts), AT_ONCE):
        part = list(texts[start : start + AT_ONCE])
        for encoding in pipeline.encode_batch(part, add_special_tokens=False):
            np.add.at(counts, encoding.ids, 1)
    return sorted(ids, key=lambda i: (-counts[i], i))[:size]
