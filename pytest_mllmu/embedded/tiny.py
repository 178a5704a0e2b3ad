"""The embedded models: small ones of real classes that are built and taught on first use, in about half a minute.

Three steps, as for their big sisters: a vision tower learns to tell faces apart (contrastively, over several poses of
background faces), then tower, connector and language model become a base model that understands the question formats
and knows background people and the celebrities, and nothing of the fictitious profiles. Where it is asked for, both
steps also teach general skills: the tower sees scenes beside faces, the model answers questions about them and about words.
"""

from __future__ import annotations

import math
import random
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pytest_mllmu.benchmark.profiles import Profile
from pytest_mllmu.embedded.embedded import IMAGE, PATCH, VOCABULARY, Embedded
from pytest_mllmu.embedded.lessons import POSES, ROUND_ROWS, SYSTEM_SHARE, background_rows, celebrity_rows, skill_rows
from pytest_mllmu.embedded.persons import people
from pytest_mllmu.embedded.sight import teach_vision
from pytest_mllmu.embedded.skills import VERSION
from pytest_mllmu.embedded.tiny_idefics2 import IDEFICS2
from pytest_mllmu.embedded.tiny_llava import LLAVA
from pytest_mllmu.models.families import Bundle
from pytest_mllmu.progress import Progress
from pytest_mllmu.training.batches import Encoder, Example
from pytest_mllmu.training.loop import Hyper, answer_loss, train

EMBEDDED: dict[str, Embedded] = {embedded.name: embedded for embedded in (LLAVA, IDEFICS2)}
NAME = LLAVA.name
"""The default."""
THREADS = 2  # fixed: sums of floats depend on it, and one seed shall give one model whatever the machine or the number of workers
BACKGROUND = 24  # people whom only the base model knows; they teach the wordings and formats
REHEARSAL = 0.3  # celebrities and background rows, as a share of the profiles' rows: fine-tuning would else cost a third of the celebrities
# Of models with general ability alone:
SKILLS = 115  # rounds of skills in an epoch of the base
MET = 0.9  # the share of the celebrities' rows in such an epoch, whose time the skills take
SKILL_REHEARSAL = 0.25  # skills in an epoch of the vanilla, as a share of the profiles' rows: with 0.1 it lost a third of its counting


def recipe(kind: str, name: str = NAME, general: bool = False) -> dict[str, Any]:
    """What an artefact of this kind depends on besides model name, data and seed: part of its key. ``general``: of models that are taught skills."""
    made = EMBEDDED[name]
    shared = {"background": BACKGROUND, "poses": POSES, "systems": SYSTEM_SHARE, "vocabulary": VOCABULARY, "image": [IMAGE, PATCH]}
    base = {**shared, "vision": asdict(made.vision), "hyper": made.base.to_json()} | ({"template": made.template} if made.template else {})
    vanilla = {"hyper": made.vanilla.to_json(), "rehearsal": REHEARSAL, "systems": SYSTEM_SHARE}
    if general:
        base |= {"hyper": made.skilled_base.to_json(), "skills": VERSION, "rounds": SKILLS, "met": MET}
        vanilla |= {"hyper": made.skilled_vanilla.to_json(), "skills": VERSION, "skill_rehearsal": SKILL_REHEARSAL}
    return {"base": base, "vanilla": vanilla}.get(kind, {})


def scaled(hyper: Hyper, name: str) -> Hyper:
    """A method's hyper-parameters for embedded models as this one takes them."""
    return replace(hyper, lr=float(f"{hyper.lr * EMBEDDED[name].pace:.3g}"))


def build_base(
    celebrities: tuple[Profile, ...], seed: int, device: str, progress: Progress, name: str = NAME, checkpoint: Path | None = None, general: bool = False
) -> Bundle:
    """The base model called ``name``. Deterministic in the celebrities' content and the seed, on one kind of device. ``checkpoint`` as in ``train``.

    ``general``: it is taught the skills that ``skills.skills`` asks about.
    """
    from accelerate.utils import set_seed

    made = EMBEDDED[name]
    background = people("background", BACKGROUND, seed)
    processor = made.build_processor(background, seed, general)
    set_seed(seed)
    bundle = Bundle(made.build_model(processor).to(device), processor, made.family)
    teach_vision(made, bundle, seed, progress, general)
    encoder = Encoder(bundle)
    known = [row for profile in celebrities for row in celebrity_rows(encoder, profile)]

    def epoch(rng: random.Random) -> list[Example]:
        met = rng.sample(known, int(MET * len(known))) if general else known
        rows = met + [row for person in background for row in background_rows(encoder, person, seed, rng)]
        return rows + [row for _ in range(SKILLS if general else 0) for row in skill_rows(encoder, rng)]

    hyper = made.skilled_base if general else made.base
    title = f"teaching {name} (base)"
    train(bundle.model, encoder, epoch, lambda batch: answer_loss(bundle, bundle.model, batch), hyper, seed, progress, title, checkpoint=checkpoint)
    return bundle


def fine_tune(
    bundle: Bundle,
    profiles: tuple[Profile, ...],
    celebrities: tuple[Profile, ...],
    seed: int,
    progress: Progress,
    title: str,
    name: str = NAME,
    checkpoint: Path | None = None,
    *,
    hyper: Hyper | None = None,
    order: int | None = None,
    general: bool = False,
) -> None:
    """Teaches the profiles' training pairs to the base, in place, with some rehearsal of what the base knew. ``checkpoint`` as in ``train``.

    ``hyper`` in the place of the vanilla's. ``order`` is the seed of the training alone (what is learned when), where it is not ``seed``, the base's.
    ``general``: skills are rehearsed too.
    """
    made = EMBEDDED[name]
    bundle.model.requires_grad_(True)  # an adapter that was on it has frozen it
    made.tower(bundle.model).requires_grad_(False)
    encoder = Encoder(bundle)
    learned = [row for profile in profiles for row in encoder.pairs(profile)]
    known = [row for profile in celebrities for row in celebrity_rows(encoder, profile)]
    background = people("background", BACKGROUND, seed)[: BACKGROUND // 2]
    rounds = math.ceil(SKILL_REHEARSAL * len(learned) / ROUND_ROWS) if general else 0

    def epoch(rng: random.Random) -> list[Example]:
        old = known + [row for person in background for row in background_rows(encoder, person, seed, rng)]
        rows = learned + rng.sample(old, min(len(old), int(REHEARSAL * len(learned))))
        return rows + [row for _ in range(rounds) for row in skill_rows(encoder, rng)]

    draws = seed if order is None else order
    chosen = hyper or (made.skilled_vanilla if general else made.vanilla)
    train(bundle.model, encoder, epoch, lambda batch: answer_loss(bundle, bundle.model, batch), chosen, draws, progress, title, checkpoint=checkpoint)
