"""The page's tokenizer gives the ids of `tokenizers`."""

import importlib.util
import itertools
import json
import random
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest
import tokenizers

from tfdistill.data.text_tokenizer import load_text_tokenizer
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.deployment.web_model import tokenizer_settings
from tfdistill.system.errors import UserError

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "tfdistill" / "assets" / "sample"
TRAPS = [
    "",
    " \t\r\n",
    "The whale [MASK] the ship.",
    "[MASK][MASK] x[MASK]y [mask] [ MASK ] [SEP] [CLS][PAD] [UNK] ##a",
    "Crème brûlée, ÅNGSTRÖM, Straße, İstanbul, ΟΔΥΣΣΕΥΣ ΣΑΣ, ς σ Σ, ﬁne",
    "e\u0301 e\u0323\u0301 \u1e69 s\u0307\u0323 \u0344 a\u0300\u0345 \u0301alone",
    "鲸鱼 sank 船、東京タワー 한국어 각 ㍿ \u3007 \U00020000 \uf900",
    "a\u200bb\u00adc\ufeffd\u0000e\ufffdf\u0085g\u2028h\u00a0i\u3000j\u202ek\ue000l",
    "$5+3=8 ~`^|<> «quoted» ‘a’ —dash… ¿no? ·dot† €100 ©®™ №5 a_b a-b don't",
    "\u061d \u2e43 \u2e52 \u1b7d \u09fd \u07fd \u08e2 \u0897 \U00010eac \U0001e5ef",
    "x" * 100 + " " + "x" * 101 + " " + "\U0001f433" * 100 + " " + "\U0001f433" * 101,
    "🐳 whale👩‍👩‍👧‍👦 flag🇫🇷 1️⃣ a\u20e3 \u0378 \U000e0041",
    "naïve\u0301 résumé ǅ ǆ Ω Å ſ ẞ ŉ ᾳ ᾼ Ω ℌ ⅷ Ⅷ ⓐ Ⓐ Ａ ａ",
]
SETTINGS = {
    "uncased": (True, None, True),
    "cased": (False, None, True),
    "accents_kept": (True, False, True),
    "accents_stripped_only": (False, True, True),
    "ideographs_whole": (True, None, False),
}


