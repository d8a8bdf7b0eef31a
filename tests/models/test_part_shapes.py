"""The shapes of the parts of a model."""

import dataclasses
import json

import pytest

from tfdistill.models.configs.config_files import named_config
from tfdistill.models.part_shapes import PartRanges, PartShape
from tfdistill.system.errors import UserError

BASE = named_config("L-6_H-256_A-4")


def test_impossible_parts_are_refused():
    config = named_config("L-2_H-12_A-3_I-20")
    for shape, message in {
        PartShape(3, 12, 20, 3, 4): "1 to 2 layers, not 3",
        PartShape(2, 12, 0, 3, 4): "1 to 20 intermediate",
        PartShape(2, 9, 20, 3, 4): "do not fit in a hidden_size of 9",
        PartShape(2, 10, 20, 3, 3): "3 attention heads of 3 do not fit in a hidden_size of 10",
    }.items():
        with pytest.raises(UserError, match=message):
            shape.config(config)


@pytest.mark.parametrize("whole_heads", [True, False], ids=["whole heads", "smaller heads"])
@pytest.mark.parametrize("name", ["L-2_H-256_A-4", "L-2_H-312_A-12", "L-2_H-96_A-6_I-100"])
def test_every_shape_is_one_of_hugging_face(name, whole_heads):
    config = named_config(name)
    space = PartRanges(whole_heads=whole_heads).space(config)
    shapes = list(space.shapes())
    assert len(shapes) == len(set(shapes)) == len(space)
    for shape in shapes[:: max(1, len(shapes) // 500)]:
        assert PartShape.of(shape.config(config)) == shape
    assert {space.smallest, space.middle, PartShape.of(config)} <= set(shapes)
    changed = "head_size" if whole_heads else "heads"
    assert {getattr(shape, changed) for shape in shapes} == {getattr(space.whole, changed)}


@pytest.mark.parametrize("whole_heads", [True, False], ids=["whole heads", "smaller heads"])
def test_a_student_of_small_heads_has_shapes_of_hugging_face(whole_heads):
    config = dataclasses.replace(
        named_config("L-1_H-12_A-3_I-20"),
        hidden_size=15,
        num_attention_heads=2,
        attention_head_size=3,
    )
    space = PartRanges(whole_heads, step=1).space(config)
    assert set(space.widths) > {5, 7, 13, 15}
    for shape in space.shapes():
        assert PartShape.of(shape.config(config)) == shape
    if not whole_heads:  # 13 can only be divided among 13 heads of 1
        assert dict(zip(space.widths, space.attention, strict=True))[13] == (1, 1)


def test_ranges_have_the_named_ends():
    space = PartRanges().space(BASE)
    assert space.smallest == PartShape(1, 64, 128, 1, 64)
    assert space.widths[:3] == (64, 80, 96) and space.widths[-1] == 256
    assert dict(zip(space.widths, space.attention, strict=True))[208] == (1, 2)  # not 3: 208 / 3
    ranges = PartRanges(False, layers=2, width=130, intermediate=500, step=10)
    space = ranges.space(BASE)
    assert space.layers == (2, 3, 4, 5, 6)
    assert space.widths == tuple(range(136, 257, 12))  # multiples of 4 heads
    assert space.intermediates[:2] == (504, 514)
    assert space.attention[0] == (16, 34) and space.attention[-1] == (16, 64)


@pytest.mark.parametrize(
    "ranges, message",
    [
        (PartRanges(layers=7), "super_layers=7 is over the 6"),
        (PartRanges(width=300), "super_width=300 is over the 256"),
        (PartRanges(intermediate=2000), "super_intermediate=2000 is over the 1024"),
    ],
)
def test_ranges_outside_of_the_student_are_refused(ranges, message):
    with pytest.raises(UserError, match=message):
        ranges.space(BASE)


def test_a_mobilebert_has_no_parts():
    config = named_config("L-6_H-64_B-128_A-4_F-4_OPT", "mobilebert")
    with pytest.raises(UserError, match="student_type=mobilebert has no smaller parts"):
        PartRanges().space(config)


def test_steps_of_any_size_are_whole_numbers():
    space = PartRanges(whole_heads=False, step=10**400).space(BASE)
    assert space.widths == (256,) and space.intermediates == (1024,)
    assert PartRanges(whole_heads=False, step=33).space(BASE).widths[-2:] == (220, 256)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"layers": 0}, "layers must be a whole number from 1, not 0"),
        ({"step": "16"}, "step must be a whole number from 1, not '16'"),
        ({"width": True}, "width must be a whole number from 0, not True"),
        ({"sandwich": 1}, "sandwich must be true or false, not 1"),
        ({"intermediate": None}, "intermediate must be a whole number from 0, not None"),
        ({"heads": 2}, "heads is unknown"),
    ],
)
def test_ranges_that_were_edited_wrongly_are_refused(change, message, tmp_path):
    ranges = PartRanges(whole_heads=False, sandwich=True)
    ranges.write(tmp_path)
    assert PartRanges.read(tmp_path) == ranges
    file = tmp_path / "super_student.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(UserError, match=f"super_student.json: {message}") as error:
        PartRanges.read(tmp_path)
    assert "train the super-student again" in str(error.value)
