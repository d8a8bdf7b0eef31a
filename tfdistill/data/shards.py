"""Shards: tokenised text on disk, prepared once per corpus and tokenizer, then memory-mapped.

A prepared corpus is a folder with these files of each split and a manifest:

    SPLIT.ids.bin       token ids of the documents one after the other, [SEP] after each document
    SPLIT.offsets.bin   int64, where each document starts in the ids
    SPLIT.counts.bin    int64 (vocab,), how often each id occurs
    SPLIT.sentences.bin int64, where each sentence starts in the ids; only if it was asked for
    manifest.json       corpus and tokenizer, the statistics, and the sizes of the files

The folder is written under another name and renamed when it is complete.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np

from tfdistill.data.documents import SPLITS, UNKNOWN
from tfdistill.data.sentence_splitting import all_sentences
from tfdistill.system.errors import UserError
from tfdistill.system.files import locked

FORMAT = 1
MANIFEST = "manifest.json"
CHARACTERS_AT_ONCE = 500_000  # of lines tokenised together
MUCH_UNKNOWN = 0.05  # share of [UNK] in a split's tokens
FEW_TOKENS = 500  # of held-out text: about 75 predictions, a standard error of about 5 points
THREADS = 2  # for tokenising; a third one reads


@dataclasses.dataclass(frozen=True)
class Shard:
    """One split of a prepared corpus.

    Attributes:
        ids: memory-mapped uint16 or int32 (tokens,): the documents, each ended by [SEP].
        offsets: int64 (documents,), where each document starts in `ids`.
        counts: int64 (vocab,), how often each id occurs in `ids`.
        sentences: int64 (sentences,), where each sentence starts in `ids`; None for a corpus that
            was prepared without.
    """

    ids: np.ndarray
    offsets: np.ndarray
    counts: np.ndarray
    sentences: np.ndarray | None = None


class PreparedCorpus:
    """A folder that `prepare` wrote.

    Attributes:
        directory: its `Path`.
        manifest: the content of its manifest.json.
    """

    def __init__(self, directory, manifest):
        self.directory = directory
        self.manifest = manifest

    @property
    def statistics(self):
        """dict of splits to dicts of "documents", "tokens", "bytes" and "unk_share".

        "tokens" leaves out the [SEP] after each document; "bytes" counts the text that was
        tokenised; "unk_share" is the share of [UNK] in the tokens.
        """
        return self.manifest["splits"]

    @property
    def warnings(self):
        """Warnings about text that makes a run useless: a list of lines."""
        return [*self._unknown_words(), *self._little_held_out_text()]

    def _unknown_words(self):
        shares = {split: facts["unk_share"] for split, facts in self.statistics.items()}
        many = {split: share for split, share in shares.items() if share > MUCH_UNKNOWN}
        if not many:
            return []
        where = ", ".join(f"{share:.1%} of {split}" for split, share in many.items())
        return [
            f"warning: {UNKNOWN} is {where}: the tokenizer does not know the words or letters of "
            "this text; set `tokenizer` (or `teacher`) or `corpus` to another one"
        ]

    def _little_held_out_text(self):
        tokens = {split: self.statistics[split]["tokens"] for split in ("validation", "test")}
        few = [f"{split} has {count:,}" for split, count in tokens.items() if count < FEW_TOKENS]
        if not few:
            return []
        return [
            f"warning: {', '.join(few)} tokens, fewer than {FEW_TOKENS:,}: too little text to "
            "measure a model on; add text to `corpus`"
        ]

    def shard(self, split):
        """Opens the `Shard` of "train", "validation" or "test"."""
        ids = np.memmap(self._file(split, "ids"), self.manifest["dtype"], mode="r")
        names = ["offsets", "counts"] + ["sentences"] * bool(self.manifest.get("sentences"))
        return Shard(ids, *(np.fromfile(self._file(split, name), np.int64) for name in names))

    def _file(self, split, part):
        return self.directory / f"{split}.{part}.bin"


def prepare(corpus, tokenizer, shards_dir, progress=None, begin=lambda: None, sentences=False):
    """Tokenises a corpus into shards, unless they exist.

    If another process prepares the same corpus, this one waits for it. An interrupted preparation
    leaves nothing that could be taken for a prepared corpus.

    Args:
        corpus: a `Corpus`.
        tokenizer: a `Tokenizer`.
        shards_dir: folder of all prepared corpora; created if missing.
        progress: called with the bytes of text done, the bytes in total (None if unknown), and the
            tokens written.
        begin: called before the work, if there is any.
        sentences: whether to find where sentences start, too (see `sentence_splitting`).

    Returns:
        A `PreparedCorpus`.

    Raises:
        UserError: the corpus cannot be read, or one of its splits has no text.
        OSError: the shards cannot be written.
    """
    identity = {
        "format": FORMAT,
        "corpus": corpus.name,
        "fingerprint": corpus.fingerprint,
        "tokenizer": tokenizer.hash,
    }
    named = corpus.fingerprint + tokenizer.hash
    if sentences:
        identity["sentences"], named = True, f"{named} sentences"
    key = hashlib.sha256(named.encode()).hexdigest()[:12]
    directory = Path(shards_dir) / f"{corpus.name}-{key}"
    if prepared := _reuse(directory, identity):
        return prepared
    directory.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(directory.parent)
    with locked(_lock_file(directory)):
        if prepared := _reuse(directory, identity):  # another process made it meanwhile
            return prepared
        partial = directory.with_name(f".{directory.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            begin()
            _write(partial, corpus, tokenizer, identity, progress or (lambda *_: None))
            if directory.exists():  # damaged, or of another format
                shutil.rmtree(directory)
            os.rename(partial, directory)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return _reuse(directory, identity)


def _reuse(directory, identity):
    """Returns the `PreparedCorpus` of a folder, or None if it is incomplete or another."""
    try:
        manifest = json.loads((directory / MANIFEST).read_text("utf-8"))
        sizes = {name: (directory / name).stat().st_size for name in manifest["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    known = {name: manifest.get(name) for name in identity}
    if known != identity or sizes != manifest["files"]:
        return None
    return PreparedCorpus(directory, manifest)


def _write(folder, corpus, tokenizer, identity, progress):
    """Writes the shards of all splits, then the manifest."""
    dtype = np.dtype(np.uint16 if tokenizer.vocab_size <= 1 << 16 else np.int32)
    done = tokens = 0

    def report(size, new_tokens):
        nonlocal done, tokens
        done, tokens = done + size, tokens + new_tokens
        progress(min(done, corpus.size or done), corpus.size, tokens)

    statistics, encode = {}, tokenizer.corpus_encoder(corpus.size)
    split_lines = all_sentences if identity.get("sentences") else None
    for split in reversed(SPLITS):  # small splits first, so that errors come early
        documents = corpus.splits[split]()
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
        "splits": {split: statistics[split] for split in SPLITS},
        "files": {file.name: file.stat().st_size for file in sorted(folder.iterdir())},
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


def _lock_file(directory):
    return directory.with_name(f".{directory.name}.lock")


def _remove_stale(shards_dir):
    """Removes the folders that killed preparations left behind."""
    for partial in shards_dir.glob(".*.partial"):
        lock = _lock_file(shards_dir / partial.name[1:].removesuffix(".partial"))
        with contextlib.suppress(BlockingIOError), locked(lock, wait=False):
            shutil.rmtree(partial, ignore_errors=True)
