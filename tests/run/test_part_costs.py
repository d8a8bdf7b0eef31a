"""What a part of a super-student costs, by its shape."""

import pytest

from tfdistill.deployment.latency_model import LatencyModel
from tfdistill.deployment.operators import work_of
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.classification import ClassificationHead
from tfdistill.models.heads.tokens import TokenHead
from tfdistill.models.model import MaskedLanguageModel, Model, parameters
from tfdistill.models.part_shapes import PartShape
from tfdistill.models.subnet import extract_subnet
from tfdistill.run.advice_shapes import Size
from tfdistill.run.part_costs import Latency, PartCosts

HEADS = {
    "masked LM": None,
    "classes": lambda config: ClassificationHead(config, ("a", "b", "c"), "pooler"),
    "a number": lambda config: ClassificationHead(config, (), "mean"),
    "tags": lambda config: TokenHead(config, ("O", "B", "I")),
}


@pytest.mark.parametrize("kind", HEADS)
def test_costs_are_those_of_the_part_itself(kind, tiny_model, latency_content):
    whole, shape = tiny_model(num_hidden_layers=3), PartShape(2, 10, 7, 2, 4)
    if HEADS[kind]:
        whole = Model(Encoder(whole.config), HEADS[kind](whole.config), seed=0)
    latency = Latency(LatencyModel(latency_content), 16, "int8", 1)
    part, costs = extract_subnet(whole, shape), PartCosts.of(whole, (16,), latency)(shape)
    assert costs["parameters"] == parameters(part)["total"]
    head = {"masked LM": "vocabulary", "classes": "pooler"}.get(kind, "")
    work = work_of(part.config, 16, head)
    expected = 2 * 1e-3 + 1e-6 * (work["product"] + work["row_product"])
    assert costs["latency_ms"] == pytest.approx(expected)


def test_sizes_of_parts_are_counted():
    config = EncoderConfig(
        vocab_size=50,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=20,
        attention_head_size=5,
    )
    size = Size.of(config)
    assert size.masked_lm_parameters == parameters(MaskedLanguageModel(config))["total"]
