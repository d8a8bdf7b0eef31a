import contextlib
import json
import re
import resource

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tfdistill.models.hugging_face.checkpoint import (
    describe_model,
    load_model,
    resolve_directory,
    save_model,
)
from tfdistill.models.model import MaskedLanguageModel
from tfdistill.system.errors import UserError

WEIGHTS = "model.safetensors"


@pytest.fixture
def model(config):
    """A model whose variables all differ, so that a mix-up is detected."""
    model = MaskedLanguageModel(config)
    generator = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(generator.normal(size=variable.shape))
    return model


@pytest.fixture
def saved(model, tmp_path):
    save_model(model, tmp_path / "saved")
    return tmp_path / "saved"


def rewrite(directory, change):
    """Rewrites a checkpoint with the result of a function of its tensors."""
    tensors = load_file(directory / WEIGHTS)
    save_file(change(tensors), directory / WEIGHTS)


def edit_config(directory, **values):
    path = directory / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def head_prefix(model):
    return "vocab_" if model.config.model_type == "distilbert" else "cls."


def assert_equal(loaded, model, **tolerance):
    assert loaded.config == model.config
    for ours, theirs in zip(loaded.weights, model.weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=0, **tolerance)


def test_a_saved_model_comes_back_exactly(model, saved):
    assert_equal(load_model(saved), model)
    assert_equal(load_model(str(saved)), model)


def test_a_model_is_described_without_its_weights(config, saved, tmp_path):
    assert describe_model(saved) == (config, "masked_lm", "")
    save_model(MaskedLanguageModel(config, with_head=False), tmp_path / "headless")
    assert describe_model(tmp_path / "headless") == (config, None, "")


def test_dense_kernels_are_transposed_on_disk(model, saved):
    tensors = load_file(saved / WEIGHTS)
    suffix = (
        "lin1.weight" if model.config.model_type == "distilbert" else "intermediate.dense.weight"
    )
    shapes = {value.shape for name, value in tensors.items() if name.endswith(suffix)}
    assert shapes == {(model.config.intermediate_size, model.config.attention_size)}


def test_a_model_without_head_stays_without(config, tmp_path):
    model = MaskedLanguageModel(config, with_head=False)
    save_model(model, tmp_path / "saved")
    loaded = load_model(tmp_path / "saved")
    assert loaded.head is None
    assert_equal(loaded, model)
    architectures = json.loads((tmp_path / "saved/config.json").read_text())["architectures"]
    names = {"bert": "BertModel", "distilbert": "DistilBertModel", "mobilebert": "MobileBertModel"}
    assert architectures == [names[config.model_type]]


def test_old_names_and_missing_prefixes_are_read(model, saved):
    def change(tensors):
        renamed = {}
        for name, value in tensors.items():
            name = re.sub("^(distil|mobile)?bert[.]", "", name)
            name = name.replace("LayerNorm.weight", "LayerNorm.gamma")
            renamed[name.replace("LayerNorm.bias", "LayerNorm.beta")] = value
        renamed["pooler.dense.weight"] = np.zeros((12, 12), "float32")
        renamed["embeddings.position_ids"] = np.arange(24)
        return renamed

    rewrite(saved, change)
    assert_equal(load_model(saved), model)


def test_a_stored_decoder_must_be_the_word_embeddings(model, saved):
    decoder = {"distilbert": "vocab_projector"}
    name = decoder.get(model.config.model_type, "cls.predictions.decoder") + ".weight"
    table = model.encoder.embeddings.word_embeddings.numpy()
    rewrite(saved, lambda tensors: {**tensors, name: table})
    assert_equal(load_model(saved), model)
    rewrite(saved, lambda tensors: {**tensors, name: tensors[name] + 1})
    with pytest.raises(UserError, match="tied"):
        load_model(saved)


def test_the_bias_of_bert_may_be_stored_with_the_decoder(model, saved):
    def change(tensors):
        if "cls.predictions.bias" in tensors:
            tensors["cls.predictions.decoder.bias"] = tensors.pop("cls.predictions.bias")
        return tensors

    rewrite(saved, change)
    assert_equal(load_model(saved), model)


