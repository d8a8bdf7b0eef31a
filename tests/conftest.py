"""Fixtures of all tests."""

import collections
import contextlib
import dataclasses
import gc
import importlib
import json
import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

# As the commands set it, before the first test imports TensorFlow, whichever that is.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# TensorFlow's objects are many and stay: searching them for cycles takes 4 % of the tests' time.
gc.set_threshold(100_000, 20, 50)


@pytest.fixture(scope="module", autouse=True)
def few_objects_to_search():
    """What a file of tests leaves behind is not searched for cycles again.

    TensorFlow searches all objects in each conversion of a SavedModel to TFLite
    (findings/tflite_converter_collects_garbage.sh), which takes long after hundreds of tests.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """The tests leave the user's cache folder alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def shared_data():
    """The folder of data sets beside the repository; tests that need it are skipped without it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no folder ../shared/data beside the repository")
    return folder


@pytest.fixture(scope="session")
def tiny_model():
    """A function of seed (and a config's fields) to a masked LM of 2 layers and width 12."""
    from tfdistill.models.configs.encoder_config import EncoderConfig
    from tfdistill.models.model import MaskedLanguageModel

    def make(seed=0, with_head=True, dropout=0.0, **changes):
        shape = {
            "vocab_size": 50,
            "hidden_size": 12,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 20,
            "max_position_embeddings": 24,
            "initializer_range": 0.3,
            "hidden_dropout_prob": dropout,
            "attention_probs_dropout_prob": dropout,
        }
        config = EncoderConfig(**{**shape, **changes})
        model = MaskedLanguageModel(config, with_head=with_head, seed=seed)
        # Fresh biases are zeros and norms ones, which would hide a lost or misplaced one.
        generator = np.random.default_rng(seed + 1000)
        for variable in model.variables:
            if len(variable.shape) == 1:
                noise = generator.normal(0, 0.1, variable.shape).astype(np.float32)
                variable.assign(variable.numpy() + noise)
        return model

    return make


# Model type and shape of one model of each kind of layer.
KINDS = {
    "bert": "L-2_H-12_A-3_I-20",
    "distilbert": "L-2_H-12_A-3_I-20",
    "mobilebert": "L-2_H-8_B-12_A-2_F-2_I-10_E-6_OPT",
    "mobilebert, layer_norm": "L-2_H-8_B-12_A-2_F-2_I-10_E-6",
}


@pytest.fixture(
    params=[*list(KINDS)[:-1], pytest.param("mobilebert, layer_norm", marks=pytest.mark.slow)]
)
def scored_model(request):
    """A function to a masked LM of each kind, and to one that scales its attention scores."""
    from tfdistill.models.configs.config_files import named_config
    from tfdistill.models.model import MaskedLanguageModel

    def make():
        config = named_config(KINDS[request.param], request.param.split(",")[0], vocab_size=50)
        config = dataclasses.replace(config, initializer_range=0.3, max_position_embeddings=24)
        config = config.with_dropout(0.0)
        model = MaskedLanguageModel(config, seed=4)
        generator = np.random.default_rng(4)
        for variable in model.variables:
            if len(variable.shape) == 1:  # not ones and zeros, which hide what is missing
                variable.assign(variable.numpy() + generator.normal(0, 0.2, variable.shape))
        queries = [part for b in model.encoder.blocks for part in b.attention.query.variables]
        fresh = [part.numpy() for part in queries]

        def scale(times):
            for part, value in zip(queries, fresh, strict=True):
                part.assign(times * value)

        return model, scale

    return make


@pytest.fixture(scope="session")
def tiny_batch():
    """A function of the tokens in each row to a training batch of ids below 50."""

    def make(tokens, length=10, masked=3, seed=0):
        generator = np.random.default_rng(seed)
        tokens = np.asarray(tokens)[:, None]
        mask = np.arange(length) < tokens
        ids = generator.integers(5, 50, mask.shape) * mask
        order = generator.random(mask.shape)
        order[~mask] = 2.0  # padding comes last
        positions = order.argsort(axis=1)[:, :masked]
        valid = np.arange(masked) < np.minimum(tokens, np.arange(len(tokens))[:, None] % masked + 1)
        return {
            "input_ids": ids.astype(np.int32),
            "attention_mask": mask.astype(np.int32),
            "masked_positions": np.where(valid, positions, 0).astype(np.int32),
            "masked_labels": generator.integers(5, 50, valid.shape).astype(np.int32),
            "masked_weights": valid.astype(np.float32),
        }

    return make


@pytest.fixture(scope="session")
def tiny_text(tmp_path_factory):
    """A folder with text.txt, 40 kB of the bundled text, and vocabulary/, its 200 WordPieces."""
    folder = tmp_path_factory.mktemp("tiny")
    sample = Path(__file__).resolve().parents[1] / "tfdistill" / "assets" / "sample" / "train.txt"
    text = sample.read_text("utf-8")[:40_000]
    (folder / "text.txt").write_text(text, "utf-8")
    words = collections.Counter(re.findall(r"[a-z]+|[^\sa-z]", text.lower()))
    letters = sorted({letter for word in words for letter in word})
    tokens = "[PAD] [UNK] [CLS] [SEP] [MASK]".split() + letters
    tokens += [f"##{letter}" for letter in letters if letter.isalpha()]
    tokens += [word for word, _ in words.most_common() if len(word) > 1][: 200 - len(tokens)]
    (folder / "vocabulary").mkdir()
    (folder / "vocabulary" / "vocab.txt").write_text("".join(f"{t}\n" for t in tokens), "utf-8")
    return folder


@pytest.fixture(scope="session")
def tiny_tokenizer(tiny_text):
    """The tokenizer of the tiny text."""
    from tfdistill.data.tokenizer import load_tokenizer

    return load_tokenizer(str(tiny_text / "vocabulary"))


@pytest.fixture(scope="session")
def write_bytes():
    """A function that trains a tokenizer of bytes, writes it, and returns its vocabulary's size.

    Its arguments: a folder, a text, the special tokens by role (RoBERTa's if not given), and the
    most tokens. Several special tokens are placed as in RoBERTa, two of them between two texts.
    """
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers, processors, trainers

    roberta = dict(cls="<s>", pad="<pad>", sep="</s>", unk="<unk>", mask="<mask>")

    def write(folder, text, names=roberta, size=500):
        made, special = tokenizers.Tokenizer(models.BPE()), list(dict.fromkeys(names.values()))
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=special, show_progress=False)
        made.train_from_iterator(text.splitlines(), trainer)
        made.post_processor = processors.ByteLevel(trim_offsets=False)
        if len(special) > 1:
            ids = ((token, made.token_to_id(token)) for token in ("</s>", "<s>"))
            made.post_processor = processors.RobertaProcessing(*ids)
        made.save(str(folder / "tokenizer.json"))
        settings = {f"{role}_token": name for role, name in names.items()}
        kind = "RobertaTokenizer" if len(special) > 1 else "PreTrainedTokenizerFast"
        settings["tokenizer_class"] = kind
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        return made.get_vocab_size()

    return write


