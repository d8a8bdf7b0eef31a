"""The tokenizer that a folder's files describe, as transformers reads them.

transformers 5 takes only the words and the added tokens of `tokenizer.json` for BERT's classes; how
text is lower-cased and split follows from `tokenizer_config.json`. Model-agnostic classes keep
everything that `tokenizer.json` says.
"""

import collections
import json

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from tfdistill.data.added_tokens import add_tokens
from tfdistill.data.tokenizer_files import (
    CLS,
    SEP,
    SERIALISED,
    SETTINGS,
    UNK,
    VOCABULARY,
    TokenizerFiles,
)

# Names may end in "Fast". The others of transformers split text in ways of their own.
BERT_CLASSES = frozenset(
    ("BertTokenizer", "DistilBertTokenizer", "MobileBertTokenizer", "ElectraTokenizer")
)
AGNOSTIC = "PreTrainedTokenizer"  # or "TokenizersBackend": what tokenizer.json says
AGNOSTIC_CLASSES = frozenset((AGNOSTIC, "TokenizersBackend", "PythonBackend"))
# Models whose tokenizer is BERT's where no file names a class.
BERT_MODELS = frozenset(("bert", "distilbert", "mobilebert", "electra"))
# Of words: from here on a vocabulary looks like that of a model which tells capitals apart.
CASED_SHARE = 0.05

_CASING = ("do_lower_case", "strip_accents", "tokenize_chinese_chars")
_DEFAULTS = (True, None, True)
_BERTS_OWN = ("WordPiece", UNK, "##", 100, "BertNormalizer", True, "BertPreTokenizer")


def read_folder(directory, name):
    """Builds the tokenizer of a folder.

    Args:
        directory: `Path` of a folder with tokenizer.json or vocab.txt, and perhaps
            tokenizer_config.json, added_tokens.json, special_tokens_map.json and config.json.
        name: what messages call it.

    Returns:
        (`tokenizers.Tokenizer`, dict of tokenizer_config.json, list of lines that say what was
        taken where the files disagree or leave something open).

    Raises:
        UserError: the files are damaged, name another kind of tokenizer, or contradict each other.
    """
    files = TokenizerFiles(directory, name)
    kind = _class_of(files)
    try:
        backend = _bert(files, kind) if kind in BERT_CLASSES else _agnostic(files, kind)
        _compare_words(files, backend)
        add_tokens(files, backend, kind)
    except (KeyError, TypeError, AttributeError, ValueError) as error:  # of another shape
        raise files.damaged(f"{type(error).__name__}: {error}") from None
    backend.post_processor = processors.TemplateProcessing(
        single=f"{CLS}:0 $A:0 {SEP}:0",
        pair=f"{CLS}:0 $A:0 {SEP}:0 $B:1 {SEP}:1",
        special_tokens=[(token, backend.token_to_id(token)) for token in (CLS, SEP)],
    )
    # A sentence encoder's file may ask to cut and pad every text.
    backend.no_truncation()
    backend.no_padding()
    return backend, files.settings, files.notes


def bert_settings(state):
    """The settings of a tokenizer that is BERT's own.

    Args:
        state: the content of a `tokenizer.json`.

    Returns:
        dict of do_lower_case, strip_accents and tokenize_chinese_chars; None where text is split
        in any other way than BERT's.
    """
    model, normalizer = state["model"], state.get("normalizer") or {}
    found = {
        "type": model.get("type", "WordPiece"),  # old files leave it out
        "unk_token": model.get("unk_token"),
        "prefix": model.get("continuing_subword_prefix"),
        "longest": model.get("max_input_chars_per_word"),
        "normalizer": normalizer.get("type"),
        "clean_text": normalizer.get("clean_text"),
        "pre_tokenizer": (state.get("pre_tokenizer") or {}).get("type"),
    }
    if tuple(found.values()) != _BERTS_OWN:
        return None
    names = ("lowercase", "strip_accents", "handle_chinese_chars")
    return dict(zip(_CASING, (normalizer[key] for key in names), strict=True))


def _class_of(files):
    """The class that reads a folder, without "Fast"."""
    named = files.settings.get("tokenizer_class") or files.config.get("tokenizer_class")
    if named:
        kind = str(named).removesuffix("Fast")
        if kind not in BERT_CLASSES | AGNOSTIC_CLASSES:
            raise files.error(
                f"its class {named} is not BERT's WordPiece, and would give other ids than are "
                "read here: name another with --tokenizer"
            )
        return kind
    model = files.config.get("model_type")
    if model and model not in BERT_MODELS:
        raise files.error(
            f"that of a model of type {model}, and no file says that it is BERT's WordPiece: name "
            'another with --tokenizer, or write "tokenizer_class": "BertTokenizer" into its '
            f"{SETTINGS}"
        )
    # transformers does not load a vocab.txt alone; its BertTokenizer does.
    return "BertTokenizer" if model or not files.state else AGNOSTIC


