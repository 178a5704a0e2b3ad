"""What happens when a judge or an endpoint fails: ``python benchmarks/validity/faults.py [--only NAME]`` (about 20 minutes on two cores).

For each fault a session asks a server on loopback that fails in that way: three requests in ten (``some``), or every one from the 21st on (``for good``).
Then the same session is run again with the server well. A row says how many requests were spoilt, how the first run ended, how many of its verdicts differ from
those of a run without faults other than by being inconclusive (a wrong verdict), how many answers or grades that had come were asked for again (lost), and how
many verdicts differ after the second run. The last three have to be 0.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).parents[2]))
from pytest_mllmu.embedded.benchmark import synthetic_benchmark
from tests.knowing import Knowing
from tests.standin import FAULTS, Answer, Fault, StandIn, grader, serving

PEOPLE = ("--mllmu-profiles=10", "--mllmu-celebrities=3", "--mllmu-forget=30")
BEGIN, MOST = 20, 3
USAGE = 4
SLOW = Fault(wait=2.5)
KINDS = {**FAULTS, "slow": SLOW, "dripping": Fault(drip=0.05)}
PATIENCE = "--mllmu-request-timeout=1"


@dataclass
class Ended:
    code: int
    text: str
    report: dict[str, Any]

    @property
    def verdicts(self) -> dict[str, tuple[str, Any]]:
        return {f"{row['gate']} {row['person'] or ''}": (row["status"], row["value"]) for row in self.report.get("verdicts", [])}

    @property
    def statement(self) -> str:
        notes = [note for note in self.report.get("notes", []) if note.startswith("not judged")]
        ends = [line.partition("mllmu: ")[2].strip("! ") for line in self.text.splitlines() if "Exit: mllmu: " in line]
        return next(iter([*notes, *ends]), "as without faults")


@dataclass(frozen=True)
class Case:
    """``arguments`` start the session, ``answer`` is what the server says when it is well, ``unique`` how many requests a whole session takes."""

    name: str
    answer: Callable[[], Answer]
    arguments: Callable[[StandIn], tuple[str, ...]]
    environment: Callable[[StandIn], dict[str, str]]


def session(cache: Path, arguments: tuple[str, ...], environment: dict[str, str]) -> Ended:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", *PEOPLE, f"--mllmu-cache={cache}", "--mllmu-report=run.json", "-p", "no:cacheprovider", *arguments]
        env = {key: value for key, value in os.environ.items() if not key.startswith(("MLLMU_", "OPENAI_"))} | {"COLUMNS": "300"} | environment
        done = subprocess.run(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        report = Path(folder) / "run.json"
        return Ended(done.returncode, done.stdout, json.loads(report.read_text()) if report.is_file() else {})


def cases() -> Iterator[Case]:
    model = lambda: Knowing(synthetic_benchmark(10, 3, 30, 0))  # noqa: E731
    yield Case(
        "judge",
        lambda: grader,
        lambda server: ("--mllmu-method=ga", "--mllmu-judge=gpt-4o", PATIENCE),
        lambda server: {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "sk-0123456789"},
    )
    yield Case("endpoint", model, lambda server: (f"--mllmu-endpoint={server.url}", "--mllmu-endpoint-model=m", PATIENCE), lambda server: {})


def clone(cache: Path, root: Path) -> Path:
    """A cache with the same models and no answers of servers."""
    made = Path(tempfile.mkdtemp(dir=root))
    for part in ("model", "responses"):
        if (cache / part).exists():
            subprocess.run(["cp", "-r", str(cache / part), str(made / part)], check=True)
    return made


def row(case: Case, name: str, how: str, cache: Path, root: Path, well: Ended) -> list[Any]:
    spoilt: set[int] = set()
    ill = {"now": True}

    def fault(number: int) -> Fault | None:
        bad = ill["now"] and (number % 10 < MOST if how == "some" else number >= BEGIN)
        if bad:
            spoilt.add(number)
        if bad and name == "dies" and how == "for good":
            server.die()
        return KINDS.get(name, FAULTS["truncated"]) if bad else None

    place = clone(cache, root)
    with serving(case.answer(), fault) as server:
        url = server.url
        first = session(place, case.arguments(server), case.environment(server))
        came = {json.dumps(body, sort_keys=True) for number, body in enumerate(server.requests) if number not in spoilt}
        ill["now"] = False
        asked = len(server.requests)
        if name == "dies" and how == "for good":
            with serving(case.answer(), port=int(url.rpartition(":")[2].partition("/")[0])) as again:
                second, late = session(place, case.arguments(again), case.environment(again)), again.requests
        else:
            second = session(place, case.arguments(server), case.environment(server))
            late = server.requests[asked:]
    lost = sum(json.dumps(body, sort_keys=True) in came for body in late)
    wrong = sum(found[0] != "inconclusive" and found != well.verdicts[place] for place, found in first.verdicts.items())
    wrong += len(well.verdicts.keys() - first.verdicts.keys()) if first.code != USAGE else 0  # only a session that says it cannot judge may lack some
    after = sum(second.verdicts.get(place) != found for place, found in well.verdicts.items())
    return [case.name, f"{name}, {how}", f"{len(spoilt)} of {asked}", first.code, wrong, lost, after, first.statement]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="faults with this in their name")
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        cache = root / "models"
        session(cache, ("--mllmu-method=ga",), {})
        for case in cases():
            with serving(case.answer()) as server:
                well = session(clone(cache, root), case.arguments(server), case.environment(server))
            for name in (*KINDS, "dies"):
                for how in ("some", "for good"):
                    if given.only in name and (name, how) != ("dies", "some"):
                        rows.append(row(case, name, how, cache, root, well))
                        print(rows[-1], file=sys.stderr, flush=True)
    headers = ("server", "fault", "requests spoilt", "exit code", "wrong verdicts", "lost", "differ after a second run", "what the first run says")
    print(tabulate(rows, headers, tablefmt="pipe", disable_numparse=True))


if __name__ == "__main__":
    main()
