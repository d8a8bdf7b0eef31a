"""Examples with labels, as they are read from files."""

import dataclasses
import functools
import hashlib
import json

from tfdistill.data.documents import SPLITS
from tfdistill.data.text_files import STRICT


@dataclasses.dataclass(frozen=True, slots=True)
class TextExample:
    """A text, or a pair of texts, with a class or a number.

    Attributes:
        text: str.
        pair: the second text; None without.
        label: str, the name of the class; a float for regression; None if unknown.
        group: key of the examples that stay in one split; None: only those that share a text.
        origin: file and line, "reviews.csv:7".
    """

    text: str
    pair: str | None = None
    label: str | float | None = None
    group: str | None = None
    origin: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class TaggedExample:
    """A sentence whose words have tags.

    Attributes:
        words: tuple of str.
        tags: tuple of str, one for each word; None if unknown.
        origin: file and line of the first word.
    """

    words: tuple
    tags: tuple | None = None
    origin: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class SpanExample:
    """A question whose answers are parts of a context.

    Attributes:
        id: str, the question's key in its file.
        question, context: str.
        answers: tuple of (text, its first character in the context); () if the context has no
            answer, None if it is unknown whether it has.
        group: key of the examples that stay in one split: the article.
        origin: file and the question's id.
    """

    id: str
    question: str
    context: str
    answers: tuple | None = ()
    group: str | None = None
    origin: str = ""


@dataclasses.dataclass(frozen=True)
class LabelledData:
    """The examples of a data set.

    Attributes:
        name: short name, fit for a file name.
        splits: dict of "train", "validation" and "test" to lists of examples. Without training data
            only "test".
        labels: tuple of the names of the classes or tags, in the order of the logits: sorted, or as
            the data set has them; () for numbers and spans.
        notes: tuple of lines that tell people what was read, and how.
        facts: dict of the same for programs.
    """

    name: str
    splits: dict
    labels: tuple = ()
    notes: tuple = ()
    facts: dict = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def fingerprint(self):
        """SHA-256 of the examples and the labels, wherever they were read: a str."""
        found = hashlib.sha256(json.dumps(self.labels).encode())
        # The origin of an example, its last field, does not count.
        for split in SPLITS:
            for example in self.splits.get(split, ()):
                content = [getattr(example, name) for name in example.__slots__[:-1]]
                found.update(json.dumps([split, content]).encode())
        return found.hexdigest()


@dataclasses.dataclass(frozen=True)
class Reading:
    """How files are read.

    Columns have a name, or a position from 1 in files without a header.

    Attributes:
        text: column of the text, of the words of a sentence, or of the question; "" or "text": the
            obvious one.
        pair: column of the second text, or of the context; "": the obvious one.
        label: column of the class, the number or the answers; "": the obvious one.
        tag: column of the tags; "": the obvious one.
        format: "csv", "tsv", "jsonl", "conll" or "squad"; "": by the content of each file.
        skip_bad_rows: whether rows that cannot be read are counted instead of being an error.
        encoding_errors: as for `BadRows`.
    """

    text: str = ""
    pair: str = ""
    label: str = ""
    tag: str = ""
    format: str = ""
    skip_bad_rows: bool = False
    encoding_errors: str = STRICT
