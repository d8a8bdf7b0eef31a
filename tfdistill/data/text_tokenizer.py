"""Tokenizers by the roles of their special tokens, for tasks that read texts and their labels."""

import copy
import functools
import hashlib
import json
from pathlib import Path

import tokenizers

from tfdistill.data.spare_rows import fits
from tfdistill.data.tokenizer_files import FILES
from tfdistill.data.tokenizer_reading import read_folder
from tfdistill.data.tokenizer_writing import write_folder
from tfdistill.system.errors import UserError
from tfdistill.system.hub import downloaded

BUNDLED = Path(__file__).parent.parent / "assets" / "bert-base-uncased"
# Model types whose tokenizers give no token types in transformers.
WITHOUT_TYPES = ("distilbert", "roberta", "xlm-roberta")
# transformers writes a longer model_max_length if the length is unknown.
LONGEST = 1_000_000
# A hidden word in a text that is read by `TextTokenizer.with_hidden_words`: a character for
# private use.
HIDDEN = "\uf0f0"


class TextTokenizer:
    """A Hugging Face tokenizer of any vocabulary; `load_text_tokenizer` makes one.

    Args:
        backend: a `tokenizers.Tokenizer` whose post-processor frames texts and pairs.
        settings: dict of the `tokenizer_config.json` that came with it.
        notes: lines about files that disagree, and the choice that was made.
        roles: its `Roles`.

    Attributes:
        vocab_size: rows that a model's table needs: the largest id plus one.
        pad_id: id of the token that fills rows.
        roles: the `Roles`.
        role_ids: dict of the names of roles to ids, of roles that a token has.
        max_length: most tokens of a text, special ones included; None if no file says it.
        notes: the lines.
        state: the content of its tokenizer.json, as a dict.
        text_state: the same for plain text: a "[CLS]", "[SEP]", "[PAD]" or "[MASK]" in it is split
            like any other word.
    """

    def __init__(self, backend, settings, notes, roles):
        settings = settings or {}
        self._tokenizer, self.notes, self.roles = backend, tuple(notes), roles
        inputs = settings.get("model_input_names", ["token_type_ids"])
        of_distilbert = str(settings.get("tokenizer_class")).startswith("DistilBert")
        self._token_types = "token_type_ids" in inputs and not of_distilbert
        longest = settings.get("model_max_length")
        self.max_length = longest if isinstance(longest, int) and longest < LONGEST else None
        self.vocab_size = max(backend.get_vocab().values()) + 1
        named = {role: token for role, token in roles._asdict().items() if token}
        ids = {role: backend.token_to_id(token) for role, token in named.items()}
        self.role_ids = {role: each for role, each in ids.items() if each is not None}
        self.pad_id = self.role_ids["pad"]
        self.state = json.loads(backend.to_str())
        self.text_state = _state_for_text(self.state, roles.frame)
        self._template = self.state["post_processor"]

    @functools.cached_property
    def text_hash(self):
        """Equal for tokenizers that give texts and pairs the same rows: a str."""
        content = f"{self.text_pipeline().to_str()} {self.pad_id}"
        return hashlib.sha256(content.encode()).hexdigest()

    @functools.cached_property
    def vocabulary_hash(self):
        """SHA-256 of the tokens in the order of their ids: a str."""
        tokens = [self.id_to_token(i) for i in range(self.vocab_size)]
        return hashlib.sha256(json.dumps(tokens).encode()).hexdigest()

    def require_table(self, rows, model):
        """Refuses a model whose vocabulary table has the wrong length for this tokenizer.

        Args:
            rows: number of rows of the table; it may have spare rows (see `data.spare_rows`).
            model: name of the model in messages.

        Raises:
            UserError: there are fewer rows than ids, or too many for padding.
        """
        if not fits(rows, self.vocab_size):
            raise UserError(
                f"`tokenizer`: {self.vocab_size} tokens, but {model} has {rows}: their "
                "vocabularies differ; use the tokenizer that the model was trained with"
            )

    def text_pipeline(self):
        """A new `tokenizers.Tokenizer` for texts and pairs of texts.

        It adds the special tokens and token types of the tokenizer's template; in the texts, the
        tokens of a frame, such as [CLS] and [SEP], are words. Truncation may be switched on.
        """
        state = {**self.text_state, "post_processor": self._template}
        return tokenizers.Tokenizer.from_str(json.dumps(state))

    def with_hidden_words(self):
        """The same tokenizer for texts in which `HIDDEN` stands for its mask token.

        Returns:
            A `TextTokenizer`.

        Raises:
            UserError: it has no mask token.
        """
        mask = self.roles.mask
        if not mask:
            raise UserError(
                "`augmentation`: words are hidden by a mask token, which a tokenizer of the run "
                "lacks: set `tokenizer`, or name another `teacher`"
            )
        found, state = copy.copy(self), self.text_state
        (token,) = (each for each in self.state["added_tokens"] if each["content"] == mask)
        token = token | {"content": HIDDEN, "lstrip": False, "rstrip": False, "normalized": False}
        words = state["model"]["vocab"]
        if isinstance(words, dict):
            words = {(HIDDEN if i == token["id"] else word): i for word, i in words.items()}
        else:  # of Unigram, whose ids are places
            words = list(words)
            words[token["id"]] = [HIDDEN, 0.0]
        tokens = sorted([*state["added_tokens"], token], key=lambda each: each["id"])
        state = {**state, "added_tokens": tokens, "model": {**state["model"], "vocab": words}}
        found.text_state = state
        found.__dict__.pop("text_hash", None)  # of the other state
        return found

    def id_to_token(self, i):
        """Returns the token of an id, or None."""
        return self._tokenizer.id_to_token(int(i))

    def decode(self, ids):
        """Returns the text of ids, special tokens included."""
        return self._tokenizer.decode([int(i) for i in ids], skip_special_tokens=False)

    def text_of(self, i):
        """The text of a token that stands alone, without the sign that it continues a word."""
        prefix = self.state["model"].get("continuing_subword_prefix") or ""
        text = self._tokenizer.decode([int(i)], skip_special_tokens=False)
        return text.removeprefix(prefix).strip()

    def save(self, directory, model_type=None, max_length=None):
        """Writes files with which transformers gives the same ids.

        Args:
            directory: an existing folder.
            model_type: type of the model beside it, such as "bert" or "distilbert", which
                decides whether there are token types; None: as in the files that were loaded.
            max_length: most tokens of a text, [CLS] and [SEP] included; None: as loaded.

        Example:
            import tfdistill

            tfdistill.load_tokenizer("runs/mini/student").save("elsewhere", max_length=64)
        """
        token_types = model_type not in WITHOUT_TYPES if model_type else self._token_types
        length = max_length or self.max_length
        write_folder(
            self._tokenizer, directory, self.roles, token_types=token_types, max_length=length
        )


