"""The tokenizer that a folder's files describe, as transformers reads them.

transformers 5 takes only the words and the added tokens of `tokenizer.json` for BERT's classes; how
text is lower-cased and split follows from `tokenizer_config.json`. Model-agnostic classes keep
everything that `tokenizer.json` says.
"""

import collections
import json
from pathlib import Path

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from tfdistill.errors import UserError

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS = (PAD, UNK, CLS, SEP, MASK)
VOCABULARY, SERIALISED, SETTINGS = "vocab.txt", "tokenizer.json", "tokenizer_config.json"
ADDED, SPECIAL_MAP, MODEL = "added_tokens.json", "special_tokens_map.json", "config.json"
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

_ROLES = {f"{token[1:-1].lower()}_token": token for token in (UNK, SEP, PAD, CLS, MASK)}
_CASING = ("do_lower_case", "strip_accents", "tokenize_chinese_chars")
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
    return _Folder(directory, name).build()


def bert_pipeline(backend, lower=True, accents=None, chinese=True):
    """Gives a `tokenizers.Tokenizer` BERT's normalizer, pre-tokenizer and decoder.

    Args:
        backend: a `tokenizers.Tokenizer`.
        lower: whether text is lower-cased.
        accents: whether accents are stripped; None: where text is lower-cased.
        chinese: whether each Chinese character is a word.
    """
    backend.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=chinese, strip_accents=accents, lowercase=lower
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix="##")


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


