"""Files of sentence encoders: their vectors, their check, and predictions without TensorFlow."""

import ast
import dataclasses
import json

import numpy as np
import pytest
from scipy.stats import spearmanr

from tfdistill import tasks
from tfdistill.data.corpus import Corpus
from tfdistill.data.labelled.examples import TextExample
from tfdistill.data.labelled.opening import open_labelled
from tfdistill.data.labelled.text_pairs import pairs_of_corpus
from tfdistill.data.text_tokenizer import load_text_tokenizer
from tfdistill.deployment.label_predictor import LabelPredictor
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.parity import ParityError, check_parity
from tfdistill.deployment.signatures import names_of
from tfdistill.deployment.tflite import DYNAMIC_INT8, export_tflite_files
from tfdistill.models.heads.embedding import EmbeddingHead
from tfdistill.models.hugging_face.checkpoint import save_model
from tfdistill.models.model import Model
from tfdistill.system.errors import UserError
from tfdistill.tasks.sentence_embedding import cosines

LENGTHS = 8, 16
FLOAT, INT8 = "student.tflite", "student_int8.tflite"
TEXTS = "the whale sank", "a ship saw the sea in the storm", "old men of the sea and a boat"
WORDS = "the a whale ship sea captain sank saw and of in storm men night old boat".split()


@pytest.fixture(scope="module")
def folder(bert, tokenizer, tmp_path_factory):
    """The folder of a sentence encoder, with its files."""
    folder = tmp_path_factory.mktemp("embedding")
    model = Model(bert.encoder, EmbeddingHead(bert.config, max_length=12), seed=None)
    save_model(model, folder)
    tokenizer.save(folder, "bert", LENGTHS[-1])
    export_tflite_files(model, {folder / FLOAT: None, folder / INT8: DYNAMIC_INT8}, LENGTHS)
    return folder


@pytest.fixture(scope="module")
def task():
    return tasks.get("sentence_embedding")


@pytest.fixture(scope="module")
def corpus():
    words = np.random.default_rng(0).choice(WORDS, 2000)
    lines = [" ".join(words[start : start + 10]) for start in range(0, 2000, 10)]
    return Corpus("lines", "", {"test": lambda: iter([lines])}, None)


def expected(bert, tokenizer, text, length=LENGTHS[-1]):
    ids, mask = tokenizer.encode(text, length)
    hidden = bert.encode({"input_ids": [ids], "attention_mask": [mask]})["last_hidden_state"]
    mean = hidden.numpy()[0, : mask.sum()].mean(axis=0)
    return mean / np.linalg.norm(mean)


def test_files_give_the_mean_of_the_tokens(folder, bert, tokenizer):
    for name, tolerance in ((FLOAT, 1e-5), (INT8, 0.02)):
        model = LiteModel(folder / name)
        assert model.output_name == "embedding" and model.output_shape == (1, 32)
        assert model.metadata == {
            "task": "sentence_embedding",
            "labels": [],
            "length": 16,
            "pooling": "mean",
            "normalize": True,
        }
        for text in TEXTS:
            ids, mask = tokenizer.encode(text, LENGTHS[-1])
            found = model.run({"input_ids": ids, "attention_mask": mask})
            assert found.keys() == {"embedding"} and found["embedding"].dtype == np.float32
            wanted = expected(bert, tokenizer, text)
            np.testing.assert_allclose(found["embedding"], wanted, atol=tolerance)
            assert np.linalg.norm(found["embedding"]) == pytest.approx(1, abs=1e-5)


def test_folder_and_file_predict_alike(folder, bert, tokenizer):
    opened = [LabelPredictor.open(folder), LabelPredictor.open(folder / FLOAT)]
    assert [each.length for each in opened] == [12, 16]
    for predictor in opened:
        first, second = (each["embedding"] for each in predictor.predict(TEXTS[:2]))
        np.testing.assert_allclose(first, expected(bert, tokenizer, TEXTS[0]), atol=1e-5)
        alone, pair = predictor.predict(TEXTS[:2], [None, TEXTS[0]])
        assert alone["embedding"] == pytest.approx(first, abs=1e-6)
        assert pair == {"cosine": pytest.approx(np.dot(first, second), abs=1e-5)}
        assert predictor.predict([" ".join(WORDS)])[0]["cut"] is True


def test_the_command(folder, run_command, capfd):
    flags = [f"--model={folder / FLOAT}", TEXTS[0]]
    assert run_command("predict", *flags) == 0
    vector = json.loads(capfd.readouterr().out)
    assert len(vector) == 32 and np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert run_command("predict", *flags, TEXTS[0]) == 0
    assert capfd.readouterr().out == "1.0000\n"
    assert run_command("predict", *flags, TEXTS[1], "--json") == 0
    assert json.loads(capfd.readouterr().out)["prediction"]["cosine"] < 1
    assert run_command("predict", *flags, "--pooling=cls") == 1
    assert "--pooling=cls" in capfd.readouterr().err


