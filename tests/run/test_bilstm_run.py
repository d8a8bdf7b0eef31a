"""Students that are BiLSTMs: runs of tasks with labels, their files, and what is refused."""

import json
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file

from tfdistill.data.text_tokenizer import load_text_tokenizer
from tfdistill.deployment.label_predictor import LabelPredictor
from tfdistill.run import augmentation, checks
from tfdistill.starts.word_tables import SPREAD, word_table
from tfdistill.system.errors import UserError


def write_pairs(file, words, rows=400, seed=5):
    """A CSV of two texts with the label "same" if the second has the words of the first."""
    generator = np.random.default_rng(seed)
    lines = ["sentence1,sentence2,label"]
    for number in range(rows):
        first, second = generator.choice(words, size=(2, 4))
        second = first if number % 2 else second
        label = "same" if set(first) == set(second) else "other"
        lines.append(f"{' '.join(first)},{' '.join(generator.permutation(second))},{label}")
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.fixture(scope="module")
def data(write_data, words, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return {
        "text_classification": write_data["text_classification"](folder / "texts.csv", words),
        "token_classification": write_data["token_classification"](folder / "tags.conll", words),
        "regression": write_data["regression"](folder / "numbers.csv", words),
        "pairs": write_pairs(folder / "pairs.csv", words),
        "folder": folder,
    }


@pytest.fixture
def flags(data, encoder, task_flags, monkeypatch):
    """A function of changes to the flags of a run of a BiLSTM."""

    def first_letters():  # stands for parts of speech
        return lambda words: [word[0] for word in words]

    for module in (augmentation, checks):
        monkeypatch.setattr(module, "load_tagger", first_letters)

    def make(task="text_classification", **changes):
        usual = dict(
            task="text_classification" if task == "pairs" else task,
            recipe="bilstm",
            train_data=data.get(task),
            teacher=encoder,
            student_type="bilstm",
            student_config="H-8_F-12",
            embedding_size=10,
            vocabulary_size=6,
            augmentation="bilstm",
            augmentation_variants=3,
            shards_dir=data["folder"] / "shards",
            learning_rate=1e-2,
            length=24,
            tflite_lengths="12,24",
            tflite_variants="float32,float16,int8",
            n_epoch=3,
        )
        return task_flags(**(usual | changes))

    return make


LABELS_ALONE = dict(recipe="kd", alpha=0.0, augmentation=None)


def settings_of(folder):
    return json.loads((folder / "config.json").read_text())


@pytest.mark.slow
def test_a_start_from_the_teachers_words(flags, train, tmp_path):
    """A vocabulary of the texts' words, and the principal components of their embeddings."""
    train(flags(output_dir=tmp_path / "run"), stop_after="start")
    teacher = tmp_path / "run" / "teacher"
    start = tmp_path / "run" / "checkpoints" / "student_start"
    config = settings_of(start)
    assert config["model_type"] == "tfdistill_bilstm" and config["embedding_size"] == 10
    assert config["architectures"] == ["TfdistillBiLstmForSequenceClassification"]
    whole, own = (load_text_tokenizer(str(each)) for each in (teacher, start))
    assert config["vocab_size"] == own.vocab_size < whole.vocab_size
    table = load_file(start / "model.safetensors")["bilstm.embeddings.word_embeddings.weight"]
    rows = load_file(teacher / "model.safetensors")["bert.embeddings.word_embeddings.weight"]
    vectors = {whole.id_to_token(i): rows[i] for i in range(whole.vocab_size)}
    tokens = [own.id_to_token(i) for i in range(own.vocab_size)]
    np.testing.assert_allclose(table[1:], word_table(vectors, tokens, 10, 0)[1:], rtol=1e-5)
    assert not table[0].any()


@pytest.mark.slow
def test_a_start_from_word_vectors(flags, data, words, train, tmp_path):
    vectors = tmp_path / "vectors.npy"
    np.save(vectors, np.random.default_rng(1).normal(size=(10, 4)))
    vectors.with_suffix(".txt").write_text("\n".join(words) + "\n")
    changes = dict(student_init="word_vectors", word_vectors=vectors, embedding_size=4)
    train(flags(**changes, output_dir=tmp_path / "run"), stop_after="start")
    start = tmp_path / "run" / "checkpoints" / "student_start"
    table = load_file(start / "model.safetensors")["bilstm.embeddings.word_embeddings.weight"]
    own = load_text_tokenizer(str(start))
    known = [i for i in range(own.vocab_size) if own.id_to_token(i) in words]
    assert len(known) >= 5 and table[known].std() == pytest.approx(SPREAD, rel=1e-4)
    np.testing.assert_allclose(table[known].mean(axis=0), 0, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            dict(task="question_answering", augmentation=None),
            "not task=question_answering: choose another",
        ),
        (dict(task="masked_lm", augmentation=None), "not task=masked_lm: choose another"),
        (dict(task="sentence_embedding", augmentation=None), "not task=sentence_embedding"),
        (dict(pooling="mean"), "pooling=mean: a bilstm has a way of its own"),
        (dict(student_init="spaced"), "student_init=spaced is no start of a bilstm"),
        (dict(student_init="word_vectors"), "name a file with word_vectors"),
        (dict(student_config="L-2_H-8_A-2"), "neither a file nor a shape of a tfdistill_bilstm"),
        (dict(recipe="tinybert_task"), "recipe=tinybert_task compares tokens"),
        (dict(teacher=None, **LABELS_ALONE, student_init="embeddings"), "there is no teacher"),
        (dict(tflite_variants="full_int8"), "a tfdistill_bilstm has no full_int8 file"),
        (dict(freeze_pos_embs=True), "a tfdistill_bilstm has no position embeddings"),
        (dict(freeze_token_type_embds=True), "a tfdistill_bilstm has no token types"),
    ],
)
def test_impossible_settings_are_one_line(changes, message, flags, train, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(UserError, match=message) as error:
        train(flags(**changes, output_dir=run), stop_after="prepare")
    assert "\n" not in str(error.value) and not run.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("some words", "is no word with"),
        ("zyx 0.1 0.2", "has no word of the"),
    ],
)
def test_wrong_word_vectors_are_found_before_the_teacher(content, message, flags, train, tmp_path):
    file, run = tmp_path / "vectors.txt", tmp_path / "run"
    if content:
        file.write_text(content)
    with pytest.raises(UserError, match=f"word_vectors={file}.*{message}"):
        train(flags(student_init="word_vectors", word_vectors=file, output_dir=run), "prepare")
    assert not run.exists()


