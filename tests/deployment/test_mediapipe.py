"""Files for MediaPipe: their form, their scores, and the ids of MediaPipe's tokenizer."""

import io
import random
import zipfile

import numpy as np
import pytest

from tfdistill import tasks
from tfdistill.data.labelled.examples import TextExample
from tfdistill.data.text_tokenizer import BUNDLED
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.mediapipe import MEDIAPIPE_FILE, write_mediapipe
from tfdistill.deployment.mediapipe_file import mediapipe_file
from tfdistill.deployment.mediapipe_tokens import MediaPipeTokenizer, share_of_other_ids
from tfdistill.deployment.tflite import DYNAMIC_INT8, export_tflite_files
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.classification import ClassificationHead
from tfdistill.models.heads.embedding import EmbeddingHead
from tfdistill.models.model import Model
from tfdistill.system.errors import UserError

LABELS = ("bad", "good", "ödd one")
LENGTHS = 8, 16
TEXTS = ["The whale SANK the ship.", "a night", "", "the old boat and the men in the storm, " * 3]
FILES = {"student.tflite": None, "student_int8.tflite": DYNAMIC_INT8}


@pytest.fixture(scope="module")
def make_folder(make_model, add_noise, tokenizer, tmp_path_factory):
    """A function of a model type and files that exports a classifier: (head, folder)."""

    def make(model_type, files):
        config = make_model(model_type, num_hidden_layers=1).config
        model = Model(Encoder(config), ClassificationHead(config, LABELS, "mean"), seed=None)
        add_noise(model, 0.3, np.random.default_rng(1))
        folder = tmp_path_factory.mktemp(model_type)
        tokenizer.save(folder, model_type, LENGTHS[-1])
        export_tflite_files(model, {folder / name: FILES[name] for name in files}, LENGTHS)
        return model.head, folder

    return make


@pytest.fixture(scope="module")
def exported(make_folder):
    """(head, folder) of a DistilBERT with a float32 file."""
    return make_folder("distilbert", ["student.tflite"])


def rows_of(tokenizer, text):
    ids, mask = tokenizer.encode(text.lower(), LENGTHS[-1])
    return {"input_ids": ids, "attention_mask": mask}


def test_the_file_scores_as_the_exported_one(exported, tokenizer):
    """It has one signature, MediaPipe's three inputs even for DistilBERT, and one output."""
    from ai_edge_litert.interpreter import Interpreter

    head, folder = exported
    facts, reason = write_mediapipe(head, tokenizer, folder, list(map(TextExample, TEXTS)))
    path = folder / MEDIAPIPE_FILE
    assert reason == "" and facts == {"bytes": path.stat().st_size, "texts": 4, "other_ids": 0.0}
    found = Interpreter(str(path))
    signature = {"inputs": ["ids", "mask", "segment_ids"], "outputs": ["probabilities"]}
    assert found.get_signature_list() == {"serving_default": signature}
    assert {tuple(each["shape"]) for each in found.get_input_details()} == {(1, LENGTHS[-1])}
    run, lite = found.get_signature_runner(), LiteModel(folder / "student.tflite")
    for text in TEXTS:
        rows = rows_of(tokenizer, text)
        ids, mask = (row[None] for row in rows.values())
        scores = run(ids=ids, mask=mask, segment_ids=np.ones_like(ids))["probabilities"][0]
        np.testing.assert_array_equal(scores, lite.run(rows, LENGTHS[-1])["probabilities"])
    with pytest.raises(UserError, match="not written by tfdistill.export for LiteRT"):
        LiteModel(path)


def test_the_files_in_the_file(exported, vocabulary):
    """Without compression, as MediaPipe reads them, after a table with the schema's identifier."""
    content = mediapipe_file((exported[1] / "student.tflite").read_bytes(), vocabulary, LABELS)
    assert content.count(b"TFLITE_METADATA") == content.count(b"M001") == 1
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {file.compress_type for file in archive.infolist()} == {zipfile.ZIP_STORED}
        lines = {name: archive.read(name).decode().splitlines() for name in archive.namelist()}
    assert lines == {"vocab.txt": vocabulary, "labels.txt": list(LABELS)}


# What MediaPipe 1.2.3 gives, by its TextEmbedder with a model that returns its ids.
TOKENS = {
    "The Whale, don't [MASK]": "the whale , don ' t [ mask ]",
    "Écoute École café": "[UNK] [UNK] [UNK]",
    "漢字kanji １２": "漢 [UNK] kan ##ji [UNK]",
    "a\u00a0b a\u200bb a\x01b a\x0bb": "[UNK] [UNK] [UNK] [UNK]",
    "x" * 101: "[UNK]",
    "é" * 51: "[UNK]",
    "$5^2~„a“": "$ 5 ^ 2 ~ „ a “",
    "": "",
}
MOST = 64


