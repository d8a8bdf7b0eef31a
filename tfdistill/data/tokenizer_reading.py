"""Reads the tokenizer in a folder as transformers 5 does.

For BERT's classes, transformers 5 takes only the words and the added tokens from `tokenizer.json`;
`tokenizer_config.json` decides how text is lower-cased and split. Model-agnostic classes take
everything from `tokenizer.json`. For the classes of RoBERTa and DeBERTa see `tokenizer_roberta` and
`tokenizer_deberta`.
"""

import collections
import json

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from tfdistill.data import tokenizer_deberta, tokenizer_roberta
from tfdistill.data.added_tokens import add_tokens
from tfdistill.data.tokenizer_deberta import DEBERTA_CLASS, build_deberta
from tfdistill.data.tokenizer_files import SERIALISED, SETTINGS, UNK, VOCABULARY, TokenizerFiles
from tfdistill.data.tokenizer_roberta import ROBERTA_CLASSES, build_roberta, roberta_frame
from tfdistill.data.tokenizer_roles import BERT, ROBERTA, find_roles

# Names may end in "Fast". Other classes of transformers split text in other ways.
BERT_CLASSES = frozenset(
    ("BertTokenizer", "DistilBertTokenizer", "MobileBertTokenizer", "ElectraTokenizer")
)
AGNOSTIC = "PreTrainedTokenizer"  # or "TokenizersBackend": as in tokenizer.json
AGNOSTIC_CLASSES = frozenset((AGNOSTIC, "TokenizersBackend", "PythonBackend"))
# Classes that need a tokenizer.json, and those of model types whose folder names none.
SERIALISED_CLASSES = ROBERTA_CLASSES | {DEBERTA_CLASS}
OF_MODEL = tokenizer_roberta.OF_MODEL | tokenizer_deberta.OF_MODEL
# Model types whose tokenizer is BERT's if no file names a class.
OWN_MODELS = ("tfdistill_bilstm", "tfdistill_static")  # that transformers does not have
BERT_MODELS = frozenset(("bert", "distilbert", "mobilebert", "electra", *OWN_MODELS))
# Share of words with capitals from which a vocabulary counts as cased.
CASED_SHARE = 0.05
# Ids may have gaps, but the largest one decides how large the tables of a model are.
SPARSEST, SPARE_IDS = 16, 1 << 16

_CASING = ("do_lower_case", "strip_accents", "tokenize_chinese_chars")
_DEFAULTS = (True, None, True)
_BERTS_OWN = ("WordPiece", "##", 100, "BertNormalizer", True, "BertPreTokenizer")


def read_folder(directory, name, by_role=False):
    """Builds the tokenizer of a folder.

    Args:
        directory: `Path` of a folder with tokenizer.json or vocab.txt, and perhaps
            tokenizer_config.json, added_tokens.json, special_tokens_map.json and config.json.
        name: name of the tokenizer in messages.
        by_role: whether special tokens may have any name, and the vocabulary be of any kind; else
            they are those of BERT's WordPiece.

    Returns:
        (`tokenizers.Tokenizer`, dict of tokenizer_config.json, list of lines about files that
        disagree or leave something open, `Roles` of the special tokens).

    Raises:
        UserError: the files are damaged, name another kind of tokenizer, or contradict each other.
    """
    files = TokenizerFiles(directory, name)
    try:
        kind = _class_by_role(files) if by_role else _class_of(files)
        roles = find_roles(files, _usual_roles(kind)) if by_role else BERT
        if kind in ROBERTA_CLASSES:
            backend = build_roberta(files, kind)
        elif kind == DEBERTA_CLASS:
            backend = build_deberta(files, roles.unk)
        else:
            build = _bert if kind in BERT_CLASSES else _agnostic
            backend = build(files, kind, roles.unk)
        _compare_words(files, backend)
        add_tokens(files, backend, kind, roles)
        roles = _frame(files, backend, kind, roles)
    except (KeyError, TypeError, AttributeError, ValueError) as error:  # of another shape
        raise files.damaged(f"{type(error).__name__}: {error}") from None
    words = backend.get_vocab()
    if max(words.values()) > SPARSEST * len(words) + SPARE_IDS:
        raise files.damaged(f"{len(words):,} tokens, and ids up to {max(words.values()):,}")
    # Files of sentence encoders may request truncation and padding.
    backend.no_truncation()
    backend.no_padding()
    return backend, files.settings, files.notes, roles


