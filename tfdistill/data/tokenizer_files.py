"""The files of a tokenizer's folder: their JSON objects, and notes about them."""

from pathlib import Path

from tfdistill.system.errors import UserError
from tfdistill.system.files import refuse_lfs_pointer
from tfdistill.system.strict_json import parse
from tfdistill.system.sums import check_sums

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
VOCABULARY, SERIALISED, SETTINGS = "vocab.txt", "tokenizer.json", "tokenizer_config.json"
ADDED, SPECIAL_MAP, MODEL = "added_tokens.json", "special_tokens_map.json", "config.json"
FILES = (VOCABULARY, SERIALISED, SETTINGS, ADDED, SPECIAL_MAP, MODEL)


class TokenizerFiles:
    """A folder with tokenizer.json or vocab.txt, and perhaps other files of `FILES`.

    Args:
        directory: `Path` of the folder.
        name: name of the tokenizer in messages.

    Attributes:
        settings: dict, the content of tokenizer_config.json; {} if the file is missing.
        config: the content of config.json; {} if there is none.
        state: the content of tokenizer.json; {} if there is none.
        vocabulary: the `Path` of vocab.txt, or None.
        notes: lines about files that disagree or leave something open, and the choice made.

    Raises:
        UserError: a file is damaged, or neither tokenizer.json nor vocab.txt is there.
    """

    def __init__(self, directory, name):
        self._directory, self._name, self.notes = Path(directory), name, []
        check_sums(*(self._directory / file for file in FILES))
        self.settings, self.config = self.read(SETTINGS), self.read(MODEL)
        self.state = self.read(SERIALISED)
        path = self._directory / VOCABULARY
        self.vocabulary = path if path.is_file() else None
        if self.vocabulary:
            refuse_lfs_pointer(path)
        if not self.state and not self.vocabulary:
            raise self.error(
                f"it has neither {SERIALISED} nor {VOCABULARY}: set `tokenizer`, or write the "
                "first with save_pretrained of transformers' AutoTokenizer"
            )

    def read(self, file):
        """The object in a JSON file: a dict, {} if there is no such file."""
        path = self._directory / file
        if not path.is_file():
            return {}
        refuse_lfs_pointer(path)
        try:
            found = parse(path.read_text("utf-8"))
        except ValueError as error:
            raise self.damaged(f"{file}: {error}") from None
        if not isinstance(found, dict):
            raise self.damaged(f"{file} does not hold an object")
        return found

    def note(self, what):
        """Adds a line to `notes`."""
        self.notes.append(f"tokenizer {self._name}: {what}")

    def error(self, what):
        """A `UserError` about this folder."""
        return UserError(f"tokenizer {self._name}: {what}")

    def damaged(self, error):
        """A `UserError` about damaged files."""
        return self.error(f"damaged ({error}): set `tokenizer` to another one")
