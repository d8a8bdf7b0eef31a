"""Folders of tokenizers are read and written with the same ids as in transformers."""

import json
import random

import pytest
import tokenizers
from tokenizers import models, normalizers, pre_tokenizers

from tfdistill.data.text_tokenizer import BUNDLED
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.system.errors import UserError

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = [chr(i) for i in (*range(33, 127), *range(0xC0, 0x180)) if chr(i) not in "#"]
WORDS = [*SPECIAL, "[unused0]", "[unused1]", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
WORDS += "hello nai naive ##ve The the Fox fox covid cafe café 東 京 strasse straße".split()
COUNT = len(WORDS)
BERT = {"tokenizer_class": "BertTokenizer"}
PIECES = [
    *"abceghosvAEFTÉéßİıΣσ東京한한กा.,!-'\"[]#1９½ﬁ·\t\u00a0\u200b\u200d\ufffd\u0301\u0308\0\x07",
    *"😀👍🏽\U00020000\u2028\u3000",
    *("hello", "naïve", "nai\u0308ve", "The", "fox", "covid19", "COVID19", "covid", "[unused1]"),
    *("[UNK]", "[unused0]", "<ent>", "café", "cafe\u0301", "Straße", "x" * 120, " ", " ", " "),
]


def lines():
    """A fuzz set: generated lines, the same every time, and a few handwritten ones."""
    generator = random.Random(0)
    made = ["".join(generator.choices(PIECES, k=generator.randrange(1, 25))) for _ in range(400)]
    return [*made, "Hello naïve covid19 a!", "[unused1] hello COVID19s", "covid19covid19", ""]


def as_json(words=WORDS, added=(), special=(), normalizer=None, splitter=None, longest=100):
    """A `tokenizer.json`; without a normalizer, BERT's own."""
    ids = {word: i for i, word in enumerate(words)} if isinstance(words, list) else words
    model = models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=longest)
    backend = tokenizers.Tokenizer(model)
    own = normalizers.BertNormalizer()
    backend.normalizer = own if normalizer is None else normalizer
    backend.pre_tokenizer = splitter or pre_tokenizers.BertPreTokenizer()
    backend.add_special_tokens([*SPECIAL, *special])
    backend.add_tokens(list(added))
    return backend.to_str()


def parts():
    """A normalizer made of parts, as in many sentence encoders."""
    kinds = [normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents()]
    return dict(normalizer=normalizers.Sequence(kinds), splitter=pre_tokenizers.Whitespace())


def vocabulary(words=WORDS):
    return "".join(f"{word}\n" for word in words)


def with_lines(before, *more):
    words = list(WORDS)
    words[words.index(before) : words.index(before) + 1] = more
    return vocabulary(words)


def write(folder, files):
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / f"{name}.{'txt' if name == 'vocab' else 'json'}").write_text(text, "utf-8")
    return folder


def theirs(folder):
    """The tokenizer of transformers; its AutoTokenizer loads no vocab.txt alone."""
    transformers = pytest.importorskip("transformers")
    alone = [file.name for file in folder.iterdir()] == ["vocab.txt"]
    kind = transformers.BertTokenizer if alone else transformers.AutoTokenizer
    return kind.from_pretrained(str(folder))


