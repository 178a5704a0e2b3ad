"""A run with everything that a report can show, and with the same text in each place where data, a model or a user's method could have written it."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

from pytest_mllmu.analysis.comparison import compare, limits
from pytest_mllmu.analysis.leaks import Leaks, Told
from pytest_mllmu.analysis.scenarios import Findings, Measure, State
from pytest_mllmu.benchmark.profiles import MODALITIES
from pytest_mllmu.parsing import FAIL_ON
from pytest_mllmu.report.run import Run
from pytest_mllmu.report.samples import Answer, Sample
from tests.unit.test_report import make_run, scores

EVIL = '"><script>evil = 1</script><img src=x onerror="evil = 1">\'\x1b[31m</style></title>{{ 7 * 7 }}<a href="javascript:evil = 1">&lt;b&gt;\u202e'


def image(colour: str = "red") -> str:
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")


def measure(value: float, people: int = 20) -> Measure:
    return Measure(value, value - 0.1, value + 0.1, 180, people, dict.fromkeys(MODALITIES, (1.0, value)))


def findings(text: str) -> Findings:
    states = tuple(State(f"after {n} of 3 {text}", 2 * n, {"forget": measure(0.5 / n, 2), "retain": measure(1 - n / 5)}) for n in (1, 2, 3))
    matrix = tuple(tuple(measure(0.9 - 0.1 * step - 0.1 * part, 2) for step in range(3 - part)) for part in range(3))
    return Findings("sequential", f"GA {text}", f"6 people in 3 requests {text}", states, matrix, says=(f"GA keeps less {text}",))


def sample(text: str, picture: str = "") -> Sample:
    answers = (Answer("vanilla", f"Łódź {text}", 1.0), Answer("ga", f"Nowhere {text}", 0.0), Answer("ga", "", None))
    return Sample(0, "forget", f"001{text}", "generation", "multimodal", f"Where? {text}", (text, "B"), f"Łódź {text}", answers, picture)


def rich(text: str = "") -> Run:
    """``text`` stands in every place that is not ours."""
    from pytest_mllmu.analysis.policies import BUILT_IN
    from pytest_mllmu.analysis.table import Table, build_row
    from pytest_mllmu.analysis.verdicts import verdict

    run = make_run(title=f"GA {text}", note=f"a note {text}")
    oracle = build_row("oracle", f"Retrain {text}", scores(2))
    ability = scores(5, ("general",))
    rows = [replace(row, cells=(*row.cells, *build_row("", "", ability).cells)) for row in (run.table.rows[0], oracle, run.table.rows[1])]
    people = [f"{n:03}{text}" for n in range(12)]
    facts = {(f"birthplace {text}", side): Told(n, 2, 2) for n, side in enumerate(MODALITIES)} | {("hobby", "unimodal"): Told(0, 0, 2)}
    persons = BUILT_IN["default"].persons
    said = [
        verdict(
            persons,
            f"GA {text}",
            "fail" if n < 3 else "pass",
            f"person {n} {text}",
            n / 12,
            people=1,
            questions=18,
            person=person,
            leaks=(f"birthplace {text} (image)",),
        )
        for n, person in enumerate(people)
    ]
    run.table = Table(tuple(rows))
    run.verdicts += said
    run.leaks = [Leaks("ga", 0, dict.fromkeys(people, facts))]
    run.samples = [sample(text, image()), sample(text)]
    run.findings = [findings(text)]
    run.benchmark_name = f"embedded {text}"
    run.settings |= {f"key {text}": f"value {text}", "model": f"model {text}"}
    run.changes = compare(run.table, Table((rows[0], rows[1], replace(rows[2], cells=rows[0].cells))), limits(FAIL_ON), paired=False)
    return run
