"""The latency of a shape is a sum over operators, whose work the file has."""

import dataclasses
import json
import math

import pytest

from tfdistill.command_line.run_config import RunConfig
from tfdistill.deployment.fully_connected import FullyConnected
from tfdistill.deployment.latency_model import LatencyModel
from tfdistill.deployment.operators import POOLER, VOCABULARY, work_of
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.run.advice_shapes import Size
from tfdistill.system.errors import UserError

SHAPE = EncoderConfig(
    vocab_size=64,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=48,
    attention_head_size=8,
)
TABLE = {
    "format": 1,
    "kind": "cpu",
    "machine": {},
    "smallest": dict(layers=1, width=16, intermediate=8, heads=1, head_size=8, vocabulary=10),
    "largest": dict(layers=2, width=32, intermediate=64, heads=2, head_size=16, vocabulary=100),
    "fits": [
        {
            "variant": "int8",
            "length": 16,
            "threads": 1,
            "milliseconds": {"file": 0.5, "layer": 0.25, "product": 1e-6},
        }
    ],
    "times": [],
}


def test_work_counts_the_products_of_a_file(exports):
    """Those of the graph itself."""
    model, folder = exports["bert"]
    work = work_of(model.config, 16, VOCABULARY, "float32")
    counted = FullyConnected(folder / "student.tflite", 16).multiply_adds
    assert work["product"] + work["row_product"] == counted


def test_columns_are_filled_up():
    """Keys and values of the only layer have 20 columns, of 40 inputs and 16 rows."""
    config = dataclasses.replace(SHAPE, num_hidden_layers=1, hidden_size=40, attention_head_size=10)
    work = work_of(config, 16, POOLER)
    assert work["product"] == 2 * 16 * 40 * 20
    assert work["padding_16"] == 2 * 16 * 40 * (32 - 20) and work["padding_32"] == 0


def test_the_size_of_an_int8_file_is_counted(whole_vocabulary):
    """Weights, scales and biases exactly; operators by a mean number of bytes."""
    size = Size(layers=2, width=128, heads=2, inner=512, vocabulary=30522, positions=24)
    found = (whole_vocabulary / "student_int8.tflite").stat().st_size
    assert size.int8_bytes((16,), VOCABULARY) == pytest.approx(found, rel=0.002)


def test_weights_beyond_a_cache():
    config = EncoderConfig(
        hidden_size=128, num_hidden_layers=3, num_attention_heads=2, intermediate_size=1024
    )
    layer, row = 4 * 128**2 + 2 * 128 * 1024, 2 * 128**2 + 2 * 128 * 1024
    read = 3 * layer + 128**2 + 30522 * 128  # 20 million bytes of float32
    waited = row + 128**2 + 30522 * 128  # 17 million of them
    work = work_of(config, 32, VOCABULARY, "float32")
    assert work["row_beyond_16_mb"] == 4 * read - 16_000_000
    assert work["row_beyond_4_mb"] == 4 * read - 4_000_000 < 4 * waited == work["row_beyond_2_mb"]
    assert work["beyond_2_mb"] == 4 * (read - waited) - 2_000_000
    assert work["beyond_4_mb"] == work["row_beyond_32_mb"] == 0
    integers = work_of(config, 32, VOCABULARY, "int8")
    assert integers["row_beyond_4_mb"] == read - 4_000_000 and integers["beyond_1_mb"] == 0
    assert work_of(config, 32, POOLER, "int8")["row_beyond_1_mb"] == 0


def test_a_time_is_the_sum_over_the_operators(tmp_path):
    path = tmp_path / "table.json"
    path.write_text(json.dumps(TABLE))
    model = LatencyModel.read(path)
    # Of the first layer queries, keys and values, output, and both products of the feed-forward
    # part have 16 rows; of the last one keys and values.
    products = 16 * (3 * 32 * 16 + 16 * 32 + 2 * 32 * 48) + 16 * 2 * 32 * 16
    for head in (VOCABULARY, POOLER):  # these costs have no single rows
        found = model.milliseconds(SHAPE, length=16, variant="int8", threads=1, head=head)
        assert found == pytest.approx(0.5 + 2 * 0.25 + 1e-6 * products)
    assert model.kind == "cpu"


def test_a_table_says_how_often_files_were_timed():
    assert LatencyModel(TABLE | {"rounds": 50}).rounds == 50
    assert LatencyModel(TABLE).rounds == RunConfig().rounds  # an older table


@pytest.mark.parametrize("wrong", [{"length": 32}, {"variant": "float32"}, {"threads": 2}])
def test_other_files_than_those_of_the_table_are_refused(wrong):
    right = {"length": 16, "variant": "int8", "threads": 1}
    with pytest.raises(UserError, match="int8 files of 16 tokens on 1 thread: choose"):
        LatencyModel(TABLE).milliseconds(SHAPE, **right | wrong)


def test_larger_shapes_than_those_of_the_table_are_refused():
    larger = dataclasses.replace(SHAPE, intermediate_size=65)
    with pytest.raises(UserError, match="at most 64 intermediate, not 65"):
        LatencyModel(TABLE).milliseconds(larger, length=16, variant="int8", threads=1)


def test_sizes_below_those_of_the_table_are_named():
    model, smallest = LatencyModel(TABLE), dict(TABLE["smallest"])
    assert model.below(smallest) == {}
    assert model.below(smallest | {"width": 15, "heads": 2}) == {"width": 16}


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", '{"format": 0}'),
        json.dumps({name: value for name, value in TABLE.items() if name != "largest"}),
        json.dumps(TABLE | {"fits": [TABLE["fits"][0] | {"milliseconds": 3}]}),
    ],
)
def test_other_files_are_no_tables(tmp_path, text):
    path = tmp_path / "table.json"
    path.write_text(text)
    with pytest.raises(UserError, match="latency table"):
        LatencyModel.read(path)


def test_costs_of_another_version_are_refused():
    fit = TABLE["fits"][0] | {"milliseconds": {"file": 0.5, "dream": 1.0}}
    model = LatencyModel(TABLE | {"fits": [fit]}, "old.json")
    with pytest.raises(UserError, match=r"old.json has costs of another version \(dream\): make"):
        model.milliseconds(SHAPE, length=16, variant="int8", threads=1)


@pytest.mark.parametrize(
    "changes",
    [
        {"fits": [TABLE["fits"][0] | {"milliseconds": {"file": math.nan}}]},
        {"fits": [TABLE["fits"][0] | {"milliseconds": {"file": "slow"}}]},
        {"fits": [TABLE["fits"][0] | {"milliseconds": {}}]},
        {"fits": [TABLE["fits"][0] | {"milliseconds": {"file": 0.5, "layer": -0.1}}]},
        {"fits": [TABLE["fits"][0] | {"threads": "one"}]},
        {"rounds": 0},
        {"largest": dict.fromkeys(TABLE["largest"], math.inf)},
    ],
    ids=str,
)
def test_tables_with_other_values_than_numbers_are_an_error(changes, tmp_path):
    file = tmp_path / "latency.json"
    file.write_text(json.dumps(TABLE | changes))
    with pytest.raises(UserError, match="latency.json: no latency table"):
        LatencyModel.read(file)
