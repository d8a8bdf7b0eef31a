"""Recipes as data."""

import pytest

from tfdistill import recipes
from tfdistill.distillation.phases import Phase, Term
from tfdistill.distillation.terms import LOSSES
from tfdistill.errors import UserError
from tfdistill.flags import FIELDS


def terms_of(recipe):
    (phase,) = recipe.phases
    return {term.loss: term for term in phase.terms}


def test_names():
    assert recipes.names() == ("distilbert", "mlm")


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_names_losses_that_exist_and_its_source(name):
    recipe = recipes.get(name)
    assert recipe.name == name and recipe.source.startswith("arXiv:")
    assert sum(phase.share for phase in recipe.phases) > 0
    for phase in recipe.phases:
        assert phase.active_terms
        for term in phase.terms:
            loss = LOSSES[term.loss]
            assert isinstance(loss.valid(**term.options), str)
            assert all(isinstance(signal, str) for signal in loss.signals(**term.options))


def test_distilbert_as_published():
    """5 CE at temperature 2, 2 MLM, 1 cosine: the command that made DistilBERT."""
    terms = terms_of(recipes.get("distilbert"))
    assert {loss: term.weight for loss, term in terms.items()} == {
        "ce": 5.0,
        "mlm": 2.0,
        "cos": 1.0,
        "mse": 0.0,
    }
    assert terms["ce"].options == {"temperature": 2.0, "restrict_to_mask": False}
    (phase,) = recipes.get("distilbert").phases
    assert [term.loss for term in phase.active_terms] == ["ce", "mlm", "cos"]


def test_the_flags_have_the_recipes_defaults():
    flags = {name: field.default for name, field in FIELDS.items()}
    assert recipes.get("distilbert", **flags) == recipes.get("distilbert")


def test_options_reach_their_terms():
    terms = terms_of(
        recipes.get(
            "distilbert",
            alpha_ce=0.5,
            alpha_mlm=0.25,
            alpha_cos=0.0,
            alpha_mse=0.125,
            temperature=4.0,
            restrict_ce_to_mask=True,
        )
    )
    assert terms["ce"] == Term("ce", 0.5, {"temperature": 4.0, "restrict_to_mask": True})
    assert terms["mse"] == Term("mse", 0.125, {"restrict_to_mask": True})
    assert terms["mlm"].weight == 0.25 and terms["cos"].weight == 0.0


def test_mlm_has_one_term_whatever_the_flags():
    recipe = recipes.get("mlm", alpha_mlm=7.0, alpha_ce=5.0, temperature=3.0)
    assert recipe.phases == (Phase("mlm", (Term("mlm", 1.0),)),)


def test_restricting_changes_what_is_compared():
    for name in ("ce", "mse"):
        options = {} if name == "mse" else {"temperature": 1.0}
        assert LOSSES[name].valid(restrict_to_mask=True, **options) == "masked_weights"
        assert LOSSES[name].valid(restrict_to_mask=False, **options) == "attention_mask"
        signals = [
            LOSSES[name].signals(restrict_to_mask=restrict, **options) for restrict in (True, False)
        ]
        assert signals == [("masked_rows",), ("token_rows",)]


def test_an_unknown_recipe():
    with pytest.raises(UserError, match="--recipe=tinybert is unknown.* distilbert, mlm"):
        recipes.get("tinybert")
