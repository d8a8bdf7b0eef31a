"""Word vectors from files, and the nearest words of a word."""

import codecs
import io
import re
from pathlib import Path

import numpy as np

from tfdistill.data.text_files import PACKED, READ_ERRORS
from tfdistill.system.arrays import open_array
from tfdistill.system.errors import UserError

MOST_WORDS = 100_000  # of a file, the first ones: files have the frequent words first
MOST_NUMBERS = 10_000  # of a vector
LONGEST_LINE = 1 << 20  # bytes
LARGEST = 1e15  # whose square is a float32
AT_ONCE = 256  # words that are looked up
_HEADER = re.compile(rb"[0-9]+ [0-9]+\s*")


class WordVectors:
    """Vectors of words.

    Args:
        words: list of str, the frequent ones first; of a word that stands twice, the first counts.
        vectors: float (words, width); a word with zeros alone has no vector.
    """

    def __init__(self, words, vectors):
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        self._words, self._rows = [word.lower() for word in words], {}
        for row, word in enumerate(self._words):
            if length[row] > 0:
                self._rows.setdefault(word, row)
        self._vectors = (vectors / np.where(length > 0, length, 1)).astype(np.float32)
        # Candidates are words of letters alone, once each.
        rows = (row for word, row in self._rows.items() if word.isalpha())
        self._candidates = np.array([*rows], np.int64)

    def __len__(self):
        return len(self._rows)

    def of(self, words):
        """Finds the vectors of words.

        Args:
            words: iterable of str; capitals do not count.

        Returns:
            dict of those that have one to float32 (width,), of length 1.
        """
        rows = {word: self._rows.get(word.lower()) for word in words}
        return {word: self._vectors[row] for word, row in rows.items() if row is not None}

    def nearest(self, words, count):
        """Finds the words whose vectors have the largest cosine with those of some words.

        Args:
            words: list of str; capitals do not count.
            count: number of neighbours of each.

        Returns:
            dict of the words that have a vector to tuples of str, the nearest first.
        """
        words = list(dict.fromkeys(word for word in words if word.lower() in self._rows))
        found, among = {}, self._vectors[self._candidates]
        for start in range(0, len(words), AT_ONCE):
            part = words[start : start + AT_ONCE]
            rows = np.array([self._rows[word.lower()] for word in part])
            cosines = self._vectors[rows] @ among.T
            cosines[rows[:, None] == self._candidates] = -2.0  # the word itself
            most = max(0, min(count, len(among) - 1))
            for word, values in zip(part, cosines, strict=True):
                # The few largest, in the order of the file where two are equal.
                largest = (
                    np.flatnonzero(values >= np.partition(values, -most)[-most]) if most else []
                )
                order = sorted(largest, key=lambda place: (-values[place], place))[:most]
                found[word] = tuple(self._words[self._candidates[place]] for place in order)
        return found


def load_word_vectors(path):
    """Reads word vectors.

    Args:
        path: a text file of GloVe (a word and its numbers in each line) or of word2vec (the same
            after a line with both sizes), which may be packed; word2vec's binary file; or a `.npy`
            file with an array (words, width), and the words beside it, one a line, in a file of the
            same name that ends in `.txt`, or in `words.txt`.

    Returns:
        `WordVectors` of at most the first 100,000 words.

    Raises:
        UserError: the file is missing, damaged or of another format.
    """
    path = Path(path)
    try:
        if path.suffix == ".npy":
            words, vectors = _from_array(path)
        else:
            with PACKED.get(path.suffix, open)(path, "rb") as stream:
                words, vectors = _from_stream(io.BufferedReader(stream), path)
    except READ_ERRORS as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"`word_vectors`={path} cannot be read: {reason}") from None
    with np.errstate(over="ignore"):
        vectors = np.asarray(vectors, np.float32)
    if not np.abs(vectors).max(initial=0) < LARGEST:
        raise UserError(f"`word_vectors`={path} has a number that is NaN or over {LARGEST:.0e}")
    return WordVectors(words, vectors)


