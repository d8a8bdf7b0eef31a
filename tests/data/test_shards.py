"""Prepared corpora: their content, and interrupted preparations."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tfdistill.data import shard_files, shards
from tfdistill.data.corpus import Corpus, open_corpus
from tfdistill.data.documents import SPLITS
from tfdistill.data.shard_files import CHARACTERS_AT_ONCE
from tfdistill.data.shards import prepare
from tfdistill.system.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def corpus_of(documents, name="small"):
    """A corpus with the same documents in all splits."""
    return Corpus(name, "fingerprint", {split: lambda: iter(documents) for split in SPLITS}, None)


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


class Unused:
    """A tokenizer that must not be used."""

    def __init__(self, tokenizer):
        self.hash = tokenizer.hash


def test_documents_follow_one_another_each_with_its_sep(tokenizer, tmp_path):
    documents = [["the whale", "the ship ."], ["whale"], ["\u200b"], ["the", "[UNK] sea"]]
    prepared = prepare(corpus_of(documents), tokenizer, tmp_path)
    shard = prepared.shard("train")
    text = "the whale the ship . [SEP] whale [SEP] the [UNK] sea [SEP]"
    tokens = [tokenizer.id_to_token(i) for i in shard.ids]
    assert tokens == text.split()
    assert isinstance(shard.ids, np.memmap) and shard.ids.dtype == np.uint16
    assert shard.offsets.tolist() == [0, 6, 8]  # the document without any token is none
    assert shard.counts.dtype == np.int64
    np.testing.assert_array_equal(shard.counts, np.bincount(shard.ids, minlength=30522))
    statistics = prepared.statistics["train"]
    size = sum(len(line.encode()) + 1 for document in documents for line in document)
    assert statistics == {"documents": 3, "tokens": 9, "bytes": size, "unk_share": 1 / 9}


@pytest.mark.parametrize("tokens, few", [(499, True), (500, False)])
def test_held_out_text_too_short_to_measure_on_gets_a_warning(tokenizer, tmp_path, tokens, few):
    warnings = prepare(corpus_of([["whale " * tokens]]), tokenizer, tmp_path).warnings
    expected = (
        "warning: validation has 499, test has 499 tokens, fewer than 500: too little text to "
        "measure a model on; add text to `corpus`"
    )
    warnings = [line for line in warnings if "too little text" in line]
    assert warnings == ([expected] if few else [])


@pytest.mark.parametrize("words, unknown", [(94, 6), (95, 5)])
def test_a_text_of_unknown_words_gets_a_warning(tokenizer, tmp_path, words, unknown):
    corpus = corpus_of([["whale " * words + "[UNK] " * unknown]])
    found = prepare(corpus, tokenizer, tmp_path).warnings
    warnings = [warning for warning in found if "[UNK]" in warning]
    assert len(warnings) == (unknown > 5)
    for warning in warnings:
        assert warning.startswith("warning: [UNK] is 6.0% of train, 6.0% of validation")
        assert "set `tokenizer`" in warning and "\n" not in warning


def test_ids_beyond_16_bits(tokenizer, tmp_path, monkeypatch):
    wide = Unused(tokenizer)
    wide.vocab_size, wide.sep_id, wide.unk_id = 70_000, 69_999, 1
    wide.corpus_encoder = lambda size: (
        lambda lines: (
            np.tile([65_536, 3], len(lines)),
            np.full(len(lines), 2),
        )
    )
    shard = prepare(corpus_of([["a"]]), wide, tmp_path).shard("test")
    assert shard.ids.dtype == np.int32 and shard.ids.tolist() == [65_536, 3, 69_999]


def test_text_that_is_tokenised_in_parts(tokenizer, tmp_path):
    documents = [
        [f"{word} {i} " * 2000 for i in range(n)] for word, n in (("whale", 50), ("sea", 9))
    ]
    shard = prepare(corpus_of(documents), tokenizer, tmp_path).shard("train")
    assert sum(len(line) for lines in documents for line in lines) > CHARACTERS_AT_ONCE
    expected = [
        [i for ids in tokenizer.encode_lines(lines) for i in ids] + [tokenizer.sep_id]
        for lines in documents
    ]
    assert shard.offsets.tolist() == [0, len(expected[0])]
    np.testing.assert_array_equal(shard.ids, np.concatenate(expected))


def test_prepared_once(tokenizer, tmp_path):
    first = prepare(open_corpus("sample"), tokenizer, tmp_path)
    again = prepare(open_corpus("sample"), Unused(tokenizer), tmp_path)
    assert again.directory == first.directory and again.manifest == first.manifest
    assert first.directory.name.startswith("sample-") and visible(tmp_path) == [
        first.directory.name
    ]
    assert first.statistics["train"]["documents"] == 224
    assert sum(first.statistics[split]["unk_share"] for split in SPLITS) < 1e-4


def test_other_tokenizers_and_texts_have_other_folders(tokenizer, tmp_path, shared_data):
    from tfdistill.data.tokenizer import load_tokenizer

    (tmp_path / "text.txt").write_text("one line\n" * 100)
    corpus = open_corpus(str(tmp_path / "text.txt"))
    cased = load_tokenizer(str(shared_data / "bert-base-cased"))
    folders = [prepare(corpus, t, tmp_path / "shards").directory for t in (tokenizer, cased)]
    (tmp_path / "text.txt").write_text("one line\n" * 99 + "another\n")
    corpus = open_corpus(str(tmp_path / "text.txt"))
    folders.append(prepare(corpus, tokenizer, tmp_path / "shards").directory)
    assert len(set(folders)) == 3


def damage_size(directory):
    with open(directory / "train.ids.bin", "ab") as file:
        file.truncate(4)


def damage_manifest(directory):
    (directory / "manifest.json").write_text('{"format": 1')


def change_format(directory):
    manifest = json.loads((directory / "manifest.json").read_text())
    (directory / "manifest.json").write_text(json.dumps({**manifest, "format": 0}))


def lose_file(directory):
    (directory / "test.counts.bin").unlink()


def flip_a_bit(directory):
    ids = bytearray((directory / "train.ids.bin").read_bytes())
    ids[0] ^= 1
    (directory / "train.ids.bin").write_bytes(ids)


def list_manifest(directory):
    (directory / "manifest.json").write_text("[]")


@pytest.mark.parametrize(
    "damage", [damage_size, damage_manifest, change_format, lose_file, list_manifest, flip_a_bit]
)
def test_damaged_shards_are_made_again(tokenizer, tmp_path, damage):
    corpus = corpus_of([["one", "two"], ["three"]])
    first = prepare(corpus, tokenizer, tmp_path)
    ids = first.shard("train").ids.tolist()
    damage(first.directory)
    again = prepare(corpus, tokenizer, tmp_path)
    assert again.manifest == first.manifest and again.shard("train").ids.tolist() == ids
    assert visible(tmp_path) == [first.directory.name]


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("documents", [[], [["\u200b"]]])
def test_a_split_without_text_is_refused(tokenizer, tmp_path, split, documents):
    corpus = corpus_of([["text"]])
    corpus.splits[split] = lambda: iter(documents)
    with pytest.raises(UserError, match=f"no text for its {split} split"):
        prepare(corpus, tokenizer, tmp_path)
    assert visible(tmp_path) == []


@pytest.mark.parametrize("ending", ["", "\n\n\n", "no line end"])
def test_progress_reaches_the_size_of_the_text_once(tokenizer, tmp_path, ending):
    (tmp_path / "text.txt").write_text("one line\n" * 1000 + ending)
    seen, size = [], 9000 + len(ending)
    corpus = open_corpus(str(tmp_path / "text.txt"))
    prepare(corpus, tokenizer, tmp_path / "shards", progress=lambda *all: seen.append(all))
    assert seen == sorted(seen) and all(total == size for _, total, _ in seen)
    assert [done for done, _, _ in seen].count(size) == 1 and seen[-1][0] == size
    assert 0 < seen[0][2] < 2000 <= seen[-1][2]


class Failing(Unused):
    """A tokenizer that fails at the second split."""

    def __init__(self, tokenizer, error):
        super().__init__(tokenizer)
        self.tokenizer, self.error, self.calls = tokenizer, error, 0
        self.vocab_size, self.sep_id = tokenizer.vocab_size, tokenizer.sep_id
        self.unk_id = tokenizer.unk_id

    def corpus_encoder(self, size):
        def encode(lines):
            self.calls += 1
            if self.calls == 2:
                raise self.error
            return self.tokenizer.encode_flat(lines)

        return encode


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError(28, "disk full")])
def test_an_exception_leaves_nothing(tokenizer, tmp_path, error):
    corpus = corpus_of([["one two three"]])
    with pytest.raises(error if isinstance(error, type) else OSError):
        prepare(corpus, Failing(tokenizer, error), tmp_path)
    assert visible(tmp_path) == []
    assert prepare(corpus, tokenizer, tmp_path).statistics["train"]["tokens"] == 3


SLOW = """
import sys, time
from tfdistill.data.corpus import open_corpus
from tfdistill.data.shards import prepare
from tfdistill.data.tokenizer import load_tokenizer

