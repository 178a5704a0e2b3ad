"""Every choice of the user in one frozen dataclass: command line > environment > ini > default, checked once.

``OPTIONS`` is the single list that the command line, the environment variables, the ini keys and the documentation share.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

from pytest_mllmu.errors import SettingsError, did_you_mean

Show = Literal["both", "multimodal", "unimodal"]

MODELS = ("tiny-llava", "tiny-idefics2")
POLICIES = ("default", "strict", "acceptance", "mmunlearner", "off")
FAIL_ON = ("forget.*:+2", "test.*:+2", "retain.*:-2", "celebrity.*:-2")
"""What is a regression unless the user says it: two points remembered again, or lost."""
MAY_DIFFER = ("data", "seed", "dialect", "judge", "people")
REPORTS = (".json", ".jsonl", ".md")
LABELS = ("answer", "upstream")
DTYPES = ("auto", "float32", "bfloat16", "float16")
ATTENTIONS = ("auto", "sdpa", "eager", "flash_attention_2")
YES_NO = ("no", "yes")
DIALECTS = ("strict", "upstream", "upstream-submission")


@dataclass(frozen=True)
class Option:
    """One choice: ``--mllmu-NAME`` on the command line, ``MLLMU_NAME`` in the environment, ``mllmu_name`` in the ini file.

    ``parse`` turns the text into the value and raises ValueError, saying what would be right.
    """

    name: str
    default: Any
    parse: Callable[[str], Any]
    metavar: str
    help: str
    ini: Any = str
    """The type that ``addini`` checks; ``int | str`` leaves the complaint about a word to ``parse``, which names the key."""
    many: bool = False
    """Whether the option may be given several times."""

    @property
    def flag(self) -> str:
        return f"--mllmu-{self.name.replace('_', '-')}"

    @property
    def environment(self) -> str:
        return f"MLLMU_{self.name.upper()}"

    @property
    def key(self) -> str:
        return f"mllmu_{self.name}"


def _one_of(kind: str, choices: Sequence[str]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"no {kind} {text!r}; there is {', '.join(choices)}{did_you_mean(text, choices)}")
        return text

    return parse


def _list(parse: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    """Values separated by commas, each once, in the order given."""

    def parse_all(text: str) -> tuple[Any, ...]:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if not parts:
            raise ValueError("nothing is given")
        return tuple(dict.fromkeys(parse(part) for part in parts))

    return parse_all


def _number(low: float, high: float, kind: type[int] | type[float] = int) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = kind(low) - 1
        if not low <= value <= high:
            raise ValueError(f"a {'whole ' if kind is int else ''}number from {low} to {high} is expected, not {text!r}")
        return value

    return parse


def _model(text: str) -> str:
    if text in MODELS:
        return text
    if Path(text).expanduser().is_dir():
        return str(Path(text).expanduser().resolve())
    raise ValueError(f"no model {text!r}; there is {', '.join(MODELS)}, or give the folder of a checkpoint{did_you_mean(text, MODELS)}")


def _data(text: str) -> str:
    if text == "synthetic" or Path(text).expanduser().is_dir():
        return text
    raise ValueError(f"no folder {text!r}; give a folder in the released parquet layout, or 'synthetic'{did_you_mean(text, ['synthetic'])}")


def _path(*words: str) -> Callable[[str], str]:
    """A folder, as an absolute path, or one of some words."""

    def parse(text: str) -> str:
        if text in words:
            return text
        if not Path(text).expanduser().is_dir():
            there = f"; a folder{''.join(f', {word}' for word in words)} is expected" if words else ""
            raise ValueError(f"no folder {text!r}{there}{did_you_mean(text, words)}")
        return str(Path(text).expanduser().resolve())

    return parse


def _device(text: str) -> str:
    if text.startswith("cuda:") and text[5:].isdigit():
        return text
    return _one_of("device", ("auto", "cpu", "cuda", "mps"))(text)


def _gates(text: str) -> str:
    """A policy's name, or the absolute path of a TOML file."""
    if text in POLICIES:
        return text
    path = Path(text).expanduser()
    if path.suffix.lower() != ".toml":
        raise ValueError(f"no gate policy {text!r}; there is {', '.join(POLICIES)}, or give a .toml file{did_you_mean(text, POLICIES)}")
    if not path.is_file():
        raise ValueError(f"no file {text!r}; there is {', '.join(POLICIES)}, or a .toml file with gates")
    return str(path.resolve())


