"""How well a factuality judge agrees with the answers that were scored by hand: ``python benchmarks/validity/judge.py [--all]``."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from functools import cache

from tabulate import tabulate

from pytest_mllmu.scoring import factuality
from pytest_mllmu.scoring.agreement import ALL, Ends, Reference, agreements, references
from pytest_mllmu.scoring.rouge import rouge_l
from pytest_mllmu.scoring.scores import Judge

EASY = frozenset({"exact", "wrong", "refusal", "gibberish"})
"""Kinds where counting words is nearly enough: a judge is not good because it is good at these."""
HEADERS = ("kind", "n", "mean absolute error", "mean error")
JUDGES: Mapping[str, Judge] = {
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
    scored = [(one, judge(one.question, one.truth, one.answer)) for one in given]
    scored.sort(key=lambda pair: -abs(pair[1] - pair[0].score))
    rows = [[one.id, one.truth, " ".join(one.answer.split()), one.score, f"{points:.1f}"] for one, points in scored]
    return tabulate(rows, ("id", "truth", "answer", "hand", "judge"), tablefmt="pipe", disable_numparse=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="print every answer with both scores, too, the worst first")
    given = parser.parse_args()
    answers = references()
    print(by_kind(factuality.judge, answers), compared(JUDGES, answers), sep="\n\n")
    if given.all:
        print(f"\n{every(factuality.judge, answers)}")


if __name__ == "__main__":
    main()
