"""Runs that distil sentence encoders: from sentences to a measured folder and its files."""

import html
import json

import numpy as np
import pytest
from safetensors.numpy import load_file
from scipy.stats import spearmanr

from tfdistill.data.labelled.opening import open_labelled
from tfdistill.deployment.label_predictor import LabelPredictor
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.embedding import EmbeddingHead
from tfdistill.models.hugging_face.checkpoint import save_model
from tfdistill.models.model import Model
from tfdistill.system.errors import UserError


@pytest.fixture(scope="module")
def teacher(tiny_tokenizer, tmp_path_factory):
    """The folder of a random encoder of 2 layers that does not normalise its vectors."""
    shape = EncoderConfig(
        vocab_size=tiny_tokenizer.vocab_size,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.3,
    )
    folder = tmp_path_factory.mktemp("teacher")
    head = EmbeddingHead(shape, normalize=False, max_length=40)
    save_model(Model(Encoder(shape), head, seed=3), folder)
    tiny_tokenizer.save(folder)
    return folder


@pytest.fixture(scope="module")
def files(tiny_text, tmp_path_factory):
    """A folder with 400 sentences, and pairs of them with scores."""
    folder = tmp_path_factory.mktemp("sentences")
    tokens = (tiny_text / "vocabulary" / "vocab.txt").read_text("utf-8").split()
    words = [token for token in tokens if token.isalpha() and len(token) > 2]
    draws = np.random.default_rng(0)
    lines = [" ".join(draws.choice(words, size=draws.integers(3, 11))) for _ in range(400)]
    (folder / "sentences.txt").write_text("\n".join(lines), "utf-8")
    pairs = [(*draws.choice(lines, 2), draws.integers(6)) for _ in range(60)]
    rows = ["sentence1\tsentence2\tscore", *("\t".join(map(str, pair)) for pair in pairs)]
    (folder / "pairs.tsv").write_text("\n".join(rows), "utf-8")
    return folder


@pytest.fixture(scope="module")
def flags(teacher, files, task_flags):
    """A function of changes to the flags of a run of seconds on these sentences."""
    usual = dict(
        task="sentence_embedding",
        train_data=files / "sentences.txt",
        teacher=teacher,
        student_config="L-1_H-16_A-2",
        shards_dir=files / "shards",
        length=24,
        tflite_lengths=24,
        n_epoch=6,
        dropout=None,
        validation_interval=20,
    )
    return lambda **changes: task_flags(**(usual | changes))