def _bert(files, kind):
    """The words of the folder, split BERT's way with the folder's settings."""
    casing = dict(zip(_CASING, _DEFAULTS, strict=True))
    for key, usual in casing.items():
        casing[key] = files.settings.get(key, usual)
        if not (isinstance(casing[key], bool) or casing[key] is usual):
            raise files.error(f"{SETTINGS}: {key} must be true or false, not {casing[key]!r}")
    words = files.state["model"]["vocab"] if files.state else _read_vocabulary(files)
    if not isinstance(words, dict):
        raise files.error(f"{SERIALISED} holds no WordPiece vocabulary, which {kind} reads")
    backend = tokenizers.Tokenizer(models.WordPiece(words, unk_token=UNK))
    _split_as_bert(backend, casing)
    if files.state and _effect(bert_settings(files.state)) != _effect(casing):
        said = ", ".join(f"{key} {json.dumps(value)}" for key, value in casing.items())
        files.note(
            f"{SERIALISED} splits text otherwise than a {kind} with {said}: these settings were "
            f"taken, as transformers 5 does; the class PreTrainedTokenizerFast in {SETTINGS} would "
            f"take {SERIALISED}'s way"
        )
    if "do_lower_case" not in files.settings and _looks_cased(words):
        files.note(
            "its words look cased, but no file says do_lower_case: text is lower-cased, as "
            f'transformers does; to keep capitals, write "do_lower_case": false into {SETTINGS}'
        )
    return backend


def _agnostic(files, kind):
    """What tokenizer.json says."""
    if not files.state:
        raise files.error(f"its class {kind} needs a {SERIALISED}, and there is none")
    try:
        backend = tokenizers.Tokenizer.from_str(json.dumps(files.state))
    except Exception as error:  # the type that tokenizers raises
        raise files.damaged(error) from None
    said = {key: files.settings[key] for key in _CASING if key in files.settings}
    own = bert_settings(files.state)
    if own:
        _split_as_bert(backend, own)
    if said and (own is None or _effect({**own, **said}) != _effect(own)):
        files.note(
            f"{SETTINGS} and {SERIALISED} disagree on {', '.join(said)}: {SERIALISED} was taken, "
            f'as transformers 5 does; "tokenizer_class": "BertTokenizer" in {SETTINGS} would take '
            "the settings"
        )
    return backend


def _split_as_bert(backend, casing):
    lower, accents, chinese = casing.values()
    backend.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=chinese, strip_accents=accents, lowercase=lower
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix="##")


def _read_vocabulary(files):
    """The words of vocab.txt: dict to their ids."""
    try:
        words = models.WordPiece.read_file(str(files.vocabulary))
    except Exception as error:  # the type that tokenizers raises
        raise files.damaged(f"{VOCABULARY}: {error}") from None
    lines = [line.rstrip() for line in files.vocabulary.read_text("utf-8").split("\n")]
    places = collections.defaultdict(list)
    for number, word in enumerate(lines if lines[-1] else lines[:-1], start=1):
        places[word].append(number)
    for word, numbers in places.items():
        if len(numbers) > 1:
            where = ", ".join(map(str, numbers[:-1]))
            files.note(
                f"{VOCABULARY} has {word!r} in line {where} and again in line {numbers[-1]}: the "
                "last counts, as in transformers, and nothing has the ids of the others"
            )
    return words


def _compare_words(files, backend):
    """Says so where vocab.txt is not what tokenizer.json holds."""
    if not files.state or not files.vocabulary:
        return
    try:
        words = models.WordPiece.read_file(str(files.vocabulary))
    except Exception:  # a file that nobody reads
        words = {}
    known = backend.get_vocab(with_added_tokens=False)
    added = {token["content"]: token["id"] for token in files.state.get("added_tokens", ())}
    if not known.items() <= words.items() <= {**added, **known}.items():
        files.note(
            f"{VOCABULARY} and {SERIALISED} hold different words: {SERIALISED} was taken, as "
            "transformers does"
        )


def _effect(casing):
    """What settings come to: where nothing is said of accents, they go with the capitals."""
    if casing is None:
        return None
    lower, accents, chinese = casing.values()
    return lower, lower if accents is None else accents, chinese


def _looks_cased(words):
    """Some vocabularies without capitals hold <S> or [CLS]; those with them, one word in three."""
    words = [word for word in words if word[:1] not in ("[", "<")]
    return sum(word != word.lower() for word in words) > CASED_SHARE * len(words)
