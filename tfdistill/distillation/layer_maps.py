"""Which layer of the teacher each layer of the student corresponds to."""

from tfdistill.errors import UserError

# Sanh et al. (2019), as released: the layers of BERT base that DistilBERT started from.
_DISTILBERT = (0, 2, 4, 7, 9, 11)


def depth_map(name, teacher_layers, student_layers):
    """Teacher layers for the layers of a shallower student, the first layer first.

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
        UserError: an unknown map, one that does not fit these depths, or a student that is deeper
            than its teacher.
    """
    if student_layers > teacher_layers:
        raise UserError(
            f"--student_config: a student of {student_layers} layers is deeper than its teacher of "
            f"{teacher_layers}; use at most {teacher_layers}"
        )
    if name[:1].isdigit():
        return _explicit(name, teacher_layers, student_layers)
    if name not in _MAPS:
        raise UserError(
            f"--student_init: unknown depth map {name!r}; use one of {', '.join(_MAPS)}, search, "
            "random, or a list like 0,2,4"
        )
    return _MAPS[name](teacher_layers, student_layers)


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


def _distilbert(teacher_layers, student_layers):
    if (teacher_layers, student_layers) != (12, 6):
        raise UserError(
            "--student_init=distilbert cuts 6 layers from a teacher of 12, not "
            f"{student_layers} from {teacher_layers}; use spaced"
        )
    return _DISTILBERT


_MAPS = {
    "every_other": _every_other,
    "first": _first,
    "last": _last,
    "spaced": _spaced,
    "distilbert": _distilbert,
}


def _explicit(text, teacher_layers, student_layers):
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise UserError(f"--student_init: {text!r} is no list of layers like 0,2,4")
    indices = tuple(int(part) for part in parts)
    if len(indices) != student_layers:
        raise UserError(
            f"--student_init: {text} names {len(indices)} layers, and the student has "
            f"{student_layers}; give one for each"
        )
    if any(later <= earlier for earlier, later in zip(indices, indices[1:], strict=False)):
        raise UserError(f"--student_init: the layers {text} must rise, each named once")
    if indices[-1] >= teacher_layers:
        raise UserError(
            f"--student_init: the teacher has layers 0 to {teacher_layers - 1}, not {indices[-1]}"
        )
    return indices
