"""tfdistill: published ways to shrink BERT, from raw text to a student that runs on a phone.

Importing the package is cheap: TensorFlow and Keras are imported when a name first needs them.
"""

import importlib
import os

# Must be set before the first import of Keras, which reads it once.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

__version__ = "0.1.0"

# A name must differ from the modules of this package: importing the module would replace it.
_HOMES = {
    "train_model": "tfdistill.command_line.api",
    "evaluate_model": "tfdistill.command_line.api",
    "fill_masks": "tfdistill.command_line.api",
    "LabelPredictor": "tfdistill.deployment.label_predictor",
    "FineTuneConfig": "tfdistill.command_line.guide",
    "FineTunePipeline": "tfdistill.command_line.guide",
    "DistillationMonitor": "tfdistill.reports.monitor",
    "RunConfig": "tfdistill.command_line.run_config",
    "UserError": "tfdistill.system.errors",
    "load_tokenizer": "tfdistill.data.tokenizer",
    "load_model": "tfdistill.models.hugging_face.checkpoint",
    "save_model": "tfdistill.models.hugging_face.checkpoint",
    "EncoderConfig": "tfdistill.models.configs.encoder_config",
    "MaskedLanguageModel": "tfdistill.models.model",
    "initialize_student": "tfdistill.starts.from_teacher",
    "Distiller": "tfdistill.distillation.distiller",
    "export_tflite": "tfdistill.deployment.tflite",
}

__all__ = [*_HOMES, "recipes"]


def __getattr__(name):
    if name in __all__:
        # As in the commands: checks the installation, and hides TensorFlow's start-up messages.
        devices = importlib.import_module("tfdistill.system.devices")
        module = devices.import_quietly(_HOMES.get(name, f"tfdistill.{name}"))
        return getattr(module, name) if name in _HOMES else module
    raise AttributeError(f"module 'tfdistill' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
