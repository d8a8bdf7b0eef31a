"""The masked LM that proposes words for augmentation; one without a head gets it here."""

from tfdistill import tasks
from tfdistill.data.tokenizer import load_mask_tokenizer, load_tokenizer
from tfdistill.models.configs.model_types import get_model_type
from tfdistill.models.hugging_face.checkpoint import resolve_directory
from tfdistill.run.augmentation_checks import (
    no_words_from,
    require_words_from,
    source_of_words,
)
from tfdistill.run.sources import holds_tokenizer
from tfdistill.run.trained_head import folder_with_head


def proposing_model(context):
    """Loads the model that `augmentation_model` names, or the teacher as it was loaded.

    Args:
        context: the `RunContext`.

    Returns:
        (`MaskedLanguageModel` in float32, its `Tokenizer`).

    Raises:
        UserError: the model or its tokenizer cannot be read, the vocabularies differ, or it has no
            masked-LM head and cannot get one here.
    """
    task, config = tasks.get("masked_lm"), context.config
    name, setting = source_of_words(config, context.plan.teacher_names)
    folder = resolve_directory(name)
    require_words_from(folder, name, setting)  # of a hub name, too
    model = task.load(folder)
    trained_here = get_model_type(model.config.model_type).learns_text
    load = load_tokenizer if trained_here else load_mask_tokenizer
    tokenizer = load(str(folder) if holds_tokenizer(folder) else config.tokenizer)
    tokenizer.require_table(model.config.vocab_size, name)
    if model.head is None:
        if not trained_here:
            raise no_words_from(name, setting, model.config.model_type)
        model = task.load(folder_with_head(context, folder, model, tokenizer))
    return model, tokenizer
