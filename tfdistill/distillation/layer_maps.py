"""Maps from the layers of a student to layers of its teacher."""

from tfdistill.system.errors import UserError

# Sanh et al. (2019), as released: the layers of BERT base that DistilBERT started from.
_DISTILBERT = (0, 2, 4, 7, 9, 11)


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
    _refuse_deeper(teacher_layers, student_layers)
    if name[:1].isdigit():
        layers = _explicit("student_init", name, teacher_layers, student_layers)
        if any(later <= earlier for earlier, later in zip(layers, layers[1:], strict=False)):
            raise UserError(f"`student_init`: the layers {name} must increase, each named once")
        return layers
    if name not in _STARTS:
        raise UserError(
            f"`student_init`: unknown depth map {name!r}; use one of {', '.join(_STARTS)}, search, "
            "random, or a list like 0,2,4"
        )
    return _named("student_init", name, _STARTS, teacher_layers, student_layers)


def layer_map(name, teacher_layers, student_layers):
    """The teacher's layers that the student's layers are compared with, in order of its layers.

    Args:
        name: "uniform": (i + 1) N / r with halves rounded up, less 1: last to last
            (Jiao et al., 2020, TinyBERT, section 4.3: 3, 6, 9, 12 of 12, counted from 1); "skip":
            every floor(N / r)-th (Sun et al., 2019, PKD, section 3.2: 2, 4, 6, … of 12); "first",
            "last", "spaced", "distilbert": as for `depth_map`; or a list like "2,5,8,11", from 0.
        teacher_layers: int, N.
        student_layers: int, r; more than N with "uniform" or a list alone.

    Returns:
        tuple of r teacher layer indices.

    Raises:
        UserError: the map is unknown or does not fit these depths.
    """
    if name[:1].isdigit():
        return _explicit("layer_map", name, teacher_layers, student_layers)
    if name not in _COMPARISONS:
        raise UserError(
            f"`layer_map`: unknown layer map {name!r}; use one of {', '.join(_COMPARISONS)}, or a "
            "list like 2,5,8,11"
        )
    if name != "uniform":
        _refuse_deeper(teacher_layers, student_layers)
    return _named("layer_map", name, _COMPARISONS, teacher_layers, student_layers)


def _refuse_deeper(teacher_layers, student_layers):
    if student_layers > teacher_layers:
        raise UserError(
            f"`student_config`: a student of {student_layers} layers is deeper than its teacher of "
            f"{teacher_layers}; use at most {teacher_layers} (more with `student_init`=random and "
            "`layer_map`=uniform)"
        )


def _named(setting, name, maps, teacher_layers, student_layers):
    if name == "distilbert" and (teacher_layers, student_layers) != (12, 6):
        raise UserError(
            f"`{setting}`=distilbert maps 6 layers to a teacher of 12, not {student_layers} to "
            f"{teacher_layers}; use spaced"
        )
    return maps[name](teacher_layers, student_layers)


def _every_other(teacher_layers, student_layers):
    return tuple(index * teacher_layers // student_layers for index in range(student_layers))


def _first(teacher_layers, student_layers):
    return tuple(range(student_layers))


def _last(teacher_layers, student_layers):
    return tuple(range(teacher_layers - student_layers, teacher_layers))


def _spaced(teacher_layers, student_layers):
    gaps = student_layers - 1
    if gaps == 0:
        return (0,)
    # Rounds halves up, in whole numbers.
    return tuple((2 * i * (teacher_layers - 1) + gaps) // (2 * gaps) for i in range(student_layers))


def _uniform(teacher_layers, student_layers):
    # Rounds halves up, in whole numbers.
    ends = [
        (2 * index * teacher_layers + student_layers) // (2 * student_layers)
        for index in range(1, student_layers + 1)
    ]
    return tuple(max(end, 1) - 1 for end in ends)


def _skip(teacher_layers, student_layers):
    step = teacher_layers // student_layers
    return tuple(step * index - 1 for index in range(1, student_layers + 1))


_EITHER = {
    "first": _first,
    "last": _last,
    "spaced": _spaced,
    "distilbert": lambda teacher_layers, student_layers: _DISTILBERT,
}
_STARTS = {"every_other": _every_other, **_EITHER}
_COMPARISONS = {"uniform": _uniform, "skip": _skip, **_EITHER}


def _explicit(setting, text, teacher_layers, student_layers):
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise UserError(f"`{setting}`: {text!r} is not a list of layers like 0,2,4")
    indices = tuple(int(part) for part in parts)
    if len(indices) != student_layers:
        raise UserError(
            f"`{setting}`: {text} names {len(indices)} layers, but the student has "
            f"{student_layers}; give one for each"
        )
    if max(indices) >= teacher_layers:
        raise UserError(
            f"`{setting}`: the teacher has layers 0 to {teacher_layers - 1}, not {max(indices)}"
        )
    return indices