def test_two_names_of_one_tensor_must_have_equal_values(model, saved):
    """The head's bias as part of the decoder, a norm's old name, and a name without prefix."""
    first = "vocab_projector.bias" if head_prefix(model) == "vocab_" else "cls.predictions.bias"
    norm = f"{model.config.model_type}.embeddings.LayerNorm"
    pairs = {
        f"{norm}.weight": f"{norm}.gamma",
        f"{norm}.bias": "embeddings.LayerNorm.bias",
    }
    if head_prefix(model) == "cls.":
        pairs[first] = "cls.predictions.decoder.bias"
    whole = load_file(saved / WEIGHTS)
    for name, other in pairs.items():
        save_file({**whole, other: whole[name]}, saved / WEIGHTS)
        assert_equal(load_model(saved), model)
        save_file({**whole, other: whole[name] + 1}, saved / WEIGHTS)
        with pytest.raises(UserError, match="two names of one tensor") as refused:
            load_model(saved)
        assert name in str(refused.value) and other in str(refused.value)


@pytest.mark.parametrize(
    ("prefix", "cure"),
    [
        ("module.", r"DataParallel .*model\.module"),
        ("_orig_mod.", r"torch\.compile .*model\._orig_mod"),
        ("net.", r"there is net\."),
    ],
)
def test_prefixes_of_wrappers_are_named(saved, prefix, cure):
    rewrite(saved, lambda tensors: {prefix + name: value for name, value in tensors.items()})
    with pytest.raises(UserError, match=cure):
        load_model(saved)


def test_weights_that_tensorflow_wrote_are_named(saved):
    """As `TFBertForMaskedLM.save_pretrained(safe_serialization=True)` of transformers 4 does."""
    tensors = {
        "tf_model/" + name.replace(".", "/") + ":0": value
        for name, value in load_file(saved / WEIGHTS).items()
    }
    save_file(tensors, saved / WEIGHTS, metadata={"format": "tf"})
    with pytest.raises(UserError, match="written by tf.*from_tf=True"):
        load_model(saved)


@pytest.mark.parametrize("name", [WEIGHTS, "config.json"])
def test_git_lfs_pointers_are_named(saved, name):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0a1b\nsize 440449768\n"
    (saved / name).write_text(pointer)
    with pytest.raises(UserError, match=f"{name} is a Git LFS pointer.*git lfs pull"):
        load_model(saved)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float16, 4e-3), (ml_dtypes.bfloat16, 3e-2), (np.float64, 1e-7)]
)
def test_other_float_types_are_read_as_float32(model, saved, dtype, tolerance):
    rewrite(saved, lambda tensors: {name: value.astype(dtype) for name, value in tensors.items()})
    assert_equal(load_model(saved), model, atol=tolerance)


def test_quantized_tensors_are_refused(saved):
    rewrite(saved, lambda tensors: {name: value.astype("int8") for name, value in tensors.items()})
    with pytest.raises(UserError, match="I8"):
        load_model(saved)


