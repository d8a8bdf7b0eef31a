"""Tiny models and batches for the tests of models."""

import numpy as np
import pytest

from tfdistill.models.configs.mobilebert import MobileBertConfig
from tfdistill.models.configs.model_types import get_model_type


def tiny_config(model_type="bert", **changes):
    shape = {
        "model_type": model_type,
        "vocab_size": 37,
        "hidden_size": 12,
        "num_hidden_layers": 3,
        "num_attention_heads": 3,
        "intermediate_size": 20,
        "max_position_embeddings": 24,
        "initializer_range": 0.3,
    }
    if model_type == "mobilebert":
        own = {"embedding_size": 8, "intra_bottleneck_size": 6, "num_feedforward_networks": 2}
        return MobileBertConfig(**{**shape, **own, **changes})
    own = {"electra": {"embedding_size": 8}, "deberta-v2": {"position_buckets": 8}}
    values = {**shape, **own.get(model_type, {}), **changes}
    return get_model_type(model_type).config(**values)


@pytest.fixture(params=["bert", "distilbert", "mobilebert"])
def config(request):
    return tiny_config(request.param)


@pytest.fixture
def bert_config():
    return tiny_config()


@pytest.fixture
def batch():
    """Rows of 9, 5 and 1 real tokens."""
    ids = np.random.default_rng(0).integers(5, 37, (3, 9)).astype("int32")
    mask = (np.arange(9) < np.array([[9], [5], [1]])).astype("int32")
    return {"input_ids": ids * mask, "attention_mask": mask}


@pytest.fixture(name="tiny_config")
def tiny_config_fixture():
    return tiny_config
