"""Where a choice comes from, and what is said about a wrong one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from pytest_mllmu import parsing, report
from pytest_mllmu.analysis.policies import BUILT_IN
from pytest_mllmu.embedded import tiny
from pytest_mllmu.errors import SettingsError
from pytest_mllmu.options import OPTIONS
from pytest_mllmu.parsing import REPORTS, Known, Steps
from pytest_mllmu.settings import Settings, check_flags, resolve
from tests.checkpoints import adapter, whole


def chosen(given: Mapping[str, Any] | None = None, ini: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    return resolve(given or {}, (ini or {}).get, environment or {})


def test_nothing_chosen_is_the_defaults() -> None:
    assert chosen() == Settings()
    # pytest gives None, "" or [] for an ini key that is not there, according to its type
    assert resolve({option.name: None for option in OPTIONS}, lambda key: [] if key == "mllmu_report" else "", {}) == Settings()


def test_options_and_fields_agree() -> None:
    resolved = {"general": ()}  # "auto" of the standard scenario
    assert [(option.name, resolved.get(option.name, option.default)) for option in OPTIONS] == [(field.name, field.default) for field in fields(Settings)]


def test_names_follow_from_the_option() -> None:
    option = next(option for option in OPTIONS if option.name == "cache")
    assert (option.flag, option.environment, option.key) == ("--mllmu-cache", "MLLMU_CACHE", "mllmu_cache")


@pytest.mark.parametrize(
    ("name", "texts", "values"),
    [
        ("method", ("ga,npo", "none", "ga, ga"), (("ga", "npo"), ("none",), ("ga",))),
        ("forget", ("5", "5,10,15", "20,5,20"), ((5,), (5, 10, 15), (20, 5))),
        ("lr", ("1e-3", "0.5", "2e-5"), (1e-3, 0.5, 2e-5)),
        ("table", ("multimodal", "unimodal", "both"), ("multimodal", "unimodal", "both")),
        ("signals", ("yes", "no", "yes"), ("yes", "no", "yes")),
        ("seed", ("1", "2", "3"), (1, 2, 3)),
        ("device", ("cuda:1", "cpu", "mps"), ("cuda:1", "cpu", "mps")),
        ("gates", ("off", "default", "off"), ("off", "default", "off")),
    ],
)
def test_command_line_before_environment_before_ini(name: str, texts: tuple[str, str, str], values: tuple[Any, Any, Any]) -> None:
    given, environment, ini = {name: texts[0]}, {f"MLLMU_{name.upper()}": texts[1]}, {f"mllmu_{name}": texts[2]}
    assert getattr(chosen(given, ini, environment), name) == values[0]
    assert getattr(chosen({}, ini, environment), name) == values[1]
    assert getattr(chosen({}, ini, {}), name) == values[2]
    # An empty variable is as good as none, which is how CI systems unset one.
    assert getattr(chosen({}, ini, {f"MLLMU_{name.upper()}": ""}), name) == values[2]


def test_ini_values_may_have_a_type_already() -> None:
    assert chosen(ini={"mllmu_forget": 15, "mllmu_lr": 0.25, "mllmu_seed": 0, "mllmu_limit": 3}) == Settings(forget=(15,), lr=0.25, seed=0, limit=3)


def test_reports_may_be_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    both = (tmp_path / "a.json", tmp_path / "b.MD")
    assert chosen({"report": ["a.json", str(tmp_path / "b.MD")]}, {"mllmu_report": ["c.md"]}, {"MLLMU_REPORT": "d.md"}).report == both
    assert chosen({}, {"mllmu_report": ["a.json", "b.MD"]}).report == both
    assert chosen({}, {"mllmu_report": ["a.json"]}, {"MLLMU_REPORT": "b.MD"}).report == both[1:]


def test_folders_are_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert chosen({"cache": "~/c"}).cache == tmp_path / "home" / "c"
    assert chosen({"cache": "c"}).cache == tmp_path / "c"
    assert chosen({"data": str(tmp_path)}).data == str(tmp_path)
    (tmp_path / "people.CSV").touch()
    assert chosen({"data": "people.CSV"}).data == "people.CSV"


WRONG = [
    ("method", ",", "nothing is given"),
    ("model", "tiny-lava", "no model 'tiny-lava'; there is tiny-llava, tiny-idefics2, or give the folder of a checkpoint; did you mean 'tiny-llava'?"),
    ("vanilla", "/no/such", "no folder '/no/such'"),
    ("oracle", "biuld", "no folder 'biuld'; a folder, auto, build is expected; did you mean 'build'?"),
    ("candidate", "vanila", "no folder 'vanila'; a folder, base, vanilla, oracle is expected; did you mean 'vanilla'?"),
    ("modality", "text", "no modality 'text'; there is both, multimodal, unimodal"),
    ("forget", "5,x", "a whole number from 1 to 99 is expected, not 'x'"),
    ("device", "gpu", "no device 'gpu'; there is auto, cpu, cuda, mps; did you mean 'cpu'?"),
    ("device", "cuda:x", "no device 'cuda:x'; there is auto, cpu, cuda, mps; did you mean 'cuda'?"),
    ("device", "cuda:", "no device 'cuda:'; there is auto, cpu, cuda, mps; did you mean 'cuda'?"),
    ("table", "multi", "no table 'multi'; there is both, multimodal, unimodal; did you mean 'multimodal'?"),
    ("signals", "y", "no answer 'y'; there is no, yes"),
    ("gates", "of", "no gate policy 'of'; there is default, strict, acceptance, mmunlearner, off, or give a .toml file; did you mean 'off'?"),
    ("dialect", "upsteam", "no dialect 'upsteam'; there is strict, strict-written, upstream, upstream-submission; did you mean 'upstream'?"),
    ("demonstrations", "-1", "a whole number from 0 to 100 is expected, not '-1'"),
    ("forget", "0", "a whole number from 1 to 99 is expected, not '0'"),
    ("forget", "100", "a whole number from 1 to 99 is expected, not '100'"),
    ("forget", "abc", "a whole number from 1 to 99 is expected, not 'abc'"),
    ("forget", "7.5", "a whole number from 1 to 99 is expected, not '7.5'"),
    ("profiles", "1", "a whole number from 2 to 5000 is expected, not '1'"),
    ("lr", "nan", "a number from 0 to 1 is expected, not 'nan'"),
    ("lr", "-1e-4", "a number from 0 to 1 is expected, not '-1e-4'"),
    ("lr", "inf", "a number from 0 to 1 is expected, not 'inf'"),
    ("lr", "fast", "a number from 0 to 1 is expected, not 'fast'"),
    ("seed", "-1", "a whole number from 0 to"),
    ("batch", "0", "a whole number from 1 to 4096 is expected, not '0'"),
    ("data", "/no/such/folder", "no folder '/no/such/folder'; give a folder in the released parquet layout, a list of people, or 'synthetic'"),
    ("data", "/no/such/people.csv", "no file '/no/such/people.csv'; give a list of people that is there, a folder, or 'synthetic'"),
    ("data", __file__, "test_settings.py' ends in neither .csv nor .jsonl"),
    ("data", "people.cvs", "a list of people, or 'synthetic'; did you mean '.csv'?"),
    ("data", "sythetic", "or 'synthetic'; did you mean 'synthetic'?"),
    ("report", "run.txt", "the report 'run.txt' ends in none of .json, .jsonl, .md"),
    ("report", "run", "the report 'run' ends in none of .json, .jsonl, .md"),
    ("report", "run.jsn", f"ends in none of {', '.join(REPORTS)}; did you mean '.json'?"),
    ("report", "/no/such/folder/run.md", "no folder '/no/such/folder' to write the report 'run.md' to"),
]


@pytest.mark.parametrize(("name", "text", "said"), WRONG)
def test_a_wrong_choice_is_one_line_that_names_its_source(name: str, text: str, said: str) -> None:
    given = [text] if name == "report" else text
    sources: list[tuple[str, Callable[[], Settings]]] = [
        (f"--mllmu-{name}", lambda: chosen({name: given})),
        (f"MLLMU_{name.upper()}", lambda: chosen(environment={"MLLMU_METHOD": "ga", f"MLLMU_{name.upper()}": text})),
        (f"mllmu_{name}", lambda: chosen(ini={f"mllmu_{name}": given})),
    ]
    for source, choose in sources:
        with pytest.raises(SettingsError) as caught:
            choose()
        message = str(caught.value)
        assert message.startswith(f"{source}: ")
        assert said in message
        assert "\n" not in message


def test_a_variable_disturbs_no_session_without_a_method() -> None:
    assert chosen(environment={"MLLMU_FORGET": "x", "MLLMU_FORGT": "5"}) == Settings()


def test_an_unknown_variable_gets_the_nearest_one() -> None:
    with pytest.raises(SettingsError, match=r"^MLLMU_FORGT: no such environment variable of pytest-mllmu; did you mean 'MLLMU_FORGET'\?$"):
        chosen({"method": "ga"}, environment={"MLLMU_FORGT": "5"})


def test_a_model_that_is_handed_in_is_put_on_trial_as_it_is(tmp_path: Path) -> None:
    assert chosen({"candidate": str(tmp_path)}).method == ("none",)
    assert chosen({"candidate": "base", "method": "ga,none"}).method == ("ga", "none")
    assert chosen({"candidate": "vanilla", "method": "ga"}).method == ("ga",)
    with pytest.raises(SettingsError, match=r"^--mllmu-candidate: a method makes its own candidate; give --mllmu-method=ga,none to try both$"):
        chosen({"candidate": "base", "method": "ga"})


@pytest.mark.parametrize("dialect", ["upstream", "upstream-submission"])
def test_a_released_evaluation_has_its_own_demonstrations(dialect: str) -> None:
    assert chosen({"demonstrations": "2"}).demonstrations == 2
    assert chosen({"demonstrations": "0", "dialect": dialect}).dialect == dialect
    with pytest.raises(SettingsError, match=rf"^--mllmu-demonstrations: {dialect} has those of the released evaluation; .* is for --mllmu-dialect=strict$"):
        chosen({"demonstrations": "2", "dialect": dialect})


@pytest.mark.parametrize("name", ["profiles", "celebrities"])
def test_the_size_of_a_data_folder_is_not_for_the_user_to_say(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"^--mllmu-{name}: the size of the embedded benchmark"):
        chosen({name: "30", "data": str(tmp_path)})


@pytest.mark.parametrize("source", ["pytest.ini", "pyproject.toml"])
def test_a_wrong_number_in_a_real_ini_file(pytester: pytest.Pytester, source: str) -> None:
    text = "[pytest]\nmllmu_forget = abc\n" if source == "pytest.ini" else "[tool.pytest.ini_options]\nmllmu_forget = 'abc'\n"
    pytester.path.joinpath(source).write_text(text, encoding="utf-8")
    result = pytester.runpytest_subprocess("--collect-only")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: mllmu_forget: *abc*"])


def test_an_unknown_flag_gets_the_nearest_one() -> None:
    for arguments in (["--mllmu-metod", "ga"], ["-q", "--mllmu-metod=ga"]):
        with pytest.raises(SettingsError, match=r"^no option --mllmu-metod; did you mean '--mllmu-method'\?"):
            check_flags(arguments)


def test_known_and_foreign_flags_pass() -> None:
    check_flags([flag for option in OPTIONS for flag in (option.flag, f"{option.flag}=x")])
    check_flags(["-q", "--maxfail=1", "tests", "mllmu-metod", "--", "--mllmu-metod"])


def test_what_decides_the_numbers() -> None:
    base = Settings()
    aside = Settings(report=(Path("a.md"),), cache=Path("c"), table="multimodal", signals="yes", batch=3, gates="off", history=Path("h"), compare=Path("b"))
    assert aside.measured == base.measured
    others = {
        "method": ("ga",),
        "seed": 1,
        "forget": (5,),
        "modality": "both",
        "oracle": "build",
        "lr": 0.1,
        "epochs": 2,
        "limit": 3,
        "data": "x",
        "device": "cuda",
        "dialect": "upstream",
        "demonstrations": 1,
        "scenario": "sequential",
        "steps": Steps(3),
        "known": Known(9, 4),
        "general": ("skills",),
        "trainable": "all",
    }
    for name, value in others.items():
        assert Settings(**{name: value}).measured != base.measured  # type: ignore[arg-type]


def test_names_agree_with_the_registries() -> None:
    assert tuple(BUILT_IN) == parsing.POLICIES
    assert report.SUFFIXES == parsing.REPORTS
    assert tuple(tiny.EMBEDDED) == parsing.MODELS


@pytest.mark.parametrize("module", ["pytest_mllmu.settings", "pytest_mllmu.plugin"])
def test_nothing_heavy_is_imported_with(module: str) -> None:
    heavy = ("torch", "transformers", "peft", "accelerate", "openai", "pyarrow", "numpy", "faker", "PIL")
    code = f"import sys, {module}; print(*[name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""


def test_flash_attention_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_mllmu.settings.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"^--mllmu-attention: flash_attention_2 needs the package flash-attn, which is not installed; take"):
        resolve({"method": "ga", "attention": "flash_attention_2"}, lambda key: None, {})


# --- checkpoints that are handed in ---


def test_a_vanilla_checkpoint_says_what_the_models_are_like(tmp_path: Path) -> None:
    """Else a 7B model would be asked as if it were tiny-llava: on the CPU, with two threads and embedded hyper-parameters."""
    vanilla = whole(tmp_path / "vanilla")
    found = chosen({"vanilla": str(vanilla), "candidate": str(tmp_path)})
    assert (found.model, found.embedded, found.baseless) == (str(vanilla), False, True)
    assert chosen({"vanilla": str(vanilla), "method": "ga"}).model == str(vanilla)
    for said in ({"model": "tiny-llava"}, {"model": str(tmp_path)}):
        found = chosen({"vanilla": str(vanilla), "candidate": str(tmp_path), **said})
        assert (found.model, found.baseless) == (said["model"], False)
    assert not chosen({"vanilla": str(vanilla), "candidate": "vanilla"}, environment={"MLLMU_MODEL": "tiny-idefics2"}).baseless
    assert chosen({"candidate": str(tmp_path)}).model == "tiny-llava"
    assert chosen(environment={"MLLMU_VANILLA": str(vanilla)}).model == "tiny-llava"  # nothing is on trial


def test_what_needs_a_base(tmp_path: Path) -> None:
    vanilla, lora = whole(tmp_path / "vanilla"), adapter(tmp_path / "lora")
    cases = {
        rf"--mllmu-vanilla: {lora} is a LoRA adapter; --mllmu-model gives the model that it was trained on": {"vanilla": str(lora), "method": "ga"},
        r"--mllmu-candidate=base: there is no base: --mllmu-vanilla gives": {"vanilla": str(vanilla), "candidate": "base"},
        r"--mllmu-oracle=build: there is no base": {"vanilla": str(vanilla), "candidate": str(lora), "oracle": "build"},
        rf"--mllmu-oracle: {lora} is a LoRA adapter on the base, and there is no": {"vanilla": str(vanilla), "method": "none", "oracle": str(lora)},
    }
    for said, given in cases.items():
        with pytest.raises(SettingsError, match=f"^{said}"):
            chosen(given)
        assert chosen({**given, "model": "tiny-llava"}).model == "tiny-llava"


def test_an_adapter_is_told_by_its_weights(tmp_path: Path) -> None:
    """Some trainers write the configuration of the base beside it."""
    lora = adapter(tmp_path / "lora")
    (lora / "config.json").write_text("{}")
    with pytest.raises(SettingsError, match="is a LoRA adapter"):
        chosen({"vanilla": str(lora), "method": "ga"})


SERVED = {"endpoint": "http://127.0.0.1:8000/v1/", "endpoint_model": "m"}


def test_a_served_model_is_on_trial_as_it_is_and_asked_as_it_can_be() -> None:
    found = chosen(SERVED)
    assert (found.method, found.endpoint, found.dialect, found.model) == (("none",), "http://127.0.0.1:8000/v1", "strict-written", "tiny-llava")
    assert chosen(SERVED | {"vanilla": "served:v"}).model == "served:v"  # nothing embedded is spoken of where nothing is


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"endpoint": "http://h/v1"}, "--mllmu-endpoint: --mllmu-endpoint-model says which"),
        ({"endpoint_model": "m"}, "--mllmu-endpoint-model: --mllmu-endpoint says where"),
        ({"endpoint_revision": "m"}, "--mllmu-endpoint-revision: --mllmu-endpoint says where"),
        ({"vanilla": "served:v"}, "--mllmu-vanilla: served:v: --mllmu-endpoint says where"),
        ({"vanilla": "served:"}, "--mllmu-vanilla: 'served:': the name of a model"),
        (SERVED | {"method": "ga"}, "leave out --mllmu-method"),
        (SERVED | {"candidate": "base"}, "leave out --mllmu-candidate"),
        (SERVED | {"dialect": "upstream"}, "take --mllmu-dialect=strict"),
        (SERVED | {"endpoint": "ftp://h"}, "--mllmu-endpoint: 'ftp://h': an address such as"),
        (SERVED | {"endpoint": "h:8000"}, "an address such as"),
        (SERVED | {"endpoint": "http://h:99999999"}, "an address such as"),
        (SERVED | {"endpoint": "http://user:secret@h/v1"}, "without user, password or query"),
        (SERVED | {"endpoint": "http://h/v1?key=secret"}, "without user, password or query"),
        ({"judge_budget": "5usd"}, "--mllmu-judge-budget: the local judge costs nothing"),
        ({"judge_price": "1,2"}, "--mllmu-judge-price: the local judge costs nothing"),
        ({"subjects": "hashed"}, "--mllmu-subjects: no certificate is written"),
        *(({"judge": "m", "judge_budget": text}, "such as 5usd or 500requests") for text in ("5", "", "1.5requests", "$5usd", "-1usd", "many")),
        *(({"judge": "m", "judge_price": text}, "--mllmu-judge-price: ") for text in ("5", "a,b", "-1,2", "1,2,3", "nan,1")),
        ({"judge": " "}, "--mllmu-judge: ' ': a name is expected"),
        ({"certificate": "c.pdf"}, "a certificate ends in .json"),
    ],
)
def test_judges_endpoints_and_certificates_that_cannot_be(given: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as found:
        chosen({"method": "none"} | given if "endpoint" not in given else given)
    assert said in str(found.value)
    assert "secret" not in str(found.value)


@pytest.mark.parametrize(
    ("text", "budget"),
    [("5usd", (5.0, None)), ("$2.50", (2.5, None)), ("500requests", (None, 500)), ("1 request", (None, 1)), ("0.5 USD", (0.5, None))],
)
def test_budgets(text: str, budget: tuple[float | None, int | None]) -> None:
    assert chosen({"method": "ga", "judge": "m", "judge_budget": text}).judge_budget == budget


def test_the_key_of_an_endpoint_is_no_option_and_no_mistake() -> None:
    assert chosen(SERVED, environment={"MLLMU_ENDPOINT_KEY": "k"}).endpoint_model == "m"
    with pytest.raises(SettingsError, match="MLLMU_ENDPOINT_KAY: no such environment variable"):
        chosen(SERVED, environment={"MLLMU_ENDPOINT_KAY": "k"})


@pytest.mark.parametrize("report", ["c.json", "c.md"])
def test_a_certificate_does_not_write_over_a_report(tmp_path: Path, report: str) -> None:
    with pytest.raises(SettingsError, match="is a report as well"):
        resolve({"method": "ga", "certificate": str(tmp_path / "c.json"), "report": [str(tmp_path / report)]}, lambda key: None, {})
    assert resolve({"method": "ga", "certificate": str(tmp_path / "c.json"), "report": [str(tmp_path / "d.md")]}, lambda key: None, {}).certificate


# --- scenarios, general ability, what is trained ---


@pytest.mark.parametrize(("text", "steps"), [("5", (5, 0)), ("1", (1, 0)), ("5+1", (5, 1)), (" 3 + 2 ", (3, 2)), ("5+0", (5, 0))])
def test_steps(text: str, steps: tuple[int, int]) -> None:
    found = chosen({"method": "ga", "scenario": "sequential", "steps": text}).steps
    assert found == steps
    assert parsing.steps(str(found)) == steps


def test_known() -> None:
    found = chosen({"method": "ga", "scenario": "pretrained", "known": " 45, 20 "})
    assert found.known == (45, 20)
    assert str(found.known) == "45,20"
    assert found.forget == (0,)  # a number of celebrities, no share of the profiles
    assert chosen({"method": "ga", "scenario": "pretrained"}).known is None


@pytest.mark.parametrize("scenario", ["pretrained", "sequential"])
def test_a_scenario_asks_the_embedded_models_for_their_skills(scenario: str, tmp_path: Path) -> None:
    assert chosen({"method": "ga", "scenario": scenario}).general == ("skills",)
    assert chosen({"method": "ga", "scenario": scenario, "general": "no"}).general == ()
    assert chosen({"method": "ga", "scenario": scenario, "model": str(whole(tmp_path / "model"))}).general == ()
    assert chosen({"method": "ga"}).general == ()
    assert chosen({"method": "ga", "general": "skills"}).general == ("skills",)


def test_general_ability_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dev.tsv").touch()
    assert chosen({"method": "ga", "general": f"skills,dev.tsv,{tmp_path / 'dev.tsv'}"}).general == ("skills", str(tmp_path / "dev.tsv"))


SEQUENTIAL, PRETRAINED = {"method": "ga", "scenario": "sequential"}, {"method": "ga", "scenario": "pretrained"}
STEPS_OF = "a number of steps such as 5 is expected, or 5+1 for one more that comes later"
KNOWN_OF = "how many take part and how many of them are to be forgotten (at least 1, and not all) is expected, such as 45,20"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"method": "ga", "scenario": "sequental"},
            "--mllmu-scenario: no scenario 'sequental'; there is standard, pretrained, sequential; did you mean 'sequential'?",
        ),
        (
            {"trainable": "projectr"},
            "no choice of what is trained 'projectr'; there is language, projector, all; did you mean 'projector'?",
        ),
        *((SEQUENTIAL | {"steps": text}, f"--mllmu-steps: {text!r}: {STEPS_OF}") for text in ("0", "5+", "+1", "-1", "5-1", "five", "99999", "5+1+1", "2.5")),
        *((PRETRAINED | {"known": text}, f"--mllmu-known: {text!r}: {KNOWN_OF}") for text in ("45", "20,45", "20,20", "20,0", "45,-1", "a,b", "45,20,1")),
        ({"method": "ga", "general": "skils"}, "MMBench or LLaVA-Bench, or skills, no, auto; did you mean 'skills'?"),
        ({"method": "ga", "general": "/no/such.tsv"}, "--mllmu-general: no file or folder '/no/such.tsv'; give one with MMMU, MMBench or LLaVA-Bench"),
        ({"method": "ga", "general": "auto,skills"}, "--mllmu-general: auto and no stand alone, not in auto,skills"),
        ({"method": "ga", "general": "skills,no"}, "--mllmu-general: auto and no stand alone, not in skills,no"),
        ({"method": "ga", "steps": "5"}, "--mllmu-steps: of the sequential scenario; give --mllmu-scenario=sequential"),
        (PRETRAINED | {"steps": "5"}, "--mllmu-steps: of the sequential scenario; give --mllmu-scenario=sequential"),
        (SEQUENTIAL | {"known": "9,4"}, "--mllmu-known: of the pretrained scenario; give --mllmu-scenario=pretrained"),
        (SEQUENTIAL | {"method": "ga,none"}, "--mllmu-scenario=sequential: requests are unlearned here, one after the other: give methods that do it"),
        ({"candidate": "base", "scenario": "sequential"}, "--mllmu-scenario=sequential: requests are unlearned here"),
        (SEQUENTIAL | {"quantize": "4bit"}, "--mllmu-scenario=sequential: each step trains on the last one's result"),
        (SEQUENTIAL | {"forget": "5,10"}, "--mllmu-scenario=sequential: one share of people to forget is expected, not 5,10"),
        (PRETRAINED | {"forget": "5"}, "--mllmu-forget: in the pretrained scenario --mllmu-known says how many celebrities are to be forgotten"),
        (PRETRAINED | {"oracle": "build"}, "--mllmu-oracle: no model is known that never saw the celebrities; leave it out with --mllmu-scenario=pretrained"),
        ({"candidate": "base", "scenario": "pretrained"}, "--mllmu-candidate: --mllmu-scenario=pretrained puts methods on trial, or with --mllmu-method=none"),
        (SERVED | {"scenario": "pretrained"}, "--mllmu-scenario=pretrained: a served model cannot be trained here; leave out --mllmu-endpoint"),
        (SERVED | {"scenario": "sequential"}, "--mllmu-scenario=sequential: a served model cannot be trained here; leave out --mllmu-endpoint"),
        (
            SEQUENTIAL | {"certificate": "c.json"},
            "--mllmu-certificate: a certificate is about one candidate in the standard scenario; leave out --mllmu-scenario",
        ),
    ],
)
def test_scenarios_that_cannot_be(given: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as found:
        chosen(given)
    message = str(found.value)
    assert said in message
    assert message.startswith("--mllmu-")
    assert "\n" not in message


def test_what_needs_more_than_a_vanilla_in_a_scenario(tmp_path: Path) -> None:
    vanilla = whole(tmp_path / "vanilla")
    with pytest.raises(SettingsError, match=r"^--mllmu-scenario=pretrained: unlearning starts from the base; --mllmu-model gives it$"):
        chosen(PRETRAINED | {"vanilla": str(vanilla)})
    assert chosen(SEQUENTIAL | {"vanilla": str(vanilla)}).baseless
    with pytest.raises(SettingsError, match=r"^--mllmu-general: skills are taught to the embedded models only; give files or folders with MMMU, "):
        chosen({"method": "ga", "model": str(vanilla), "general": "skills"})


def test_an_untouched_base_is_a_trial_of_the_pretrained_scenario() -> None:
    assert chosen({"method": "none", "scenario": "pretrained"}).method == ("none",)
    assert chosen({"method": "none", "scenario": "pretrained", "oracle": "auto"}).oracle == "auto"