def test_a_missing_tagger_is_one_line(flags, train, monkeypatch, tmp_path):
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "textblob.en", None)
    words = flags(output_dir=tmp_path / "run")
    with pytest.raises(UserError, match="pip install textblob, or set augmentation_tag_prob"):
        train(words, stop_after="prepare")
    train([*words, "--augmentation_tag_probability=0"], stop_after="augmentation")
    assert (tmp_path / "run" / "checkpoints" / "augmented.jsonl").is_file()


@pytest.mark.slow
def test_a_text_classifier_from_its_teacher_to_its_files(flags, words, train, tmp_path):
    """Augmentation included; a run that is stopped ends with the same weights."""
    run, stopped = tmp_path / "run", tmp_path / "stopped"
    train(flags(output_dir=run))
    metrics = json.loads((run / "metrics.json").read_text())
    models = metrics["models"]
    assert models["student"]["accuracy"] > models["floor"]["accuracy"] + 0.1
    assert metrics["data"]["augmentation"]["variants"] > 240
    assert "[MASK]" in (run / "report.html").read_text("utf-8")
    files = {"student.tflite", "student_float16.tflite", "student_int8.tflite"}
    assert files <= metrics["files"].keys()
    text = " ".join(words[:5])
    (found,) = LabelPredictor.open(run / "student").predict([text])
    (by_file,) = LabelPredictor.open(run / "export" / "student.tflite").predict([text])
    for label, share in found["probabilities"].items():
        assert by_file["probabilities"][label] == pytest.approx(share, abs=1e-5)
    train(flags(output_dir=stopped), "student", stop_at=("student", 20))
    train(flags(output_dir=stopped), stop_after="student")
    one, other = (load_file(each / "student" / "model.safetensors") for each in (run, stopped))
    assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "score"), [("token_classification", "f1"), ("regression", "pearson")]
)
def test_other_tasks_from_their_teacher_to_their_files(task, score, flags, train, tmp_path):
    train(flags(task, output_dir=tmp_path / "run", n_epoch=8))
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert "student_int8.tflite" in metrics["files"]
    teacher, student = (metrics["models"][name][score] for name in ("teacher", "student"))
    assert teacher > 0.3 and student > 0.8 * teacher
    assert settings_of(tmp_path / "run" / "student")["compares_pairs"] is False


@pytest.mark.slow
def test_pairs_are_compared(flags, words, train, tmp_path):
    """Learned from labels: a tiny random Transformer, as a teacher, does not learn them."""
    run, changes = tmp_path / "run", dict(teacher=None, baseline="none", n_epoch=16)
    train(flags("pairs", **LABELS_ALONE, **changes, output_dir=run))
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["models"]["student"]["accuracy"] > metrics["models"]["floor"]["accuracy"] + 0.15
    assert settings_of(run / "student")["compares_pairs"] is True
    text, pair = " ".join(words[:4]), " ".join(words[3::-1])
    (found,) = LabelPredictor.open(run / "student").predict([text], [pair])
    (by_file,) = LabelPredictor.open(run / "export" / "student.tflite").predict([text], [pair])
    shares = found["probabilities"]
    assert by_file["probabilities"] == pytest.approx(shares, abs=1e-5)
