"""The file of an export for MediaPipe, where MediaPipe has a task and a tokenizer for the model."""

from tfdistill.data.tokenizer_files import VOCABULARY
from tfdistill.data.tokenizer_reading import bert_settings
from tfdistill.data.tokenizer_roles import BERT
from tfdistill.deployment.file_metadata import read_metadata
from tfdistill.deployment.mediapipe_file import mediapipe_file
from tfdistill.deployment.mediapipe_tokens import share_of_other_ids
from tfdistill.deployment.variants import FLOAT32_FILE, INT8_FILE
from tfdistill.system.files import write_atomically
from tfdistill.system.sums import renew_sums

MEDIAPIPE_FILE = "student_mediapipe.tflite"
CLASSIFIER = "text_classification"
CLASSES = {CLASSIFIER: "TextClassifier", "sentence_embedding": "TextEmbedder"}  # of MediaPipe


def write_mediapipe(head, tokenizer, directory, examples):
    """Writes `student_mediapipe.tflite` beside the files of an export.

    It holds the int8 weights, or those of the float32 file if there is no other.

    Args:
        head: the model's head, for text classification or sentence embedding.
        tokenizer: the model's `TextTokenizer`.
        directory: `Path` of the folder that `export_bundle` wrote.
        examples: list of `TextExample`s, of which the share with other ids is computed.

    Returns:
        (facts, reason): dict of `bytes`, `texts` and `other_ids`, the share of the texts to which
        MediaPipe's tokenizer gives other ids; or None and why there is no file.

    Raises:
        OSError: the write failed.
    """
    if reason := _obstacle(head, tokenizer, directory, examples):
        return None, reason
    vocabulary = (directory / VOCABULARY).read_text("utf-8").removesuffix("\n").split("\n")
    source = directory / INT8_FILE
    if not source.is_file():
        source = directory / FLOAT32_FILE
    content = mediapipe_file(source.read_bytes(), vocabulary, head.labels)
    write_atomically(directory / MEDIAPIPE_FILE, content)
    renew_sums(directory / MEDIAPIPE_FILE)
    texts = [text for each in examples for text in (each.text, each.pair) if text is not None]
    length = read_metadata(source)["length"]
    share, count = share_of_other_ids(tokenizer, vocabulary, texts, length)
    return {"bytes": len(content), "texts": count, "other_ids": share}, ""


def _obstacle(head, tokenizer, directory, examples):
    """Why MediaPipe cannot read the texts of a model; "" if it can."""
    if head.task == CLASSIFIER and any(each.pair is not None for each in examples):
        return "MediaPipe's TextClassifier takes single texts, and the examples are pairs"
    if lines := [name for name in head.labels or () if "\n" in name]:
        return f"MediaPipe reads names of classes as lines, and {lines[0]!r} has several"
    if not (directory / VOCABULARY).is_file() or tokenizer.roles != BERT:
        return "MediaPipe needs BERT's WordPiece with a vocab.txt, and the tokenizer is another"
    if not bert_settings(tokenizer.text_state)["do_lower_case"]:
        return "MediaPipe lower-cases every text, and the vocabulary is cased"
    if tokenizer.pad_id:
        return f"MediaPipe fills rows with the id 0, and {BERT.pad} is {tokenizer.pad_id}"
    return ""
