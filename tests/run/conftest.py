"""Examples with labels that a tiny model learns in seconds, and times of tiny shapes."""

import json

import numpy as np
import pytest


@pytest.fixture(scope="session")
def write_data():
    """Functions of (file, words) that write examples, by the name of a task."""
    return {
        "text_classification": write_texts,
        "regression": write_numbers,
        "token_classification": write_tags,
        "question_answering": write_questions,
    }


@pytest.fixture(scope="session")
def task_flags(tiny_flags):
    """A function of flags to those of a run of seconds on examples with labels, a list of words."""
    usual = dict(
        doc_stride=8,
        teacher_learning_rate=3e-3,
        teacher_epochs=4,
        learning_rate=3e-3,
        validation_interval=10,
    )
    usual |= dict.fromkeys("teacher_config teacher_steps layerdrop corpus steps tokenizer".split())
    return lambda **changes: tiny_flags(**(usual | changes))


@pytest.fixture(scope="session")
def save_encoder(tiny_text):
    """A function that writes a random encoder with the tiny text's tokenizer to a directory."""
    from tfdistill.data.tokenizer import load_tokenizer
    from tfdistill.models.configs.encoder_config import EncoderConfig
    from tfdistill.models.hugging_face.checkpoint import save_model
    from tfdistill.models.model import MaskedLanguageModel

    tokenizer = load_tokenizer(str(tiny_text / "vocabulary"))

    def save(folder, layers, with_head=False):
        shape = EncoderConfig(
            vocab_size=tokenizer.vocab_size,
            hidden_size=32,
            num_hidden_layers=layers,
            num_attention_heads=2,
            intermediate_size=128,
            max_position_embeddings=64,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            initializer_range=0.1,
        )
        save_model(MaskedLanguageModel(shape, with_head=with_head, seed=3), folder)
        tokenizer.save(folder)
        return folder

    return save


@pytest.fixture(scope="session")
def encoder(save_encoder, tmp_path_factory):
    """The directory of a random encoder of 2 layers with the tiny text's tokenizer."""
    return save_encoder(tmp_path_factory.mktemp("encoder"), layers=2)


@pytest.fixture(scope="session")
def words(tiny_text):
    """Ten words of the tiny vocabulary."""
    tokens = (tiny_text / "vocabulary" / "vocab.txt").read_text("utf-8").split()
    return [token for token in tokens if token.isalpha() and len(token) > 2][:10]


@pytest.fixture(scope="session")
def latency_content():
    """dict, the content of a latency table of int8 files for 16 tokens."""
    largest = dict(layers=3, width=32, intermediate=128, heads=2, head_size=16, vocabulary=1000)
    # A layer, and a product of two numbers: 1 µs and 1 ns.
    milliseconds = {"layer": 1e-3, "product": 1e-6, "row_product": 1e-6}
    return {
        "format": 1,
        "kind": "cpu",
        "machine": {},
        "smallest": dict.fromkeys(largest, 1) | {"width": 15},
        "largest": largest,
        "fits": [{"variant": "int8", "length": 16, "threads": 1, "milliseconds": milliseconds}],
        "times": [],
    }


def write_texts(file, words, rows=240, seed=1, random=False):
    """A CSV of texts with the label "sea" if one of the first three words is among them."""
    generator = np.random.default_rng(seed)
    lines = ["text,label"]
    for _ in range(rows):
        sea = generator.random() < 0.5
        text = list(generator.choice(words[3:], size=generator.integers(3, 9)))
        text += list(generator.choice(words[:3], size=3)) * bool(sea)
        label = ("land", "sea")[generator.integers(2) if random else int(sea)]
        lines.append(f"{' '.join(generator.permutation(text))},{label}")
    file.write_text("\n".join(lines) + "\n")
    return file


def write_numbers(file, words, rows=160, seed=2):
    """A CSV of texts with the share of the first three words in them."""
    generator = np.random.default_rng(seed)
    lines = ["text,label"]
    for _ in range(rows):
        text = generator.choice(words, size=6, p=_shares(generator.random(), len(words)))
        share = np.isin(text, words[:3]).mean()
        lines.append(f"{' '.join(text)},{share:.3f}")
    file.write_text("\n".join(lines) + "\n")
    return file


def write_tags(file, words, rows=160, seed=3):
    """CoNLL: one of the first three words is an entity where it begins the sentence."""
    generator = np.random.default_rng(seed)
    lines = []
    for _ in range(rows):
        text = generator.choice(words, size=generator.integers(3, 8))
        if generator.random() < 0.5:
            text[0] = generator.choice(words[:3])
        tags = ["B-SEA" if text[0] in words[:3] else "O"] + ["O"] * (len(text) - 1)
        lines += [f"{word}\t{tag}" for word, tag in zip(text, tags, strict=True)] + [""]
    file.write_text("\n".join(lines) + "\n")
    return file


def write_questions(file, words, articles=20, seed=4):
    """SQuAD's JSON: the answer is always the first word, somewhere in the context."""
    generator = np.random.default_rng(seed)
    data = []
    for article in range(articles):
        paragraphs = []
        for part in range(8):
            text = list(generator.choice(words[2:], size=8))
            place = int(generator.integers(len(text) + 1))
            text.insert(place, words[0])
            start = len(" ".join(text[:place])) + (place > 0)
            answer = {"text": words[0], "answer_start": start}
            question = " ".join(generator.choice(words[2:], size=3))
            qas = [{"id": f"{article}-{part}", "question": question, "answers": [answer]}]
            paragraphs.append({"context": " ".join(text), "qas": qas})
        data.append({"title": f"article {article}", "paragraphs": paragraphs})
    file.write_text(json.dumps({"version": "1.1", "data": data}))
    return file


def _shares(of_first, count):
    return [of_first / 3] * 3 + [(1 - of_first) / (count - 3)] * (count - 3)
