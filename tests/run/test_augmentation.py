"""Variants of training examples: proposed words, what is kept, and runs that learn from them."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tfdistill.data.augmentation.masked_words import hidden_words, words_of
from tfdistill.data.augmentation.places import places_in
from tfdistill.data.tokenizer import load_mask_tokenizer
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.configs.model_types import get_model_type
from tfdistill.models.configs.roberta import RobertaConfig
from tfdistill.models.hugging_face.checkpoint import save_model
from tfdistill.models.model import MaskedLanguageModel
from tfdistill.run import augmentation, proposed_words
from tfdistill.run.proposed_words import WordProposer
from tfdistill.system.errors import UserError


@pytest.fixture(scope="module")
def masked_lm(tiny_tokenizer):
    """A function to a random masked LM of the tiny vocabulary with some spare rows."""

    def make(model_type="bert", with_head=True):
        shape = EncoderConfig(
            model_type=model_type,
            vocab_size=tiny_tokenizer.vocab_size + 8,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=64,
            type_vocab_size=2 if model_type == "bert" else 0,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            initializer_range=0.4,
        )
        return MaskedLanguageModel(shape, with_head=with_head, seed=5)

    return make


def likeliest(model, tokenizer, word, count):
    """By one row without padding, and a sorted list."""
    t, tokens = tokenizer, list(word.tokens)
    masked = [*tokens[: word.place], t.mask_id, *tokens[word.place + 1 :]]
    between = [t.sep_id] * (2 if model.config.model_type == "roberta" else 1)
    row = [t.cls_id, *masked, *between, *tokens, t.sep_id]
    inputs = {"input_ids": [row], "attention_mask": [[1] * len(row)]}
    if model.config.type_vocab_size > 1:
        first = len(masked) + 2
        inputs["token_type_ids"] = [[0] * first + [1] * (len(row) - first)]
    logits = model(inputs)["logits"].numpy()[0, word.place + 1]
    words, proposed = words_of(t)
    own = words[tokens[word.place]].lower()
    allowed = [i for i in np.flatnonzero(proposed) if words[i].lower() != own]
    return sorted(allowed, key=lambda i: -logits[i])[:count]


@pytest.mark.parametrize("model_type", ["bert", "distilbert"])
def test_the_likeliest_words_are_proposed(model_type, masked_lm, tiny_tokenizer):
    """Whole words only and not the word itself, whatever else is in the batch."""
    model = masked_lm(model_type)
    texts = [
        "The rabbit went back to the door.",
        "one thing",
        "Alice never " + "found the cats " * 5,
    ]
    hidden = hidden_words(texts, list(map(places_in, texts)), tiny_tokenizer)
    words = [word for of_text in hidden for word in of_text if word is not None]
    found = WordProposer(model, tiny_tokenizer, 5).propose(words)
    assert found.shape == (len(words), 5) and len(words) > 10
    for word, ids in list(zip(words, found, strict=True))[::4]:
        assert ids.tolist() == likeliest(model, tiny_tokenizer, word, 5)


def test_a_roberta_proposes_words(tmp_path, tiny_text, write_bytes, train, flags):
    """Its words have a blank before them, and none of them is the hidden word in other capitals."""
    folder = tmp_path / "roberta"
    folder.mkdir()
    write_bytes(folder, (tiny_text / "text.txt").read_text("utf-8"), size=700)
    tokenizer = load_mask_tokenizer(str(folder))
    shape = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    shape |= dict(vocab_size=tokenizer.vocab_size + 3, initializer_range=0.4)
    model = MaskedLanguageModel(RobertaConfig(max_position_embeddings=66, **shape), seed=5)
    save_model(model, folder)
    text = "Then she said, the Rabbit was very much like the other one."
    (words,) = hidden_words([text], [places_in(text)], tokenizer)
    words = [word for word in words if word is not None]
    proposer = WordProposer(model, tokenizer, 5)
    found = proposer.propose(words)
    assert len(words) > 2
    for word, ids in zip(words, found, strict=True):
        assert ids.tolist() == likeliest(model, tokenizer, word, 5)
    changes = dict(augmentation_model=folder, output_dir=tmp_path / "run")
    train(flags(**changes), stop_after="augmentation")
    variants = [text for each in variants_of(tmp_path / "run") for text in each["texts"]]
    assert variants and not any("Ġ" in text or "  " in text for text in variants)


def test_a_roberta_without_a_head_proposes_nothing(tmp_path, train, flags):
    (tmp_path / "config.json").write_text('{"model_type": "roberta"}')
    changes = dict(augmentation_model=tmp_path, output_dir=tmp_path / "run")
    with pytest.raises(UserError, match="a roberta, has no masked-LM head to propose words"):
        train(flags(**changes), stop_after="augmentation")


@pytest.mark.parametrize(
    "model_type, class_name",
    [("electra", "ElectraForMaskedLM"), ("deberta-v2", "DebertaV2ForMaskedLM")],
)
def test_a_head_that_is_not_read_is_refused_at_once(model_type, class_name, tmp_path, train, flags):
    """The folder has no weights: they are not looked for, and no run is begun."""
    values = get_model_type(model_type).config(model_type=model_type).to_hugging_face()
    values["architectures"] = [class_name]
    (tmp_path / "config.json").write_text(json.dumps(values))
    changes = dict(augmentation_model=tmp_path, output_dir=tmp_path / "run")
    with pytest.raises(UserError) as error:
        train(flags(**changes), stop_after="augmentation")
    readable = "bert, distilbert, mobilebert, roberta, xlm-roberta"
    assert str(error.value) == (
        f"augmentation_model={tmp_path} is a {model_type}, and its masked-LM head is not read "
        f"here: name one of {readable} with its head by augmentation_model"
    )
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def flags(masked_lm, words, write_data, tiny_tokenizer, tmp_path_factory, task_flags):
    """A function of changes to the flags of a run with variants; its teacher is a masked LM."""
    folder = tmp_path_factory.mktemp("augmentation")
    data = {
        "text_classification": write_data["text_classification"](folder / "texts.csv", words),
        "token_classification": write_data["token_classification"](folder / "tags.conll", words),
    }
    for name, with_head in (("encoder", False), ("teacher", True)):
        save_model(masked_lm(with_head=with_head), folder / name)
        tiny_tokenizer.save(folder / name)

    def make(teacher="teacher", task="text_classification", **changes):
        usual = dict(
            task=task,
            recipe="tinybert_task",
            augmentation="tinybert",
            augmentation_variants=3,
            augmentation_candidates=4,
            train_data=data.get(task),
            teacher=folder / teacher,
            student_init="random",
            student_config="L-1_H-16_A-2",
            shards_dir=folder / "shards",
            length=24,
            tflite_lengths=24,
            n_epoch=2,
        )
        return task_flags(**(usual | changes))

    return make


def variants_of(folder):
    lines = (folder / "checkpoints" / "augmented.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def stop(*_):
    raise KeyboardInterrupt


def test_variants_are_made_once(flags, train, tmp_path, monkeypatch):
    """A stopped run loses at most the words of a few texts; another seed needs no model."""
    whole, stopped, other = tmp_path / "whole", tmp_path / "stopped", tmp_path / "other"
    monkeypatch.setattr(augmentation, "TEXTS", 100)
    shards = tmp_path / "shards"
    usual = dict(shards_dir=shards, augmentation_rows=400)
    train(flags(**usual, output_dir=stopped), "augmentation", stop_at=("augmentation", 100))
    kept = {file: file.stat().st_mtime_ns for file in shards.glob("augmentation/*/words.npy")}
    assert len(kept) == 1
    train(flags(**usual, output_dir=stopped), stop_after="augmentation")
    assert len(list(shards.glob("augmentation/*/words.npy"))) == 2
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    train(flags(output_dir=whole, augmentation_rows=400), stop_after="augmentation")
    found = variants_of(whole)
    assert variants_of(stopped) == found and len(found) == 400 - 192
    facts = json.loads((whole / "checkpoints" / "state.json").read_text())["done"]["augmentation"]
    assert facts["facts"]["variants"] == len(found) and facts["steps"] >= 2 * 400 // 8
    assert {"text", "variant"} == facts["facts"]["shown"][0].keys()
    monkeypatch.setattr(proposed_words, "masked_batch", stop)
    train(flags(**usual, output_dir=other, seed=5), stop_after="augmentation")
    assert variants_of(other) != found


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(task="question_answering"), "not the examples of task=question_answering"),
        (dict(task=None), "not the examples of task=masked_lm"),
        (dict(recipe="kd", alpha=0.0), "recipe=kd learns from none"),
        (dict(augmentation_probability=0.0), "no text has another variant"),
        (dict(augmentation_rows=192), "=192 leaves no room for variants: .* has 192 examples"),
        (dict(augmentation_model="a/b/c"), "augmentation_model: no such directory: a/b/c"),
        (dict(word_vectors="nowhere.txt"), "word_vectors=nowhere.txt: no such file"),
        (dict(augmentation="other"), "augmentation=other"),
    ],
)
def test_impossible_settings_are_one_line(changes, message, flags, train, tmp_path):
    with pytest.raises(UserError, match=message) as error:
        train(flags(**changes, output_dir=tmp_path / "run"), stop_after="augmentation")
    assert "\n" not in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "usual",
    [
        dict(task="text_classification", recipe="tinybert_task"),
        dict(task="token_classification", recipe="kd"),
        dict(recipe="kd", temperature_by="flsw", probability_shift=True),
    ],
    ids=["tinybert_task", "tags", "adjusted"],
)
def test_a_student_learns_from_variants(usual, flags, train, tmp_path):
    """Its files and the report tell of them; a run that is stopped ends with the same weights."""
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train(flags(**usual, output_dir=whole))
    facts = json.loads((whole / "metrics.json").read_text())
    told = facts["data"]["augmentation"]
    assert told["variants"] == len(variants_of(whole)) > told["examples"] // 2
    assert "Variants of training examples" in (whole / "report.html").read_text("utf-8")
    for stage in ("augmentation", "teacher", "answers", "student"):
        train(flags(**usual, output_dir=stopped), stop_after=stage)
    one, other = (load_file(each / "student" / "model.safetensors") for each in (whole, stopped))
    assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_a_model_without_a_head_gets_one(flags, tiny_text, train, tmp_path):
    """Once, also for other seeds; its encoder is that of the model."""
    usual = dict(teacher="encoder", head_steps=12, corpus=tiny_text / "text.txt")
    shards, heads = tmp_path / "shards", []
    for seed in (0, 1):
        folder = tmp_path / str(seed)
        changes = dict(output_dir=folder, shards_dir=shards, augmentation_variants=seed + 1)
        changes["seed"] = seed
        stages = train(flags(**usual, **changes), stop_after="augmentation")
        heads.append("masked_lm_head" in stages)
    assert heads == [True, False]
    (trained,) = shards.glob("masked_lm_heads/*/model.safetensors")
    flag = next(word for word in flags(teacher="encoder") if word.startswith("--teacher="))
    encoder = load_file(Path(flag.partition("=")[2]) / "model.safetensors")
    found = load_file(trained)
    assert all(np.array_equal(found[name], array) for name, array in encoder.items())
    assert any("predictions" in name or "cls" in name for name in found.keys() - encoder.keys())