def _absolute(text: str) -> Path:
    return Path(text).expanduser().resolve()


def _folder(text: str) -> Path:
    path = _absolute(text)
    if path.exists() and not path.is_dir():
        raise ValueError(f"{text!r} is a file; a folder is expected")
    return path


def _report(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in REPORTS:
        raise ValueError(f"the report {text!r} ends in none of {', '.join(REPORTS)}{did_you_mean(path.suffix, REPORTS)}")
    if not path.resolve().parent.is_dir():
        raise ValueError(f"no folder {str(path.resolve().parent)!r} to write the report {path.name!r} to")
    return path.resolve()


OPTIONS = (
    Option(
        "method",
        (),
        _list(str),
        "NAME[,NAME]",
        "Methods to put on trial: ga, ga_difference, kl_minimization, npo, prompting, all of them (all), or your own; none for a model as it is. "
        "A method's options: npo:reference=vanilla. Without a method nothing runs",
    ),
    Option("model", "tiny-llava", _model, "NAME|DIR", f"Base model: {' or '.join(MODELS)} (embedded), or the folder of a checkpoint"),
    Option("vanilla", None, _path(), "DIR", "The model that knows everybody, a checkpoint or LoRA adapter, instead of fine-tuning one"),
    Option("oracle", "auto", _path("auto", "build"), "DIR", "The model that never saw the forget set: a folder as for vanilla, build, or auto (when needed)"),
    Option("candidate", "vanilla", _path("base", "vanilla", "oracle"), "DIR", "What method none puts on trial: base, vanilla, oracle, or a folder"),
    Option("data", "synthetic", _data, "DIR", "Benchmark: synthetic, or a folder in the released parquet layout"),
    Option("profiles", 100, _number(2, 5000), "N", "People in the synthetic benchmark (500 = the paper's size)", int | str),
    Option("celebrities", 40, _number(1, 5000), "N", "Celebrities in the synthetic benchmark (153 = the paper's size)", int | str),
    Option("forget", (10,), _list(_number(1, 99)), "PERCENT[,PERCENT]", "Percent of the people to forget (5,10,15 in the paper: a table each)", int | str),
    Option("modality", "multimodal", _one_of("modality", get_args(Show)), "WHICH", "What unlearning trains on: multimodal, unimodal, or both (two rows)", Show),
    Option("table", "both", _one_of("table", get_args(Show)), "WHICH", "Rows of the table: both, multimodal or unimodal questions", Show),
    Option("signals", "no", _one_of("answer", YES_NO), "YES|NO", "Print the table of probabilities as well"),
    Option("dialect", "strict", _one_of("dialect", DIALECTS), "NAME", "How to ask and to read answers: strict, or as released (upstream, upstream-submission)"),
    Option("demonstrations", 0, _number(0, 100), "N", "Retain people, a question of each, shown with its answer before every question (strict)", int | str),
    Option("gates", None, _gates, "POLICY|FILE", f"Gates: {', '.join(POLICIES)}, or a .toml file (default: [tool.mllmu.gates] of pyproject.toml, or default)"),
    Option("compare", None, _absolute, "FILE|DIR", "Baseline: a .json report, or a folder of --mllmu-history; what got worse than there is red"),
    Option("fail_on", FAIL_ON, _list(str), "WHAT:HOW[,...]", "What is a regression, such as retain.*:-2 (points), forget.cloze.*:+5%"),
    Option("across", (), _list(_one_of("difference", MAY_DIFFER)), "WHAT[,WHAT]", f"What may differ from the baseline: {', '.join(MAY_DIFFER)}"),
    Option("history", None, _folder, "DIR", "Keep the .json report of every run in a folder, numbered; mllmu promote makes one of them the baseline"),
    Option("lr", None, _number(0, 1, float), "RATE", "Learning rate of unlearning instead of the method's own", float | str),
    Option("epochs", None, _number(1, 1000), "N", "Epochs of unlearning instead of the method's own", int | str),
    Option("train_batch", None, _number(1, 4096), "N", "Rows per forward pass of training instead of the method's own", int | str),
    Option("accumulate", 1, _number(1, 4096), "N", "Forward passes per training step, whose gradients are added up", int | str),
    Option("labels", "answer", _one_of("choice of labels", LABELS), "WHICH", "What the loss is over: answer tokens, or upstream (prompt too, as released)"),
    Option("packed", "no", _one_of("answer", YES_NO), "YES|NO", "Train a person's pairs on one image trunk: fast where an image has many tokens"),
    Option("checkpointing", "no", _one_of("answer", YES_NO), "YES|NO", "Gradient checkpointing: less memory, more time"),
    Option("dtype", "auto", _one_of("dtype", DTYPES), "NAME", "Precision of a checkpoint: auto (its own), float32, bfloat16 or float16"),
    Option("device_map", None, str, "NAME", "How accelerate spreads a checkpoint over devices, such as auto"),
    Option("quantize", "no", _one_of("quantization", ("no", "4bit")), "HOW", "4bit: hold a checkpoint in NF4 (QLoRA; needs pytest-mllmu[quant])"),
    Option("attention", "auto", _one_of("attention", ATTENTIONS), "NAME", "How a checkpoint computes attention: auto, sdpa, eager or flash_attention_2"),
    Option("report", (), _report, "FILE", "Write a report, its format by suffix: .json, .jsonl or .md (may be repeated)", "linelist", many=True),
    Option("cache", None, _absolute, "DIR", "Folder of models and answers (default: the user's cache folder)"),
    Option("seed", 0, _number(0, 2**31), "N", "The one seed of data, training and statistics", int | str),
    Option("device", "auto", _device, "NAME", "Where models run: auto, cpu, cuda, cuda:N or mps"),
    Option("batch", None, _number(1, 4096), "N", "Rows per forward pass of the evaluation; answers do not depend on it", int | str),
    Option("limit", None, _number(1, 100_000), "N", "Ask about the first N people of each set only", int | str),
)


@dataclass(frozen=True)
class Settings:
    """What the user chose, checked. The fields are named like the options."""

    method: tuple[str, ...] = ()
    model: str = "tiny-llava"
    vanilla: str | None = None
    oracle: str = "auto"
    candidate: str = "vanilla"
    data: str = "synthetic"
    profiles: int = 100
    celebrities: int = 40
    forget: tuple[int, ...] = (10,)
    modality: Show = "multimodal"
    table: Show = "both"
    signals: str = "no"
    dialect: str = "strict"
    demonstrations: int = 0
    gates: str | None = None
    compare: Path | None = None
    fail_on: tuple[str, ...] = FAIL_ON
    across: tuple[str, ...] = ()
    history: Path | None = None
    lr: float | None = None
    epochs: int | None = None
    train_batch: int | None = None
    accumulate: int = 1
    labels: str = "answer"
    packed: str = "no"
    checkpointing: str = "no"
    dtype: str = "auto"
    device_map: str | None = None
    quantize: str = "no"
    attention: str = "auto"
    report: tuple[Path, ...] = ()
    cache: Path | None = None
    seed: int = 0
    device: str = "auto"
    batch: int | None = None
    limit: int | None = None

    @property
    def embedded(self) -> bool:
        """Whether the base model is one of ours, built on first use."""
        return self.model in MODELS

    @property
    def measured(self) -> dict[str, Any]:
        """What decides the numbers: everything but where files go, how the table looks, and what is concluded."""
        aside = {"report", "cache", "table", "signals", "batch", "gates", "compare", "fail_on", "across", "history"}
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in aside}