def _usual_roles(kind):
    if kind in BERT_CLASSES or kind == DEBERTA_CLASS:
        return BERT
    return ROBERTA if kind in ROBERTA_CLASSES else None


def _frame(files, backend, kind, roles):
    """Sets how texts and pairs are framed: the `Roles`, completed by a file's own frame."""
    if kind in ROBERTA_CLASSES:
        backend.post_processor = roberta_frame(files, backend, kind, roles)
    backend.no_truncation()
    backend.no_padding()
    own = backend.encode("").tokens
    # A file's own template may frame pairs otherwise. BERT's models need both tokens.
    if own == [roles.cls, roles.sep] or (roles != BERT and _begins_with_special(backend)):
        roles = roles._replace(cls=roles.cls or own[0], sep=roles.sep or own[-1])
    else:
        _require(files, roles, "cls", "sep")
        backend.post_processor = processors.TemplateProcessing(
            single=f"{roles.cls}:0 $A:0 {roles.sep}:0",
            pair=f"{roles.cls}:0 $A:0 {roles.sep}:0 $B:1 {roles.sep}:1",
            special_tokens=[(t, backend.token_to_id(t)) for t in (roles.cls, roles.sep)],
        )
    _require(files, roles, "pad")
    return roles


def _begins_with_special(backend):
    return backend.encode("a").sequence_ids[:1] == [None]


def _require(files, roles, *needed):
    for role in needed:
        if not getattr(roles, role):
            raise files.error(f"no file names its {role}_token: write it into {SETTINGS}")


def bert_settings(state, unknown=UNK):
    """The settings of a tokenizer that splits text like BERT's.

    Args:
        state: the content of a `tokenizer.json`.
        unknown: the token of unknown words.

    Returns:
        dict of do_lower_case, strip_accents and tokenize_chinese_chars; None if text is split in
        another way.
    """
    model, normalizer = state["model"], state.get("normalizer") or {}
    found = {
        "type": model.get("type", "WordPiece"),  # old files leave it out
        "prefix": model.get("continuing_subword_prefix"),
        "longest": model.get("max_input_chars_per_word"),
        "normalizer": normalizer.get("type"),
        "clean_text": normalizer.get("clean_text"),
        "pre_tokenizer": (state.get("pre_tokenizer") or {}).get("type"),
    }
    if tuple(found.values()) != _BERTS_OWN or model.get("unk_token") != unknown:
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
                f"its class {named} is not BERT's WordPiece and would give other ids: set "
                "`tokenizer` to another one"
            )
        return kind
    model = files.config.get("model_type")
    if model and model not in BERT_MODELS:
        raise files.error(
            f"its model type is {model}, and no file says that it is BERT's WordPiece: set "
            '`tokenizer` to another one, or write "tokenizer_class": "BertTokenizer" into its '
            f"{SETTINGS}"
        )
    # transformers does not load a vocab.txt alone; its BertTokenizer does.
    return "BertTokenizer" if model or not files.state else AGNOSTIC


def _class_by_role(files):
    """The class that reads a folder whose special tokens may have any name, without "Fast"."""
    named = files.settings.get("tokenizer_class") or files.config.get("tokenizer_class")
    if named:
        kind = str(named).removesuffix("Fast")
        if kind not in BERT_CLASSES | AGNOSTIC_CLASSES | SERIALISED_CLASSES:
            raise files.error(
                f"its class {named} is unknown: set `tokenizer` to another one, or write "
                f'"tokenizer_class": "PreTrainedTokenizerFast" into its {SETTINGS}, which reads '
                f"{SERIALISED} as it is"
            )
        if kind in SERIALISED_CLASSES and not files.state:
            raise files.error(f"its class {kind} needs a {SERIALISED}, but there is none")
        return kind
    model = files.config.get("model_type")
    if model in OF_MODEL and files.state:
        return OF_MODEL[model]
    pieces = files.state.get("model", {}).get("type", "WordPiece") == "WordPiece"
    if not files.state or (model in BERT_MODELS and pieces):
        return "BertTokenizer"
    return AGNOSTIC


