"""Every choice of the user in one frozen dataclass: command line > environment > ini > default, checked once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pytest_mllmu.errors import SettingsError, did_you_mean
from pytest_mllmu.folders import is_adapter
from pytest_mllmu.options import OPTIONS, Option
from pytest_mllmu.parsing import AUTO, FAIL_ON, MODELS, OURS, SERVED, SKILLS, STEPS, WRITTEN, Budget, Known, Price, Show, Steps

NONE = "none"
"""The method that changes nothing."""
LOCAL = "local"
"""The judge that needs no server."""
ENDPOINT_KEY = "MLLMU_ENDPOINT_KEY"
"""Never OPENAI_API_KEY: that one is not the vendor's to see."""
KEYS = (ENDPOINT_KEY,)
"""Environment variables that are secrets: no option has them, no report holds them."""

_FILES = {"report", "cache", "history", "certificate", "subjects"}
_CONCLUDED = {"table", "signals", "samples", "gates", "compare", "fail_on", "across"}
_PACE = {"batch", "judge_budget", "judge_price", "concurrency", "rate", "request_timeout"}
ASIDE = frozenset(_FILES | _CONCLUDED | _PACE)
"""Options that decide no number: where files go, how the table looks, what is concluded, how fast a server is asked."""


@dataclass(frozen=True)
class Settings:
    """What the user chose, checked. The fields are named like the options."""

    method: tuple[str, ...] = ()
    model: str = "tiny-llava"
    vanilla: str | None = None
    oracle: str = "auto"
    candidate: str = "vanilla"
    endpoint: str | None = None
    endpoint_model: str | None = None
    endpoint_revision: str = ""
    data: str = "synthetic"
    profiles: int = 100
    celebrities: int = 40
    forget: tuple[int, ...] = (10,)
    scenario: str = "standard"
    steps: Steps = STEPS
    known: Known | None = None
    general: tuple[str, ...] = ()
    trainable: str = "language"
    modality: Show = "multimodal"
    table: Show = "both"
    signals: str = "no"
    dialect: str = "strict"
    demonstrations: int = 0
    judge: str = "local"
    judge_budget: Budget | None = None
    judge_price: Price | None = None
    concurrency: int = 8
    rate: int | None = None
    request_timeout: float = 60.0
    certificate: Path | None = None
    subjects: str = "ids"
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
    samples: int = 12
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
    def baseless(self) -> bool:
        """Whether the vanilla is all that is known of the models' kind: what it was fine-tuned from is not handed in."""
        return self.vanilla is not None and self.model == self.vanilla

    @property
    def measured(self) -> dict[str, Any]:
        """What decides the numbers: everything but where files go, how the table looks, and what is concluded."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in ASIDE}


def resolve(given: Mapping[str, Any], ini: Callable[[str], Any], environment: Mapping[str, str] = os.environ, flags: str = "--mllmu-") -> Settings:
    """The settings from the command line (``given``, by option name), the environment and the ini file; ``flags`` is how a message spells an option.

    Raises SettingsError, naming where the value came from, for the first one that cannot be followed.
    """
    sources = {option.name: _source(option, given, ini, environment) for option in OPTIONS}
    given_alone = any(sources[name][1] for name in ("candidate", "endpoint"))
    active = given_alone or bool(sources["method"][1])
    if active:
        check_environment(environment)
    values = {}
    for option in OPTIONS:
        source, raw = sources[option.name]
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
    if not values["method"] and given_alone:
        values["method"] = (NONE,)  # a model that is handed in is put on trial as it is
    chosen = _with_model(Settings(**values), said=sources["model"][1] is not None)
    _check_base(chosen)
    _check_data(chosen, given)
    _check_trial(chosen)
    _check_served(chosen, given)
    _check_scenario(chosen, given)
    _check_aside(chosen, given, flags)
    chosen = _with_general(chosen)
    if chosen.scenario == "pretrained":
        chosen = replace(chosen, forget=(0,))  # a number of celebrities, no share of the profiles
    # A server gives no probabilities of whole options: all models of the session are asked as it can be asked.
    return replace(chosen, dialect=WRITTEN) if chosen.endpoint is not None else chosen


def _with_model(chosen: Settings, said: bool) -> Settings:
    """Where no model is said and the vanilla is a whole checkpoint, that is what the models of the session are like: its device, precision and prompts
    are theirs, and nothing embedded is built beside it.
    """
    if said or not chosen.method or chosen.vanilla is None:
        return chosen
    if not chosen.vanilla.startswith(SERVED) and is_adapter(Path(chosen.vanilla)):
        raise SettingsError(f"--mllmu-vanilla: {chosen.vanilla} is a LoRA adapter; --mllmu-model gives the model that it was trained on")
    return replace(chosen, model=chosen.vanilla)


def _check_base(chosen: Settings) -> None:
    """What needs the base cannot be had from the vanilla alone."""
    if not chosen.baseless:
        return
    why = "there is no base: --mllmu-vanilla gives the vanilla alone; --mllmu-model gives the model that it was fine-tuned from"
    if chosen.candidate == "base":
        raise SettingsError(f"--mllmu-candidate=base: {why}")
    if chosen.oracle == "build":
        raise SettingsError(f"--mllmu-oracle=build: {why}")
    if chosen.oracle != "auto" and is_adapter(Path(chosen.oracle)):
        raise SettingsError(f"--mllmu-oracle: {chosen.oracle} is a LoRA adapter on the base, and {why}")


def _check_data(chosen: Settings, given: Mapping[str, Any]) -> None:
    for name in ("profiles", "celebrities"):
        if given.get(name) is not None and chosen.data != "synthetic":
            raise SettingsError(f"--mllmu-{name}: the size of the embedded benchmark; the people of --mllmu-data are those of the list or folder")


def _check_trial(chosen: Settings) -> None:
    if chosen.demonstrations and chosen.dialect not in OURS:
        raise SettingsError(
            f"--mllmu-demonstrations: {chosen.dialect} has those of the released evaluation; a number of your own is for --mllmu-dialect=strict"
        )
    if chosen.attention == "flash_attention_2" and find_spec("flash_attn") is None:
        raise SettingsError("--mllmu-attention: flash_attention_2 needs the package flash-attn, which is not installed; take sdpa, eager or auto")
    if chosen.method and chosen.candidate != "vanilla" and NONE not in chosen.method:
        raise SettingsError(f"--mllmu-candidate: a method makes its own candidate; give --mllmu-method={','.join(chosen.method)},none to try both")


def _check_served(chosen: Settings, given: Mapping[str, Any]) -> None:
    if chosen.endpoint is None:
        for name in ("endpoint_model", "endpoint_revision"):
            if given.get(name) is not None:
                raise SettingsError(f"--mllmu-{name.replace('_', '-')}: --mllmu-endpoint says where it is served")
        for name in ("vanilla", "oracle"):
            if str(getattr(chosen, name)).startswith(SERVED):
                raise SettingsError(f"--mllmu-{name}: {getattr(chosen, name)}: --mllmu-endpoint says where it is served")
        return
    if chosen.endpoint_model is None:
        raise SettingsError("--mllmu-endpoint: --mllmu-endpoint-model says which of its models is on trial")
    if chosen.method != (NONE,):
        raise SettingsError("--mllmu-endpoint: a served model is put on trial as it is; methods need the model itself: leave out --mllmu-method")
    if chosen.candidate != "vanilla":
        raise SettingsError("--mllmu-endpoint: the served model is the candidate; leave out --mllmu-candidate")
    if chosen.dialect not in OURS:
        raise SettingsError(f"--mllmu-endpoint: the raw prompts of the dialect {chosen.dialect} cannot be sent to a chat API; take --mllmu-dialect=strict")


def _check_scenario(chosen: Settings, given: Mapping[str, Any]) -> None:
    for name, scenario in (("steps", "sequential"), ("known", "pretrained")):
        if given.get(name) is not None and chosen.scenario != scenario:
            raise SettingsError(f"--mllmu-{name}: of the {scenario} scenario; give --mllmu-scenario={scenario}")
    if chosen.scenario == "standard":
        return
    named = f"--mllmu-scenario={chosen.scenario}"
    if chosen.endpoint is not None:
        raise SettingsError(f"{named}: a served model cannot be trained here; leave out --mllmu-endpoint")
    if chosen.certificate is not None:
        raise SettingsError(f"--mllmu-certificate: a certificate is about one candidate in the standard scenario; leave out {named}")
    if chosen.scenario == "sequential":
        if NONE in chosen.method:
            raise SettingsError(f"{named}: requests are unlearned here, one after the other: give methods that do it, not a model as it is")
        if chosen.quantize != "no":
            raise SettingsError(f"{named}: each step trains on the last one's result, which a 4-bit model cannot take in; leave out --mllmu-quantize")
        if len(chosen.forget) > 1:
            raise SettingsError(f"{named}: one share of people to forget is expected, not {','.join(map(str, chosen.forget))}")
        return
    if chosen.candidate != "vanilla":
        raise SettingsError(f"--mllmu-candidate: {named} puts methods on trial, or with --mllmu-method=none the base as it is")
    if given.get("forget") is not None:
        raise SettingsError("--mllmu-forget: in the pretrained scenario --mllmu-known says how many celebrities are to be forgotten")
    if chosen.baseless:
        raise SettingsError(f"{named}: unlearning starts from the base; --mllmu-model gives it")
    if chosen.oracle != "auto":
        raise SettingsError(f"--mllmu-oracle: no model is known that never saw the celebrities; leave it out with {named}")


def _with_general(chosen: Settings) -> Settings:
    """With what general ability is measured by, if at all."""
    if AUTO in chosen.general or "no" in chosen.general:
        if len(chosen.general) > 1:
            raise SettingsError(f"--mllmu-general: {AUTO} and no stand alone, not in {','.join(chosen.general)}")
        skilled = AUTO in chosen.general and chosen.embedded and chosen.scenario != "standard"
        return replace(chosen, general=(SKILLS,) if skilled else ())
    if SKILLS in chosen.general and not chosen.embedded:
        raise SettingsError(f"--mllmu-general: {SKILLS} are taught to the embedded models only; give files or folders with MMMU, MMBench or LLaVA-Bench")
    return chosen


def _check_aside(chosen: Settings, given: Mapping[str, Any], flags: str) -> None:
    for name in ("fail_on", "across"):
        if flags == "--mllmu-" and given.get(name) is not None and chosen.compare is None:
            raise SettingsError(f"--mllmu-{name.replace('_', '-')}: nothing is compared; --mllmu-compare gives the baseline")
    for name in ("judge_budget", "judge_price"):
        if given.get(name) is not None and chosen.judge == LOCAL:
            raise SettingsError(f"--mllmu-{name.replace('_', '-')}: the local judge costs nothing; --mllmu-judge names another")
    if chosen.certificate is not None:
        for path in (chosen.certificate, chosen.certificate.with_suffix(".md")):
            if path in chosen.report:
                raise SettingsError(f"--mllmu-certificate: {path} is a report as well (--mllmu-report), and would be written over")
    if given.get("subjects") is not None and chosen.certificate is None:
        raise SettingsError("--mllmu-subjects: no certificate is written; --mllmu-certificate says where")


def _source(option: Option, given: Mapping[str, Any], ini: Callable[[str], Any], environment: Mapping[str, str]) -> tuple[str, Any]:
    if given.get(option.name) is not None:
        return option.flag, given[option.name]
    if environment.get(option.environment):
        return option.environment, environment[option.environment]
    value = ini(option.key)
    return option.key, None if value in (None, "", []) else value


def check_environment(environment: Mapping[str, str]) -> None:
    """Raises SettingsError with the nearest variable for a ``MLLMU_`` variable that means nothing."""
    known = [*(option.environment for option in OPTIONS), *KEYS]
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
