#!/usr/bin/env bash
# mediapipe 1.2.3: the writers of metadata cannot be imported, so the package cannot make a file for its TextClassifier.
#
# They need the extension mediapipe.tasks.cc, which the wheel has not. The schema of the metadata and Python code for it
# are there. What the writers did can be done with the package flatbuffers: a table ModelMetadata in a buffer that the
# model names TFLITE_METADATA, and the vocabulary and the labels as a ZIP archive behind the model.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mediapipe==1.2.3
cat > "$folder/look.py" <<'PYTHON'
import importlib
import importlib.util

WRITERS = "mediapipe.tasks.python.metadata"
for name in (f"{WRITERS}.metadata", f"{WRITERS}.metadata_writers.text_classifier"):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        assert error.name == "mediapipe.tasks.cc", error
        print(f"{name}: {error}")
    else:
        raise SystemExit(f"{name} can be imported")
assert importlib.util.find_spec("mediapipe.tasks.metadata.metadata_schema_py_generated")
importlib.import_module("mediapipe.tasks.python.text").TextClassifier  # the runtime itself works
PYTHON
"$folder/venv/bin/python" "$folder/look.py"
echo "as described: mediapipe 1.2.3"