def _bert(files, kind, unknown):
    """A tokenizer with the folder's words and settings that splits text like BERT."""
    casing = dict(zip(_CASING, _DEFAULTS, strict=True))
    for key, usual in casing.items():
        casing[key] = files.settings.get(key, usual)
        if not (isinstance(casing[key], bool) or casing[key] is usual):
            raise files.error(f"{SETTINGS}: {key} must be true or false, not {casing[key]!r}")
    words = files.state["model"]["vocab"] if files.state else _read_vocabulary(files)
    other = files.state and files.state["model"].get("type", "WordPiece") != "WordPiece"
    if other or not isinstance(words, dict):
        raise files.error(f"{SERIALISED} holds no WordPiece vocabulary, but {kind} needs one")
    backend = tokenizers.Tokenizer(models.WordPiece(words, unk_token=unknown))
    _split_as_bert(backend, casing)
    if files.state and _effect(bert_settings(files.state, unknown)) != _effect(casing):
        shown = ", ".join(f"{key} {json.dumps(value)}" for key, value in casing.items())
        files.note(
            f"{SERIALISED} splits text differently from a {kind} with {shown}: these settings were "
            f"used, as in transformers 5; the class PreTrainedTokenizerFast in {SETTINGS} would "
            f"use {SERIALISED}"
        )
    if "do_lower_case" not in files.settings and _looks_cased(words):
        files.note(
            "its words look cased, but no file sets do_lower_case: text is lower-cased, as in "
            f'transformers; to keep capitals, write "do_lower_case": false into {SETTINGS}'
        )
    return backend


def _agnostic(files, kind, unknown):
    """The tokenizer of tokenizer.json."""
    if not files.state:
        raise files.error(f"its class {kind} needs a {SERIALISED}, but there is none")
    try:
        backend = tokenizers.Tokenizer.from_str(json.dumps(files.state))
    except Exception as error:  # the type that tokenizers raises
        raise files.damaged(error) from None
    given = {key: files.settings[key] for key in _CASING if key in files.settings}
    own = bert_settings(files.state, unknown)
    if own:
        _split_as_bert(backend, own)
    if given and (own is None or _effect({**own, **given}) != _effect(own)):
        files.note(
            f"{SETTINGS} and {SERIALISED} disagree on {', '.join(given)}: {SERIALISED} was used, "
            f'as in transformers 5; "tokenizer_class": "BertTokenizer" in {SETTINGS} would use the '
            "settings"
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
                "last one counts, as in transformers, and the other ids have no word"
            )
    return words


def _compare_words(files, backend):
    """Adds a note if vocab.txt and tokenizer.json hold different words."""
    if not files.state or not files.vocabulary:
        return
    try:
        words = models.WordPiece.read_file(str(files.vocabulary))
    except Exception:  # this file is not used
        words = {}
    known = backend.get_vocab(with_added_tokens=False)
    added = {token["content"]: token["id"] for token in files.state.get("added_tokens", ())}
    if not known.items() <= words.items() <= {**added, **known}.items():
        files.note(
            f"{VOCABULARY} and {SERIALISED} hold different words: {SERIALISED} was used, as in "
            "transformers"
        )


def _effect(casing):
    """The effect of settings: accents are stripped with lower-casing, unless set otherwise."""
    if casing is None:
        return None
    lower, accents, chinese = casing.values()
    return lower, lower if accents is None else accents, chinese


def _looks_cased(words):
    """Whether words have capitals: one word in three of a cased vocabulary does."""
    words = [word for word in words if word[:1] not in ("[", "<")]
    return sum(word != word.lower() for word in words) > CASED_SHARE * len(words)
