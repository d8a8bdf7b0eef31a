import pytest

from tfdistill.distillation.layer_maps import layer_map
from tfdistill.system.errors import UserError


@pytest.mark.parametrize(
    ("name", "teacher_layers", "student_layers", "expected"),
    [
        ("uniform", 12, 4, (2, 5, 8, 11)),  # TinyBERT-4: 3, 6, 9, 12, counted from 1
        ("uniform", 12, 6, (1, 3, 5, 7, 9, 11)),
        ("uniform", 8, 3, (2, 4, 7)),  # 2.67, 5.33, 8
        ("uniform", 5, 2, (2, 4)),  # 2.5 is rounded up
        ("uniform", 2, 4, (0, 0, 1, 1)),  # 0.5, 1, 1.5, 2
        ("uniform", 1, 4, (0, 0, 0, 0)),
        ("skip", 12, 6, (1, 3, 5, 7, 9, 11)),  # PKD-Skip: 2, 4, 6, 8, 10, and the last for logits
        ("skip", 12, 3, (3, 7, 11)),
        ("skip", 8, 3, (1, 3, 5)),
        ("last", 12, 6, (6, 7, 8, 9, 10, 11)),
        ("first", 12, 3, (0, 1, 2)),
        ("spaced", 12, 3, (0, 6, 11)),
        ("distilbert", 12, 6, (0, 2, 4, 7, 9, 11)),
        ("2,5,8,11", 12, 4, (2, 5, 8, 11)),
        ("1,1,0", 2, 3, (1, 1, 0)),
    ],
)
def test_layer_maps(name, teacher_layers, student_layers, expected):
    assert layer_map(name, teacher_layers, student_layers) == expected


@pytest.mark.parametrize(
    ("name", "teacher_layers", "student_layers", "complaint"),
    [
        ("every_other", 12, 6, "layer_map: unknown"),
        ("skip", 4, 6, "deeper"),
        ("last", 4, 6, "deeper"),
        ("distilbert", 12, 4, "layer_map=distilbert"),
        ("1,2", 12, 3, "layer_map: 1,2 names 2 layers"),
        ("1,2,12", 12, 3, "layer_map: .*0 to 11"),
        ("", 12, 3, "unknown"),
    ],
)
def test_layer_maps_that_do_not_fit_are_refused(name, teacher_layers, student_layers, complaint):
    with pytest.raises(UserError, match=complaint):
        layer_map(name, teacher_layers, student_layers)
