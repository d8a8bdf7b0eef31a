"""Masked language modelling (Devlin et al., 2019, arXiv:1810.04805, section 3.1)."""

from tfdistill.distillation.phases import Phase, Recipe, Term


def mlm():
    """Masked LM alone: for the teacher's pre-training, and for students without a teacher.

    Returns:
        A `Recipe` of one phase.
    """
    return Recipe("mlm", (Phase("mlm", (Term("mlm", 1.0),)),), source="arXiv:1810.04805")