def resolve(given: Mapping[str, Any], ini: Callable[[str], Any], environment: Mapping[str, str] = os.environ, flags: str = "--mllmu-") -> Settings:
    """The settings from the command line (``given``, by option name), the environment and the ini file; ``flags`` is how a message spells an option.

    Raises SettingsError, naming where the value came from, for the first one that cannot be followed.
    """
    active = any(_source(option, given, ini, environment)[1] for option in OPTIONS if option.name in ("method", "candidate"))
    if active:
        check_environment(environment)
    values = {}
    for option in OPTIONS:
        source, raw = _source(option, given, ini, environment)
        if raw is None:
            values[option.name] = option.default
            continue
        try:
            texts = [str(text) for text in raw] if isinstance(raw, list | tuple) else [str(raw)]
            parsed = [option.parse(text) for text in texts]
        except ValueError as error:
            if source == option.environment and not active:  # a variable that is meant for another project must not disturb this one
                values[option.name] = option.default
                continue
            raise SettingsError(f"{source.replace('--mllmu-', flags)}: {error}") from None
        values[option.name] = tuple(parsed) if option.many else parsed[-1]
    for name in ("profiles", "celebrities"):
        if given.get(name) is not None and values["data"] != "synthetic":
            raise SettingsError(f"--mllmu-{name}: the size of the embedded benchmark; the people of --mllmu-data are those of the folder")
    if values["demonstrations"] and values["dialect"] != "strict":
        raise SettingsError(
            f"{flags}demonstrations: {values['dialect']} has those of the released evaluation; a number of your own is for {flags}dialect=strict"
        )
    if values["attention"] == "flash_attention_2" and find_spec("flash_attn") is None:
        raise SettingsError("--mllmu-attention: flash_attention_2 needs the package flash-attn, which is not installed; take sdpa, eager or auto")
    for name in ("fail_on", "across"):
        if flags == "--mllmu-" and given.get(name) is not None and values["compare"] is None:
            raise SettingsError(f"--mllmu-{name.replace('_', '-')}: nothing is compared; --mllmu-compare gives the baseline")
    if values["method"] and values["candidate"] != "vanilla" and "none" not in values["method"]:
        raise SettingsError(f"--mllmu-candidate: a method makes its own candidate; give --mllmu-method={','.join(values['method'])},none to try both")
    if not values["method"] and any(_source(option, given, ini, environment)[1] for option in OPTIONS if option.name == "candidate"):
        values["method"] = ("none",)  # a model that is handed in is put on trial as it is
    return Settings(**values)


