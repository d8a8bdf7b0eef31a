"""Rows that cannot be read, or are not UTF-8: an error, or counted."""

import json

from tfdistill.data.text_files import MARK, NOT_TEXT, SKIP, STRICT
from tfdistill.system.errors import UserError

CURE = "correct it, or set `skip_bad_rows` to leave such rows out"


class BadRows:
    """Refuses rows that cannot be read, or counts them.

    Args:
        skip: whether they are counted.
        encoding_errors: one of `text_files.ENCODING_ERRORS`: what is done about text that is not
            UTF-8.

    Attributes:
        first: dict of each file with such rows to (origin, problem) of its first one.
        counts: dict of these files to the number of rows.
        not_text: dict of files that are not UTF-8 to the number of lines in which characters were
            replaced, or of rows left out.
        unit: which of both are counted, "lines" or "rows".
    """

    def __init__(self, skip=False, encoding_errors=STRICT):
        self.skip, self.first, self.counts = skip, {}, {}
        self.encoding_errors, self.not_text = encoding_errors, {}
        self.unit = "rows" if encoding_errors == SKIP else "lines"

    def add(self, file, place, problem):
        """Notes a row.

        Args:
            file: the file's name.
            place: the row in the file, such as "7" for a line.
            problem: what is wrong, without a point.

        Raises:
            UserError: such rows are not to be skipped.
        """
        if not self.skip:
            raise UserError(f"{file}:{place}: {problem}: {CURE}")
        self.first.setdefault(file, (place, problem))
        self.counts[file] = self.counts.get(file, 0) + 1

    def add_not_text(self, file, count=1):
        """Counts lines or rows that are not UTF-8.

        Args:
            file: the file's name.
            count: their number.
        """
        if count:
            self.not_text[file] = self.not_text.get(file, 0) + count

    def leaves_out(self, file, row):
        """Whether a row is to be left out, and counted, since it is not UTF-8.

        Args:
            file: the file's name.
            row: what was read of it: str, or lists and dicts of such.
        """
        if self.encoding_errors != SKIP or MARK not in json.dumps(row, ensure_ascii=False):
            return False
        self.add_not_text(file)
        return True

    @property
    def total(self):
        """Bad rows that were left out of all files."""
        return sum(self.counts.values())

    def facts(self):
        """The counts of all files for programs: dict of `bad_rows` and `encoding_errors`."""
        return {"bad_rows": self.total, "encoding_errors": sum(self.not_text.values())}

    def notes(self):
        """A line for each file with such rows, or such text."""
        for file, (place, problem) in self.first.items():
            yield f"{file}: {self.counts[file]:,} bad rows left out; the first, {place}: {problem}"
        for file, count in self.not_text.items():
            done = "left out" if self.encoding_errors == SKIP else "read with U+FFFD"
            yield f"{file}: {count:,} {self.unit} {NOT_TEXT}: {done}"
