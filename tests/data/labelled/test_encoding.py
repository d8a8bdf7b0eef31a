"""Token ids of texts, pairs, words and windows."""

import numpy as np
import pytest
from tokenizers import Tokenizer, processors

from tfdistill.data.labelled.encoding import (
    FIRST,
    SECOND,
    SPECIAL,
    encode_texts,
    encode_windows,
    encode_words,
)
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.system.errors import UserError

WORDS = "the whale sank a ship unquestionably off nantucket 1851 . , é 鯨".split()


def rows(encoded, array):
    return [array[a:b].tolist() for a, b in zip(encoded.bounds, encoded.bounds[1:], strict=False)]


def random_texts(count, longest, seed=0):
    generator = np.random.default_rng(seed)
    return [" ".join(generator.choice(WORDS, generator.integers(0, longest))) for _ in range(count)]


@pytest.mark.parametrize("length", [13, 32])
def test_pairs_are_cut_as_by_longest_first(tokenizer, length):
    """Also where one text is very long, which is cut before."""
    texts, pairs = random_texts(60, 20), random_texts(60, 30, seed=1)
    texts[0] = pairs[1] = texts[3] = pairs[3] = " ".join(WORDS * 12)
    pairs[2] = ""
    reference = Tokenizer.from_str(tokenizer.text_pipeline().to_str())
    reference.enable_truncation(length, strategy="longest_first")
    few = slice(0 if length > 13 else 4, 60)  # all pairs of small parts would be many
    expected = reference.encode_batch(list(zip(texts, pairs, strict=True))[few])
    found = encode_texts(tokenizer, texts, pairs, length)
    assert rows(found, found.ids)[few] == [each.ids for each in expected]
    assert rows(found, found.types)[few] == [each.type_ids for each in expected]
    assert found.cut[few].tolist() == [bool(each.overflowing) for each in expected]
    assert found.tokens.max() == length and found.ids.dtype == found.types.dtype == np.int32
    assert found.examples.tolist() == list(range(60))


def test_texts_alone_and_pairs(tokenizer):
    found = encode_texts(tokenizer, ["The whale.", "", "a b"], [None, None, "c"], 8)
    tokens = [[tokenizer.id_to_token(i) for i in row] for row in rows(found, found.ids)]
    assert tokens[:2] == [["[CLS]", "the", "whale", ".", "[SEP]"], ["[CLS]", "[SEP]"]]
    assert tokens[2] == ["[CLS]", "a", "b", "[SEP]", "c", "[SEP]"]
    assert rows(found, found.types)[2] == [0, 0, 0, 0, 1, 1]
    assert rows(found, found.sides)[2] == [SPECIAL, FIRST, FIRST, SPECIAL, SECOND, SPECIAL]
    assert not found.cut.any() and found.words is None and found.characters is None


def test_special_tokens_in_a_text_are_words(tokenizer):
    found = encode_texts(tokenizer, ["a [SEP] b [MASK]"], [None], 32)
    ids = found.ids.tolist()
    assert ids.count(tokenizer.sep_id) == 1 and tokenizer.mask_id not in ids
    words = encode_words(tokenizer, [["[SEP]", "[MASK]"]], 32)
    assert words.ids.tolist().count(tokenizer.sep_id) == 1


def test_words_have_their_first_pieces(tokenizer):
    sentences = [("unquestionably", "New York", "\u200b", "x"), ("a", "b"), ()]
    found = encode_words(tokenizer, sentences, 16)
    tokens = [tokenizer.id_to_token(i) for i in rows(found, found.ids)[0]]
    first = rows(found, found.words)[0]
    at = {word: tokens[first.index(word)] for word in (1, 3)}
    assert at == {1: "new", 3: "x"} and first[1] == 0 and 2 not in first
    assert first[tokens.index("york")] == -1 and first[0] == first[-1] == -1
    assert rows(found, found.words)[1:] == [[-1, 0, 1, -1], [-1, -1]]


def test_words_that_are_cut_off(tokenizer):
    found = encode_words(tokenizer, [["a"] * 9], 6)
    assert rows(found, found.words) == [[-1, 0, 1, 2, 3, -1]] and found.cut.all()


def test_windows_hold_the_context(tokenizer):
    contexts = [" ".join(WORDS * 5), "a b", ""]
    found = encode_windows(tokenizer, ["what  is it?"] * 3, contexts, 20, 4)
    assert found.examples.tolist()[-2:] == [1, 2] and (found.examples == 0).sum() > 4
    whole = tokenizer.text_pipeline().encode(contexts[0], add_special_tokens=False)
    seen = []
    for row in np.flatnonzero(found.examples == 0):
        tokens = slice(found.bounds[row], found.bounds[row + 1])
        inside = found.sides[tokens] == SECOND
        places = found.characters[tokens][inside].tolist()
        for i, (begin, end) in zip(found.ids[tokens][inside], places, strict=True):
            piece = tokenizer.id_to_token(i).removeprefix("##")
            assert piece in ("[UNK]", "e", contexts[0][begin:end])
        assert not seen or [tuple(each) for each in seen[-4:]] == [tuple(e) for e in places[:4]]
        seen += places[4:] if seen else places
    assert [tuple(each) for each in seen] == whole.offsets


def test_long_questions_are_cut(tokenizer):
    found = encode_windows(tokenizer, [" ".join(["a"] * 99), "a"], ["b c"] * 2, 23, 5)
    assert (found.sides[: found.bounds[1]] == FIRST).sum() == 10
    assert found.cut.tolist() == [True, False]


def test_settings_that_do_not_fit(tokenizer):
    with pytest.raises(UserError, match="doc_stride=9: windows of length=23 .* share 0 to 7"):
        encode_windows(tokenizer, ["a"], ["b"], 23, 9)
    with pytest.raises(UserError, match="length=4 leaves no room for text: give at least 5"):
        encode_texts(tokenizer, ["a"], ["b"], 4)


def test_no_texts(tokenizer):
    assert len(encode_texts(tokenizer, [], [], 8).ids) == 0
    assert encode_words(tokenizer, [], 8).words.shape == (0,)
    assert encode_windows(tokenizer, [], [], 8, 1).characters.shape == (0, 2)


def test_the_template_of_the_file(tiny_tokenizer, tmp_path):
    """A file may frame pairs in its own way, if texts alone are framed as everywhere."""
    tiny_tokenizer.save(tmp_path)
    backend = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for file in tmp_path.iterdir():
        file.unlink()
    cls, sep = tiny_tokenizer.cls_id, tiny_tokenizer.sep_id
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] [SEP] $B [SEP]",
        special_tokens=[("[CLS]", cls), ("[SEP]", sep)],
    )
    (tmp_path / "tokenizer.json").write_text(backend.to_str(), "utf-8")
    tokenizer = load_tokenizer(str(tmp_path))
    found = encode_texts(tokenizer, ["a"], ["b"], 16)
    assert found.ids.tolist().count(sep) == 3 and not found.types.any()
    tokenizer.save(tmp_path)
    again = encode_texts(load_tokenizer(str(tmp_path)), ["a"], ["b"], 16)
    assert again.ids.tolist() == found.ids.tolist()
