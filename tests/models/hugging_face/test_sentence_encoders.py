"""Folders of sentence-transformers: what their modules say, and models that are saved as one."""

import json

import numpy as np
import pytest

from tfdistill import tasks
from tfdistill.models.configs.config_files import named_config
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.embedding import EmbeddingHead
from tfdistill.models.hugging_face.checkpoint import resolve_directory, save_model
from tfdistill.models.hugging_face.sentence_encoders import read_modules, transformer_folder
from tfdistill.models.model import MaskedLanguageModel, Model
from tfdistill.system.errors import UserError

TRANSFORMER, POOLING, NORMALIZE = "Transformer", "Pooling", "Normalize"
EMBED = tasks.get("sentence_embedding")
CONFIG = named_config("L-1_H-12_A-2", vocab_size=37)


@pytest.fixture
def written(tmp_path):
    """A function that writes the files of a sentence encoder, and gives their folder."""

    def write(*kinds, pooling=None, inner="", **files):
        paths = [inner, *(f"{index}_{kind}" for index, kind in enumerate(kinds[1:], 1))]
        modules = [
            {"path": path, "type": f"sentence_transformers.models.{kind}"}
            for path, kind in zip(paths, kinds, strict=True)
        ]
        contents = {"modules.json": modules, "1_Pooling/config.json": pooling or {}} | files
        for name, values in contents.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(values))
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("values", "pooling"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_cls_token": True, "pooling_mode_max_tokens": False}, "cls"),
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode": ["mean"]}, "mean"),
    ],
)
@pytest.mark.parametrize("normalize", [False, True])
def test_what_modules_say(written, values, pooling, normalize):
    kinds = TRANSFORMER, POOLING, *[NORMALIZE] * normalize
    length = {"sentence_bert_config.json": {"max_seq_length": 256, "do_lower_case": False}}
    folder = written(*kinds, pooling=values, **length)
    assert read_modules(folder) == (pooling, normalize, 256)


def test_the_folder_itself_may_be_a_dot(written):
    """As in published folders of tables of vectors."""
    folder = written(TRANSFORMER, POOLING, pooling={"pooling_mode": "cls"}, inner=".")
    assert read_modules(folder) == ("cls", False, None)
    assert transformer_folder(folder) == folder


@pytest.mark.parametrize(
    ("kinds", "values", "files", "words"),
    [
        ((TRANSFORMER, POOLING, "Dense"), {}, {}, "Transformer, Pooling, Dense; only"),
        ((TRANSFORMER,), {}, {}, "its modules are Transformer; only"),
        ((TRANSFORMER, POOLING), {"pooling_mode_max_tokens": True}, {}, "max_tokens is not"),
        (
            (TRANSFORMER, POOLING),
            {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
            {},
            "mean and cls is not supported",
        ),
        ((TRANSFORMER, POOLING), {}, {}, "of no kind is not supported"),
        (
            (TRANSFORMER, POOLING),
            {"pooling_mode": "mean"},
            {
                "config_sentence_transformers.json": {
                    "prompts": {"query": "query: "},
                    "default_prompt_name": "query",
                }
            },
            "the prompt 'query: '",
        ),
        (
            (TRANSFORMER, POOLING),
            {"pooling_mode": "mean"},
            {
                "sentence_bert_config.json": {"do_lower_case": True},
                "tokenizer_config.json": {"do_lower_case": False},
            },
            "a tokenizer that keeps the case",
        ),
        ((TRANSFORMER, POOLING), {}, {"modules.json": [{"path": ""}]}, "no list of modules"),
        ((TRANSFORMER, POOLING), {}, {"modules.json": [{"path": 1, "type": "a"}]}, "no list of"),
        (
            (TRANSFORMER, POOLING),
            {"pooling_mode": "mean"},
            {"config_sentence_transformers.json": {"prompts": ["query: "]}},
            "prompts are names with texts",
        ),
        *(
            (
                (TRANSFORMER, POOLING),
                {"pooling_mode": "mean"},
                {"sentence_bert_config.json": {"max_seq_length": length}},
                "max_seq_length is .*correct it",
            )
            for length in ("128", 0, -1, 128.5, True)
        ),
    ],
)
def test_other_modules_are_refused(written, kinds, values, files, words):
    folder = written(*kinds, pooling=values, **files)
    with pytest.raises(UserError, match=words):
        read_modules(folder)


def test_a_transformer_in_a_folder_of_its_own(written):
    name = "0_Transformer"
    folder = written(TRANSFORMER, POOLING, pooling={"pooling_mode": "cls"}, inner=name)
    (folder / "config.json").write_text('{"__version__": "0.2.0"}')
    save_model(MaskedLanguageModel(CONFIG, with_head=False), folder / name)
    assert resolve_directory(folder) == folder / name
    for path in (folder, folder / name):
        model = EMBED.load(path)
        assert (model.head.pooling, model.head.normalize) == ("cls", False)


def test_any_encoder_is_a_sentence_encoder(tmp_path):
    save_model(MaskedLanguageModel(CONFIG), tmp_path)
    assert read_modules(tmp_path) is None
    for pooling in ("", "cls"):
        head = EMBED.bound((), pooling).load(tmp_path).head
        assert (head.pooling, head.normalize) == (pooling or "mean", True)


@pytest.mark.parametrize(("pooling", "normalize"), [("mean", True), ("cls", False)])
def test_a_saved_model_is_read_again(tmp_path, pooling, normalize):
    model = Model(Encoder(CONFIG), EmbeddingHead(CONFIG, pooling, normalize, 7), seed=1)
    save_model(model, tmp_path / "new")
    save_model(model, tmp_path / "new")  # replaces its files
    loaded = EMBED.load(tmp_path / "new")
    assert (loaded.head.pooling, loaded.head.normalize) == (pooling, normalize)
    assert loaded.head.max_length == 7
    inputs = {"input_ids": [[2, 5, 4, 3]]}
    np.testing.assert_array_equal(loaded(inputs)["logits"], model(inputs)["logits"])
    other = {"mean": "cls", "cls": "mean"}[pooling]
    with pytest.raises(UserError, match=f"pooling={other}: it was trained with {pooling}"):
        EMBED.bound((), other).load(tmp_path / "new")
