"""Model types: their configs, their shapes by name, and Hugging Face's names for their parts."""

from tfdistill.models.configs import (
    bert,
    bilstm,
    deberta,
    distilbert,
    electra,
    mobilebert,
    roberta,
    static,
)
from tfdistill.models.configs.model_types import register

for _module in (bert, distilbert, mobilebert, roberta, electra, deberta, static, bilstm):
    register(_module.MODEL_TYPE)
register(roberta.XLM_ROBERTA)