def load_text_tokenizer(source="", words=False):
    """Loads a tokenizer whose special tokens may have any name, with the ids of transformers 5.

    Args:
        source: as for `load_tokenizer`.
        words: whether for sentences that are split into words. A vocabulary of bytes has words with
            the blank before them; then each word is read as if it had one.

    Returns:
        A `TextTokenizer`.

    Raises:
        UserError: it is missing, damaged, of an unknown class, or has no token to begin, end or
            fill rows with.

    Example:
        tokenizer = load_text_tokenizer("a_folder")
        tokenizer.text_pipeline().encode("The whale.", "A ship.").ids
    """
    backend, *others = read_folder(*find_folder(source), by_role=True)
    if words:
        state = json.loads(backend.to_str())
        state["pre_tokenizer"] = _with_blanks(state["pre_tokenizer"])
        backend = tokenizers.Tokenizer.from_str(json.dumps(state))
    return TextTokenizer(backend, *others)


def find_folder(source):
    """Finds the folder of a tokenizer; downloads it if it is on the hub.

    Args:
        source: a directory, a hub name, or "" for the bundled bert-base-uncased.

    Returns:
        (its `Path`, its name in messages).

    Raises:
        UserError: there is no such folder.
    """
    directory = Path(source) if source else BUNDLED
    if not directory.is_dir():
        directory = downloaded("tokenizer", source, list(FILES))
    return directory, source or BUNDLED.name


def _state_for_text(state, frame):
    """The content of a `tokenizer.json`, without the tokens that only frame a text."""
    added = [token for token in state["added_tokens"] if token["content"] not in frame]
    framing = [token for token in state["added_tokens"] if token["content"] in frame]
    words = state["model"]["vocab"]
    # Ids of added tokens start at its length.
    if isinstance(words, dict):
        words = words | {token["content"]: token["id"] for token in framing}
    else:  # of Unigram, which finds its pieces in a text wherever they stand
        words = [[f"\0{w}" if w in frame else w, score] for w, score in words]
        framing.sort(key=lambda token: token["id"])
        words += [[f"\0{t['content']}", 0.0] for t in framing if t["id"] >= len(words)]
    state = {**state, "added_tokens": added, "post_processor": None}
    return {**state, "model": {**state["model"], "vocab": words}}


def _with_blanks(pre_tokenizer):
    """A pre-tokenizer of bytes that puts a blank before each text."""
    found = dict(pre_tokenizer or {})
    if "pretokenizers" in found:
        found["pretokenizers"] = [_with_blanks(each) for each in found["pretokenizers"]]
    if found.get("type") == "ByteLevel":
        found["add_prefix_space"] = True
    return found or None