@pytest.fixture(scope="session")
def tiny_rows(tiny_tokenizer, tiny_text):
    """A function of a number of tokens and a length to rows of the tiny text."""
    from tfdistill.data.rows import Rows
    from tfdistill.data.shards import Shard

    lines = (tiny_text / "text.txt").read_text("utf-8").splitlines()
    stream = np.concatenate([ids for ids in tiny_tokenizer.encode_lines(lines) if ids])

    def make(tokens, length=32):
        part = stream[:tokens].astype(np.uint16)
        counts = np.bincount(part, minlength=tiny_tokenizer.vocab_size)
        return Rows(Shard(part, np.zeros(1, np.int64), counts), length, tiny_tokenizer)

    return make


@pytest.fixture(scope="session")
def tiny_flags(tiny_text):
    """A function of flags' names and values to those of a run of seconds, as a list of words."""

    def make(**changes):
        flags = {
            "corpus": tiny_text / "text.txt",
            "shards_dir": tiny_text / "shards",
            "tokenizer": tiny_text / "vocabulary",
            "length": 16,
            "batch_size": 8,
            "teacher_config": "L-2_H-16_A-2",
            "student_config": "L-1_H-16_A-2",
            "dropout": 0.1,
            "layerdrop": 0.2,
            "teacher_steps": 8,
            "steps": 8,
            "log_interval": 2,
            "checkpoint_interval": 3,
            "validation_interval": 4,
            # "auto" measures on processors with units for bfloat16, and may find this or that.
            "precision": "float32",
        }
        flags.update(changes)
        return [f"--{name}={value}" for name, value in flags.items() if value is not None]

    return make


