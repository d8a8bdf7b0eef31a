"""Writes the files of shards: ids of documents, and where these and their sentences start."""

import collections
import concurrent.futures
import contextlib
import json
import os

import numpy as np

from tfdistill.data.documents import SPLITS
from tfdistill.data.repeats import Repeats
from tfdistill.data.sentence_splitting import all_sentences
from tfdistill.system.errors import UserError
from tfdistill.system.sums import file_digest

MANIFEST = "manifest.json"
CHARACTERS_AT_ONCE = 500_000  # of lines tokenised together
THREADS = 2  # for tokenising; a third one reads


def write_shards(folder, corpus, tokenizer, identity, progress):
    """Writes the shards of all splits, then the manifest.

    Args:
        folder: `pathlib.Path` of an empty folder; see `shards` for the files.
        corpus: a `Corpus`.
        tokenizer: a `Tokenizer`.
        identity: dict, the beginning of the manifest; with "sentences", their starts are written.
        progress: called with the bytes of text done, the bytes in total (None if unknown), and the
            tokens written.

    Raises:
        UserError: the corpus cannot be read, or one of its splits has no text.
        OSError: the shards cannot be written.
    """
    dtype = np.dtype(np.uint16 if tokenizer.vocab_size <= 1 << 16 else np.int32)
    done = tokens = 0

    def report(size, new_tokens):
        nonlocal done, tokens
        done, tokens = done + size, tokens + new_tokens
        progress(min(done, corpus.size or done), corpus.size, tokens)

    statistics, encode = {}, tokenizer.corpus_encoder(corpus.size)
    repeats = Repeats()
    split_lines = all_sentences if identity.get("sentences") else None
    for split in reversed(SPLITS):  # small splits first, so that errors come early
        documents = repeats.watched(split, corpus.splits[split]())
        statistics[split] = _write_split(
            folder, split, documents, encode, tokenizer, dtype, report, split_lines
        )
        if not statistics[split]["tokens"]:
            raise UserError(
                f"corpus {corpus.name}: no text for its {split} split: add text to `corpus`, or "
                "name its files train, validation and test"
            )
        if statistics[split]["unk_share"] == 1:
            raise UserError(
                f"corpus {corpus.name}: the tokenizer knows no word of its {split} split: set "
                "`tokenizer` or `corpus` to another one"
            )
    manifest = {
        **identity,
        "vocab_size": tokenizer.vocab_size,
        "dtype": dtype.name,
        "splits": {split: statistics[split] | repeats.facts(split) for split in SPLITS},
        **({"bad_lines": corpus.bad_lines} if any(corpus.bad_lines.values()) else {}),
        "files": {file.name: file.stat().st_size for file in sorted(folder.iterdir())},
        "sha256": {file.name: file_digest(file) for file in sorted(folder.iterdir())},
    }
    with _synced(folder / MANIFEST) as file:
        file.write((json.dumps(manifest, indent=2) + "\n").encode())
    if done < (corpus.size or 0):  # blank lines were not counted
        progress(corpus.size, corpus.size, tokens)


def _write_split(folder, split, documents, encode, tokenizer, dtype, report, split_lines=None):
    """Writes one split's files and returns its statistics.

    `split_lines`: function of a document's lines to its sentences, whose starts are then written.
    """
    counts = np.zeros(tokenizer.vocab_size, np.int64)
    offsets, sentences = [], []
    written = text_bytes = 0
    current = -1  # number of the document that is open
    documents = map(split_lines, documents) if split_lines else documents
    lines = ((number, line) for number, document in enumerate(documents) for line in document)
    with _synced(folder / f"{split}.ids.bin") as file:
        for numbers, batch, (ids, lengths) in _encoded(_batched(lines), encode):
            starts, current_after = _document_starts(np.array(numbers), lengths, current)
            is_open, current = current >= 0, current_after
            # An open document ends where the next one begins.
            ends = starts if is_open else starts[1:]
            offsets.append(written + starts + np.arange(len(starts)) + is_open)
            if split_lines:
                sentences.append(written + _line_starts(lengths, ends))
            new = _append(file, np.insert(ids, ends, tokenizer.sep_id), dtype, counts)
            written += new
            size = len("\n".join(batch).encode()) + 1
            text_bytes += size
            report(size, new)
        if current >= 0:
            written += _append(file, np.array([tokenizer.sep_id]), dtype, counts)
    offsets = np.concatenate([np.zeros(0, np.int64), *offsets])
    arrays = {"offsets": offsets, "counts": counts}
    if split_lines:
        arrays["sentences"] = np.concatenate([np.zeros(0, np.int64), *sentences])
    for name, array in arrays.items():
        with _synced(folder / f"{split}.{name}.bin") as file:
            file.write(array.tobytes())
    tokens = written - len(offsets)
    return {
        "documents": len(offsets),
        "tokens": tokens,
        "bytes": text_bytes,
        "unk_share": float(counts[tokenizer.unk_id]) / max(tokens, 1),
    }


def _encoded(batches, encode):
    """Yields (numbers, lines, result of `encode`), in order; reads ahead meanwhile."""
    pool = concurrent.futures.ThreadPoolExecutor(THREADS)
    ahead = collections.deque()
    try:
        for numbers, lines in batches:
            ahead.append((numbers, lines, pool.submit(encode, lines)))
            if len(ahead) > THREADS:
                *batch, future = ahead.popleft()
                yield *batch, future.result()
        for *batch, future in ahead:
            yield *batch, future.result()
    finally:  # after an error, the rest is not needed
        pool.shutdown(cancel_futures=True)


def _document_starts(numbers, lengths, current):
    """Finds where documents begin in the ids of some lines, and the one that is open at their end.

    Args:
        numbers: int (lines,), the document of each line.
        lengths: int (lines,), number of ids; a document begins with its first line that has ids.
        current: the document that was open before; -1 for none.

    Returns:
        (int64 (documents,), int).
    """
    kept = np.flatnonzero(lengths)
    if not len(kept):
        return kept, current
    before = np.concatenate([[current], numbers[kept[:-1]]])
    first = kept[numbers[kept] != before]
    return (np.cumsum(lengths) - lengths)[first], numbers[kept[-1]]


def _line_starts(lengths, ends):
    """Finds where lines begin, once a [SEP] stands at the end of each document.

    Args:
        lengths: int (lines,), number of ids.
        ends: int, ascending: where documents end in the ids of the lines alone.

    Returns:
        int64, of the lines that have ids.
    """
    starts = (np.cumsum(lengths) - lengths)[np.flatnonzero(lengths)]
    return starts + np.searchsorted(ends, starts, side="right")


def _append(file, ids, dtype, counts):
    """Appends ids to a file, adds them to the counts and returns their number."""
    file.write(ids.astype(dtype).tobytes())
    counts += np.bincount(ids, minlength=len(counts))
    return len(ids)


def _batched(lines):
    """Yields (document numbers, lines) with about `CHARACTERS_AT_ONCE` characters."""
    numbers, batch, size = [], [], 0
    for number, line in lines:
        numbers.append(number)
        batch.append(line)
        size += len(line)
        if size >= CHARACTERS_AT_ONCE:
            yield numbers, batch
            numbers, batch, size = [], [], 0
    if batch:
        yield numbers, batch


@contextlib.contextmanager
def _synced(path):
    """Opens a file for writing; when it is closed, its content is on the disk, not in a cache."""
    try:
        with open(path, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk names no file
        raise