@pytest.fixture(scope="module")
def bundled():
    """(tokenizer, its tokens) of bert-base-uncased."""
    tokens = (BUNDLED / "vocab.txt").read_text("utf-8").splitlines()
    return load_tokenizer(), tokens


@pytest.mark.parametrize("text", TOKENS, ids=ascii)
def test_the_ids_of_mediapipe(bundled, text):
    tokens = bundled[1]
    found = MediaPipeTokenizer(tokens).encode(text, MOST)
    assert " ".join(tokens[i] for i in found[1:-1]) == TOKENS[text]
    assert (tokens[found[0]], tokens[found[-1]]) == ("[CLS]", "[SEP]")


def test_the_share_of_other_ids(bundled):
    texts = ["The café.", "THE WHALE, " * 40, "[MASK]", "a\u200bb"]
    assert share_of_other_ids(*bundled, texts, MOST) == (0.5, 4)
    assert share_of_other_ids(*bundled, ["a", "é"] * 10_000, MOST) == (0.0, 10_000)


def test_models_that_mediapipe_cannot_read(exported, tokenizer, vocabulary, tmp_path, capsys):
    """One line says why; the other files are left as they are."""
    from tfdistill.command_line.console import Console
    from tfdistill.run.exported_model import export_mediapipe

    def lines(tokens, examples, settings="{}"):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
        (folder / "tokenizer_config.json").write_text(settings)
        model = type("Model", (), {"head": exported[0]})
        batches = type("Batches", (), {"source": type("Source", (), {"examples": examples})})
        own = load_tokenizer(str(folder))
        assert export_mediapipe(None, model, own, folder, batches, Console()) is None
        assert not (folder / MEDIAPIPE_FILE).exists()
        return capsys.readouterr().err

    pair, one = [TextExample("a", "b")], [TextExample("a")]
    assert "the examples are pairs" in lines(vocabulary, pair)
    cased = '{"do_lower_case": false, "tokenizer_class": "BertTokenizer"}'
    assert lines(vocabulary, one, cased).endswith("and the vocabulary is cased\n")
    assert "with the id 0, and [PAD] is 119" in lines(vocabulary[:0:-1] + ["[PAD]"], one)
    named = type("Head", (), {"task": exported[0].task, "labels": ("good", "not\ngood")})
    assert r"'not\ngood' has several" in write_mediapipe(named, tokenizer, tmp_path, one)[1]
    masked = type("Model", (), {"head": type("Head", (), {"task": ""})})
    assert export_mediapipe(None, masked, tokenizer, tmp_path, None, Console()) is None
    assert capsys.readouterr() == ("", "")


@pytest.mark.mediapipe
@pytest.mark.parametrize("model_type", ["bert", "distilbert"])
def test_mediapipe_scores_as_litert(make_folder, tokenizer, model_type):
    from mediapipe.tasks.python.text import TextClassifier

    head, folder = make_folder(model_type, FILES)
    for name in ("student_int8.tflite", "student.tflite"):  # the int8 file, where there is one
        lite = LiteModel(folder / name)
        write_mediapipe(head, tokenizer, folder, [])
        with TextClassifier.create_from_model_path(str(folder / MEDIAPIPE_FILE)) as classifier:
            for text in TEXTS:
                (found,) = classifier.classify(text).classifications
                scores = {each.category_name: each.score for each in found.categories}
                expected = lite.run(rows_of(tokenizer, text), LENGTHS[-1])["probabilities"]
                assert [scores[label] for label in LABELS] == pytest.approx(expected, abs=1e-4)
        (folder / name).unlink()


def vector(embedder, text):
    (found,) = embedder.embed(text).embeddings
    return np.asarray(found.embedding)