DECODER = {"0": {"content": "[PAD]", "special": True}}
MASK = {"content": "[MASK]", "lstrip": True, "rstrip": False, "normalized": False}
FOLDERS = {
    "vocab alone": dict(vocab=vocabulary()),
    "vocab": dict(vocab=vocabulary(), tokenizer_config=BERT),
    "cased": dict(vocab=vocabulary(), tokenizer_config={**BERT, "do_lower_case": False}),
    "cased, accents": dict(
        vocab=vocabulary(), tokenizer_config={**BERT, "do_lower_case": False, "strip_accents": True}
    ),
    "no Chinese": dict(
        vocab=vocabulary(), tokenizer_config={**BERT, "tokenize_chinese_chars": False}
    ),
    "accents kept": dict(vocab=vocabulary(), tokenizer_config={**BERT, "strip_accents": False}),
    "by model type": dict(vocab=vocabulary(), config={"model_type": "distilbert"}),
    "class in config": dict(
        vocab=vocabulary(), config={"model_type": "bert", "tokenizer_class": "BertTokenizerFast"}
    ),
    "json alone": dict(tokenizer=as_json()),
    "json, Bert": dict(tokenizer=as_json(), tokenizer_config=BERT),
    "parts alone": dict(tokenizer=as_json(**parts())),
    "parts, any class": dict(
        tokenizer=as_json(**parts()),
        config={"model_type": "bert"},
        tokenizer_config={"tokenizer_class": "PreTrainedTokenizerFast", "mask_token": "[MASK]"},
    ),
    "parts, backend": dict(
        tokenizer=as_json(**parts()), tokenizer_config={"tokenizer_class": "TokenizersBackend"}
    ),
    "parts, Bert": dict(tokenizer=as_json(**parts()), tokenizer_config=BERT),
    "no normalizer": dict(tokenizer=as_json(normalizer=normalizers.Sequence([]))),
    "no normalizer, Bert": dict(
        tokenizer=as_json(normalizer=normalizers.Sequence([])),
        tokenizer_config={**BERT, "do_lower_case": False},
    ),
    "long words": dict(tokenizer=as_json(longest=200)),
    "long words, Bert": dict(tokenizer=as_json(longest=200), tokenizer_config=BERT),
    "added": dict(tokenizer=as_json(added=["covid19", "[unused1]"]), tokenizer_config=BERT),
    "added, alone": dict(tokenizer=as_json(added=["covid19", "[unused1]"])),
    "added, special": dict(tokenizer=as_json(special=["<ent>", "[unused1]"])),
    "added, left out": dict(
        tokenizer=as_json(added=["covid19"]),
        tokenizer_config={**BERT, "added_tokens_decoder": DECODER},
    ),
    "added file": dict(
        vocab=vocabulary(), added_tokens={"covid19": COUNT}, config={"model_type": "bert"}
    ),
    "added file, json": dict(
        tokenizer=as_json(), added_tokens={"covid19": COUNT}, tokenizer_config=BERT
    ),
    "extra special": dict(
        vocab=vocabulary(),
        tokenizer_config={
            **BERT, "additional_special_tokens": ["<ent>"], "entity_token": "[unused1]",
        },
    ),
    "special map": dict(
        vocab=vocabulary(),
        tokenizer_config=BERT,
        special_tokens_map={"additional_special_tokens": ["[unused1]"], "mask_token": MASK},
    ),
    "cased settings beside json": dict(
        tokenizer=as_json(), tokenizer_config={**BERT, "do_lower_case": False}
    ),
    "cased settings, no class": dict(
        tokenizer=as_json(), tokenizer_config={"do_lower_case": False}
    ),
    "doubled word": dict(vocab=with_lines("Fox", "hello"), tokenizer_config=BERT),
    "empty lines": dict(vocab=with_lines("Fox", "", "", "Fox"), tokenizer_config=BERT),
    "empty last lines": dict(vocab=vocabulary() + "\n\n", tokenizer_config=BERT),
    "two vocabularies": dict(
        vocab=vocabulary(sorted(WORDS)), tokenizer=as_json(), tokenizer_config=BERT
    ),
    "ids with holes": dict(
        tokenizer=as_json({**{word: i for i, word in enumerate(WORDS)}, "more": COUNT + 9}),
        tokenizer_config=BERT,
    ),
    "Electra": dict(vocab=vocabulary(), tokenizer_config={"tokenizer_class": "ElectraTokenizer"}),
    "MobileBert": dict(
        vocab=vocabulary(), tokenizer_config={"tokenizer_class": "MobileBertTokenizerFast"}
    ),
    "DistilBert": dict(
        vocab=vocabulary(), tokenizer_config={"tokenizer_class": "DistilBertTokenizer"}
    ),
}  # fmt: skip


@pytest.mark.parametrize("files", FOLDERS.values(), ids=FOLDERS)
def test_ids_of_transformers(files, tmp_path):
    folder = write(tmp_path / "source", files)
    ours, source = load_tokenizer(str(folder)), theirs(folder)
    expected = source(lines(), add_special_tokens=False)["input_ids"]
    assert ours.encode_lines(lines()) == expected
    assert ours.vocab_size == max(source.get_vocab().values()) + 1
    for model_type in ("bert", "distilbert"):
        written = tmp_path / model_type
        written.mkdir()
        ours.save(written, model_type, max_length=64)
        again, saved = load_tokenizer(str(written)), theirs(written)
        assert saved(lines(), add_special_tokens=False)["input_ids"] == expected
        assert again.encode_lines(lines()) == expected
        assert again.hash == ours.hash and not again.notes
        assert again.special_ids == ours.special_ids
        assert saved.get_vocab() == source.get_vocab()
        text = "The naïve [MASK] Fox."
        input_ids, attention_mask = ours.encode(text, 64)
        full = saved(text, padding="max_length", truncation=True)
        assert input_ids.tolist() == full["input_ids"]
        assert attention_mask.tolist() == full["attention_mask"]
        assert ("token_type_ids" in full) == (model_type == "bert")
        assert saved.mask_token_id == ours.mask_id and saved.model_max_length == 64


