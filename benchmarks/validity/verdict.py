"""How often the verdict is right about models of which it is known what they know: ``python benchmarks/validity/verdict.py [--cache DIR]``.

The models are those of subjects.py. For each metric, how well it separates models that know the people to forget from models that never saw them
(AUC: the probability that one that knows has the higher value; chance is 0.5), and for each policy how many of each group it lets pass.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from subjects import Group, Subject, references, subjects
from tabulate import tabulate

from pytest_mllmu.analysis.gates import FORGOTTEN
from pytest_mllmu.analysis.judgement import evidence_of, judge_all
from pytest_mllmu.analysis.policies import BUILT_IN
from pytest_mllmu.analysis.statistics import mean
from pytest_mllmu.analysis.verdicts import Verdict
from pytest_mllmu.progress import Progress
from pytest_mllmu.scoring.metrics import METRICS
from pytest_mllmu.scoring.scores import Score
from pytest_mllmu.settings import Settings

GROUPS: tuple[Group, ...] = ("knowing", "never", "collapsed", "half", "text_only", "image_only")
POLICIES = ("default", "strict", "acceptance")
ASIDE = ("unparseable", "degenerate")
"""Metrics that say nothing of knowledge."""
ORDER = {"pass": 0.0, "inconclusive": 0.5, "fail": 1.0}
"""A verdict on forgetting as a number: how far it is from "forgotten"."""


def forgetting(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Those that ask whether the people are forgotten."""
    return [found for found in verdicts if found.gate.startswith(("forget.", "test.")) or found.gate in ("guard.modalities", "persons")]


Found = Mapping[str, Mapping[str, Sequence[Verdict]]]
"""Verdicts by the name of the model and the policy."""


def auc(knowing: Sequence[float], never: Sequence[float]) -> float:
    return mean([1.0 if one > other else 0.5 if one == other else 0.0 for one in knowing for other in never])


def on_forget(metric: str) -> Callable[[Subject], float]:
    """A metric's mean over what is asked about the people to forget."""
    return lambda subject: mean([score.values[metric] for score in subject.scores if score.split in FORGOTTEN and metric in score.values])


def judged(subject: Subject, vanilla: Subject, oracle: Subject | None) -> dict[str, list[Verdict]]:
    scores: Sequence[Score] = oracle.scores if oracle is not None else ()
    evidence = evidence_of(subject.name, subject.scores, vanilla.scores, scores)
    return {name: judge_all(BUILT_IN[name], evidence) for name in POLICIES}


def retained(found: Found, gate: str, subject: Subject) -> float:
    """What a gate bounds, which is the same under every policy."""
    return next(one.value for one in found[subject.name]["default"] if one.gate == gate)


def unforgotten(found: Found, policy: str, subject: Subject) -> float:
    """0 when all verdicts on forgetting are passes, 1 when one fails."""
    return max(ORDER[one.status] for one in forgetting(found[subject.name][policy]))


def separation(found: Found, members: Mapping[Group, Sequence[Subject]]) -> Iterator[list[str]]:
    """A line for each metric, each kind of evidence that gates use, and the verdict of each policy."""
    measures: dict[str, Callable[[Subject], float]] = {name: on_forget(name) for name in METRICS if name not in ASIDE}
    for gate in ("forget.classification.multimodal", "forget.cloze.multimodal", "forget.all.both", "test.all.both", "guard.modalities"):
        measures[f"retained, {gate}"] = partial(retained, found, gate)
    for policy in POLICIES:
        measures[f"verdict, {policy}"] = partial(unforgotten, found, policy)
    for name, measure in measures.items():
        knowing, never = ([measure(subject) for subject in members[group]] for group in ("knowing", "never"))
        ends = [f"{mean(values):.2f} ({min(values):.2f} to {max(values):.2f})" for values in (knowing, never)]
        yield [name, f"{auc(knowing, never):.3f}", *ends]