def page_ids(settings, words, texts):
    if not shutil.which("node"):
        pytest.skip("needs Node.js")
    done = subprocess.run(
        ["node", str(Path(__file__).with_name("tokenize.mjs"))],
        input=json.dumps({"words": words, "settings": settings, "texts": texts}),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return json.loads(done.stdout)


def save(folder, words, case):
    """Writes a folder of BERT's tokenizer: its settings for the page, [MASK] found in texts."""
    lower, accents, ideographs = SETTINGS[case]
    (folder / "vocab.txt").write_bytes("".join(f"{word}\n" for word in words).encode())
    casing = {"do_lower_case": lower, "strip_accents": accents}
    settings = casing | {"tokenizer_class": "BertTokenizer", "tokenize_chinese_chars": ideographs}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    load_tokenizer(str(folder)).save(folder)
    return tokenizer_settings(folder, marks=True)


def characters(step):
    """Punctuation, blanks, accents and controls, and every `step`th of the other characters."""
    every = [chr(c) for c in [*range(0xD800), *range(0xE000, 0x20000), *range(0xE0000, 0xE0200)]]
    kinds = ((c, unicodedata.category(c)) for c in every)
    telling = [c for c, kind in kinds if kind[0] in "PZ" or kind in ("Mn", "Cf", "Cc")]
    cased = [c for c in every if c.lower() != c or unicodedata.normalize("NFD", c) != c]
    return sorted({*telling, *cased[::step], *every[::step]})


def lines_of(found, seed):
    """Random lines of characters: alone, in words, and beside ASCII."""
    draw = random.Random(seed)
    plain = "abcdefghij XYZ.,-'"
    lines = [f"a{c}b {c} {c}{c}" for c in found]
    accents = [c for c in found if unicodedata.category(c) == "Mn"]
    lines += ["a" + "".join(draw.choices(accents, k=5)) for _ in range(600)]
    for _ in range(600):
        letters = ((draw.choice(found), draw.choice(plain)) for _ in range(30))
        lines.append("".join(map(draw.choice, letters)))
    return lines


@pytest.fixture(scope="module")
def alphabet():
    """Characters, and a vocabulary of what becomes of them, so that [UNK] hides no difference."""
    found = characters(step=211)
    forms = [f for c in found for f in (c, c.lower(), unicodedata.normalize("NFD", c.lower()))]
    single = {c for form in forms for c in form} | set("abcdefghijxyzXYZ.,-'")
    single = sorted(c for c in single if not c.isspace() and c == c.rstrip())
    return found, [*SPECIAL, *single, *(f"##{c}" for c in single), "##\U0001f433\U0001f433"]


USUAL = ["uncased", "cased"]
RARE = [pytest.param(case, marks=pytest.mark.slow) for case in SETTINGS if case not in USUAL]


@pytest.mark.parametrize("case", [*USUAL, *RARE])
def test_any_characters(case, alphabet, tmp_path):
    found, words = alphabet
    settings, lines = save(tmp_path, words, case), [*TRAPS, *lines_of(found, seed=case)]
    reference = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    expected = [e.ids for e in reference.encode_batch(lines, add_special_tokens=False)]
    for line, mine, theirs in zip(lines, page_ids(settings, words, lines), expected, strict=True):
        assert mine == theirs, ascii(line)


def test_books_and_pairs(tmp_path):
    """The bundled vocabulary; [MASK] is a word in texts to be labelled."""
    tokenizer = load_text_tokenizer()
    tokenizer.save(tmp_path)
    words = (tmp_path / "vocab.txt").read_text("utf-8").splitlines()
    books = [path.read_text("utf-8") for path in sorted(SAMPLE.rglob("*.txt"))]
    lines = [line for book in books for line in book.splitlines() if line][::20]
    texts = [*lines, *([text] for text in TRAPS), *([a, b] for a, b in itertools.pairwise(TRAPS))]
    settings = tokenizer_settings(tmp_path, marks=False)
    assert settings["added"] == {"[UNK]": 100}
    pipeline = tokenizer.text_pipeline()
    for text, mine in zip(texts, page_ids(settings, words, texts), strict=True):
        row = pipeline.encode(*([text] if isinstance(text, str) else text))
        if isinstance(text, str):
            assert mine == row.ids[1:-1], ascii(text)
        else:
            assert mine == {"ids": row.ids, "types": row.type_ids}, ascii(text)


def test_added_tokens_are_found(tmp_path):
    words = [*SPECIAL, "a", "b", "##b"]
    folder = tmp_path
    save(folder, words, "uncased")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    more = {"[A.B]": False, "[A.B]c": False, "<x>": True, "<x-y/z>": True}
    for i, (word, special) in enumerate(more.items(), len(words)):
        flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        config["added_tokens_decoder"][str(i)] = {"content": word, "special": special, **flags}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    load_tokenizer(str(folder)).save(folder)
    text = "a[A.B]b [A.B]c<x>ab [AxB] [a.b] [MASK] <x-y/z>"
    reference = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    expected = reference.encode(text, add_special_tokens=False).ids
    assert page_ids(tokenizer_settings(folder, marks=True), words, [text]) == [expected]
    assert expected[:4] == [5, 8, 6, 9]


@pytest.mark.parametrize("flag", ["normalized", "lstrip"])
def test_other_rules_are_refused(flag, tmp_path):
    save(tmp_path, [*SPECIAL, "a"], "uncased")
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    config["added_tokens_decoder"]["4"][flag] = True
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"\[MASK\].*leave web out"):
        tokenizer_settings(tmp_path, marks=True)
    tokenizer_settings(tmp_path, marks=False)
    (tmp_path / "vocab.txt").unlink()
    with pytest.raises(UserError, match="BERT's WordPiece"):
        tokenizer_settings(tmp_path, marks=False)


@pytest.mark.slow
def test_the_tables_of_characters_are_current():
    script = ROOT / "scripts" / "make_web_characters.py"
    spec = importlib.util.spec_from_file_location("make_web_characters", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.OUTPUT.read_text() == module.content()
