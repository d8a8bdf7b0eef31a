"""Predictions for [MASK] are the same from a Hugging Face directory and from a TFLite file."""

import shutil

import numpy as np
import pytest

from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.deployment.predictor import Predictor
from tfdistill.models.hugging_face.checkpoint import save_model
from tfdistill.system.errors import UserError
from tfdistill.tasks.masked_lm import MaskedLM

TASK = MaskedLM()
TEXT = "The whale [MASK] the ship."


@pytest.fixture
def run(exported, tokenizer, tmp_path):
    """A run's folder: student/ and export/student.tflite, the vocabulary in student/ only."""
    model, made = exported
    save_model(model, tmp_path / "run" / "student")
    tokenizer.save(tmp_path / "run" / "student")
    (tmp_path / "run" / "export").mkdir()
    shutil.copy(made / "student.tflite", tmp_path / "run" / "export")
    return tmp_path / "run"


@pytest.fixture(params=["student", "export/student.tflite"])
def predictor(run, request):
    return Predictor.open(str(run / request.param), TASK)


def test_both_ways_agree(run):
    from_directory = Predictor.open(str(run / "student"), TASK).predict(TEXT, top_k=120)
    from_file = Predictor.open(str(run / "export" / "student.tflite"), TASK).predict(
        TEXT, top_k=120
    )
    (keras,), (lite,) = from_directory, from_file
    assert [token for token, _ in keras[:5]] == [token for token, _ in lite[:5]]
    np.testing.assert_allclose([p for _, p in keras], [p for _, p in lite], rtol=1e-3)
    assert sum(p for _, p in keras) == pytest.approx(1)


def test_probabilities_are_those_of_the_model(run, exported, tokenizer):
    ids, mask = tokenizer.encode(TEXT, 8)
    position = list(ids).index(tokenizer.mask_id)
    inputs = {"input_ids": ids[None], "attention_mask": mask[None]}
    row = np.asarray(exported[0](inputs)["logits"])[0, position].astype(np.float64)
    exact = np.exp(row) / np.exp(row).sum()
    ((best, probability), *_) = Predictor.open(str(run / "student"), TASK).predict(TEXT)[0]
    assert best == tokenizer.id_to_token(exact.argmax())
    assert probability == pytest.approx(exact.max(), rel=1e-4)


def test_several_masks_and_a_text_of_one_token(predictor):
    filled = predictor.predict("The [MASK] saw [MASK] [MASK].", top_k=3)
    assert [len(words) for words in filled] == [3, 3, 3]
    probabilities = [p for _, p in filled[0]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert len(predictor.predict("[MASK]")) == 1


def test_refused_texts(predictor, run):
    with pytest.raises(UserError, match=r"no \[MASK\]"):
        predictor.predict("The whale sank the ship.")
    with pytest.raises(UserError, match=r"no \[MASK\]"):
        predictor.predict("")
    limit = predictor.length - 2
    assert limit in (14, 22)
    predictor.predict("[MASK] " + "sea " * (limit - 1))
    with pytest.raises(UserError, match=f"more than {limit} tokens"):
        predictor.predict("[MASK] " + "sea " * limit)


def test_vocabulary_is_looked_for(run, tokenizer, tmp_path):
    alone = tmp_path / "alone" / "student.tflite"
    alone.parent.mkdir()
    shutil.copy(run / "export" / "student.tflite", alone)
    with pytest.raises(UserError, match="tokenizer"):
        Predictor.open(str(alone), TASK)
    expected = Predictor.open(str(run / "export" / "student.tflite"), TASK).predict(TEXT)
    assert (
        Predictor.open(str(alone), TASK, tokenizer=str(run / "student")).predict(TEXT) == expected
    )
    tokenizer.save(alone.parent)
    assert Predictor.open(str(alone), TASK).predict(TEXT) == expected


def test_spare_rows_weigh_but_are_not_printed(make_model, tokenizer, tmp_path):
    model = make_model(vocab_size=128)
    bias = model.head.bias.numpy()
    bias[120:] += 20
    model.head.bias.assign(bias)
    save_model(model, tmp_path)
    tokenizer.save(tmp_path)
    (words,) = Predictor.open(str(tmp_path), TASK).predict(TEXT, top_k=128)
    assert len(words) == 120 and all(isinstance(word, str) for word, _ in words)
    assert sum(probability for _, probability in words) < 0.01
    bias[120:] = -100
    model.head.bias.assign(bias)
    save_model(model, tmp_path)
    (others,) = Predictor.open(str(tmp_path), TASK).predict(TEXT, top_k=128)
    assert [word for word, _ in others] == [word for word, _ in words]
    assert sum(probability for _, probability in others) == pytest.approx(1)


def test_another_vocabulary_is_refused(run, vocabulary, tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary + ["more"]) + "\n")
    for model in ("student", "export/student.tflite"):
        with pytest.raises(UserError, match="121 tokens, but .* 120"):
            Predictor.open(str(run / model), TASK, tokenizer=str(tmp_path))


def test_model_without_head_is_refused(make_model, tokenizer, tmp_path):
    save_model(make_model(with_head=False), tmp_path / "headless")
    tokenizer.save(tmp_path / "headless")
    with pytest.raises(UserError, match="no head for the task masked_lm"):
        Predictor.open(str(tmp_path / "headless"), TASK)


def test_no_model_there(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        Predictor.open(str(tmp_path / "none.tflite"), TASK)


def test_bundled_vocabulary_is_not_assumed(run):
    assert load_tokenizer().vocab_size != 120
    assert Predictor.open(str(run / "student"), TASK).tokenizer.vocab_size == 120