@pytest.mark.slow
def test_held_out_pairs_get_the_cosines_of_the_teacher(flags, train, tmp_path, capfd):
    """Up to the start; a second run reads the kept vectors."""
    for name in ("first", "second"):
        stages = train(flags(output_dir=tmp_path / name), stop_after="start")
        assert ("answers" in stages) == (name == "first")
    out = capfd.readouterr().out
    assert "validation: 20 pairs, whose scores are the teacher's cosines" in out
    start = json.loads((tmp_path / "first/checkpoints/student_start/config.json").read_text())
    assert start["hidden_size"] == 16 and start["hidden_dropout_prob"] == 0.0
    modules = tmp_path / "first" / "checkpoints" / "student_start" / "modules.json"
    kinds = [each["type"].split(".")[-1] for each in json.loads(modules.read_text())]
    assert kinds == ["Transformer", "Pooling"]  # like its teacher, without a normalisation


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(recipe="kd"), "recipe=kd learns from labels, and the task has none: use .*sentence"),
        (
            dict(baseline="random"),
            "baseline=random: task=sentence_embedding learns from a teacher",
        ),
        (dict(teacher=None), "teacher is empty"),
        (dict(pooling="cls"), "pooling=cls: it was trained with mean"),
        (dict(validation_data="README.md"), "README.md: which column is the text.*set text_column"),
    ],
)
def test_what_is_refused(flags, train, tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        train(flags(output_dir=tmp_path / "run", **changes))
    assert not (tmp_path / "run").exists()


def test_sentences_have_variants(flags, train, tmp_path):
    """The student learns the teacher's vectors of them, but of none that is held out."""
    changes = dict(augmentation="bilstm", augmentation_tag_probability=0, augmentation_variants=2)
    changes |= dict(output_dir=tmp_path / "run", shards_dir=tmp_path / "shards")
    train(flags(**changes), stop_after="answers")
    lines = (tmp_path / "run" / "checkpoints" / "augmented.jsonl").read_text().splitlines()
    state = json.loads((tmp_path / "run" / "checkpoints" / "state.json").read_text())
    facts = state["done"]["augmentation"]["facts"]
    assert facts["variants"] == len(lines) > facts["examples"] // 2
    vectors = [np.load(file) for file in (tmp_path / "shards").glob("answers/*/logits.npy")]
    assert facts["examples"] + len(lines) in map(len, vectors)


def losses_of(folder):
    """The losses of the first and of the last logged steps."""
    rows = (folder / "checkpoints" / "student" / "curve.jsonl").read_text().splitlines()
    found = [row["loss_vector_cosine"] for row in map(json.loads, rows) if "loss" in row]
    return np.mean(found[:5]), np.mean(found[-5:])


@pytest.mark.slow
@pytest.mark.parametrize("width", [32, 48])
def test_students_as_wide_as_their_teacher_and_wider(width, flags, train, tmp_path):
    start = dict(student_init="random") if width > 32 else {}
    shape = dict(student_config=f"L-1_H-{width}_A-2_I-64", **start)
    train(flags(output_dir=tmp_path, patience=0, **shape), stop_after="student")
    first, last = losses_of(tmp_path)
    assert last < 0.8 * first


@pytest.mark.slow
def test_a_run_on_pairs_with_scores(flags, files, train, teacher, tmp_path):
    train(flags(output_dir=tmp_path / "run", test_data=files / "pairs.tsv", patience=0))
    folder = tmp_path / "run"
    first, last = losses_of(folder)
    assert last < 0.8 * first
    metrics = json.loads((folder / "metrics.json").read_text())
    models = metrics["models"]
    assert list(models) == ["floor", "teacher", "student_start", "student"]
    assert metrics["primary"] == {"name": "spearman", "higher_is_better": True}
    assert "student-student_start" in metrics["differences"] and metrics["teacher_answers"]["text"]
    assert metrics["files"]["student.tflite"]["spearman"] == pytest.approx(
        models["student"]["spearman"], abs=1e-3
    )
    test = open_labelled("numbers", test_data=str(files / "pairs.tsv"))
    found = []
    for each in (teacher, folder / "student", folder / "export" / "student.tflite"):
        predict = LabelPredictor.open(each).predict
        first, second = zip(*((pair.text, pair.pair) for pair in test.splits["test"]), strict=True)
        found.append([each["cosine"] for each in predict(list(first), list(second))])
    np.testing.assert_allclose(found[1], found[2], atol=1e-5)
    agreement = spearmanr(found[0], found[1]).statistic
    assert models["student"]["agreement"] == pytest.approx(agreement, abs=1e-4)
    assert (folder / "student" / "1_Pooling" / "config.json").is_file()


@pytest.mark.slow
def test_a_stopped_run_ends_with_the_same_weights(flags, train, tmp_path):
    """Also where a map between widths was fitted before the first step."""
    for name, stops in (("whole", []), ("stopped", [("student", 7), ("student", 31)])):
        for stop_at in stops:
            train(flags(output_dir=tmp_path / name, seed=1), stop_at=stop_at)
        train(flags(output_dir=tmp_path / name, seed=1), stop_after="student")
    whole, stopped = (
        load_file(tmp_path / name / "student" / "model.safetensors")
        for name in ("whole", "stopped")
    )
    assert all((whole[name] == stopped[name]).all() for name in whole)


@pytest.mark.slow
def test_a_whole_run_without_pairs(flags, train, tmp_path):
    """The scores are the teacher's cosines, so that its own correlation is 1."""
    folder = tmp_path / "run"
    train(flags(output_dir=folder, alpha_vectors_mse=0.1, gradient_accumulation_steps=2, n_epoch=2))
    models = json.loads((folder / "metrics.json").read_text())["models"]
    assert models["teacher"]["spearman"] == pytest.approx(1, abs=1e-6)
    assert models["student"]["spearman"] == pytest.approx(models["student"]["agreement"])
    assert "teacher's cosines" in html.unescape((folder / "report.html").read_text("utf-8"))