CAPITALS = "its words look cased, but no file sets do_lower_case: text is lower-cased"
NOTES = {
    "vocab alone": [CAPITALS],
    "json alone": [],
    "parts, Bert": [
        "tokenizer.json splits text differently from a BertTokenizer with do_lower_case true, "
        "strip_accents null, tokenize_chinese_chars true: these settings were used",
        CAPITALS,
    ],
    "no normalizer, Bert": ["tokenizer.json splits text differently from a BertTokenizer"],
    "cased settings beside json": ["with do_lower_case false"],
    "cased settings, no class": ["disagree on do_lower_case: tokenizer.json was used"],
    "added, left out": [CAPITALS, "covid19 is added by one file and missing in added_tokens_dec"],
    "doubled word": ["vocab.txt has 'hello' in line 578 and again in line 584", CAPITALS],
    "empty lines": ["vocab.txt has '' in line 584 and again in line 585", CAPITALS],
    "two vocabularies": [CAPITALS, "vocab.txt and tokenizer.json hold different words"],
}


@pytest.mark.parametrize("case", NOTES)
def test_files_that_disagree_are_noted(case, tmp_path):
    notes = load_tokenizer(str(write(tmp_path / "source", FOLDERS[case]))).notes
    assert len(notes) == len(NOTES[case])
    for note, text in zip(notes, NOTES[case], strict=True):
        assert text in note and note.startswith(f"tokenizer {tmp_path}") and "\n" not in note


def test_the_bundled_tokenizer_has_no_notes_and_is_saved_unchanged(tokenizer, tmp_path):
    assert not tokenizer.notes
    tokenizer.save(tmp_path)
    assert load_tokenizer(str(tmp_path)).max_length == tokenizer.max_length == 512
    assert (tmp_path / "vocab.txt").read_bytes() == (BUNDLED / "vocab.txt").read_bytes()


