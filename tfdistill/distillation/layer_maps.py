"""Maps from the layers of a student to layers of its teacher."""

from tfdistill.system.errors import UserError

# Sanh et al. (2019), as released: the layers of BERT base that DistilBERT started from.
_DISTILBERT = (0, 2, 4, 7, 9, 11)


def layer_map(name, teacher_layers, student_layers):
    """The teacher's layers that the student's layers are compared with, in order of its layers.

    Args:
        name: "uniform": (i + 1) N / r with halves rounded up, less 1: last to last
            (Jiao et al., 2020, TinyBERT, section 4.3: 3, 6, 9, 12 of 12, counted from 1); "skip":
            every floor(N / r)-th (Sun et al., 2019, PKD, section 3.2: 2, 4, 6, … of 12); "first",
            "last", "spaced", "distilbert": as for `starts.depth_maps.depth_map`; or a list like
            "2,5,8,11", from 0.
        teacher_layers: int, N.
        student_layers: int, r; more than N with "uniform" or a list alone.

    Returns:
        tuple of r teacher layer indices.

    Raises:
        UserError: the map is unknown or does not fit these depths.
    """
    if name[:1].isdigit():
        return listed_layers("layer_map", name, teacher_layers, student_layers)
    if name not in LAYER_MAPS:
        raise UserError(
            f"`layer_map`: unknown layer map {name!r}; use one of {', '.join(LAYER_MAPS)}, or a "
            "list like 2,5,8,11"
        )
    if name != "uniform":
        refuse_deeper(teacher_layers, student_layers)
    return named_layers("layer_map", name, LAYER_MAPS, teacher_layers, student_layers)


def refuse_deeper(teacher_layers, student_layers):
    """Refuses a student that is deeper than its teacher.

    Args:
        teacher_layers, student_layers: int.

    Raises:
        UserError: it is deeper.
    """
    if student_layers > teacher_layers:
        raise UserError(
            f"`student_config`: a student of {student_layers} layers is deeper than its teacher of "
            f"{teacher_layers}; use at most {teacher_layers} (more with `student_init`=random and "
            "`layer_map`=uniform)"
        )


def named_layers(setting, name, maps, teacher_layers, student_layers):
    """The layers of a named map.

    Args:
        setting: setting that names the map, for the error message.
        name: key of `maps`.
        maps: dict of names to functions of (teacher layers, student layers).
        teacher_layers, student_layers: int.

    Returns:
        tuple of teacher layer indices.

    Raises:
        UserError: the map does not fit these depths.
    """
    if name == "distilbert" and (teacher_layers, student_layers) != (12, 6):
        raise UserError(
            f"`{setting}`=distilbert maps 6 layers to a teacher of 12, not {student_layers} to "
            f"{teacher_layers}; use spaced"
        )
    return maps[name](teacher_layers, student_layers)


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


COMMON_MAPS = {
    "first": _first,
    "last": _last,
    "spaced": _spaced,
    "distilbert": lambda teacher_layers, student_layers: _DISTILBERT,
}
LAYER_MAPS = {"uniform": _uniform, "skip": _skip, **COMMON_MAPS}


def listed_layers(setting, text, teacher_layers, student_layers):
    """The layers of an explicit list.

    Args:
        setting: setting that holds the list, for the error message.
        text: such as "0,2,4".
        teacher_layers, student_layers: int.

    Returns:
        tuple of teacher layer indices.

    Raises:
        UserError: the text is not a list of one teacher layer per student layer.
    """
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
