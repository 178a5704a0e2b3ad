"""How well a factuality judge agrees with the answers that were scored by hand: ``python benchmarks/validity/judge.py [--judge gpt-4o] [--all]``.

A served judge (OPENAI_API_KEY, OPENAI_BASE_URL) is asked about each answer once; its replies are stored with those of test sessions.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache

from tabulate import tabulate

from pytest_mllmu.errors import MllmuError
from pytest_mllmu.scoring import factuality
from pytest_mllmu.scoring.agreement import ALL, Ends, Reference, agreements, references
from pytest_mllmu.scoring.judge import served_judge
from pytest_mllmu.scoring.rouge import rouge_l
from pytest_mllmu.scoring.scores import Judge
from pytest_mllmu.settings import LOCAL, resolve
from pytest_mllmu.store import default_root

EASY = frozenset({"exact", "wrong", "refusal", "gibberish"})
"""Kinds where counting words is nearly enough: a judge is not good because it is good at these."""
HEADERS = ("kind", "n", "mean absolute error", "mean error")
JUDGES: dict[str, Judge] = {
    "local": factuality.judge,
    # What one has without a judge: words in common, and no look at the answer.
    "1 + 9 x ROUGE-L recall": lambda question, truth, answer: 1 + 9 * rouge_l(truth, answer).recall,
    "always 5": lambda question, truth, answer: 5.0,
}


def spread(value: float, ends: Ends) -> str:
    """With its interval, unless there is none: nothing differs, or it is not defined."""
    return "-" if math.isnan(value) else f"{value:.2f}" if ends[0] == ends[1] else f"{value:.2f} [{ends[0]:.2f}, {ends[1]:.2f}]"


def by_kind(judge: Judge, given: Sequence[Reference]) -> str:
    """The table of docs/judge.md that says where ``judge`` is right and where not."""
    rows = [[kind, found.n, spread(found.mae, found.mae_interval), f"{found.bias:+.2f}"] for kind, found in agreements(judge, given).items()]
    return tabulate(rows, HEADERS, tablefmt="pipe", disable_numparse=True)


def compared(judges: Mapping[str, Judge], given: Sequence[Reference]) -> str:
    """The table of docs/judge.md with a row a judge."""
    hard = [reference for reference in given if reference.kind not in EASY]
    rows = []
    for name, judge in judges.items():
        once = cache(judge)  # an answer that is in both columns is judged, and paid, once
        overall, rest = agreements(once, given)[ALL], agreements(once, hard)[ALL]
        ranks = [spread(found.spearman, found.spearman_interval) for found in (overall, rest)]
        rows.append([name, *ranks, spread(overall.mae, overall.mae_interval), spread(rest.mae, rest.mae_interval)])
    about = (f"all {len(given)}", f"hard {len(hard)}")
    headers = ("judge", *(f"Spearman, {which}" for which in about), *(f"mean absolute error, {which}" for which in about))
    return tabulate(rows, headers, tablefmt="pipe", disable_numparse=True)


def every(judge: Judge, given: Sequence[Reference]) -> str:
    """Each answer with both scores, the worst first."""
    judged = [(one, judge(one.question, one.truth, one.answer)) for one in given]
    scored = [(one, points) for one, points in judged if points is not None]
    scored.sort(key=lambda pair: -abs(pair[1] - pair[0].score))
    rows = [[one.id, one.truth, " ".join(one.answer.split()), one.score, f"{points:.1f}"] for one, points in scored]
    return tabulate(rows, ("id", "truth", "answer", "hand", "judge"), tablefmt="pipe", disable_numparse=True)


@contextmanager
def _said(total: int, costs: str) -> Iterator[Callable[[], None]]:
    print(f"asking about {total} answers: {costs}", file=sys.stderr)
    yield lambda: None


def served(name: str, given: Sequence[Reference]) -> Judge:
    """The judge that ``--mllmu-judge=name`` is, after it was asked about all answers."""
    judge = served_judge(resolve({"judge": name}, lambda key: None), default_root())
    found = judge.judge([(one.question, one.truth, one.answer) for one in given], _said)
    if found.missing:
        raise MllmuError(f"not judged: {found.reason}")
    return found.score


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judge", default=LOCAL, metavar="NAME", help="local, or a model as --mllmu-judge takes it")
    parser.add_argument("--all", action="store_true", help="print every answer with both scores, too, the worst first")
    given = parser.parse_args()
    answers = references()
    try:
        judge = factuality.judge if given.judge == LOCAL else served(given.judge, answers)
    except MllmuError as error:
        sys.exit(str(error))
    print(by_kind(judge, answers), compared(JUDGES | {given.judge: judge}, answers), sep="\n\n")
    if given.all:
        print(f"\n{every(judge, answers)}")


if __name__ == "__main__":
    main()
