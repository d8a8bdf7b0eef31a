"""Tokenizers of any vocabulary and with any names of special tokens, for tasks with labels."""

import json

import numpy as np
import pytest
import tokenizers
from tokenizers import models, normalizers, pre_tokenizers, processors, trainers

from tfdistill.data.labelled.encoding import (
    FIRST,
    SECOND,
    encode_texts,
    encode_windows,
    encode_words,
)
from tfdistill.data.text_tokenizer import load_text_tokenizer
from tfdistill.data.tokenizer import load_mask_tokenizer, load_tokenizer
from tfdistill.system.errors import UserError

TEXT = [
    "The white whale rose beside the boat, and the ship's crew cried out.",
    "Call me Ishmael. Some years ago, never mind how long precisely;",
    "naïve café 1851 the whale, the whale off Nantucket! é 鯨 unquestionably",
]
NAMES = {"pad": "<pad>", "unk": "<unk>", "cls": "<s>", "sep": "</s>", "mask": "<mask>"}
ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
DEBERTA = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
OTHERS = ["<none>", "<begin>", "<end>", "<fill>"]
AGNOSTIC = {"tokenizer_class": "PreTrainedTokenizerFast"}
SETTINGS = {f"{role}_token": name for role, name in NAMES.items()}
PAIR = ["<s>", "$A", "</s>", "</s>", "$B", "</s>"]


def trained(kind, special):
    """A tokenizer of the text, without a post-processor."""
    if kind == "bpe":
        made = tokenizers.Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    elif kind == "unigram":
        made = tokenizers.Tokenizer(models.Unigram())
        made.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
        )
        trainer = trainers.UnigramTrainer(
            vocab_size=90, special_tokens=special, unk_token="<unk>", show_progress=False
        )
    elif kind == "deberta":  # whose class reads the pieces of unknown characters by their place
        made = tokenizers.Tokenizer(models.Unigram())
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=90, special_tokens=special, unk_token="[UNK]", show_progress=False
        )
    else:
        made = tokenizers.Tokenizer(models.WordPiece(unk_token=special[0]))
        made.normalizer = normalizers.BertNormalizer()
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(
            vocab_size=150, special_tokens=special, show_progress=False
        )
    made.train_from_iterator(TEXT * 3, trainer)
    return made


def folder_of(folder, made, settings, processor=None, config=None):
    folder.mkdir(exist_ok=True)
    if processor:
        made.post_processor = processor(made)
    made.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "config.json").write_text(json.dumps(config or {"model_type": "bert"}))
    return folder


def as_roberta(made):
    ids = {token: made.token_to_id(token) for token in ("</s>", "<s>")}
    return processors.RobertaProcessing(("</s>", ids["</s>"]), ("<s>", ids["<s>"]))


def as_template(made):
    names = [(token, made.token_to_id(token)) for token in ("<s>", "</s>")]
    return processors.TemplateProcessing(single=PAIR[:3], pair=PAIR, special_tokens=names)


def own_names(made):
    names = [(token, made.token_to_id(token)) for token in ("<begin>", "<end>")]
    single, pair = "<begin>:0 $A:0 <end>:0", "<begin>:0 $A:0 <end>:0 $B:1 <end>:1"
    return processors.TemplateProcessing(single=single, pair=pair, special_tokens=names)


ENDS = dict(zip(("unk_token", "cls_token", "sep_token", "pad_token"), OTHERS, strict=True))
CASES = {
    "bytes": ("bpe", ROBERTA, AGNOSTIC | SETTINGS, as_roberta),
    "bytes, template": ("bpe", ROBERTA, AGNOSTIC | SETTINGS, as_template),
    "bytes, RoBERTa's class": ("bpe", ROBERTA, {"tokenizer_class": "RobertaTokenizerFast"}, None),
    "bytes, blank before": (
        "bpe", ROBERTA, {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True}, None,
    ),
    "unigram": ("unigram", ROBERTA, AGNOSTIC | SETTINGS, as_template),
    "unigram, XLM's class": (
        "unigram", ROBERTA, {"tokenizer_class": "XLMRobertaTokenizer"}, as_template,
    ),
    "unigram, DeBERTa's class": (
        "deberta", DEBERTA, {"tokenizer_class": "DebertaV2Tokenizer"}, None,
    ),
    "unigram, DeBERTa's class, lower case": (
        "deberta", DEBERTA, {"tokenizer_class": "DebertaV2TokenizerFast", "do_lower_case": True,
        "split_by_punct": True}, None,
    ),
    "pieces": ("pieces", OTHERS, AGNOSTIC | ENDS, own_names),
    "pieces, BERT's class": ("pieces", OTHERS, {"tokenizer_class": "BertTokenizer"} | ENDS, None),
}  # fmt: skip


@pytest.fixture(scope="module", params=CASES)
def folder(request, tmp_path_factory):
    kind, special, settings, processor = CASES[request.param]
    made = trained(kind, special)
    return folder_of(tmp_path_factory.mktemp("source"), made, settings, processor)


