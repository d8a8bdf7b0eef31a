"""BERT's tokenizer: bundled, loaded and saved."""

import json

import numpy as np
import pytest

from tfdistill.data.text_tokenizer import BUNDLED
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.system.errors import UserError

LINES = [
    "The quick brown fox doesn't jump over 1,000 lazy dogs -- or does it?",
    "Café Ünïcode 東京 naïve \u200b supercalifragilistic",
    "a word that nobody knows: [UNK] .",
    "",
]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def small_vocabulary(folder, tokens=(*SPECIAL, "[unused0]", "a", "b", "##c"), settings=None):
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens))
    if settings is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return load_tokenizer(str(folder))


def test_bundled_vocabulary(tokenizer):
    assert tokenizer.vocab_size == 30522
    special = [tokenizer.pad_id, tokenizer.unk_id, tokenizer.cls_id, tokenizer.sep_id]
    assert [*special, tokenizer.mask_id] == [0, 100, 101, 102, 103]
    assert tokenizer.special_ids == (0, 100, 101, 102, 103)
    assert tokenizer.encode_lines(["The whale."]) == [[1996, 13156, 1012]]
    assert tokenizer.id_to_token(np.int32(13156)) == "whale"
    assert tokenizer.decode([101, 1996, 13156, 103]) == "[CLS] the whale [MASK]"


def test_pieces_that_continue_a_word(tokenizer, tmp_path):
    continues = tokenizer.ids.continues
    assert continues.dtype == bool and continues.shape == (30522,)
    assert {tokenizer.id_to_token(i)[:2] for i in np.flatnonzero(continues)} == {"##"}
    assert not any(tokenizer.id_to_token(i)[:2] == "##" for i in np.flatnonzero(~continues))
    ids = tokenizer.encode_lines(["The whalebones."])[0]
    assert continues[ids].tolist() == [False, False, True, True, False]
    assert np.flatnonzero(small_vocabulary(tmp_path).ids.continues).tolist() == [8]


def test_saved_files_mean_the_same_to_transformers(tokenizer, tmp_path):
    transformers = pytest.importorskip("transformers")
    tokenizer.save(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert theirs(LINES, add_special_tokens=False)["input_ids"] == tokenizer.encode_lines(LINES)
    input_ids, attention_mask = tokenizer.encode("The whale [MASK] the ship.", 12)
    full = theirs("The whale [MASK] the ship.", padding="max_length", max_length=12)
    assert input_ids.tolist() == full["input_ids"]
    assert attention_mask.tolist() == full["attention_mask"]
    assert theirs.mask_token_id == tokenizer.mask_id and theirs.vocab_size == 30522
    assert (tmp_path / "vocab.txt").read_bytes() == (BUNDLED / "vocab.txt").read_bytes()


@pytest.mark.parametrize("kept", ["tokenizer.json", "vocab.txt"])
@pytest.mark.parametrize("cased", [False, True])
def test_saved_files_load_again(tmp_path, kept, cased, shared_data):
    folder = "bert-base-cased" if cased else "bert-base-uncased"
    words = (shared_data / folder / "vocab.txt").read_text("utf-8").splitlines()
    tokenizer = small_vocabulary(tmp_path, words, {"do_lower_case": not cased})
    tokenizer.save(tmp_path)
    if kept == "vocab.txt":
        (tmp_path / "tokenizer.json").unlink()
    again = load_tokenizer(str(tmp_path))
    assert again.hash == tokenizer.hash
    assert again.encode_lines(LINES) == tokenizer.encode_lines(LINES)
    assert tokenizer.encode_lines(["a"]) == again.encode_lines(["a"])
    assert (tokenizer.encode_lines(["The"]) != tokenizer.encode_lines(["the"])) == cased


def test_vocab_and_json_of_one_tokenizer_have_one_hash(shared_data, tokenizer):
    other = load_tokenizer(str(shared_data / "bert-base-uncased"))  # from tokenizer.json
    assert other.hash == tokenizer.hash
    assert load_tokenizer(str(shared_data / "bert-base-cased")).hash != tokenizer.hash


def test_special_tokens_in_a_corpus_are_words(tokenizer):
    ids = tokenizer.encode_lines(["a [MASK] [SEP] [PAD] [CLS]"])[0]
    assert not set(ids) & set(tokenizer.special_ids)
    assert tokenizer.encode_lines(["[UNK]"]) == [[tokenizer.unk_id]]


def test_encode_cuts_and_pads(tokenizer):
    ids, mask = tokenizer.encode("one two three four", 5)
    assert tokenizer.decode(ids) == "[CLS] one two three [SEP]"
    assert ids.dtype == mask.dtype == np.int32
    ids, mask = tokenizer.encode("", 4)
    assert ids.tolist() == [101, 102, 0, 0] and mask.tolist() == [1, 1, 0, 0]


def test_truncation_and_padding_of_a_file_are_ignored(tmp_path, tokenizer):
    tokenizer.save(tmp_path)
    state = json.loads((tmp_path / "tokenizer.json").read_text())
    state["truncation"] = dict(direction="Right", max_length=2, strategy="LongestFirst", stride=0)
    state["padding"] = dict(
        strategy=dict(Fixed=9), direction="Right", pad_id=0, pad_type_id=0, pad_token="[PAD]",
        pad_to_multiple_of=None,
    )  # fmt: skip
    (tmp_path / "tokenizer.json").write_text(json.dumps(state))
    assert load_tokenizer(str(tmp_path)).encode_lines(LINES) == tokenizer.encode_lines(LINES)


def test_token_ids(tmp_path):
    tokenizer = small_vocabulary(tmp_path)
    assert tokenizer.ids.predictable.tolist() == [False] * 5 + [True] * 4
    assert tokenizer.ids.ordinary.tolist() == [6, 7, 8]


def test_settings_decide_about_case(tmp_path):
    tokens = [*SPECIAL, "a", "A"]
    assert small_vocabulary(tmp_path, tokens).encode_lines(["aA"]) == [[1]]
    assert small_vocabulary(tmp_path, tokens).encode_lines(["a A"]) == [[5, 5]]
    for lower, ids in {True: [5, 5], False: [5, 6]}.items():
        tokenizer = small_vocabulary(tmp_path, tokens, {"do_lower_case": lower})
        assert tokenizer.encode_lines(["a A"]) == [ids]


@pytest.mark.parametrize("lost", SPECIAL)
def test_every_special_token_is_needed(tmp_path, lost):
    tokens = [token for token in (*SPECIAL, "a") if token != lost]
    with pytest.raises(UserError, match=lost.strip("[]")):
        small_vocabulary(tmp_path, tokens)


def test_damaged_and_missing_files(tmp_path, tokenizer):
    with pytest.raises(UserError, match="neither tokenizer.json nor vocab.txt"):
        load_tokenizer(str(tmp_path))
    (tmp_path / "vocab.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="damaged"):
        load_tokenizer(str(tmp_path))
    tokenizer.save(tmp_path)
    text = (tmp_path / "tokenizer.json").read_text()
    (tmp_path / "tokenizer.json").write_text(text[: len(text) // 2])
    with pytest.raises(UserError, match="damaged"):
        load_tokenizer(str(tmp_path))


def test_unreachable_hub_and_missing_folder(monkeypatch, tmp_path):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    for name in ("nobody/nothing", str(tmp_path / "gone")):
        with pytest.raises(UserError, match="no such folder") as caught:
            load_tokenizer(name)
        assert "\n" not in str(caught.value)


def test_bundled_files_are_all_there():
    assert sorted(file.name for file in BUNDLED.iterdir()) == ["tokenizer_config.json", "vocab.txt"]