@pytest.mark.mediapipe
def test_mediapipe_embeds_as_litert(bert, tokenizer, tmp_path):
    from mediapipe.tasks.python.text import TextEmbedder

    model = Model(bert.encoder, EmbeddingHead(bert.config), seed=None)
    tokenizer.save(tmp_path, "bert", LENGTHS[-1])
    export_tflite_files(model, {tmp_path / "student_int8.tflite": DYNAMIC_INT8}, LENGTHS)
    facts, _ = write_mediapipe(model.head, tokenizer, tmp_path, [TextExample(*TEXTS[:2])])
    assert facts["texts"] == 2
    lite = LiteModel(tmp_path / "student_int8.tflite")
    with TextEmbedder.create_from_model_path(str(tmp_path / MEDIAPIPE_FILE)) as embedder:
        for text in TEXTS:
            expected = lite.run(rows_of(tokenizer, text), LENGTHS[-1])["embedding"]
            np.testing.assert_allclose(vector(embedder, text), expected, rtol=0, atol=1e-4)


@pytest.mark.mediapipe
def test_similarity_of_sentences_through_mediapipe(minilm, shared_data, tmp_path):
    """Of a real sentence encoder: its int8 file is correlated with the scores as the model is."""
    from mediapipe.tasks.python.text import TextEmbedder
    from scipy.stats import spearmanr

    length = 64
    lines = (shared_data / "glue" / "STS-B" / "dev.tsv").read_text("utf-8").splitlines()[1:]
    rows = [line.split("\t")[-3:] for line in lines]
    texts = sorted({text for row in rows for text in row[:2]})
    model, tokenizer = tasks.get("sentence_embedding").load(minilm), load_tokenizer(str(minilm))
    tokenizer.save(tmp_path, "bert", length)
    export_tflite_files(model, {tmp_path / "student_int8.tflite": DYNAMIC_INT8}, length)
    examples = [TextExample(text) for text in texts]
    facts, _ = write_mediapipe(model.head, tokenizer, tmp_path, examples)
    with TextEmbedder.create_from_model_path(str(tmp_path / MEDIAPIPE_FILE)) as embedder:
        theirs = {text: vector(embedder, text) for text in texts}
    own = {}
    for start in range(0, len(texts), 64):
        ids, mask = zip(*(tokenizer.encode(t, length) for t in texts[start:][:64]), strict=True)
        vectors = model({"input_ids": np.stack(ids), "attention_mask": np.stack(mask)})["logits"]
        own |= zip(texts[start:][:64], np.asarray(vectors), strict=True)
    scores = [float(row[2]) for row in rows]
    found, expected = (
        spearmanr([v[one] @ v[two] for one, two, _ in rows], scores).statistic
        for v in (theirs, own)
    )
    print(f"Spearman: {found:.4f} in MediaPipe, {expected:.4f} the model; {facts}")
    assert expected > 0.8 and found == pytest.approx(expected, abs=0.01)


@pytest.fixture(scope="module")
def embedder(bundled, tmp_path_factory):
    """MediaPipe's TextEmbedder with a model that returns its ids, plus 0.5 for tokens."""
    import tensorflow as tf
    from mediapipe.tasks.python.text import TextEmbedder

    names = "input_ids", "attention_mask", "token_type_ids"
    specs = {name: tf.TensorSpec((1, MOST), tf.int32, name) for name in names}
    module = tf.Module()

    @tf.function(input_signature=[specs])
    def ids(inputs):
        ids, mask, types = (tf.cast(inputs[name], tf.float32) for name in names)
        return {"embedding": ids + 0.5 * mask + types}

    module.ids = ids
    folder = tmp_path_factory.mktemp("ids")
    tf.saved_model.save(module, str(folder), signatures=ids)
    content = tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert()
    (folder / MEDIAPIPE_FILE).write_bytes(mediapipe_file(content, bundled[1]))
    with TextEmbedder.create_from_model_path(str(folder / MEDIAPIPE_FILE)) as found:
        yield found


BLOCKS = (0x20, 0x7F), (0xA0, 0x250), (0x250, 0x3000), (0x3000, 0xD800), (0xE000, 0x30000)


@pytest.mark.mediapipe
def test_the_ids_are_those_of_the_runtime(bundled, embedder):
    generator, words = random.Random(0), [token.removeprefix("##") for token in bundled[1]]
    texts = list(TOKENS)
    for _ in range(2000):
        parts = [generator.choice(words) for _ in range(6)]
        for _ in range(4):
            low, high = generator.choice(BLOCKS)
            parts.append(chr(generator.randrange(low, high)) * generator.choice((1, 1, 30)))
        generator.shuffle(parts)
        texts.append("".join(part + generator.choice(("", " ", "\n", "-")) for part in parts))
    own = MediaPipeTokenizer(bundled[1])
    for text in texts:
        row = vector(embedder, text)
        assert row[row % 1 > 0].astype(int).tolist() == own.encode(text, MOST), text
