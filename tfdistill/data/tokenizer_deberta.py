"""DeBERTa-v3's tokenizer, built from `tokenizer.json` as by transformers 5.

Its class takes only the vocabulary from the file; how text is cleaned and split is its own. The
frame is BERT's.
"""

import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers

from tfdistill.data.tokenizer_files import SERIALISED, SETTINGS

DEBERTA_CLASS = "DebertaV2Tokenizer"
OF_MODEL = {"deberta-v2": DEBERTA_CLASS}  # its class where a folder names none


_COMPATIBILITY = ("Precompiled", "NFKC", "NFKD")  # they also replace characters by alike ones


def build_deberta(files, unknown):
    """Builds the tokenizer of a folder, without a post-processor.

    Args:
        files: `TokenizerFiles` with a tokenizer.json.
        unknown: the token of unknown words.

    Returns:
        `tokenizers.Tokenizer`.

    Raises:
        UserError: the file holds another kind of vocabulary.
    """
    pieces, settings = files.state["model"]["vocab"], files.settings
    if not isinstance(pieces, list):
        raise files.error(f"its class {DEBERTA_CLASS} needs a vocabulary of Unigram: correct it")
    pieces = [tuple(each) for each in pieces]
    named = (unknown, 0.0)
    place = pieces.index(named) if named in pieces else settings.get("unk_id", 1)
    backend = tokenizers.Tokenizer(models.Unigram(pieces, place, False))
    lower = [normalizers.Lowercase()] if settings.get("do_lower_case", False) else []
    blanks = normalizers.Replace(Regex(r"\s{2,}|[\n\r\t]"), " ")
    ends = normalizers.Strip(left=False, right=True)
    backend.normalizer = normalizers.Sequence([*lower, blanks, normalizers.NFC(), ends])
    _note_characters(files)
    scheme = "always" if settings.get("add_prefix_space", True) else "first"
    split = [pre_tokenizers.Punctuation("isolated")] if settings.get("split_by_punct") else []
    metaspace = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=scheme)
    backend.pre_tokenizer = pre_tokenizers.Sequence([*split, metaspace])
    backend.decoder = decoders.Metaspace(replacement="▁", prepend_scheme=scheme)
    return backend


def _note_characters(files):
    """Notes a map of characters in the file, which the class leaves out."""
    found = files.state.get("normalizer") or {}
    kinds = [part.get("type") for part in found.get("normalizers", [found])]
    if any(kind in _COMPATIBILITY for kind in kinds):
        files.note(
            f"{SERIALISED} replaces characters such as full-width letters and ligatures, but a "
            f"{DEBERTA_CLASS} of transformers 5 does not: they were left as they are; the class "
            f"PreTrainedTokenizerFast in {SETTINGS} would use {SERIALISED}, as transformers 4 does"
        )
