"""RoBERTa's tokenizers, built from `tokenizer.json` as by transformers 5.

Its classes take only the vocabulary, the merges and a character map from the file.
"""

import json

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, processors

ROBERTA_CLASS, XLM_ROBERTA_CLASS = "RobertaTokenizer", "XLMRobertaTokenizer"
ROBERTA_CLASSES = frozenset((ROBERTA_CLASS, XLM_ROBERTA_CLASS))
# Classes of model types whose folder names none.
OF_MODEL = {"roberta": ROBERTA_CLASS, "xlm-roberta": XLM_ROBERTA_CLASS}


def build_roberta(files, kind):
    """Builds the tokenizer of a folder, without a post-processor.

    Args:
        files: `TokenizerFiles` with a tokenizer.json.
        kind: one of `ROBERTA_CLASSES`.

    Returns:
        `tokenizers.Tokenizer`.

    Raises:
        UserError: the file holds another kind of vocabulary.
    """
    model = files.state["model"]
    wanted = "BPE" if kind == ROBERTA_CLASS else "Unigram"
    if model.get("type", "Unigram" if isinstance(model["vocab"], list) else "BPE") != wanted:
        raise files.error(f"its class {kind} needs a vocabulary of {wanted}: correct its files")
    if kind == ROBERTA_CLASS:
        merges = [tuple(m.split(" ") if isinstance(m, str) else m) for m in model["merges"]]
        backend = tokenizers.Tokenizer(
            models.BPE(model["vocab"], merges, continuing_subword_prefix="", end_of_word_suffix="")
        )
        prefix = files.settings.get("add_prefix_space", False)
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
        backend.decoder = decoders.ByteLevel()
        return backend
    backend = tokenizers.Tokenizer(models.Unigram([tuple(each) for each in model["vocab"]], 3))
    normalizer = files.state.get("normalizer") or {}
    parts = normalizer.get("normalizers", [normalizer])
    precompiled = [part for part in parts if part.get("type") == "Precompiled"]
    if precompiled:  # read by way of a tokenizer, since the package takes bytes
        state = {**json.loads(backend.to_str()), "normalizer": precompiled[0]}
        backend.normalizer = tokenizers.Tokenizer.from_str(json.dumps(state)).normalizer
    scheme = "always" if files.settings.get("add_prefix_space", True) else "never"
    metaspace = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=scheme)
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace])
    backend.decoder = decoders.Metaspace(replacement="▁", prepend_scheme=scheme)
    return backend


def roberta_frame(files, backend, kind, roles):
    """The post-processor of RoBERTa's classes: `<s> A </s>` and `<s> A </s> </s> B </s>`.

    Args:
        files, kind: as for `build_roberta`.
        backend: the `tokenizers.Tokenizer` with all its tokens.
        roles: its `Roles`.
    """
    settings = files.settings
    if kind == ROBERTA_CLASS:
        return processors.RobertaProcessing(
            (roles.sep, backend.token_to_id(roles.sep)),
            (roles.cls, backend.token_to_id(roles.cls)),
            trim_offsets=settings.get("trim_offsets", True),
            add_prefix_space=settings.get("add_prefix_space", False),
        )
    first, last = roles.cls, roles.sep
    return processors.TemplateProcessing(
        single=[first, "$A", last],
        pair=[first, "$A", last, last, "$B", last],
        special_tokens=[(token, backend.token_to_id(token)) for token in (first, last)],
    )
