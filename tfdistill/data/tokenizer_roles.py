"""The special tokens of a tokenizer by their roles, whatever their names."""

from typing import NamedTuple

from tfdistill.data.tokenizer_files import CLS, MASK, PAD, SEP, SPECIAL_MAP, UNK

DECODER = "added_tokens_decoder"


class Roles(NamedTuple):
    """Special tokens; "" for a role that no token has.

    Attributes:
        unk: for text that the vocabulary does not know.
        sep: ends a text.
        pad: fills rows.
        cls: begins a row.
        mask: hides a token in masked LM.
    """

    unk: str
    sep: str
    pad: str
    cls: str
    mask: str

    @property
    def frame(self):
        """The tokens that only frame a text: in a text they are words. A frozenset of str."""
        return frozenset((self.pad, self.cls, self.sep, self.mask)) - {""}

    def settings(self):
        """As in `tokenizer_config.json`: dict of "pad_token" and others to tokens."""
        return {f"{role}_token": token for role, token in self._asdict().items() if token}


BERT = Roles(UNK, SEP, PAD, CLS, MASK)
ROBERTA = Roles("<unk>", "</s>", "<pad>", "<s>", "<mask>")


def special_settings(files):
    """The settings in which transformers looks for special tokens: a dict.

    Args:
        files: `TokenizerFiles`.
    """
    settings = dict(files.settings)
    return settings if DECODER in settings else settings | files.read(SPECIAL_MAP)


def find_roles(files, usual):
    """Finds the special tokens that the files of a folder name.

    Args:
        files: `TokenizerFiles`.
        usual: `Roles` of the class that reads the folder; None: of a class without, for which
            BERT's and RoBERTa's names are looked for in `tokenizer.json`.

    Returns:
        `Roles`.
    """
    settings, words = special_settings(files), set()
    if usual is None:
        vocabulary = files.state["model"]["vocab"]
        words = {word if isinstance(word, str) else word[0] for word in vocabulary}
        words |= {token["content"] for token in files.state.get("added_tokens", ())}
    found = {}
    for role in Roles._fields:
        names = [getattr(each, role) for each in (BERT, ROBERTA)]
        own = getattr(usual, role) if usual else next((n for n in names if n in words), "")
        given = settings.get(f"{role}_token") or own
        found[role] = given if isinstance(given, str) else given["content"]
    return Roles(**found)
