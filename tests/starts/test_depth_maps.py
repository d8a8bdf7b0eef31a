import pytest

from tfdistill.starts.depth_maps import depth_map
from tfdistill.system.errors import UserError


@pytest.mark.parametrize(
    ("name", "teacher_layers", "student_layers", "expected"),
    [
        ("every_other", 12, 6, (0, 2, 4, 6, 8, 10)),
        ("every_other", 12, 4, (0, 3, 6, 9)),
        ("every_other", 8, 3, (0, 2, 5)),
        ("every_other", 12, 8, (0, 1, 3, 4, 6, 7, 9, 10)),
        ("first", 12, 3, (0, 1, 2)),
        ("last", 12, 3, (9, 10, 11)),
        ("spaced", 12, 6, (0, 2, 4, 7, 9, 11)),
        ("spaced", 12, 3, (0, 6, 11)),
        ("spaced", 12, 4, (0, 4, 7, 11)),
        ("spaced", 12, 2, (0, 11)),
        ("spaced", 12, 1, (0,)),
        ("distilbert", 12, 6, (0, 2, 4, 7, 9, 11)),
        ("0,2,4", 6, 3, (0, 2, 4)),
        ("1, 5", 6, 2, (1, 5)),
        ("3", 4, 1, (3,)),
    ],
)
def test_published_and_hand_made_maps(name, teacher_layers, student_layers, expected):
    assert depth_map(name, teacher_layers, student_layers) == expected


@pytest.mark.parametrize("name", ["every_other", "first", "last", "spaced"])
def test_maps_increase_and_equal_depths_keep_every_layer(name):
    for teacher_layers in range(1, 25):
        for student_layers in range(1, teacher_layers + 1):
            layers = depth_map(name, teacher_layers, student_layers)
            assert len(layers) == student_layers
            assert list(layers) == sorted(set(layers))
            assert 0 <= layers[0] and layers[-1] < teacher_layers
        assert depth_map(name, teacher_layers, teacher_layers) == tuple(range(teacher_layers))


@pytest.mark.parametrize(
    ("name", "teacher_layers", "student_layers", "complaint"),
    [
        ("every_other", 4, 6, "deeper"),
        ("0,1,2,3,4,5", 4, 6, "deeper"),
        ("distilbert", 12, 4, "distilbert"),
        ("distilbert", 8, 6, "distilbert"),
        ("0,2", 12, 3, "2 layers"),
        ("0,2,12", 12, 3, "0 to 11"),
        ("2,0,4", 12, 3, "increase"),
        ("0,2,2", 12, 3, "increase"),
        ("0,x,2", 12, 3, "0,x,2"),
        ("0,2,", 12, 3, "not a list"),
        ("-1,2", 12, 2, "-1,2"),
        ("evry_other", 12, 3, "evry_other"),
        ("", 12, 3, "unknown"),
    ],
)
def test_depth_maps_that_do_not_fit_are_refused(name, teacher_layers, student_layers, complaint):
    with pytest.raises(UserError, match=complaint):
        depth_map(name, teacher_layers, student_layers)