class _Folder:
    """The files of a folder, and what follows from them."""

    def __init__(self, directory, name):
        self._directory, self._name, self._notes = Path(directory), name, []
        self._settings, self._config = self._read(SETTINGS), self._read(MODEL)
        self._state = self._read(SERIALISED)
        if not self._state and not (self._directory / VOCABULARY).is_file():
            raise self._error(f"neither {SERIALISED} nor {VOCABULARY} there")

    def build(self):
        """What `read_folder` returns."""
        kind = self._class()
        try:
            backend = self._bert(kind) if kind in BERT_CLASSES else self._agnostic(kind)
        except (KeyError, TypeError, AttributeError) as error:
            raise self._damaged(error) from None
        self._compare_words(backend)
        self._add(backend, kind)
        backend.post_processor = processors.TemplateProcessing(
            single=f"{CLS}:0 $A:0 {SEP}:0",
            pair=f"{CLS}:0 $A:0 {SEP}:0 $B:1 {SEP}:1",
            special_tokens=[(token, backend.token_to_id(token)) for token in (CLS, SEP)],
        )
        # A sentence encoder's file may ask to cut and pad every text.
        backend.no_truncation()
        backend.no_padding()
        return backend, self._settings, self._notes

    def _read(self, file):
        """The object in a JSON file; {} where there is no such file."""
        path = self._directory / file
        if not path.is_file():
            return {}
        try:
            found = json.loads(path.read_text("utf-8"))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise self._damaged(f"{file}: {error}") from None
        if not isinstance(found, dict):
            raise self._damaged(f"{file} holds no object")
        return found

    def _error(self, what):
        return UserError(f"tokenizer {self._name}: {what}")

    def _damaged(self, error):
        return self._error(f"damaged ({error}): name another with --tokenizer")

    def _note(self, what):
        self._notes.append(f"tokenizer {self._name}: {what}")

    def _class(self):
        """The class that reads this folder, without "Fast"."""
        named = self._settings.get("tokenizer_class") or self._config.get("tokenizer_class")
        if named:
            kind = str(named).removesuffix("Fast")
            if kind not in BERT_CLASSES | AGNOSTIC_CLASSES:
                raise self._error(
                    f"its class {named} is not BERT's WordPiece, and would give other ids than "
                    "are read here: name another with --tokenizer"
                )
            return kind
        model = self._config.get("model_type")
        if model and model not in BERT_MODELS:
            raise self._error(
                f"that of a model of type {model}, and no file says that it is BERT's WordPiece: "
                f'name another with --tokenizer, or write "tokenizer_class": "BertTokenizer" '
                f"into its {SETTINGS}"
            )
        # transformers does not load a vocab.txt alone; its BertTokenizer does.
        return "BertTokenizer" if model or not self._state else AGNOSTIC

    def _bert(self, kind):
        casing = dict(zip(_CASING, (True, None, True), strict=True))
        for key in _CASING:
            casing[key] = self._settings.get(key, casing[key])
            if not isinstance(casing[key], bool) and (casing[key], key) != (None, _CASING[1]):
                raise self._error(f"{SETTINGS}: {key} must be true or false, not {casing[key]!r}")
        if self._state:
            words = self._state["model"]["vocab"]
            if not isinstance(words, dict):
                raise self._error(f"{SERIALISED} holds no WordPiece vocabulary, which {kind} reads")
        else:
            words = self._read_vocabulary()
        backend = tokenizers.Tokenizer(models.WordPiece(words, unk_token=UNK))
        bert_pipeline(backend, *casing.values())
        if self._state and not _splits_alike(self._state, casing):
            said = ", ".join(f"{key} {json.dumps(value)}" for key, value in casing.items())
            self._note(
                f"{SERIALISED} splits text otherwise than a {kind} with {said}: these settings "
                "were taken, as transformers 5 does; the class PreTrainedTokenizerFast in "
                f"{SETTINGS} would take {SERIALISED}'s way"
            )
        if _CASING[0] not in self._settings and _looks_cased(words):
            self._note(
                "its words have capitals, but no file says do_lower_case: text is lower-cased, as "
                f'transformers does; to keep capitals, write "do_lower_case": false into {SETTINGS}'
            )
        return backend

    def _agnostic(self, kind):
        if not self._state:
            raise self._error(f"its class {kind} needs a {SERIALISED}, and there is none")
        try:
            backend = tokenizers.Tokenizer.from_str(json.dumps(self._state))
        except Exception as error:  # the type that tokenizers raises
            raise self._damaged(error) from None
        said = {key: self._settings[key] for key in _CASING if key in self._settings}
        own = bert_settings(self._state)
        if own:
            bert_pipeline(backend, *own.values())
        if said and (own is None or not _same_casing({**own, **said}, own)):
            self._note(
                f"{SETTINGS} and {SERIALISED} disagree on {', '.join(said)}: {SERIALISED} was "
                'taken, as transformers 5 does; "tokenizer_class": "BertTokenizer" in '
                f"{SETTINGS} would take the settings"
            )
        return backend

    def _read_vocabulary(self):
        path = self._directory / VOCABULARY
        try:
            words = models.WordPiece.read_file(str(path))
        except Exception as error:  # the type that tokenizers raises
            raise self._damaged(f"{VOCABULARY}: {error}") from None
        lines = [line.rstrip() for line in path.read_text("utf-8").split("\n")]
        lines = lines if lines[-1] else lines[:-1]
        places = collections.defaultdict(list)
        for number, word in enumerate(lines, start=1):
            places[word].append(number)
        for word, numbers in places.items():
            if len(numbers) > 1:
                where = ", ".join(map(str, numbers[:-1]))
                self._note(
                    f"{VOCABULARY} has {word!r} in line {where} and again in line {numbers[-1]}: "
                    "the last counts, as in transformers, and nothing has the ids of the others"
                )
        return words

    def _compare_words(self, backend):
        """Says so where vocab.txt is not what tokenizer.json holds."""
        if not self._state or not (self._directory / VOCABULARY).is_file():
            return
        try:
            words = models.WordPiece.read_file(str(self._directory / VOCABULARY))
        except Exception:  # a file that nobody reads
            words = {}
        known = backend.get_vocab(with_added_tokens=False)
        added = {token["content"]: token["id"] for token in self._state.get("added_tokens", ())}
        if not known.items() <= words.items() <= {**added, **known}.items():
            self._note(
                f"{VOCABULARY} and {SERIALISED} hold different words: {SERIALISED} was taken, as "
                "transformers does"
            )

    def _add(self, backend, kind):
        """Adds the tokens that the files declare, in the order of transformers 5."""
        settings = dict(self._settings)
        if "added_tokens_decoder" not in settings:
            settings |= self._read(SPECIAL_MAP)
        for role, usual in _ROLES.items():
            if settings.get(role) and _content(settings[role]) != usual:
                raise self._error(
                    f"its {role} is {_content(settings[role])}, and BERT's is {usual}: name "
                    "another with --tokenizer"
                )
        roles, more = _special_tokens(settings)
        declared = self._declared(settings, {_content(token) for token in (*roles, *more)})
        lost = [
            token
            for token in SPECIAL_TOKENS
            if backend.token_to_id(token) is None
            and token not in {added.content for added in declared.values()}
        ]
        if lost:
            raise self._error(f"no {', '.join(lost)}, which BERT needs: choose another --tokenizer")
        there = {repr(token) for token in backend.get_added_tokens_decoder().values()}
        new = [token for _, token in sorted(declared.items()) if repr(token) not in there]
        names = {token.content for token in backend.get_added_tokens_decoder().values()}
        names |= {token.content for token in new}
        for token in (*roles, *(_ROLES.values()), *more):
            if _content(token) not in names:
                names.add(_content(token))
                new.append(_special(token))
        named = {*map(_content, roles), *_ROLES.values()}
        for token in new:
            token.special = token.special or token.content in named
        backend.add_tokens(new)
        self._check_ids(backend, declared)
        self._compare_added(backend, kind)

    def _declared(self, settings, special):
        """dict of ids to `AddedToken`s; those of tokenizer.json stand in it already."""
        if "added_tokens_decoder" in settings:
            found = settings["added_tokens_decoder"].items()
            return {int(i): _added_token(token) for i, token in found}
        found = {}
        for word, i in self._read(ADDED).items():
            options = dict(normalized=word not in special, special=word in special)
            found[i] = tokenizers.AddedToken(word, **options)
        for token in self._state.get("added_tokens", ()):
            found[token["id"]] = _added_token(token)
        return found

    def _check_ids(self, backend, declared):
        for i, token in declared.items():
            given = backend.token_to_id(token.content)
            if given != i:
                raise self._error(
                    f"its files give {token.content!r} the id {i}, but after the words before it "
                    f"comes {given}: mend the files, or name another with --tokenizer"
                )
        words = collections.defaultdict(list)
        for word, i in backend.get_vocab().items():
            words[i].append(word)
        for i, same in words.items():
            if len(same) > 1:
                raise self._error(
                    f"{' and '.join(map(repr, sorted(same)))} have the same id, {i}: mend the "
                    "files, or name another with --tokenizer"
                )

    def _compare_added(self, backend, kind):
        """Names the words that one file adds and transformers does not read."""
        words = [token["content"] for token in self._state.get("added_tokens", ())]
        added = {token.content for token in backend.get_added_tokens_decoder().values()}
        left_out = [word for word in (*words, *self._read(ADDED)) if word not in added]
        if left_out:
            self._note(
                f"{', '.join(left_out)} is added by one file and missing in "
                f"added_tokens_decoder of {SETTINGS}: left out, as a {kind} of transformers 5 does"
            )