class Slow:
    def __init__(self, tokenizer):
        self.tokenizer, self.calls = tokenizer, 0

    def __getattr__(self, name):
        return getattr(self.tokenizer, name)

    def corpus_encoder(self, size):
        return self.encode

    def encode(self, lines):
        self.calls += 1
        if self.calls == 2:
            print("written", flush=True)
            time.sleep(60)
        return self.tokenizer.encode_flat(lines)

prepare(open_corpus("sample"), Slow(load_tokenizer()), sys.argv[1])
"""


def start_slow_preparation(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(folder)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout.readline() == "written\n"
    return process


def test_kill_9_leaves_nothing_that_is_taken_for_shards(tokenizer, tmp_path):
    with start_slow_preparation(tmp_path) as process:
        (partial,) = visible(tmp_path)
        assert partial.startswith(".sample-")
        # Another corpus, prepared meanwhile, does not take the live folder for a dead one.
        other = prepare(corpus_of([["text"]], "other"), tokenizer, tmp_path)
        assert visible(tmp_path) == [partial, other.directory.name]
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert (tmp_path / partial).exists()
    third = prepare(corpus_of([["text"]], "third"), tokenizer, tmp_path)  # cleans up
    assert visible(tmp_path) == sorted([other.directory.name, third.directory.name])
    prepared = prepare(open_corpus("sample"), tokenizer, tmp_path)
    assert prepared.statistics["train"]["documents"] == 224
    reference = prepare(open_corpus("sample"), tokenizer, tmp_path / "fresh")
    assert prepared.manifest == reference.manifest


def test_a_second_preparation_waits_for_the_first(tokenizer, tmp_path):
    encoded, waiting = [], threading.Event()

    class Slow(Unused):
        vocab_size, sep_id, unk_id = tokenizer.vocab_size, tokenizer.sep_id, tokenizer.unk_id

        def corpus_encoder(self, size):
            def encode(lines):
                encoded.append(len(lines))
                waiting.wait(10)
                return tokenizer.encode_flat(lines)

            return encode

    corpus, results = corpus_of([["one"], ["two"]]), []
    threads = [
        threading.Thread(target=lambda: results.append(prepare(corpus, Slow(tokenizer), tmp_path)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    while not encoded:
        time.sleep(0.01)
    time.sleep(0.1)
    waiting.set()
    for thread in threads:
        thread.join()
    assert len(results) == 3 and encoded == [2, 2, 2]  # the three splits, once
    assert visible(tmp_path) == [results[0].directory.name]


def test_shards_are_found_in_a_folder_that_cannot_be_written(tokenizer, tmp_path, monkeypatch):
    corpus = corpus_of([["one"]])
    first = prepare(corpus, tokenizer, tmp_path)

    def refuse(*_, **__):
        raise PermissionError(13, "read-only")

    monkeypatch.setattr(os, "mkdir", refuse)
    monkeypatch.setattr(shards, "locked", refuse)
    assert prepare(corpus, tokenizer, tmp_path).manifest == first.manifest


def test_wikitext_2(tokenizer, tmp_path, shared_data):
    prepared = prepare(open_corpus("wikitext-2", str(shared_data)), tokenizer, tmp_path)
    statistics = prepared.statistics
    assert [statistics[split]["documents"] for split in SPLITS] == [600, 60, 60]
    # The words that WikiText-2 does not know, as many as its files have.
    for split, word in zip(SPLITS, ("train", "valid", "test"), strict=True):
        text = (shared_data / "wikitext-2" / f"{word}.txt").read_text("utf-8")
        share, tokens = statistics[split]["unk_share"], statistics[split]["tokens"]
        assert text.count("<unk>") <= round(share * tokens) < text.count("<unk>") * 1.01
        shard = prepared.shard(split)
        assert np.count_nonzero(shard.ids == tokenizer.sep_id) == len(shard.offsets)
        assert not np.isin(shard.ids, (tokenizer.pad_id, tokenizer.cls_id, tokenizer.mask_id)).any()
        starts = shard.ids[shard.offsets]
        assert (starts == tokenizer.encode_lines(["="])[0][0]).all()


@pytest.mark.parametrize("at_once", [1, 40, 500_000])
def test_sentences_start_where_they_do(tokenizer, tmp_path, monkeypatch, at_once):
    """Also where documents are tokenised in parts, and lines have no token."""
    monkeypatch.setattr(shard_files, "CHARACTERS_AT_ONCE", at_once)
    wrapped = "the whale swam past the ship, and nobody on deck said"
    documents = [["the whale. The ship.", "\u200b"], ["\u200b"], ["sea"], [wrapped, "a word. Sea."]]
    prepared = prepare(corpus_of(documents), tokenizer, tmp_path, sentences=True)
    shard = prepared.shard("train")
    starts = set(shard.sentences.tolist())
    marked = [
        "| " * (place in starts) + tokenizer.id_to_token(token)
        for place, token in enumerate(shard.ids.tolist())
    ]
    assert " ".join(marked) == (
        "| the whale . | the ship . [SEP] | sea [SEP] "
        "| the whale swam past the ship , and nobody on deck said a word . | sea . [SEP]"
    )
    assert set(shard.offsets.tolist()) <= starts and len(starts) == len(shard.sentences)


def test_sentences_have_a_folder_of_their_own(tokenizer, tmp_path):
    held_out = open_corpus("sample").splits["validation"]
    corpus = Corpus("sample", "print", dict.fromkeys(SPLITS, held_out), None)
    plain = prepare(corpus, tokenizer, tmp_path)
    key = hashlib.sha256((corpus.fingerprint + tokenizer.hash).encode()).hexdigest()[:12]
    assert plain.directory.name == f"sample-{key}"  # runs that began with it continue
    paired = prepare(corpus, tokenizer, tmp_path, sentences=True)
    assert paired.directory != plain.directory and plain.shard("test").sentences is None
    for split in SPLITS:  # the tokens are the same
        ours, theirs = paired.shard(split), plain.shard(split)
        np.testing.assert_array_equal(ours.ids, theirs.ids)
        np.testing.assert_array_equal(ours.offsets, theirs.offsets)
    assert prepare(corpus, Unused(tokenizer), tmp_path, sentences=True).manifest == paired.manifest