def rows(encoded, array):
    return [array[a:b].tolist() for a, b in zip(encoded.bounds, encoded.bounds[1:], strict=False)]


def test_rows_of_transformers(folder, tmp_path):
    """Alone, in pairs, cut, as words with their indices; as read, and as written and read again."""
    transformers = pytest.importorskip("transformers")
    load_text_tokenizer(str(folder)).save(tmp_path, "bert", 64)
    for place in (folder, tmp_path):
        ours = load_text_tokenizer(str(place))
        theirs = transformers.AutoTokenizer.from_pretrained(place)
        assert not ours.notes and ours.pad_id == theirs.pad_token_id
        assert ours.vocab_size == max(theirs.get_vocab().values()) + 1
        texts, pairs = [*TEXT, "", "a"], [TEXT[2], TEXT[0] * 2, "a b", TEXT[1], ""]
        for length in (14, 30, 500):
            cut = dict(truncation=True, max_length=length)
            alone = encode_texts(ours, texts, [None] * 5, length)
            assert rows(alone, alone.ids) == theirs(texts, **cut)["input_ids"]
            both = encode_texts(ours, texts, pairs, length)
            expected = theirs(texts, pairs, return_token_type_ids=True, **cut)
            assert rows(both, both.ids) == expected["input_ids"]
            assert rows(both, both.types) == expected["token_type_ids"]
            sides = [expected.encodings[i].sequence_ids for i in range(5)]
            assert rows(both, both.sides) == [[-1 if s is None else s for s in r] for r in sides]
    assert (
        load_text_tokenizer(str(tmp_path)).text_hash == load_text_tokenizer(str(folder)).text_hash
    )


def test_words_of_transformers(folder, tmp_path):
    """A vocabulary of bytes reads each word with a blank before it, as inside of a text."""
    transformers = pytest.importorskip("transformers")
    ours = load_text_tokenizer(str(folder), words=True)
    ours.save(tmp_path, "bert", 64)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    sentences = [text.split() for text in TEXT]
    for length in (9, 60):
        found = encode_words(ours, sentences, length)
        cut = dict(truncation=True, max_length=length)
        expected = theirs(sentences, is_split_into_words=True, **cut)
        assert rows(found, found.ids) == expected["input_ids"]
        for row, words in enumerate(rows(found, found.words)):
            its = expected.word_ids(row)
            first = [w if w is not None and w != b else -1 for w, b in zip(its, [None, *its])]  # noqa: B905
            assert words == first
    within = load_text_tokenizer(str(folder)).text_pipeline().encode(" whale off").ids[1:-1]
    assert encode_words(ours, [["whale", "off"]], 60).ids.tolist()[1:-1] == within


def test_windows_of_transformers(folder):
    """Offsets too, without the blanks that tokens of bytes hold."""
    transformers = pytest.importorskip("transformers")
    ours = load_text_tokenizer(str(folder))
    questions, contexts = ["who rose", " what cried?"], [" ".join(TEXT), TEXT[1] + "  " + TEXT[0]]
    found = encode_windows(ours, questions, contexts, 32, 6)
    expected = transformers.AutoTokenizer.from_pretrained(folder)(
        questions, contexts, truncation="only_second", max_length=32, stride=6,
        return_overflowing_tokens=True, return_offsets_mapping=True,
    )  # fmt: skip
    assert rows(found, found.ids) == expected["input_ids"] and len(found.examples) > 3
    assert found.examples.tolist() == expected["overflow_to_sample_mapping"]
    for row, example in enumerate(found.examples):
        tokens = slice(found.bounds[row], found.bounds[row + 1])
        for token, (a, b), (c, d) in zip(
            found.sides[tokens], found.characters[tokens], expected["offset_mapping"][row],
            strict=True,
        ):  # fmt: skip
            text = {FIRST: questions, SECOND: contexts}.get(token, [""] * 2)[example]
            assert text[a:b] == text[c:d].strip() or not text[c:d].strip()


def test_tokens_of_a_frame_are_words_in_a_text(folder):
    ours = load_text_tokenizer(str(folder))
    frame = [ours.roles.cls, ours.roles.sep, ours.roles.pad]
    found = encode_texts(ours, [f"a {' '.join(frame)} b {ours.roles.mask}"], [None], 64).ids
    special = {ours._tokenizer.token_to_id(token) for token in (*frame, ours.roles.mask)}
    assert not special & {*found.tolist()[1:-1]} and {*found[[0, -1]].tolist()} <= special


def test_texts_with_masks_are_read_as_transformers_does(folder):
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    if theirs.mask_token is None:
        with pytest.raises(UserError, match="no file names its mask_token"):
            load_mask_tokenizer(str(folder))
        return
    ours = load_mask_tokenizer(str(folder))
    text = f"The white {theirs.mask_token} rose beside the {theirs.mask_token}."
    ids, mask = ours.encode(text, 64)
    assert ids[: mask.sum()].tolist() == theirs(text)["input_ids"]
    assert (ids == ours.mask_id).sum() == 2
    assert ours.word(ids[2]) == theirs.decode(ids[2])


