"""Runs of seconds that go through every stage, recipe and task: their flags and stages."""

import dataclasses

import numpy as np
import tiny

MASKED_LM = {  # recipe: (student, further flags, stretches of training)
    "mlm": ("L-1_H-16_A-2", {"teacher": None, "student_init": "random"}, ("student",)),
    "autotinybert": (
        "L-2_H-8_A-2",
        {"super_regime": "kd", "super_step": 2, "student_init": "spaced:pca"},
        ("student-super", "student-head"),
    ),
    "tinybert": (
        "L-2_H-8_A-2",
        {"projection": "per_layer", "student_init": "spaced:slice"},
        ("student-general", "student-head"),
    ),
    "minilm": ("L-2_H-8_A-1", {}, ("student-relations", "student-head")),
    "minilm_v1": ("L-2_H-8_A-2", {"head_share": 0}, ("student",)),
    "pkd": ("L-3_H-16_A-2", {"student_init": "first"}, ("student",)),
    "hybrid": (
        "L-2_H-8_A-1",
        {"then": "minilm", "student_init": "first:slice"},
        ("student-mlm", "student-relations", "student-head"),
    ),
}
EXAMPLES, MANY = 320, 1600  # with labels; many for works whose augmentation is struck
MOBILEBERT = {
    "mobilebert_akt": ("student",),
    "mobilebert_jkt": ("student-transfer", "student-distil"),
    "mobilebert_pkt": ("student-transfer_0", "student-transfer_1", "student-distil"),
}
SHAPES_OF_MOBILEBERT = {
    "teacher": None,
    "teacher_type": "mobilebert",
    "teacher_config": "L-2_H-24_B-16_A-2_F-1_E-8",
    "student_type": "mobilebert",
    "student_config": "L-2_H-8_B-16_A-2_F-2_E-8_OPT",
    "student_init": "embeddings",
    "teacher_steps": 8,
}
END = ("evaluate", "export", "report")
TO_THE_STUDENT = {"stop_after": "student"}  # of a work that is about its training alone


@dataclasses.dataclass(frozen=True)
class Work:
    """A command that the harness interrupts.

    Args:
        name: of the work.
        stages: names of the stages that it is struck in, in their order.
        flags: its flags, a list of words.
        command: the command.
    """

    name: str
    stages: tuple
    flags: list
    command: str = "train"


def make_inputs(folder):
    """Writes the texts and examples of all works, and an encoder; run it in a fork.

    Args:
        folder: `Path` to write to.
    """
    tiny.write_text(folder)
    tokens = (folder / "vocabulary" / "vocab.txt").read_text("utf-8").split()
    words = [token for token in tokens if token.isalpha() and len(token) > 2][:10]
    draws = np.random.default_rng(1)
    rows = []
    for number in range(MANY):
        sea = number % 2
        text = [*draws.choice(words[3:], size=draws.integers(3, 9)), *words[: 3 * sea]]
        rows.append((" ".join(draws.permutation(text)), sea))
    many = [f"{text},{('land', 'sea')[sea]}" for text, sea in rows]
    rows = rows[:EXAMPLES]
    _write(folder / "many.csv", "text,label", many)
    _write(folder / "texts.csv", "text,label", many[:EXAMPLES])
    _write(folder / "numbers.csv", "text,label", [f"{t},{s + len(t) / 99:.3f}" for t, s in rows])
    _write(folder / "sentences.txt", "one sentence", [text for text, _ in rows])
    tagged = [
        "\n".join(
            f"{word}\t{'B-SEA' if word in words[:3] and not place else 'O'}"
            for place, word in enumerate(text.split())
        )
        for text, _ in rows
    ]
    (folder / "tags.conll").write_text("\n\n".join(tagged) + "\n", "utf-8")
    _write_questions(folder / "questions.json", rows, words)
    _write_encoder(folder)


def _write(file, head, lines):
    file.write_text("\n".join([head, *lines]) + "\n", "utf-8")


def _write_questions(file, rows, words):
    import json

    data = []
    for number, (text, _) in enumerate(rows):
        context = f"{text} {words[0]} {text}"
        answer = {"text": words[0], "answer_start": len(text) + 1}
        asked = {"id": str(number), "question": " ".join(words[3:6]), "answers": [answer]}
        data.append({"title": str(number), "paragraphs": [{"context": context, "qas": [asked]}]})
    file.write_text(json.dumps({"version": "1.1", "data": data}), "utf-8")


def _write_encoder(folder):
    from tfdistill.data.tokenizer import load_tokenizer
    from tfdistill.models.configs.encoder_config import EncoderConfig
    from tfdistill.models.hugging_face.checkpoint import save_model
    from tfdistill.models.model import MaskedLanguageModel

    tokenizer = load_tokenizer(str(folder / "vocabulary"))
    shapes = {"encoder": (32, False), "teacher": (16, True)}
    for name, (width, with_head) in shapes.items():
        shape = EncoderConfig(
            vocab_size=tokenizer.vocab_size,
            hidden_size=width,
            num_hidden_layers=4 if with_head else 2,
            num_attention_heads=2,
            intermediate_size=4 * width,
            max_position_embeddings=64,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            initializer_range=0.1,
        )
        save_model(MaskedLanguageModel(shape, with_head=with_head, seed=3), folder / name)
        tokenizer.save(folder / name)


def all_works(folder, place):
    """All works but grids: a list of `Work`.

    Args:
        folder: `Path` of `make_inputs`.
        place: `Path` of what a work writes: the folders run, shards and cache.
    """
    return [*_of_labels(folder, place), *_of_text(folder, place), *_tools(folder, place)]


