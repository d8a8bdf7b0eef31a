"""Depth maps: the layers of a teacher that a shallower student starts from."""

from tfdistill.distillation.layer_maps import (
    COMMON_MAPS,
    listed_layers,
    named_layers,
    refuse_deeper,
)
from tfdistill.system.errors import UserError


def depth_map(name, teacher_layers, student_layers):
    """The teacher's layers that a shallower student starts from, in order of its layers.

    Args:
        name: "every_other": floor(i N / r) for i < r, which is 0, 2, 4, … where N = 2r (Fan et
            al., 2019, section 3.2, and evenly spread for other depths); "first"; "last";
            "spaced": the first and the last, and between them evenly rounded; "distilbert": 0, 2,
            4, 7, 9, 11 of 12; or an explicit list like "0,2,4".
        teacher_layers: int, N.
        student_layers: int, r.

    Returns:
        tuple of r teacher layer indices.

    Raises:
        UserError: the map is unknown or does not fit these depths, or the student is deeper than
            its teacher.
    """
    refuse_deeper(teacher_layers, student_layers)
    if name[:1].isdigit():
        layers = listed_layers("student_init", name, teacher_layers, student_layers)
        if any(later <= earlier for earlier, later in zip(layers, layers[1:], strict=False)):
            raise UserError(f"`student_init`: the layers {name} must increase, each named once")
        return layers
    if name not in DEPTH_MAPS:
        raise UserError(
            f"`student_init`: unknown depth map {name!r}; use one of {', '.join(DEPTH_MAPS)}, "
            "search, random, or a list like 0,2,4"
        )
    return named_layers("student_init", name, DEPTH_MAPS, teacher_layers, student_layers)


def _every_other(teacher_layers, student_layers):
    return tuple(index * teacher_layers // student_layers for index in range(student_layers))


DEPTH_MAPS = {"every_other": _every_other, **COMMON_MAPS}