JAPANESE = {"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "mecab"}
REFUSED = {
    "BertJapaneseTokenizer is not BERT's WordPiece": dict(
        vocab=vocabulary(), tokenizer_config=JAPANESE
    ),
    "class BertJapaneseTokenizer is": dict(
        vocab=vocabulary(), config={"model_type": "bert", **JAPANESE}
    ),
    "RobertaTokenizerFast is not BERT's": dict(
        tokenizer=as_json(), tokenizer_config={"tokenizer_class": "RobertaTokenizerFast"}
    ),
    "model type is roberta.*tokenizer_class": dict(
        vocab=vocabulary(), config={"model_type": "roberta"}
    ),
    "TokenizersBackend needs a tokenizer.json": dict(
        vocab=vocabulary(), tokenizer_config={"tokenizer_class": "TokenizersBackend"}
    ),
    "do_lower_case must be true or false, not 'yes'": dict(
        vocab=vocabulary(), tokenizer_config={**BERT, "do_lower_case": "yes"}
    ),
    "mask_token is <mask>, but BERT's is": dict(
        vocab=vocabulary(), tokenizer_config={**BERT, "mask_token": "<mask>"}
    ),
    "'covid19' the id 700, but .* is 592": dict(
        vocab=vocabulary(), tokenizer_config=BERT, added_tokens={"covid19": 700}
    ),
    "'covid19' and 'straße' have the same id, 591": dict(
        vocab=with_lines("Fox", "hello"), tokenizer_config=BERT, added_tokens={"covid19": 591}
    ),
    "damaged .tokenizer_config.json": dict(vocab=vocabulary(), tokenizer_config="{"),
    "tokenizer_config.json does not hold an object": dict(
        vocab=vocabulary(), tokenizer_config="[]"
    ),
    "holds no WordPiece vocabulary": dict(
        tokenizer={"model": {"vocab": [["a", 0.0]]}}, tokenizer_config=BERT
    ),
    "damaged .KeyError: 'model'": dict(tokenizer={"version": "1.0"}, tokenizer_config=BERT),
    "damaged .AttributeError": dict(
        vocab=vocabulary(), tokenizer_config={**BERT, "added_tokens_decoder": []}
    ),
    "damaged .TypeError": dict(
        vocab=vocabulary(), tokenizer_config=BERT, added_tokens={"covid19": [1]}
    ),
    "no .MASK., which BERT": dict(vocab=vocabulary(WORDS[:4]), tokenizer_config=BERT),
}


@pytest.mark.parametrize("match", REFUSED)
def test_others_are_refused_in_a_line(match, tmp_path):
    folder = write(tmp_path / "source", REFUSED[match])
    with pytest.raises(UserError, match=match) as caught:
        load_tokenizer(str(folder))
    assert str(folder) in str(caught.value) and "\n" not in str(caught.value)


def test_a_chinese_vocabulary_is_lower_cased(tmp_path):
    words = [*SPECIAL, "<S>", "<T>", "东", "京", "hello", "bert"]
    tokenizer = load_tokenizer(str(write(tmp_path / "source", dict(vocab=vocabulary(words)))))
    assert tokenizer.encode_lines(["Hello BERT 东京"]) == [[9, 10, 7, 8]] and not tokenizer.notes


def test_capitals_of_a_student_are_no_unknown_words(tmp_path):
    """Older versions saved a tokenizer made of parts as BertTokenizer with do_lower_case: false."""
    source = write(tmp_path / "source", FOLDERS["parts alone"])
    load_tokenizer(str(source)).save(tmp_path)
    saved = theirs(tmp_path)
    ids = saved("Hello naïve", add_special_tokens=False)["input_ids"]
    assert saved.convert_ids_to_tokens(ids) == ["hello", "naive"]
    assert not (tmp_path / "vocab.txt").exists()  # which BERT's classes alone read


def test_added_words_are_words_of_a_corpus(tmp_path):
    folder = write(tmp_path / "source", FOLDERS["added"])
    tokenizer = load_tokenizer(str(folder))
    words = [tokenizer.id_to_token(i) for i in tokenizer.encode_lines(["[unused1] Covid19s"])[0]]
    assert words == ["[unused1]", "covid19", "s"]
    covid, unused = tokenizer.vocab_size - 1, WORDS.index("[unused1]")
    assert tokenizer.ids.predictable[[covid, unused]].all()
    assert {covid, unused} <= {*tokenizer.ids.ordinary}
    assert WORDS.index("[unused0]") not in tokenizer.ids.ordinary


def test_special_tokens_that_were_added_are_read_but_never_asked_for(tmp_path):
    tokenizer = load_tokenizer(str(write(tmp_path / "source", FOLDERS["added, special"])))
    entity = tokenizer.vocab_size - 1
    assert tokenizer.encode_lines(["<ent> a"])[0][0] == entity
    assert entity in tokenizer.special_ids and not tokenizer.ids.predictable[entity]
    assert entity not in tokenizer.ids.ordinary


@pytest.mark.parametrize("case", ["doubled word", "ids with holes", "empty last lines"])
def test_ids_without_a_token_are_neither_asked_for_nor_drawn(case, tmp_path):
    tokenizer = load_tokenizer(str(write(tmp_path / "source", FOLDERS[case])))
    holes = [i for i in range(tokenizer.vocab_size) if not tokenizer.id_to_token(i)]
    assert holes and not tokenizer.ids.predictable[holes].any()
    assert not {*holes} & {*tokenizer.ids.ordinary}


def test_the_frame_of_a_text_may_be_added_tokens(tmp_path):
    words = [word for word in WORDS if word != "[MASK]"]
    added = {"[MASK]": COUNT - 1, "covid19": COUNT}
    files = dict(vocab=vocabulary(words), tokenizer_config=BERT, added_tokens=added)
    tokenizer = load_tokenizer(str(write(tmp_path / "source", files)))
    assert tokenizer.mask_id == COUNT - 1
    assert tokenizer.encode_lines(["covid19 [MASK]"])[0][0] == COUNT
    assert not {*tokenizer.encode_lines(["[MASK]"])[0]} & {*tokenizer.special_ids}
    assert tokenizer.encode("[MASK]", 4)[0].tolist()[1] == COUNT - 1
