"""Finds the characters that tensorflow-text's BERT tokenizer treats as `tokenizers` does.

Writes tfdistill/assets/wordpiece/characters.json. Run it again when one of the packages changes,
and with --also for every other version that is supported:

    python scripts/make_wordpiece_tables.py
    .venv-tf2.18/bin/python scripts/make_wordpiece_tables.py --also

Both packages tokenize every assigned character, alone and between letters. The vocabulary contains
every character, so that [UNK] hides no difference. Takes some minutes.
"""

import json
import sys
import unicodedata
from pathlib import Path

import tensorflow_text as text
import tokenizers
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

OUTPUT = Path(__file__).resolve().parents[1] / "tfdistill" / "assets" / "wordpiece"
FORMS = ("{}", "a{}b", "a{}", "{}b", "a {} b", "{0}{0}")
# Whatever they are alone: they change their neighbours. The rest means nothing, or not yet.
LEFT_OUT = ("M", "Cn", "Co", "Cs", "Cc")
# Both count what comes of a word, one in bytes: 25 characters must not become more than 100 bytes.
LONGEST_CHARACTER = 4
AT_ONCE = 20_000


def characters():
    """All characters that have a meaning, but those that come apart into many."""
    every = map(chr, range(sys.maxunicode + 1))
    every = (c for c in every if c == "\t" or not unicodedata.category(c).startswith(LEFT_OUT))
    return [c for c in every if len(decomposed(c).encode()) <= LONGEST_CHARACTER]


def decomposed(character):
    """A character as the uncased tokenizers have it, without its accents."""
    parts = unicodedata.normalize("NFD", character.lower())
    return "".join(part for part in parts if unicodedata.category(part) != "Mn")


def vocabulary(every):
    """[UNK], and each character and what it may become, at the start of a word and within."""
    forms = {form for c in every for form in (c, c.lower(), c.upper(), c.casefold())}
    forms |= {unicodedata.normalize(kind, f) for f in forms for kind in ("NFC", "NFD", "NFKD")}
    single = sorted({c for form in forms for c in form if not c.isspace()})
    return ["[UNK]", *single, *(f"##{c}" for c in single)]


def encoders(tokens, lowercase):
    """Two functions from lines to lists of ids."""
    model = WordPiece({token: i for i, token in enumerate(tokens)}, unk_token="[UNK]")
    slow = tokenizers.Tokenizer(model)
    slow.normalizer = BertNormalizer(lowercase=lowercase)
    slow.pre_tokenizer = BertPreTokenizer()
    fast = text.FastBertTokenizer(vocab=tokens, lower_case_nfd_strip_accents=lowercase)
    return (
        lambda lines: fast.tokenize(lines).to_list(),
        lambda lines: [encoding.ids for encoding in slow.encode_batch_fast(lines)],
    )


def compare(every, lowercase):
    """Ranges of characters that are treated alike, and of those of them that end a word."""
    fast, slow = encoders(vocabulary(every), lowercase)
    alike, separators = [], []
    for begin in range(0, len(every), AT_ONCE):
        part = every[begin : begin + AT_ONCE]
        found = {form: (fast, slow) for form in FORMS}
        for form, pair in found.items():
            lines = [form.format(c) for c in part]
            found[form] = [encode(lines) for encode in pair]
        for i, c in enumerate(part):
            if all(mine[i] == theirs[i] for mine, theirs in found.values()):
                alike.append(ord(c))
                if found["a{}b"][1][i] == found["a {} b"][1][i]:
                    separators.append(ord(c))
    return {"alike": ranges(alike), "separators": ranges(separators)}


def ranges(codes):
    """[first, last] of every stretch of successive numbers."""
    found = []
    for code in codes:
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return found


def common(table, other):
    """What two tables both have."""
    codes = {
        kind: [{code for a, b in t[kind] for code in range(a, b + 1)} for t in (table, other)]
        for kind in table
    }
    return {kind: ranges(sorted(mine & theirs)) for kind, (mine, theirs) in codes.items()}


def main():
    every, file = characters(), OUTPUT / "characters.json"
    versions = {"tensorflow-text": text.__version__, "tokenizers": tokenizers.__version__}
    tables = {case: compare(every, lowercase=case == "uncased") for case in ("uncased", "cased")}
    made_with = [versions]
    if "--also" in sys.argv:
        before = json.loads(file.read_text())
        made_with = [*(v for v in before["made_with"] if v != versions), versions]
        tables = {case: common(table, before[case]) for case, table in tables.items()}
    tables["made_with"] = made_with
    file.write_text(json.dumps(tables, separators=(",", ":"), sort_keys=True) + "\n")
    for case in ("uncased", "cased"):
        counts = {k: sum(b - a + 1 for a, b in r) for k, r in tables[case].items()}
        print(f"{case}: of {len(every)} characters", counts)


if __name__ == "__main__":
    main()