def test_masked_lm_needs_berts_own(folder):
    with pytest.raises(UserError) as caught:
        load_tokenizer(str(folder))
    assert "\n" not in str(caught.value) and str(folder) in str(caught.value)


def test_berts_tokenizer_is_the_same_by_role(tokenizer):
    by_role = load_text_tokenizer()
    assert by_role.text_hash == tokenizer.text_hash and by_role.pad_id == 0
    assert by_role.max_length == 512 and by_role.id_to_token(np.int64(101)) == "[CLS]"


def test_a_class_by_the_model_type(tmp_path):
    made = trained("bpe", ROBERTA)
    alone = folder_of(tmp_path / "a", made, {}, as_roberta, {"model_type": "roberta"})
    named = folder_of(tmp_path / "b", made, {"tokenizer_class": "RobertaTokenizer"}, as_roberta)
    bert = folder_of(tmp_path / "c", made, {}, as_roberta)  # whose vocabulary is not WordPiece
    alone, named, bert = (load_text_tokenizer(str(each)) for each in (alone, named, bert))
    assert alone.text_hash == named.text_hash
    encoded = [encode_texts(each, TEXT, TEXT[::-1], 64).ids for each in (alone, bert)]
    np.testing.assert_array_equal(*encoded)


def test_characters_that_debertas_class_leaves_are_noted(tmp_path):
    """Transformers 5 reads no normalizer from the file; full-width letters keep their ids."""
    transformers = pytest.importorskip("transformers")
    made = trained("deberta", DEBERTA)
    made.normalizer = normalizers.NFKC()
    named = {"tokenizer_class": "DebertaV2Tokenizer"}
    folders = [folder_of(tmp_path / str(i), made, each) for i, each in enumerate((named, AGNOSTIC))]
    for folder, notes in zip(folders, (1, 0), strict=True):
        ours = load_text_tokenizer(str(folder))
        assert len(ours.notes) == notes
        theirs = transformers.AutoTokenizer.from_pretrained(folder)
        expected = theirs("ｔｈｅ whale", add_special_tokens=False)["input_ids"]
        assert encode_texts(ours, ["ｔｈｅ whale"], [None], 64).ids.tolist()[1:-1] == expected


def test_tokenizers_that_frame_pairs_differently_differ(tmp_path):
    made = trained("bpe", ROBERTA)
    one = folder_of(tmp_path / "a", made, AGNOSTIC | SETTINGS, as_template)
    single = dict(single=PAIR[:3], pair=[*PAIR[:3], "$B", "</s>"])
    ids = [(token, made.token_to_id(token)) for token in ("<s>", "</s>")]
    other = processors.TemplateProcessing(**single, special_tokens=ids)
    two = folder_of(tmp_path / "b", made, AGNOSTIC | SETTINGS, lambda made: other)
    one, two = (load_text_tokenizer(str(each)) for each in (one, two))
    assert one.text_hash != two.text_hash


def only_an_end(made):
    ids = [("</s>", made.token_to_id("</s>"))]
    return processors.TemplateProcessing(single=["$A", "</s>"], special_tokens=ids)


REFUSED = {
    "class ByT5Tokenizer is unknown.*PreTrainedTokenizerFast": (
        "bpe", ROBERTA, {"tokenizer_class": "ByT5Tokenizer"}, None,
    ),
    "no file names its pad_token: write it into tokenizer_config.json": (
        "bpe", ["<s>", "</s>"], AGNOSTIC, as_template,
    ),
    "no file names its cls_token": ("bpe", ["</s>", "<pad>"], AGNOSTIC, only_an_end),
    "no <filler>, which a model needs": (
        "bpe", ROBERTA, AGNOSTIC | SETTINGS | {"pad_token": "<filler>"}, as_template,
    ),
    "XLMRobertaTokenizer needs a vocabulary of Unigram": (
        "bpe", ROBERTA, {"tokenizer_class": "XLMRobertaTokenizer"}, None,
    ),
    "RobertaTokenizer needs a vocabulary of BPE": (
        "unigram", ROBERTA, {"tokenizer_class": "RobertaTokenizer"}, None,
    ),
    "holds no WordPiece vocabulary": ("bpe", ROBERTA, {"tokenizer_class": "BertTokenizer"}, None),
}  # fmt: skip


@pytest.mark.parametrize("match", REFUSED)
def test_others_are_refused_in_a_line(match, tmp_path):
    kind, special, settings, processor = REFUSED[match]
    folder = folder_of(tmp_path, trained(kind, special), settings, processor)
    with pytest.raises(UserError, match=match) as caught:
        load_text_tokenizer(str(folder))
    assert "\n" not in str(caught.value) and str(folder) in str(caught.value)