def _of_text(folder, place):
    base = {"output_dir": place / "run", "shards_dir": place / "shards", "teacher_config": None}
    base |= {"tokenizer": None, "teacher": folder / "teacher", "teacher_steps": None, "steps": 24}

    def work(name, stages, **changes):
        return Work(name, stages, tiny.text_flags(folder, **(base | changes)))

    whole = {
        "teacher": None,
        "tokenizer": folder / "vocabulary",
        "teacher_config": "L-4_H-16_A-2",
        "student_config": "L-2_H-16_A-2",
        "teacher_steps": 24,
        "layerdrop": 0.2,
        "dropout": 0.1,
        "student_init": "search",
        "baseline": "start",
    }
    yield work(
        "distilbert", ("teacher", "search", "student", "baseline_start", *END), recipe="distilbert",
        **whole,
    )  # fmt: skip
    for name, (student, flags, stages) in MASKED_LM.items():
        flags = {"recipe": name, "student_config": student} | flags
        ends = TO_THE_STUDENT if name != "tinybert" else {}
        yield work(name, stages if ends else (*stages, *END), **flags | ends)
    cached = {"recipe": "distilbert", "student_config": "L-2_H-16_A-2", "steps": 60}
    cached |= {"teacher_cache": place / "cache"} | TO_THE_STUDENT
    yield work("cache", ("cache", "student"), **cached)
    for name, stages in MOBILEBERT.items():
        flags = SHAPES_OF_MOBILEBERT | TO_THE_STUDENT | {"tokenizer": folder / "vocabulary"}
        yield work(name, ("teacher", *stages), recipe=name, **flags)


def _of_labels(folder, place):
    base = dict.fromkeys("corpus tokenizer teacher_config teacher_steps steps".split())
    base |= {"output_dir": place / "run", "shards_dir": place / "shards", "length": 24}
    base |= {"teacher": folder / "encoder", "student_config": "L-1_H-32_A-2", "tflite_lengths": 24}
    base |= {"teacher_learning_rate": 3e-3, "learning_rate": 3e-3, "teacher_epochs": 2}
    base |= {"n_epoch": 1, "validation_interval": 10, "doc_stride": 8, "tflite_variants": "float32"}
    kd = ("teacher", "answers", "student")

    def work(name, stages, task, data, **changes):
        changes = {"task": task, "train_data": folder / data} | changes
        return Work(name, stages, tiny.text_flags(folder, **(base | changes)))

    yield work("kd", (*kd, "no_teacher", *END), "text_classification", "texts.csv", recipe="kd")
    ends = {"recipe": "kd"} | TO_THE_STUDENT
    yield work("regression", kd, "regression", "numbers.csv", **ends)
    yield work("tags", (*kd, *END), "token_classification", "tags.conll", recipe="kd")
    yield work("questions", kd, "question_answering", "questions.json", **ends)
    narrow = {"student_config": "L-1_H-16_A-2", "student_init": "random"}
    phases = ("augmentation", "teacher", "student-intermediate", "student-prediction")
    augmented = {"augmentation": "tinybert", "augmentation_model": folder / "teacher"}
    augmented |= {"n_epoch": 0.2, "teacher_epochs": 0.4} | TO_THE_STUDENT
    yield work(
        "tinybert_task", phases, "text_classification", "many.csv", recipe="tinybert_task",
        augmentation_variants=1, **narrow, **augmented,
    )  # fmt: skip
    yield work(
        "dynabert", ("teacher", "student-width", "student-depth"), "text_classification",
        "texts.csv", recipe="dynabert", student_config=None, baseline="none", **TO_THE_STUDENT,
    )  # fmt: skip
    textbrewer = {"alpha_hidden": 1, "student_config": "L-2_H-32_A-2"}
    yield work(
        "textbrewer", ("augmentation", *kd), "text_classification", "many.csv",
        recipe="textbrewer", augmentation_variants=1, **textbrewer, **augmented,
    )  # fmt: skip
    words = {"student_type": "bilstm", "student_config": "H-8_F-12", "embedding_size": 10}
    words |= {"augmentation": "bilstm", "augmentation_tag_probability": 0}
    words |= {"augmentation_variants": 1, "augmentation_ngram_probability": 0.3}
    yield work(
        "bilstm", ("augmentation", *kd), "text_classification", "texts.csv",
        recipe="bilstm", **words, **TO_THE_STUDENT,
    )  # fmt: skip
    static = {"student_type": "static", "student_config": "H-16", "learning_rate": None}
    yield work(
        "static", ("teacher", "answers", "tokens", "student"), "text_classification",
        "texts.csv", recipe="static", **static, **TO_THE_STUDENT,
    )  # fmt: skip
    yield work(
        "sentence", ("answers", "student"), "sentence_embedding", "sentences.txt",
        recipe="sentence", student_config="L-1_H-16_A-2", teacher_learning_rate=None,
        teacher_epochs=None, doc_stride=None, **TO_THE_STUDENT,
    )  # fmt: skip


def _tools(folder, place):
    flags = [f"--tokenizer={folder / 'vocabulary'}", f"--shards_dir={place / 'shards'}"]
    yield Work("prepare", ("prepare",), [*flags, "--corpus=sample"], "prepare")
    flags = {
        "super": folder / "super",
        "corpus": folder / "text.txt",
        "shards_dir": place / "shards",
        "search_dir": place / "run",
        "length": 16,
        "population": 6,
        "generations": 3,
    }
    words = [f"--{name}={value}" for name, value in flags.items()]
    yield Work("parts", ("search",), words, "search")