def _source(option: Option, given: Mapping[str, Any], ini: Callable[[str], Any], environment: Mapping[str, str]) -> tuple[str, Any]:
    if given.get(option.name) is not None:
        return option.flag, given[option.name]
    if environment.get(option.environment):
        return option.environment, environment[option.environment]
    value = ini(option.key)
    return option.key, None if value in (None, "", []) else value


def check_environment(environment: Mapping[str, str]) -> None:
    """Raises SettingsError with the nearest variable for a ``MLLMU_`` variable that means nothing."""
    known = [option.environment for option in OPTIONS]
    for name in sorted(environment):
        if name.startswith("MLLMU_") and name not in known:
            raise SettingsError(f"{name}: no such environment variable of pytest-mllmu{did_you_mean(name, known)}")


def check_flags(arguments: Sequence[str]) -> None:
    """Raises SettingsError with the nearest flag for a ``--mllmu-`` flag that does not exist."""
    flags = [option.flag for option in OPTIONS]
    for argument in arguments:
        if argument == "--":  # from here on everything is a file
            return
        flag = argument.partition("=")[0]
        if flag.startswith("--mllmu") and flag not in flags:
            raise SettingsError(f"no option {flag}{did_you_mean(flag, flags)} (pytest --help lists all of group mllmu)")
