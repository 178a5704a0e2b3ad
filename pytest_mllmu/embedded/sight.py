"""A vision tower learns to tell faces apart; it stays as it is from then on."""

from __future__ import annotations

from typing import Any

from pytest_mllmu.embedded.embedded import Embedded
from pytest_mllmu.embedded.lessons import picture_of
from pytest_mllmu.models.families import Bundle
from pytest_mllmu.progress import Progress


def teach_vision(embedded: Embedded, bundle: Bundle, seed: int, progress: Progress) -> None:
    """Contrastive (InfoNCE) over two poses of the same background face; the tower stays frozen from then on."""
    import torch
    from torch.nn.functional import cross_entropy, normalize

    vision, tower = embedded.vision, embedded.tower(bundle.model)
    faces = torch.stack([torch.cat([_seen(bundle, seed, face, pose) for pose in range(vision.poses)]) for face in range(vision.faces)]).to(bundle.device)
    optimizer = torch.optim.AdamW(tower.parameters(), lr=vision.lr)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, vision.lr, total_steps=vision.steps + 1)
    chance = torch.Generator().manual_seed(seed)

    def features(images: torch.Tensor) -> torch.Tensor:
        return normalize(embedded.features(tower, images), dim=-1)

    with progress.step(f"teaching {embedded.name} to see", total=vision.steps) as step:
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


def _seen(bundle: Bundle, seed: int, face: int, pose: int) -> Any:
    return bundle.family.pixels(bundle.processor, picture_of(seed, f"V{face:03d}", pose).decode())["pixel_values"]
