"""Shards: tokenised text on disk, prepared once per corpus and tokenizer, then memory-mapped.

A prepared corpus is a folder with these files of each split and a manifest:

    SPLIT.ids.bin       token ids of the documents one after the other, [SEP] after each document
    SPLIT.offsets.bin   int64, where each document starts in the ids
    SPLIT.counts.bin    int64 (vocab,), how often each id occurs
    SPLIT.sentences.bin int64, where each sentence starts in the ids; only if it was asked for
    manifest.json       corpus and tokenizer, the statistics, sizes and checksums of the files

The folder is written under another name and renamed when it is complete.
"""

import contextlib
import dataclasses
import hashlib
import os
import shutil
from pathlib import Path

import numpy as np

from tfdistill.data import repeats
from tfdistill.data.documents import SPLITS, UNKNOWN
from tfdistill.data.shard_files import MANIFEST, write_shards
from tfdistill.data.text_files import NOT_TEXT
from tfdistill.system import strict_json
from tfdistill.system.files import locked
from tfdistill.system.sums import file_digest

FORMAT = 1
MUCH_UNKNOWN = 0.05  # share of [UNK] in a split's tokens
_WIDTHS = {"uint16": 2, "int32": 4}  # bytes of an id
FEW_TOKENS = 500  # of held-out text: about 75 predictions, a standard error of about 5 points


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

    Args:
        directory: its `Path`.
        manifest: the content of its manifest.json.
        was_damaged: whether it was made because an earlier one was damaged.

    Attributes:
        directory, manifest: the same.
    """

    def __init__(self, directory, manifest, was_damaged=False):
        self.directory, self.manifest, self._was_damaged = directory, manifest, was_damaged

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
        again = (
            f"warning: {self.directory} was damaged or of an earlier version, and was made again"
        )
        return [
            *([again] if self._was_damaged else []),
            *self._unknown_words(),
            *self._little_held_out_text(),
            *repeats.warnings_of(self.statistics),
            *self._bad_lines(),
        ]

    def _bad_lines(self):
        for split, count in self.manifest.get("bad_lines", {}).items():
            if count:
                yield f"{count:,} lines of {split} {NOT_TEXT}: read as `encoding_errors` says"

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
    directory, identity = _place(corpus, tokenizer, shards_dir, sentences)
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
            write_shards(partial, corpus, tokenizer, identity, progress or (lambda *_: None))
            damaged = directory.exists()  # or of another format
            if damaged:
                shutil.rmtree(directory)
            os.rename(partial, directory)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return PreparedCorpus(directory, _reuse(directory, identity).manifest, damaged)


def find_prepared(corpus, tokenizer, shards_dir, sentences=False):
    """The `PreparedCorpus` that `prepare` would use again; None if it would have to be made.

    Args:
        corpus, tokenizer, shards_dir, sentences: as for `prepare`.
    """
    return _reuse(*_place(corpus, tokenizer, shards_dir, sentences))


def _place(corpus, tokenizer, shards_dir, sentences):
    """(folder, identity) of a prepared corpus."""
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
    return Path(shards_dir) / f"{corpus.name}-{key}", identity


def _reuse(directory, identity):
    """Returns the `PreparedCorpus` of a folder, or None if it is incomplete or another."""
    try:
        manifest = strict_json.parse((directory / MANIFEST).read_bytes())
        sizes = {name: (directory / name).stat().st_size for name in manifest["files"]}
        fit = all(sizes[name] == size for name, size in _sizes(manifest).items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    known = {name: manifest.get(name) for name in identity}
    if known != identity or sizes != manifest["files"] or not fit:
        return None
    # Folders of earlier versions have no checksums.
    sums = manifest.get("sha256", {})
    if any(file_digest(directory / name) != digest for name, digest in sums.items()):
        return None
    return PreparedCorpus(directory, manifest)


def _sizes(manifest):
    """The sizes of files that follow from the statistics: dict of their names to bytes."""
    width, found = _WIDTHS[manifest["dtype"]], {}
    for split in SPLITS:
        facts = manifest["splits"][split]
        documents, tokens = facts["documents"], facts["tokens"]
        if not 0 < documents <= tokens or not 0 <= facts["unk_share"] <= 1 or facts["bytes"] < 0:
            raise ValueError(f"statistics of {split}")
        found[f"{split}.ids.bin"] = width * (documents + tokens)
        found[f"{split}.offsets.bin"] = 8 * documents
        found[f"{split}.counts.bin"] = 8 * manifest["vocab_size"]
    return found


def _lock_file(directory):
    return directory.with_name(f".{directory.name}.lock")


def _remove_stale(shards_dir):
    """Removes the folders that killed preparations left behind."""
    for partial in shards_dir.glob(".*.partial"):
        lock = _lock_file(shards_dir / partial.name[1:].removesuffix(".partial"))
        with contextlib.suppress(BlockingIOError), locked(lock, wait=False):
            shutil.rmtree(partial, ignore_errors=True)
