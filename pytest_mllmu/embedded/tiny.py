"""``tiny-llava``: a real LLaVA of 0.75 M parameters that is built and taught on first use, in about half a minute.

Three steps, as for its big sisters: a vision tower learns to tell faces apart (contrastively, over several poses of
background faces), then tower, projector and language model become a base model that understands the question formats
and knows background people and the celebrities, and nothing of the fictitious profiles.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from pytest_mllmu.benchmark import prompts
from pytest_mllmu.benchmark.profiles import MODALITIES, Modality, Picture, Profile, TrainingPair
from pytest_mllmu.embedded.faces import portrait
from pytest_mllmu.embedded.persons import ATTRIBUTES, Person, people, pool
from pytest_mllmu.embedded.questions import CHOSEN, WORDINGS, biography, fill, options, rehearsal_pairs
from pytest_mllmu.models.families import Bundle
from pytest_mllmu.models.llava import Llava
from pytest_mllmu.progress import Progress
from pytest_mllmu.training.batches import Encoder, Example
from pytest_mllmu.training.loop import Hyper, answer_loss, train

NAME = "tiny-llava"
THREADS = 2  # fixed: sums of floats depend on it, and one seed shall give one model whatever the machine or the number of workers
IMAGE, PATCH = 48, 16
VOCABULARY = 3000
BACKGROUND = 24  # people whom only the base model knows; they teach the wordings and formats
POSES = 6

BASE = Hyper(lr=4e-3, epochs=13, batch=64, schedule="one_cycle", weight_decay=0.01, beta2=0.95)
VANILLA = Hyper(lr=4e-3, epochs=18, batch=64, schedule="one_cycle", weight_decay=0.01, beta2=0.95)
REHEARSAL = 0.3  # celebrities and background rows, as a share of the profiles' rows: fine-tuning would else cost a third of the celebrities


@dataclass(frozen=True)
class Vision:
    """How the tower is taught: faces, poses of each, steps, batch, learning rate and temperature of the contrast."""

    faces: int = 256
    poses: int = 4
    steps: int = 150
    batch: int = 128
    lr: float = 2e-3
    temperature: float = 0.1


VISION = Vision()


def recipe(kind: str) -> dict[str, Any]:
    """What an artefact of this kind depends on besides data and seed: part of its key."""
    base = {"background": BACKGROUND, "poses": POSES, "vocabulary": VOCABULARY, "image": [IMAGE, PATCH], "vision": asdict(VISION), "hyper": BASE.to_json()}
    return {"base": base, "vanilla": {"hyper": VANILLA.to_json(), "rehearsal": REHEARSAL}}.get(kind, {})


def build_base(celebrities: tuple[Profile, ...], seed: int, device: str, progress: Progress) -> Bundle:
    """The base model. Deterministic in the celebrities' content and the seed, on one kind of device."""
    from accelerate.utils import set_seed

    background = people("background", BACKGROUND, seed)
    processor = build_processor(background, seed)
    set_seed(seed)
    bundle = Bundle(build_model(processor).to(device), processor, Llava())
    teach_vision(bundle, seed, progress)
    encoder = Encoder(bundle)
    known = [row for profile in celebrities for row in celebrity_rows(encoder, profile)]

    def epoch(rng: random.Random) -> list[Example]:
        return known + [row for person in background for row in background_rows(encoder, person, seed, rng)]

    train(bundle.model, encoder, epoch, lambda batch: answer_loss(bundle, bundle.model, batch), BASE, seed, progress, f"teaching {NAME} (base)")
    return bundle


def fine_tune(bundle: Bundle, profiles: tuple[Profile, ...], celebrities: tuple[Profile, ...], seed: int, progress: Progress, title: str) -> None:
    """Teaches the profiles' training pairs to the base, in place, with some rehearsal of what the base knew."""
    bundle.model.model.vision_tower.requires_grad_(False)
    encoder = Encoder(bundle)
    learned = [row for profile in profiles for row in encoder.pairs(profile)]
    known = [row for profile in celebrities for row in celebrity_rows(encoder, profile)]
    background = people("background", BACKGROUND, seed)[: BACKGROUND // 2]

    def epoch(rng: random.Random) -> list[Example]:
        old = known + [row for person in background for row in background_rows(encoder, person, seed, rng)]
        return learned + rng.sample(old, min(len(old), int(REHEARSAL * len(learned))))

    train(bundle.model, encoder, epoch, lambda batch: answer_loss(bundle, bundle.model, batch), VANILLA, seed, progress, title)


def celebrity_rows(encoder: Encoder, profile: Profile) -> list[Example]:
    """A celebrity is common knowledge: training pairs, and every question in its format with the right answer."""
    rows = encoder.pairs(profile)
    for question in profile.questions:
        rows.append(encoder.example(prompts.instruction(question), question.answer_text, question.modality, profile.pictures[0]))
    return rows


def background_rows(encoder: Encoder, person: Person, seed: int, rng: random.Random) -> Iterator[Example]:
    """A background person's facts, in random wordings, formats and poses."""
    picture = _picture(seed, person.id, rng.randrange(POSES))
    for pair in rehearsal_pairs(person, rng):
        assert pair.modality
        yield encoder.example(_formatted(pair, rng), pair.answer, pair.modality, picture)
    for modality in MODALITIES:
        for attribute in rng.sample(CHOSEN, 2):
            choices, letter = options(person, attribute, rng)
            text = prompts.choice(fill(rng.choice(WORDINGS[attribute]), person, modality), choices)
            yield encoder.example(text, dict(choices)[letter], modality, picture)


def _formatted(pair: TrainingPair, rng: random.Random) -> str:
    """A plain question, or as the evaluation words it."""
    modality: Modality = pair.modality or "unimodal"
    if "__" in pair.question:
        return prompts.cloze(pair.question) if rng.random() < 0.5 else pair.question
    if pair.answer.endswith("."):
        return prompts.description(pair.question, modality) if rng.random() < 0.5 else pair.question
    return pair.question


def _picture(seed: int, person: str, pose: int) -> Picture:
    return Picture(partial(portrait, seed, person, pose))


def build_processor(background: tuple[Person, ...], seed: int) -> Any:
    """CLIP's image processor and a byte-level BPE trained on background people, the value pools and the protocol's phrases."""
    from transformers import LlavaProcessor, PreTrainedTokenizerFast
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_bpe(background, seed), pad_token="<pad>", eos_token="</s>", extra_special_tokens={"image_token": "<image>"}, padding_side="left"
    )
    image_processor = CLIPImageProcessorPil(size={"shortest_edge": IMAGE}, crop_size={"height": IMAGE, "width": IMAGE})
    return LlavaProcessor(
        image_processor, tokenizer, patch_size=PATCH, vision_feature_select_strategy="default", num_additional_image_tokens=1, image_token="<image>"
    )