def _from_array(path):
    beside = [path.with_suffix(".txt"), path.with_name("words.txt")]
    file = next((each for each in beside if each.is_file()), None)
    if file is None:
        raise UserError(
            f"`word_vectors`={path}: the words are missing: put them into {beside[0].name}, one a "
            "line"
        )
    try:
        vectors = open_array(path)
        # Not by splitlines, which also divides words at rare signs, such as U+0085.
        words = file.read_text("utf-8-sig").removesuffix("\n").split("\n")
    except UserError as error:
        raise UserError(f"`word_vectors`={error.message}: give a file of numpy.save") from None
    except UnicodeDecodeError:
        raise UserError(f"`word_vectors`={path}: {file.name} is not UTF-8: convert it") from None
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu" or len(vectors) != len(words):
        raise UserError(
            f"`word_vectors`={path} has {vectors.dtype} of the shape {vectors.shape}, and "
            f"{file.name} {len(words)} words: each word needs a row"
        )
    return words[:MOST_WORDS], vectors[:MOST_WORDS]


def _from_stream(stream, path):
    if stream.peek(len(codecs.BOM_UTF8)).startswith(codecs.BOM_UTF8):
        stream.read(len(codecs.BOM_UTF8))
    first, _, rest = stream.peek(1 << 12).partition(b"\n")
    if not _HEADER.fullmatch(first):
        return _from_lines(stream, path)
    count, width = map(int, stream.readline().split())
    line, is_whole, _ = rest.partition(b"\n")
    numbers = line.split() if is_whole else line.split()[:-1]
    if _all_numbers(numbers[1:]) and len(numbers) > 1:
        return _from_lines(stream, path, width)
    if not 0 < width <= MOST_NUMBERS:
        raise UserError(f"`word_vectors`={path}: vectors of {width:.6g} numbers: damaged")
    return _from_binary(stream, path, min(count, MOST_WORDS), width)


def _from_lines(stream, path, width=None):
    words, rows = [], []
    lines = iter(lambda: stream.readline(LONGEST_LINE), b"")
    for number, line in enumerate(lines, 1 if width is None else 2):
        if len(words) == MOST_WORDS:
            break
        parts = line.rstrip().split(b" ")
        width = width or len(parts) - 1
        # A word may hold blanks: the numbers are the last parts.
        word, numbers = b" ".join(parts[:-width]), parts[-width:]
        is_long = len(parts) > width + 1 and _all_numbers(parts[-width - 1 : -width])
        if width < 1 or not word or len(numbers) < width or is_long or not _all_numbers(numbers):
            raise UserError(
                f"`word_vectors`={path}: line {number} is no word with {max(width, 1)} numbers: "
                "give word vectors of GloVe or word2vec, or .npy"
            )
        words.append(word.decode("utf-8", "replace"))
        with np.errstate(over="ignore"):
            rows.append(np.array(numbers, np.float32))
    if not words:
        raise UserError(f"`word_vectors`={path} is empty: give word vectors")
    return words, np.stack(rows)


def _from_binary(stream, path, count, width):
    words, rows = [], []  # not of the size that the header promises
    for row in range(count):
        word = bytearray()
        while (letter := stream.read(1)) not in (b" ", b"") and len(word) < LONGEST_LINE:
            word += letter
        numbers = stream.read(4 * width)
        if len(numbers) < 4 * width:
            raise UserError(
                f"`word_vectors`={path} ends after {row} of {count} words: get the whole file"
            )
        words.append(bytes(word).lstrip(b"\n").decode("utf-8", "replace"))
        rows.append(np.frombuffer(numbers, "<f4"))
    if not words:
        raise UserError(f"`word_vectors`={path} is empty: give word vectors")
    return words, np.stack(rows)


def _all_numbers(parts):
    try:
        return bool(np.isfinite([float(part) for part in parts]).all())
    except ValueError:
        return False
