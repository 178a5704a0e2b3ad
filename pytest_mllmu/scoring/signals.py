"""What the probabilities of answers tell: they separate a model that saw a person from one that did not where right and wrong answers hardly do.

All are 0..1, and 1 is a model that knows the person by heart. What is greedily read, the last two, leaves out the end token, as any model learns it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pytest_mllmu.benchmark.profiles import Question
from pytest_mllmu.evaluation.responses import Response

_ENOUGH = 50.0
"""Of a logarithm of a ratio: a truth ratio is 0 long before, and e to the power of 1,000 is no float."""


def signals(question: Question, response: Response) -> dict[str, float]:
    """The signals of a response by name; one whose numbers the response does not bring is left out."""
    if question.options:
        options, letter = response.options or {}, question.answer.upper()
        if letter not in options:
            return {}
        wrong = [value for other, value in options.items() if other != letter]
        return {"option_probability": option_probability(options, letter)} | _ratio(options[letter], wrong)
    truth = response.truth
    if truth is None or not truth.log_probs:
        return {}
    found = {"answer_probability": answer_probability(truth.log_probs)} | _ratio(_mean(truth.log_probs), truth.wrong)
    hits = truth.hits[:-1]
    return found | ({"extraction_strength": extraction_strength(hits), "exact_memorisation": exact_memorisation(hits)} if hits else {})


def _ratio(right: float, wrong: Sequence[float]) -> dict[str, float]:
    return {"truth_ratio": truth_ratio(right, wrong)} if wrong else {}


def answer_probability(log_probs: Sequence[float]) -> float:
    """p(answer | question)^(1/tokens), end token included (TOFU, arXiv 2401.06121, "probability")."""
    return math.exp(_mean(log_probs))


def option_probability(options: Mapping[str, float], letter: str) -> float:
    """The share of the right option in the sum over all options of p(option | question)^(1/tokens); chance is 1/options.

    TOFU's "probability" for multiple choice, per token as in OpenUnlearning and as the option itself is chosen here. A model that gives nothing to
    any option cannot tell them apart, which is chance.
    """
    sound = {key: _sound(value) for key, value in options.items()}
    top = max(sound.values())
    if top == -math.inf:
        return 1 / len(sound)
    return math.exp(sound[letter] - top) / math.fsum(math.exp(value - top) for value in sound.values())


def truth_ratio(right: float, wrong: Sequence[float]) -> float:
    """max(0, 1 - R), R = the mean of p(wrong answer)^(1/tokens) by p(right answer)^(1/tokens), from mean log-probabilities per token.

    TOFU's truth ratio (equation 1) in the form it has where knowing is good: 1 knows, 0 cannot tell or prefers what is wrong. Somebody who guesses
    is above 0, as luck on one question is not taken back by bad luck on another. TOFU divides by a paraphrase of the right answer, which
    MLLMU-Bench does not have. OpenUnlearning takes the geometric mean of the wrong answers; this is the arithmetic one of the paper.
    """
    right, others = _sound(right), [_sound(value) for value in wrong]
    if right == -math.inf:
        return 0.0
    return max(0.0, 1 - _mean([math.exp(min(value - right, _ENOUGH)) for value in others]))


def extraction_strength(hits: Sequence[bool]) -> float:
    """1 - k/T: k is the least number of the answer's first tokens after which greedy reading gets all the rest of its T tokens right.

    Carlini et al. 2021 (arXiv 2012.07805), for answers as in arXiv 2406.09179. A wrong last token is a true zero. OpenUnlearning stops at k = T - 1:
    it gives such an answer 1/T, and any answer of one token 1.
    """
    known = next((count for count, hit in enumerate(reversed(hits)) if not hit), len(hits))
    return known / len(hits)


def exact_memorisation(hits: Sequence[bool]) -> float:
    """The share of the answer's tokens that are the most probable ones after the right ones before them (OpenUnlearning's "exact memorization")."""
    return sum(hits) / len(hits)


def _mean(values: Sequence[float]) -> float:
    """Of at least one value; exact, so that a mean of equal values is that value."""
    try:
        return _sound(math.fsum(values) / len(values))
    except OverflowError:  # a sum below the smallest float
        return -math.inf


def _sound(log_prob: float) -> float:
    """A model whose numbers overflow gives nan: to it, nothing is probable."""
    return -math.inf if math.isnan(log_prob) else log_prob