@pytest.fixture(scope="session")
def user_folder(tmp_path_factory, tiny_text):
    """A folder as the documentation has it: texts, and models where a run of mini leaves them."""
    from tfdistill.data.tokenizer import load_tokenizer
    from tfdistill.deployment.tflite import export_tflite
    from tfdistill.models.configs.encoder_config import EncoderConfig
    from tfdistill.models.encoder import Encoder
    from tfdistill.models.heads.classification import ClassificationHead
    from tfdistill.models.hugging_face.checkpoint import save_model
    from tfdistill.models.model import MaskedLanguageModel, Model

    folder = tmp_path_factory.mktemp("user")
    (folder / "my_texts").mkdir()
    shutil.copy(tiny_text / "text.txt", folder / "my_texts")
    tokenizer = load_tokenizer(str(tiny_text / "vocabulary"))
    for name, layers in {"teacher": 2, "student": 1}.items():
        shape = EncoderConfig(
            vocab_size=tokenizer.vocab_size,
            hidden_size=16,
            num_hidden_layers=layers,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=64,
        )
        save_model(MaskedLanguageModel(shape, seed=layers), folder / "runs" / "mini" / name)
        tokenizer.save(folder / "runs" / "mini" / name)
    reviews = Model(Encoder(shape), ClassificationHead(shape, ("negative", "positive")), seed=1)
    reviews_folder = folder / "runs" / "reviews"
    save_model(reviews, reviews_folder / "student")
    tokenizer.save(reviews_folder / "student")
    (reviews_folder / "export").mkdir()
    export_tflite(reviews, reviews_folder / "export" / "student_int8.tflite", length=32)
    return folder


@contextlib.contextmanager
def steps_not_compiled():
    """Training steps are not compiled inside: compiling takes longer than a tiny run."""
    from tfdistill.system import devices

    prepare = devices.prepare

    def prepare_uncompiled(*args, **options):
        return dataclasses.replace(prepare(*args, **options), jit_compile=False)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(devices, "prepare", prepare_uncompiled)
        yield monkeypatch


@pytest.fixture
def uncompiled():
    """Training on the CPU whose steps are not compiled, for a test that trains little."""
    with steps_not_compiled():
        yield


@pytest.fixture(scope="session")
def train():
    """A function that runs the main job in this process, steps not compiled.

    Args: the flags as a list of words; `stop_after` as for `train_model`; `stop_at`: a stage and a
    step of it, at which the run is interrupted as by Ctrl-C; and `watch`: function that is called
    with each stage and step that a progress line shows.

    Returns: dict of the stages with a progress line to the step that each started from.
    """
    from tfdistill.command_line.console import Console
    from tfdistill.run.job import MainJob
    from tfdistill.train import COMMAND

    class WatchedConsole(Console):
        def __init__(self, watch):
            super().__init__()
            self.watch, self.first_steps = watch, {}

        def progress(self, name, steps, first=0):
            self.first_steps[name] = first
            line = super().progress(name, steps, first)
            self.watch(name, first)

            def show(done, text=None):
                line(done, text)
                self.watch(name, done)

            show.note = line.note
            return show

    def train(words, stop_after=None, stop_at=None, watch=lambda stage, step: None):
        def watched(stage, step):
            watch(stage, step)
            if (stage, step) == stop_at:
                raise KeyboardInterrupt

        console = WatchedConsole(watched)
        with steps_not_compiled():
            job = MainJob(COMMAND.config(words), console)
            if stop_at:
                with pytest.raises(KeyboardInterrupt):
                    job.run(stop_after)
            else:
                job.run(stop_after)
        return console.first_steps

    return train


@pytest.fixture(scope="session")
def run_command():
    """A function that runs a command in this process, steps not compiled, and gives its code.

    Args: the command's name, its words, and `patch`: a function of a `MonkeyPatch` that is called
    before it.
    """

    def run(name, *words, patch=None):
        command = importlib.import_module(f"tfdistill.{name}")
        with steps_not_compiled() as monkeypatch:
            monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
            if patch:
                patch(monkeypatch)
            with pytest.raises(SystemExit) as end:
                command.main()
        return end.value.code

    return run
