"""Sentences without labels, and pairs of texts on which sentence encoders are measured."""

import hashlib
import itertools

from tfdistill.data.documents import SPLITS
from tfdistill.data.labelled.bad_rows import BadRows
from tfdistill.data.labelled.examples import LabelledData, Reading, TextExample
from tfdistill.data.labelled.opening import data_name, open_labelled, read_named
from tfdistill.data.labelled.sentence_files import has_scores, read_sentences
from tfdistill.data.labelled.splits import MOST, SHARE
from tfdistill.data.labelled.statistics import describe, facts_of, repeats
from tfdistill.data.labelled.text_pairs import FEWEST_PAIRS, pairs_of_corpus
from tfdistill.data.sentence_splitting import sentences_of
from tfdistill.system.errors import UserError

MOST_SENTENCES = 1_000_000  # of a corpus


def open_sentences(files, reading=None, corpus=None, length=None):
    """Reads sentences to train on, and pairs of texts to measure models on.

    Equal sentences are read once. For a split without pairs, sentences are held out and paired.
    Pairs without scores are to get the cosines of a teacher.

    Args:
        files: dict of "train", "validation" and "test" to a file or "hf:NAME[:CONFIG]"; "" for
            none. Training data have a sentence a line, or a column of texts or two.
        reading: `Reading`.
        corpus: `Corpus` whose sentences are trained on where there are no training data.
        length: most tokens of a row, for the pairs of a corpus.

    Returns:
        `LabelledData`: "train" has examples of one text without a label, the others have pairs.

    Raises:
        UserError: there are no such data, or too few; a row cannot be read.
    """
    reading = reading or Reading()
    files = {split: named for split, named in files.items() if named}
    train, bad = files.get("train", ""), BadRows(reading.skip_bad_rows, reading.encoding_errors)
    if train and has_scores(train, reading):
        named = {f"{split}_data": each for split, each in files.items()}
        return as_sentences(open_labelled("numbers", **named, reading=reading))
    texts, notes = read_sentences(train, reading, bad) if train else _sentences_of(corpus)
    name = data_name(train) if train else corpus.name
    splits, more = _read_pairs(files, reading, bad)
    unique = list(dict.fromkeys(texts))
    if len(unique) < len(texts):
        notes.append(f"{len(texts) - len(unique):,} sentences that are there twice, left out")
    examples = [TextExample(text, origin=name) for text in unique]
    missing = [split for split in ("validation", "test") if split not in splits]
    if missing and not train:
        splits |= {each: pairs_of_corpus(corpus, length, each).splits[each] for each in missing}
    elif missing:
        examples, cut = _cut_pairs(examples, missing, train)
        splits |= cut
    splits = {split: ({"train": examples} | splits)[split] for split in SPLITS}
    notes = [*notes, *more, *bad.notes()]
    return _described(name, splits, notes, missing if train else [], bad.facts())


def as_sentences(data):
    """Takes the texts of training pairs as sentences.

    Args:
        data: `LabelledData` of pairs; other splits stay.

    Returns:
        `LabelledData`.
    """
    texts = [text for each in data.splits["train"] for text in (each.text, each.pair) if text]
    train = [TextExample(text, origin=data.name) for text in dict.fromkeys(texts)]
    notes = [note for note in data.notes if not note.startswith("examples: ")]
    counts = {name: data.facts[name] for name in BadRows().facts()}
    return _described(data.name, data.splits | {"train": train}, notes, [], counts)


def _sentences_of(corpus):
    """(sentences, notes) of the training split of a corpus."""
    found = itertools.chain.from_iterable(map(sentences_of, corpus.splits["train"]()))
    texts = list(itertools.islice(found, MOST_SENTENCES))
    if not texts:
        raise UserError(f"`corpus`={corpus.name}: no sentences in it: give more text")
    return texts, [f"sentences of the training split of {corpus.name}"]


def _read_pairs(files, reading, bad):
    """(dict of splits to pairs, notes) of the held-out data that settings name."""
    held_out = {split: named for split, named in files.items() if split != "train"}
    # Without a second column, the text's column is that of the sentences.
    text = reading.text if reading.pair else ""
    own = Reading(text, reading.pair, reading.label, skip_bad_rows=reading.skip_bad_rows)
    splits, notes = read_named("numbers", held_out, own, bad)
    for split, examples in splits.items():
        if examples[0].pair is None:
            raise UserError(
                f"`{split}_data`={files[split]}: one text in a row, and pairs are compared: set "
                "`text_column` and `text_pair_column`"
            )
    if "validation" in splits and "test" not in splits:
        splits["test"] = splits["validation"]
        notes = (*notes, "the validation pairs are the test split, too: `test_data` names others")
    return splits, notes


def _cut_pairs(examples, missing, train):
    """Holds out sentences, in the order of their hashes, and pairs those next to each other.

    Returns:
        (the other examples, dict of the missing splits to pairs).
    """
    hashes = [hashlib.sha256(each.text.encode()).digest() for each in examples]
    order = sorted(range(len(examples)), key=hashes.__getitem__)
    found, start = {}, 0
    for split in missing:
        count = min(MOST[split], int(SHARE * len(examples))) // 2
        if count < FEWEST_PAIRS:
            raise UserError(
                f"`train_data`={train}: {len(examples):,} sentences are too few to hold out pairs: "
                f"give {int(2 * FEWEST_PAIRS / SHARE)} or more, or `validation_data` and "
                "`test_data`, pairs of texts with scores"
            )
        places = sorted(order[start : start + 2 * count])
        start += 2 * count
        found[split] = [
            TextExample(examples[a].text, examples[b].text, origin=examples[a].origin)
            for a, b in zip(places[::2], places[1::2], strict=True)
        ]
    kept = sorted(order[start:])
    return [examples[place] for place in kept], found


def _described(name, splits, notes, cut, counts):
    facts = {"name": name, "kind": "sentences"} | facts_of(splits, ())
    facts |= counts | {"cut_from_train": cut}
    notes = [*notes, *describe(facts, cut)]
    train, facts["duplicates"] = {each.text for each in splits["train"]}, {}
    for split in ("validation", "test"):
        pairs = splits[split]
        if all(each.label is None for each in pairs):
            notes.append(f"{split}: {len(pairs):,} pairs, whose scores are the teacher's cosines")
        known = sum(text in train for each in pairs for text in (each.text, each.pair))
        facts["duplicates"][split] = known
    notes += repeats(facts)
    return LabelledData(name, splits, (), tuple(dict.fromkeys(notes)), facts)
