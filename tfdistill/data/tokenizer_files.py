"""The files of a tokenizer's folder, as they are: JSON objects, and lines about what they say."""

import json
from pathlib import Path

from tfdistill.system.errors import UserError
from tfdistill.system.files import refuse_lfs_pointer

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS = (PAD, UNK, CLS, SEP, MASK)
VOCABULARY, SERIALISED, SETTINGS = "vocab.txt", "tokenizer.json", "tokenizer_config.json"
ADDED, SPECIAL_MAP, MODEL = "added_tokens.json", "special_tokens_map.json", "config.json"
FILES = (VOCABULARY, SERIALISED, SETTINGS, ADDED, SPECIAL_MAP, MODEL)


class TokenizerFiles:
    """A folder with tokenizer.json or vocab.txt, and perhaps the others of `FILES`.

    Args:
        directory: `Path` of the folder.
        name: what messages call it.

    Attributes:
        settings: the content of tokenizer_config.json; {} where there is none.
        config: that of config.json.
        state: that of tokenizer.json.
        vocabulary: the `Path` of vocab.txt, or None.
        notes: lines that say what was taken where the files disagree or leave something open.

    Raises:
        UserError: a file is damaged, or neither tokenizer.json nor vocab.txt is there.
    """

    def __init__(self, directory, name):
        self._directory, self._name, self.notes = Path(directory), name, []
        self.settings, self.config = self.read(SETTINGS), self.read(MODEL)
        self.state = self.read(SERIALISED)
        path = self._directory / VOCABULARY
        self.vocabulary = path if path.is_file() else None
        if self.vocabulary:
            refuse_lfs_pointer(path)
        if not self.state and not self.vocabulary:
            raise self.error(f"neither {SERIALISED} nor {VOCABULARY} there")

    def read(self, file):
        """The object in a JSON file: a dict, {} where there is no such file."""
        path = self._directory / file
        if not path.is_file():
            return {}
        refuse_lfs_pointer(path)
        try:
            found = json.loads(path.read_text("utf-8"))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise self.damaged(f"{file}: {error}") from None
        if not isinstance(found, dict):
            raise self.damaged(f"{file} holds no object")
        return found

    def note(self, what):
        """Adds a line to `notes`."""
        self.notes.append(f"tokenizer {self._name}: {what}")

    def error(self, what):
        """A `UserError` about this folder."""
        return UserError(f"tokenizer {self._name}: {what}")

    def damaged(self, error):
        """A `UserError` about files that are not what they should be."""
        return self.error(f"damaged ({error}): name another with --tokenizer")
