"""Every choice that a user has: ``OPTIONS`` is the single list that command line, environment, ini keys and documentation share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

from pytest_mllmu.parsing import (
    ATTENTIONS,
    AUTO,
    DIALECTS,
    DTYPES,
    FAIL_ON,
    LABELS,
    MAY_DIFFER,
    MODELS,
    POLICIES,
    REPORTS,
    SCENARIOS,
    STEPS,
    SUBJECTS,
    TRAINABLE,
    YES_NO,
    Show,
    absolute,
    address,
    budget,
    certificate,
    data,
    device,
    folder,
    gates,
    general,
    known,
    model,
    named,
    number,
    one_of,
    path,
    price,
    reference,
    report,
    several,
    steps,
)


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


OPTIONS = (
    Option(
        "method",
        (),
        several(str),
        "NAME[,NAME]",
        "Methods to put on trial: ga, ga_difference, kl_minimization, npo, prompting, all of them (all), or your own; none for a model as it is. "
        "A method's options: npo:reference=vanilla. Without a method nothing runs",
    ),
    Option(
        "model",
        "tiny-llava",
        model,
        "NAME|DIR",
        f"Base model: {' or '.join(MODELS)} (embedded), or the folder of a checkpoint; where only a vanilla is given, that one",
    ),
    Option(
        "vanilla",
        None,
        reference(),
        "DIR|served:NAME",
        "The model that knows everybody, a checkpoint, LoRA adapter or served model, instead of fine-tuning one",
    ),
    Option(
        "oracle",
        "auto",
        reference("auto", "build"),
        "DIR|served:NAME",
        "The model that never saw the forget set: a folder or served model as for vanilla, build, or auto (when needed)",
    ),
    Option(
        "candidate",
        "vanilla",
        path("base", "vanilla", "oracle"),
        "DIR",
        "What method none, which it implies, puts on trial: base, vanilla, oracle, or a folder",
    ),
    Option("endpoint", None, address, "URL", "What method none puts on trial is served here, by an OpenAI-compatible server (its key: MLLMU_ENDPOINT_KEY)"),
    Option("endpoint_model", None, named, "NAME", "What the server of --mllmu-endpoint calls the model"),
    Option("endpoint_revision", "", named, "TEXT", "What you know the served model by, such as a date: another one asks everything anew"),
    Option(
        "data", "synthetic", data, "DIR|FILE", "Benchmark: synthetic, a folder in the released parquet layout, or your own people (.csv, .jsonl or a folder)"
    ),
    Option("profiles", 100, number(2, 5000), "N", "People in the synthetic benchmark (500 = the paper's size)", int | str),
    Option("celebrities", 40, number(1, 5000), "N", "Celebrities in the synthetic benchmark (153 = the paper's size)", int | str),
    Option(
        "forget",
        (10,),
        several(number(1, 99)),
        "PERCENT[,PERCENT]",
        "Percent of the people to forget (5,10,15 in the paper: a block each); data with a forget_P of their own say who",
        int | str,
    ),
    Option(
        "scenario",
        "standard",
        one_of("scenario", SCENARIOS),
        "NAME",
        "standard (fine-tuned knowledge, one request), pretrained (celebrities that the base knows), or sequential (one request after the other)",
    ),
    Option(
        "steps",
        STEPS,
        steps,
        "N[+MORE]",
        "sequential: the people to forget in N equal parts, one after the other; +MORE parts of that size later, of the people to retain",
    ),
    Option(
        "known",
        None,
        known,
        "PEOPLE,FORGET",
        "pretrained: how many of the celebrities that the base knows best take part, and to be forgotten (default: 45,20 of 153, and in proportion of fewer)",
    ),
    Option(
        "general",
        (AUTO,),
        several(general),
        "WHAT[,WHAT]",
        "General ability: skills (of the embedded models), files or folders with MMMU, MMBench or LLaVA-Bench, no; auto: skills in the PULSE scenarios",
    ),
    Option(
        "trainable",
        "language",
        one_of("choice of what is trained", TRAINABLE),
        "WHICH",
        "What unlearning trains: the language model, projector (and language model), or all linear layers; the guard projector looks what is back without it",
    ),
    Option("modality", "multimodal", one_of("modality", get_args(Show)), "WHICH", "What unlearning trains on: multimodal, unimodal, or both (two rows)", Show),
    Option("table", "both", one_of("table", get_args(Show)), "WHICH", "Rows of the table: both, multimodal or unimodal questions; the gates judge both", Show),
    Option("signals", "no", one_of("answer", YES_NO), "YES|NO", "Print the table of probabilities as well"),
    Option(
        "dialect",
        "strict",
        one_of("dialect", DIALECTS),
        "NAME",
        "How to ask and to read answers: strict (strict-written: multiple choice too), or as released (upstream, upstream-submission)",
    ),
    Option("demonstrations", 0, number(0, 100), "N", "Retain people, a question of each, shown with its answer before every question (strict)", int | str),
    Option("judge", "local", named, "NAME", "Who scores factuality: local (deterministic), or a model such as gpt-4o (OPENAI_API_KEY, OPENAI_BASE_URL)"),
    Option("judge_budget", None, budget, "5usd|500requests", "What judging may cost in this run; it stops there and the next run goes on"),
    Option("judge_price", None, price, "IN,OUT", "US dollars for a million tokens of the judge, read and written, where they are not known"),
    Option("concurrency", 8, number(1, 256), "N", "Requests to a judge or an endpoint at the same time", int | str),
    Option("rate", None, number(1, 1_000_000), "N", "Requests a minute to a judge or an endpoint at most", int | str),
    Option("request_timeout", 60.0, number(1, 3600, float), "SECONDS", "How long a judge or an endpoint may take for an answer", float | str),
    Option("certificate", None, certificate, "FILE", "Write a certificate of the trial, .json with its .md beside it, that mllmu verify checks"),
    Option(
        "subjects", "ids", one_of("way to name people", SUBJECTS), "HOW", "Who was to be forgotten, in a certificate: ids, or hashed (salted, answers apart)"
    ),
    Option("gates", None, gates, "POLICY|FILE", f"Gates: {', '.join(POLICIES)}, or a .toml file (default: [tool.mllmu.gates] of pyproject.toml, or default)"),
    Option("compare", None, absolute, "FILE|DIR", "Baseline: a .json report, or a folder of --mllmu-history; what got worse than there is red"),
    Option("fail_on", FAIL_ON, several(str), "WHAT:HOW[,...]", "What is a regression, such as retain.*:-2 (points), forget.cloze.*:+5%"),
    Option("across", (), several(one_of("difference", MAY_DIFFER)), "WHAT[,WHAT]", f"What may differ from the baseline: {', '.join(MAY_DIFFER)}"),
    Option("history", None, folder, "DIR", "Keep the .json report of every run in a folder, numbered; mllmu promote makes one of them the baseline"),
    Option("lr", None, number(0, 1, float), "RATE", "Learning rate of unlearning instead of the method's own", float | str),
    Option("epochs", None, number(1, 1000), "N", "Epochs of unlearning instead of the method's own", int | str),
    Option("train_batch", None, number(1, 4096), "N", "Rows per forward pass of training instead of the method's own", int | str),
    Option("accumulate", 1, number(1, 4096), "N", "Forward passes per training step, whose gradients are added up", int | str),
    Option("labels", "answer", one_of("choice of labels", LABELS), "WHICH", "What the loss is over: answer tokens, or upstream (prompt too, as released)"),
    Option("packed", "no", one_of("answer", YES_NO), "YES|NO", "Train a person's pairs on one image trunk: fast where an image has many tokens"),
    Option("checkpointing", "no", one_of("answer", YES_NO), "YES|NO", "Gradient checkpointing: less memory, more time"),
    Option("dtype", "auto", one_of("dtype", DTYPES), "NAME", "Precision of a checkpoint: auto (its own), float32, bfloat16 or float16"),
    Option("device_map", None, str, "NAME", "How accelerate spreads a checkpoint over devices, such as auto"),
    Option("quantize", "no", one_of("quantization", ("no", "4bit")), "HOW", "4bit: hold a checkpoint in NF4 (QLoRA; needs pytest-mllmu[quant])"),
    Option("attention", "auto", one_of("attention", ATTENTIONS), "NAME", "How a checkpoint computes attention: auto, sdpa, eager or flash_attention_2"),
    Option("report", (), report, "FILE", f"Write a report, its format by suffix: {', '.join(REPORTS)} (may be repeated)", "linelist", many=True),
    Option("samples", 12, number(0, 200), "N", "Answers before and after, with pictures, that .html and .json reports show; 0: none", int | str),
    Option("cache", None, absolute, "DIR", "Folder of models and answers (default: the user's cache folder)"),
    Option("seed", 0, number(0, 2**31), "N", "The one seed of data, training and statistics", int | str),
    Option("device", "auto", device, "NAME", "Where models run: cpu, cuda, cuda:N, mps, or auto: the CPU for embedded models, else a GPU where there is one"),
    Option("batch", None, number(1, 4096), "N", "Rows per forward pass of the evaluation; answers do not depend on it (default: 128)", int | str),
    Option("limit", None, number(1, 100_000), "N", "Ask about the first N people of each set only: a quick look, that concludes nothing", int | str),
)