def _special_tokens(settings):
    """(Tokens that have a role, extra special ones), as they stand in `tokenizer_config.json`."""
    extra = settings.get("extra_special_tokens") or settings.get("additional_special_tokens") or ()
    roles = [settings.get(f"{role}_token") for role in "bos eos unk sep pad cls mask".split()]
    named = {key: token for key, token in settings.items() if key.endswith("_token")}
    others = [token for token in named.values() if isinstance(token, str) and token not in roles]
    if isinstance(extra, dict):
        others, extra = [*others, *extra.values()], ()
    return [token for token in (*roles, *others) if token], list(extra)


def _content(token):
    return token if isinstance(token, str) else token["content"]


def _special(token):
    if isinstance(token, str):
        return tokenizers.AddedToken(token, special=True)
    return _added_token({**token, "special": True})


def _added_token(token):
    names = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
    return tokenizers.AddedToken(**{name: token[name] for name in names if name in token})


def _same_casing(one, other):
    return _effect(one) == _effect(other)


def _effect(casing):
    lower, accents, chinese = (casing[key] for key in _CASING)
    return lower, lower if accents is None else accents, chinese


def _splits_alike(state, casing):
    own = bert_settings(state)
    return own is not None and _same_casing(own, casing)


def _looks_cased(words):
    """Some vocabularies without capitals hold <S> or [CLS]; those with them, one word in three."""
    words = [word for word in words if word[:1] not in ("[", "<")]
    return sum(word != word.lower() for word in words) > CASED_SHARE * len(words)
