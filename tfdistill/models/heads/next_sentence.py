"""The head that predicts whether a segment follows another."""

from tfdistill.models.configs.model_types import get_model_type
from tfdistill.models.heads.classification import CLS, POOLER, ClassificationHead, pooling_of_head
from tfdistill.system.errors import UserError

LABELS = ("next", "other")  # 0: B follows A; 1: it does not; as in transformers
NAME = "next_sentence"


class NextSentenceHead(ClassificationHead):
    """Two logits for a pair of segments, from the pooled first token (Devlin et al., 2019, A.2).

    The second head of Hugging Face's `ForPreTraining`, beside that of masked LM. It has no dropout.

    Args:
        config: EncoderConfig.
        pooling: "pooler": a dense layer and tanh; "cls": the first token's state as it is, as in
            the published MobileBERT.

    Attributes:
        architecture: end of Hugging Face's name of a model with this head and that of masked LM.

    Raises:
        UserError: models of this type have no such head.

    Example:
        from tfdistill.models.configs.config_files import named_config
        from tfdistill.models.model import MaskedLanguageModel

        model = MaskedLanguageModel(named_config("L-2_H-32_A-2"), next_sentence="pooler", seed=1)
        rows = {"input_ids": [[101, 2307, 102, 2204, 102]], "token_type_ids": [[0, 0, 0, 1, 1]]}
        model.next_sentence_logits(rows).shape  # (1, 2)
    """

    architecture = "ForPreTraining"

    def __init__(self, config, pooling=POOLER):
        if not get_model_type(config.model_type).heads.next_sentence:
            raise UserError(f"a {config.model_type} has no head for pairs of segments")
        super().__init__(config, LABELS, pooling, dropout=0.0, pooler_dropout=0.0, name=NAME)
        self.dense_name = self.rules.next_sentence

    @staticmethod
    def pooling_of(config, values):
        """The pooling of the head in a checkpoint: "pooler" or "cls".

        Args:
            config: EncoderConfig.
            values: dict, the content of config.json.
        """
        return CLS if pooling_of_head(config, values) == CLS else POOLER

    def config_values(self):
        key = self.rules.pooler_key
        return {key: self.pooling == POOLER} if key else {}
