"""Rows that cannot be read: an error, or counted."""

from tfdistill.system.errors import UserError

CURE = "correct it, or set `skip_bad_rows` to leave such rows out"


class BadRows:
    """Refuses rows that cannot be read, or counts them.

    Args:
        skip: whether they are counted.

    Attributes:
        first: dict of each file with such rows to (origin, problem) of its first one.
        counts: dict of these files to the number of rows.
    """

    def __init__(self, skip=False):
        self.skip, self.first, self.counts = skip, {}, {}

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

    @property
    def total(self):
        """Rows that were left out of all files."""
        return sum(self.counts.values())

    def notes(self):
        """A line for each file with such rows."""
        for file, (place, problem) in self.first.items():
            yield f"{file}: {self.counts[file]:,} bad rows left out; the first, {place}: {problem}"
