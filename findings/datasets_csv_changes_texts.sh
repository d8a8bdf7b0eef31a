#!/usr/bin/env bash
# datasets 5.2: the builder "csv" changes texts and labels of tab-separated files, without an error.
#
# The builder reads with pandas's defaults. Data sets such as GLUE's are TSV in which quotes belong to the text: a sentence
# that begins with a quoted word loses its quotes, and a sentence with one quote at its beginning swallows the lines up to
# the next quote, as one row. A text or a label "None", "null", "nan" or "NA" becomes None. quoting=3 keeps the quotes, and
# only keep_default_na=False with it gives what the file holds.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0 pandas==3.1.1 pyarrow==26.0.1
cat > "$folder/look.py" <<'PYTHON'
import sys
from pathlib import Path

import datasets
import pandas

FOLDER = Path(sys.argv[1])
ROWS = [
    ('"Yes" , he said', "reply"),
    ('"An inch', "None"),
    ('a foot"', "other"),
    ("null", "other"),
]


def load(**options):
    path = FOLDER / "rows.tsv"
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in ROWS))
    cache = FOLDER / "cache" / "-".join(options)
    rows = datasets.load_dataset(
        "csv", data_files=str(path), sep="\t", split="train", cache_dir=str(cache), **options
    )
    return [(row["text"], row["label"]) for row in rows]


datasets.disable_progress_bars()
found = {
    "in the file": ROWS,
    "default": load(),
    "quoting=3": load(quoting=3),
    "quoting=3, keep_default_na=False": load(quoting=3, keep_default_na=False),
}
print(f"datasets {datasets.__version__}, pandas {pandas.__version__}")
for name, rows in found.items():
    print(f"{name}: {len(rows)} rows")
    for row in rows:
        print(f"    {row}")
assert found["default"] == [
    ("Yes , he said", "reply"),
    ("An inch\tNone\na foot", "other"),
    (None, "other"),
], "the default no longer changes texts like this"
assert found["quoting=3"] == [ROWS[0], (ROWS[1][0], None), ROWS[2], (None, "other")], (
    "quoting=3 no longer loses None and null"
)
assert found["quoting=3, keep_default_na=False"] == ROWS, "the cure no longer works"
PYTHON
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" "$folder/look.py" "$folder" 2> "$folder/errors" || { cat "$folder/errors"; exit 1; }