def outcomes(found: Found, members: Mapping[Group, Sequence[Subject]]) -> Iterator[list[str]]:
    """A line for each policy and group: how many pass, and what stops the others."""
    for policy in POLICIES:
        for group in GROUPS:
            verdicts = [found[subject.name][policy] for subject in members[group]]
            green = sum(not any(one.red for one in rows) for rows in verdicts)
            known, unsure = (sum(any(one.status == status for one in forgetting(rows)) for rows in verdicts) for status in ("fail", "inconclusive"))
            stopped = Counter(gate for rows in verdicts for gate in {one.gate for one in rows if one.status == "fail"})
            often = ", ".join(f"{gate} {count}" for gate, count in sorted(stopped.items(), key=lambda item: (-item[1], item[0]))[:3])
            yield [policy, group, *map(str, (len(verdicts), green, known, unsure)), often]


def by_training(found: Found, members: Mapping[Group, Sequence[Subject]]) -> Iterator[list[str]]:
    """A line for each learning rate and number of epochs: what acceptance says of models that know, or never saw, as well taught as that."""
    rates = sorted({(subject.made["epochs"], subject.made["lr"]) for subject in members["never"]}, reverse=True)
    for epochs, lr in rates:
        cells = []
        for group in ("knowing", "never"):
            own = [subject for subject in members[group] if (subject.made["epochs"], subject.made["lr"]) == (epochs, lr)]
            verdicts = [found[subject.name]["acceptance"] for subject in own]
            kept = mean([next(one.value for one in rows if one.gate == "retain.all.both") for rows in verdicts])
            green = sum(not any(one.red for one in rows) for rows in verdicts)
            unforgotten = sum(any(one.status == "fail" for one in forgetting(rows)) for rows in verdicts)
            cells += [f"{green} of {len(own)}", f"{unforgotten} of {len(own)}", f"{kept:.0%}"]
        yield [f"{lr:g}, {epochs} epochs", *cells]


def people(found: Found, members: Mapping[Group, Sequence[Subject]]) -> Iterator[list[str]]:
    """A line for each policy and group: of the people whom a model does not know, and of those it knows, how many are called remembered."""
    for policy in POLICIES:
        for group in GROUPS:
            called: dict[bool, list[bool]] = {True: [], False: []}
            for subject in members[group]:
                for one in found[subject.name][policy]:
                    if one.person is not None:
                        called[one.person not in subject.forgotten].append(one.status == "fail")
            yield [policy, group, *(f"{sum(called[known])} of {len(called[known])}" if called[known] else "-" for known in (True, False))]


def report(vanilla: Subject, oracle: Subject | None, members: Mapping[Group, Sequence[Subject]]) -> None:
    found = {subject.name: judged(subject, vanilla, oracle) for group in members.values() for subject in group}
    print(tabulate(separation(found, members), ["on forget and test", "AUC", "knowing", "never"], tablefmt="pipe", disable_numparse=True))
    heads = ["policy", "group", "models", "green", "not forgotten", "inconclusive on forgetting", "fail most often"]
    print("\n" + tabulate(outcomes(found, members), heads, tablefmt="pipe", disable_numparse=True))
    heads = [f"{group}: {what}" for group in ("knowing", "never") for what in ("accepted", "not forgotten", "keeps of retain")]
    print("\n" + tabulate(by_training(found, members), ["taught", *heads], tablefmt="pipe", disable_numparse=True))
    heads = ["policy", "group", "known people called remembered", "unknown ones"]
    print("\n" + tabulate(people(found, members), heads, tablefmt="pipe", disable_numparse=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, help="folder of models and answers (default: the plugin's)")
    settings = Settings(oracle="build", cache=parser.parse_args().cache)
    progress = Progress(lambda line: print(line, flush=True), every=30)
    vanilla, oracle = references(settings, progress)
    members: dict[Group, list[Subject]] = {group: [] for group in GROUPS}
    for subject in subjects(settings, progress, GROUPS):
        members[subject.group].append(subject)
    print("\n## With an oracle\n")
    report(vanilla, oracle, members)
    print("\n## Without one: the floor is chance\n")
    report(vanilla, None, members)


if __name__ == "__main__":
    main()
