"""The evolution of the parts of a super-student (AutoTinyBERT, Yin et al., 2021, section 3.4).

It imports no TensorFlow, and everything that it does follows from the seed and from the scores that
it is told; less is better.
"""

import dataclasses
import random
from collections.abc import Callable

from tfdistill.models.part_shapes import PartSpace

TRIES = 20_000  # draws of a shape before all shapes of the space are looked through
CROSSED, FRESH = 0.5, 0.5


class NothingAllowed(Exception):
    """No shape of the space is allowed."""


@dataclasses.dataclass(frozen=True)
class Rules:
    """How shapes are proposed.

    Args:
        population: shapes of the first generation, of each further one, and those whose offspring
            is tried.
        generations: further generations after the first.
        mutation: probability that the depth changes by one layer, and the attention by one or two
            heads (or dimensions of each head); twice that the width changes by one step, and the
            neurons by one or two.
        crossover: probability that offspring takes each of its sizes from one of two parents,
            before it is mutated. The authors' code has none.
        fast: whether the first generation keeps to the paper's fast rule (see `keeps_fast_rule`).
    """

    population: int = 25
    generations: int = 3
    mutation: float = 0.25
    crossover: float = 0.0
    fast: bool = True


def keeps_fast_rule(shape):
    """The rule that good shapes kept (section 4.5): 1.6 d <= neurons <= 1.9 d, 0.7 d <= qkv <= d.

    Args:
        shape: `PartShape`, d its width and qkv its heads times their size.
    """
    width = shape.width
    return (
        1.6 * width <= shape.intermediate <= 1.9 * width
        and 0.7 * width <= shape.heads * shape.head_size <= width
    )


class Evolution:
    """Proposes shapes, asks for their scores, and proposes better ones.

    Shapes are drawn from the space until one is allowed. Where few are, the space is filtered once,
    and they are drawn from what is left.

    Args:
        space: `PartSpace`.
        allowed: function of a `PartShape`: whether it is within all bounds.
        score_of: function of a `PartShape` to its score; called once for each shape.
        rules: `Rules`.
        seed: int.

    Attributes:
        scores: dict of the shapes that were tried to their scores, in the order of the trials.
    """

    def __init__(self, space: PartSpace, allowed: Callable, score_of: Callable, rules, seed):
        self._space, self._allowed, self._score_of, self._rules = space, allowed, score_of, rules
        self._draws, self.scores = random.Random(seed), {}
        self._fast = rules.fast  # until no further shape keeps to the rule
        self._filtered = None  # all allowed shapes, once few are found by drawing

    def run(self):
        """Tries all generations.

        Raises:
            NothingAllowed: no shape is within the bounds.
        """
        first = self._rules.population
        for number in range(first * (1 + self._rules.generations)):
            shape = self._first() if number < first else self._next()
            if shape is None:  # all were tried
                break
            self.scores[shape] = self._score_of(shape)

    def _next(self):
        return self._fresh() if self._draws.random() < FRESH else self._offspring()

    def _first(self):
        found = self._fresh(keeps_fast_rule) if self._fast else None
        self._fast = found is not None
        return found or self._fresh()

    def _fresh(self, rule=lambda shape: True):
        """A shape that was not tried; None if no further one is found."""
        for _ in range(TRIES if self._filtered is None else 0):
            shape = self._drawn()
            if shape not in self.scores and rule(shape) and self._allowed(shape):
                return shape
        if self._filtered is None:
            self._filtered = list(filter(self._allowed, self._space.shapes()))
        left = [each for each in self._filtered if each not in self.scores and rule(each)]
        if not self._filtered:
            raise NothingAllowed
        return self._draws.choice(left) if left else None

    def _drawn(self):
        space, draw = self._space, self._draws.randrange
        width = draw(len(space.widths))
        fewest, most = space.attention[width]
        layers, neurons = draw(len(space.layers)), draw(len(space.intermediates))
        return space.shape(layers, width, neurons, draw(most - fewest + 1))

    def _offspring(self):
        """A mutated shape that was not tried; None if no further one is found."""
        for _ in range(TRIES):
            places = self._space.places(self._parent())
            if self._draws.random() < self._rules.crossover:
                other = self._space.places(self._parent())
                pairs = zip(places, other, strict=True)
                places = [b if self._draws.random() < CROSSED else a for a, b in pairs]
            shape = self._mutated(places)
            if shape not in self.scores and self._allowed(shape):
                return shape
        return self._fresh()

    def _parent(self):
        """One of the best shapes, drawn in proportion to its lead over the last of them."""
        best = sorted(self.scores, key=self.scores.get)[: self._rules.population]
        worst = self.scores[best[-1]]
        leads = [worst - self.scores[shape] for shape in best]
        if not any(leads):
            return self._draws.choice(best)
        return self._draws.choices(best, leads)[0]

    def _mutated(self, places):
        """The shape at some places of the space, after random steps from them."""
        rate, layers, width, neurons, attention = self._rules.mutation, *places
        layers += self._step(rate, 1)
        width += self._step(2 * rate, 1)
        neurons += self._step(2 * rate, 2)
        attention += self._step(rate, 2)
        return self._space.nearest(layers, width, neurons, attention)

    def _step(self, rate, most):
        if self._draws.random() >= rate:
            return 0
        return self._draws.choice([step for step in range(-most, most + 1) if step])


def front(shapes):
    """The shapes that no other one beats in both size and loss.

    Args:
        shapes: iterable of (size, loss, anything).

    Returns:
        list of them, the smallest first.
    """
    found = []
    for size, loss, rest in sorted(shapes, key=lambda each: each[:2]):
        if not found or loss < found[-1][1]:
            found.append((size, loss, rest))
    return found
