"""The variants of an exported model: TFLite files with other weights. TensorFlow is not needed."""

import dataclasses

from tfdistill.models.configs.model_types import get_model_type
from tfdistill.system.errors import UserError

FLOAT16, DYNAMIC_INT8, FULL_INT8 = "float16", "dynamic_int8", "full_int8"
FLOAT32_FILE, INT8_FILE = "student.tflite", "student_int8.tflite"
KINDS = None, FLOAT16, DYNAMIC_INT8, FULL_INT8  # what `export_tflite` takes as `quantize`


@dataclasses.dataclass(frozen=True)
class Variant:
    """A variant of the student.

    Attributes:
        file: name of its file.
        quantize: its `quantize` (see `export_tflite`).
        weights: description of its weights for readers.
    """

    file: str
    quantize: str | None
    weights: str


# By the names that the setting `tflite_variants` takes; the last one of a bundle ships.
VARIANTS = {
    "float32": Variant(FLOAT32_FILE, None, "float32"),
    "float16": Variant("student_float16.tflite", FLOAT16, "float16"),
    "full_int8": Variant("student_full_int8.tflite", FULL_INT8, "int8, and int8 activations"),
    "int8": Variant(INT8_FILE, DYNAMIC_INT8, "int8, a scale per row"),
}
ALWAYS = "float32"


def variants_of(text):
    """Reads the setting `tflite_variants`.

    Args:
        text: names, separated by commas.

    Returns:
        tuple of names, in the order of `VARIANTS`; "float32" is always one of them.

    Raises:
        UserError: the text has another name.
    """
    named = {name.strip() for name in text.split(",")} if text else set()
    if unknown := sorted(named - VARIANTS.keys()):
        raise UserError(
            f"`tflite_variants`={text}: {unknown[0]!r} is unknown, use some of "
            f"{', '.join(VARIANTS)}"
        )
    return tuple(name for name in VARIANTS if name in named | {ALWAYS})


def require_quantizable(model_type, kinds):
    """Refuses files in integers alone of models whose graph has a loop.

    Args:
        model_type: name of the model type.
        kinds: the `quantize` of the files.

    Raises:
        UserError: the converter would end the process.
    """
    if FULL_INT8 in kinds and get_model_type(model_type).has_loop:
        raise UserError(
            f"`tflite_variants`: a {model_type} has no full_int8 file, since its steps are a loop: "
            "use int8"
        )


def weights_of(file):
    """The description of a file's weights, by the name of the file."""
    return next(each.weights for each in VARIANTS.values() if each.file == file)