def test_any_directory_with_a_pooling(bert, tokenizer, tmp_path):
    save_model(bert, tmp_path)
    tokenizer.save(tmp_path, "bert", LENGTHS[-1])
    with pytest.raises(UserError, match="no head for classes.*or set pooling=mean"):
        LabelPredictor.open(tmp_path)
    (found,) = LabelPredictor.open(tmp_path, pooling="mean").predict(TEXTS[:1])
    wanted = expected(bert, tokenizer, TEXTS[0])
    np.testing.assert_allclose(found["embedding"], wanted, atol=1e-5)


def test_files_are_checked_on_texts_without_scores(folder, task, tokenizer, corpus):
    data = pairs_of_corpus(corpus, LENGTHS[-1])
    sizes = [len(text.split()) for each in data.splits["test"] for text in (each.text, each.pair)]
    assert min(sizes) == 3 and max(sizes) == 12 and len(sizes) > 200
    assert f"{len(sizes)} texts of 3 to 12 words" in data.notes[0]
    task, model = task.of_data(data), task.load(folder)
    source = task.encode(data.splits["test"], tokenizer, LENGTHS[-1])
    batches = task.fixed_batches(task.evaluation_batches(source), LENGTHS[-1], 100)
    result = check_parity(task, model, folder / FLOAT, batches, 1)
    assert result.positions == 50  # pairs
    assert result.agreement == pytest.approx(1, abs=1e-6)
    assert (result.primary_keras, result.primary_lite) == pytest.approx((1, 1), abs=1e-4)
    assert result.between_lengths < 1e-5 and result.loss_lite < 1e-9
    lossy = check_parity(*(task, model, folder / INT8, batches, 1, DYNAMIC_INT8), allow_loss=True)
    assert 0.99 < lossy.agreement < 1 and 0.98 < lossy.primary_lite < 1
    with pytest.raises(UserError, match="test_data is empty"):
        task.evaluate(task.scorer(model), batches, source)
    gamma = model.encoder.weights[-1]
    gamma.assign(gamma + 0.01)
    with pytest.raises(ParityError, match="differs from its model by"):
        check_parity(task, model, folder / FLOAT, batches, 1)
    short = dataclasses.replace(corpus, splits={"test": lambda: iter([["the sea"]])})
    with pytest.raises(UserError, match="its test split has 0 pairs of texts"):
        pairs_of_corpus(short, LENGTHS[-1])


def test_the_code_of_the_card(folder, task, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    code = task.words.code.format(
        length=LENGTHS[-1],
        signatures=names_of(LENGTHS),
        pad="",
        file=FLOAT,
        token_types=", token_type_ids=text.type_ids",
    )
    exec(code, {})
    texts = "The whale sank the ship.", "A ship was sunk by a whale."
    (pair,) = LabelPredictor.open(folder / FLOAT).predict(texts[:1], texts[1:])
    assert ast.literal_eval(capsys.readouterr().out) == pytest.approx(pair["cosine"], abs=1e-5)


def test_pairs_need_a_second_text(task, tokenizer):
    with pytest.raises(UserError, match="a.csv:2: one text, and pairs are compared"):
        task.encode([TextExample("the sea", label=1.0, origin="a.csv:2")], tokenizer, 8)


def spearman(first, second, scores):
    return spearmanr(cosines(first, second), scores).statistic


@pytest.mark.slow
def test_a_real_sentence_encoder(minilm, shared_data, task, tmp_path):
    """Similarity of STS-B's development pairs: the int8 file beside PyTorch."""
    torch, transformers = map(pytest.importorskip, ("torch", "transformers"))
    data = open_labelled("numbers", test_data=str(shared_data / "glue" / "STS-B" / "dev.tsv"))
    pairs = data.splits["test"]
    texts, scores = [each.text for each in pairs], [each.label for each in pairs]
    texts += [each.pair for each in pairs]
    model, file = task.load(minilm), tmp_path / INT8
    export_tflite_files(model, {file: DYNAMIC_INT8}, (16, 32, 128))
    predictor = LabelPredictor.open(file, minilm)
    found = np.array([each["embedding"] for each in predictor.predict(texts)])
    tokenizer = transformers.AutoTokenizer.from_pretrained(minilm)
    theirs, wanted = transformers.AutoModel.from_pretrained(minilm).eval(), []
    for start in range(0, len(texts), 64):
        batch = tokenizer(texts[start : start + 64], padding=True, return_tensors="pt")
        with torch.no_grad():
            hidden = theirs(**batch).last_hidden_state
        mask = batch["attention_mask"][..., None]
        means = (hidden * mask).sum(1) / mask.sum(1)
        wanted.append(torch.nn.functional.normalize(means, dim=1).numpy())
    wanted = np.concatenate(wanted)
    of_file, of_torch = (spearman(*np.split(each, 2), scores) for each in (found, wanted))
    alike = cosines(found, wanted)
    print(f"Spearman: PyTorch {of_torch:.4f}, int8 {of_file:.4f}; cosine {alike.mean():.4f}")
    assert of_torch > 0.85 and of_file == pytest.approx(of_torch, abs=0.01)
    assert alike.mean() > 0.99
    ours = LabelPredictor.of_model(model, load_text_tokenizer(str(minilm))).predict(texts[:64])
    np.testing.assert_allclose([each["embedding"] for each in ours], wanted[:64], atol=1e-5)