def test_shards_are_read_by_their_index(model, saved):
    tensors = list(load_file(saved / WEIGHTS).items())
    parts = {"part-1.safetensors": tensors[::2], "part-2.safetensors": tensors[1::2]}
    for name, part in parts.items():
        save_file(dict(part), saved / name)
    weight_map = {key: name for name, part in parts.items() for key, _ in part}
    (saved / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    (saved / WEIGHTS).unlink()
    assert_equal(load_model(saved), model)
    (saved / "part-2.safetensors").unlink()
    with pytest.raises(UserError, match="part-2.safetensors"):
        load_model(saved)


@pytest.mark.parametrize("kept", [0, 5, 500, -1])
def test_truncated_weights_are_refused(saved, kept):
    content = (saved / WEIGHTS).read_bytes()
    (saved / WEIGHTS).write_bytes(content[:kept])
    with pytest.raises(UserError, match=WEIGHTS):
        load_model(saved)


def test_a_missing_tensor_is_named(saved):
    def change(tensors):
        name = next(name for name in tensors if ".1." in name)
        del tensors[name]
        return tensors

    rewrite(saved, change)
    with pytest.raises(UserError, match=r"layer\.1\..* is missing"):
        load_model(saved)


def test_an_incomplete_head_is_refused(model, saved):
    drop = "transform.dense.weight" if head_prefix(model) == "cls." else "vocab_transform.weight"
    rewrite(saved, lambda ts: {name: t for name, t in ts.items() if not name.endswith(drop)})
    with pytest.raises(UserError, match="is missing"):
        load_model(saved)


def test_a_config_of_another_shape_is_refused(saved):
    edit_config(saved, intermediate_size=21, hidden_dim=21)
    with pytest.raises(UserError, match="do not belong together"):
        load_model(saved)


def test_a_config_of_another_type_is_refused(saved):
    edit_config(saved, model_type="roformer")
    with pytest.raises(UserError, match="roformer"):
        load_model(saved)


def test_pickles_are_refused(saved):
    (saved / WEIGHTS).rename(saved / "pytorch_model.bin")
    with pytest.raises(UserError, match="safetensors"):
        load_model(saved)


def test_an_incomplete_directory_is_refused(saved):
    (saved / WEIGHTS).unlink()
    with pytest.raises(UserError, match=WEIGHTS):
        load_model(saved)
    (saved / "config.json").unlink()
    with pytest.raises(UserError, match="config.json"):
        load_model(saved)


@pytest.mark.parametrize("name", ["/no/such/directory", "./missing", "a/b/c", "no such name"])
def test_a_missing_directory_is_refused_without_a_download(name):
    with pytest.raises(UserError, match="^no such directory"):
        resolve_directory(name)


def test_a_file_is_not_a_directory(saved):
    with pytest.raises(UserError, match="is a file"):
        resolve_directory(saved / "config.json")


@pytest.mark.parametrize("name", ["bert-base-uncased", "google-bert/bert-base-uncased"])
def test_hub_names_are_downloaded_without_pickles(saved, model, monkeypatch, name):
    import huggingface_hub

    asked = {}

    def download(repo_id, allow_patterns):
        asked[repo_id] = allow_patterns
        return str(saved)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert_equal(load_model(name), model)
    assert not any("bin" in pattern for pattern in asked[name])


def test_an_unreachable_hub_is_one_line(monkeypatch):
    """The real client, offline."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="could not be downloaded from the hub") as caught:
        load_model("nobody/no-such-model")
    assert "\n" not in str(caught.value)


def test_saving_again_replaces_the_model_and_keeps_other_files(model, saved):
    (saved / "notes.txt").write_text("mine")
    model.encoder.embeddings.word_embeddings.assign(model.encoder.embeddings.word_embeddings * 2)
    save_model(model, saved)
    assert_equal(load_model(saved), model)
    assert (saved / "notes.txt").read_text() == "mine"
    assert [path.name for path in saved.parent.iterdir()] == ["saved"]


@contextlib.contextmanager
def largest_file(size):
    """Files cannot grow over a size in bytes inside: the system refuses, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_failed_write_leaves_the_old_model_and_no_other_files(model, saved):
    before = (saved / WEIGHTS).read_bytes()
    model.encoder.embeddings.word_embeddings.assign(model.encoder.embeddings.word_embeddings * 2)
    for directory in (saved, saved.parent / "new"):
        with pytest.raises(OSError, match=WEIGHTS), largest_file(len(before) // 2):
            save_model(model, directory)
    assert (saved / WEIGHTS).read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["saved"]


def test_the_public_names_reach_these_functions():
    import tfdistill

    assert tfdistill.load_model is load_model and tfdistill.save_model is save_model
    assert set(dir(tfdistill)) >= {"load_model", "save_model", "initialize_student", "recipes"}
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = tfdistill.no_such_name