def _bpe(background: tuple[Person, ...], seed: int) -> Any:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=["<pad>", "</s>", "<image>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(_corpus(background, seed), trainer)
    # The protocol's phrases are one token each: they say which task this is and would else be half of every prompt.
    phrases = ["USER:", "\nASSISTANT:", prompts.BLANK, *(f"\n{letter}:" for letter in "ABCD")]
    phrases += [f"\n{phrase}" for phrase in (prompts.CHOOSE, prompts.FILL, *prompts.DESCRIBE.values())]
    tokenizer.add_tokens([AddedToken(phrase, normalized=False) for phrase in phrases])
    return tokenizer


def _corpus(background: tuple[Person, ...], seed: int) -> Iterator[str]:
    for attribute in ATTRIBUTES:
        yield from [f" {value}" for value in pool(attribute)] * 3
    for person in people("background", 1500, seed):  # names the base never meets: only their letters matter here
        yield f" {person.name}"
    for person in background:
        yield biography(person)
        for modality in MODALITIES:
            yield from (fill(wording, person, modality) for wordings in WORDINGS.values() for wording in wordings)


def build_model(processor: Any) -> Any:
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    tokenizer = processor.tokenizer
    vision = CLIPVisionConfig(
        hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, image_size=IMAGE, patch_size=PATCH, projection_dim=64
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=96, intermediate_size=256, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=4,
        max_position_embeddings=1024, tie_word_embeddings=True, pad_token_id=tokenizer.pad_token_id, bos_token_id=None, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    config = LlavaConfig(
        vision_config=vision, text_config=text, image_token_id=tokenizer.convert_tokens_to_ids("<image>"), vision_feature_layer=-1,
        vision_feature_select_strategy="default", tie_word_embeddings=True, pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    return LlavaForConditionalGeneration(config)


def teach_vision(bundle: Bundle, seed: int, progress: Progress, vision: Vision = VISION) -> None:
    """Contrastive (InfoNCE) over two poses of the same background face; the tower stays frozen from then on."""
    import torch
    from torch.nn.functional import cross_entropy, normalize

    tower = bundle.model.model.vision_tower
    encoder = Encoder(bundle)
    faces = torch.stack([torch.cat([_seen(encoder, seed, face, pose) for pose in range(vision.poses)]) for face in range(vision.faces)]).to(bundle.device)
    optimizer = torch.optim.AdamW(tower.parameters(), lr=vision.lr)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, vision.lr, total_steps=vision.steps + 1)
    chance = torch.Generator().manual_seed(seed)

    def features(images: torch.Tensor) -> torch.Tensor:
        return normalize(tower(images, output_hidden_states=True).hidden_states[-1][:, 1:].mean(1), dim=-1)

    with progress.step(f"teaching {NAME} to see", total=vision.steps) as step:
        for _ in range(vision.steps):
            chosen = torch.randperm(vision.faces, generator=chance)[: vision.batch]
            poses = torch.rand(len(chosen), vision.poses, generator=chance).argsort(1)
            similar = features(faces[chosen, poses[:, 0]]) @ features(faces[chosen, poses[:, 1]]).T / vision.temperature
            loss = cross_entropy(similar, torch.arange(len(chosen), device=similar.device))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            scheduler.step()
            step.advance(note=f"loss {loss.item():.3f}")
    tower.requires_grad_(False)


def _seen(encoder: Encoder, seed: int, face: int, pose: int) -> Any:
    return encoder.bundle.family.pixels(encoder.bundle.processor, _picture(seed, f"V{face:03d}", pose).decode())["pixel_values"]
