"""Content-addressed artefacts: ``root/<kind>/<key>/`` holds the files of one build and, written last, ``manifest.json``.

Why ``kill -9`` at any moment is safe. A build happens in ``root/tmp``, where :meth:`Store.find` never looks. Its manifest is written inside that folder
after all other files, everything is synced to the disk, and one atomic rename makes the folder visible: before it there is nothing to find, after it the
manifest is there. A broken folder leaves its place by such a rename too, never file by file. The lock is the operating system's and dies with its holder,
so the next process goes on at once and sweeps the remains of its own key, which nobody else can be using while it holds the lock.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pytest_mllmu.errors import StoreError

SCHEMA = 1
MANIFEST = "manifest.json"
# An allow list, because loading a pickle runs code: .bin, .pt, .pkl and whatever comes next stay out.
SUFFIXES = frozenset({".safetensors", ".json", ".jsonl", ".txt", ".md", ".jinja"})
# No hyphen in a kind, so that "<kind>-<key>-" in tmp/ can belong to one key only; lower case, as some file systems fold it.
_KIND = re.compile(r"(?!(?:locks|tmp)\Z)[a-z][a-z0-9_]{0,39}")


def default_root() -> Path:
    """The user's cache folder for this package."""
    from platformdirs import user_cache_path

    return user_cache_path("pytest-mllmu", appauthor=False)


def key_of(inputs: Mapping[str, Any]) -> str:
    """The first 32 hexadecimal digits of the sha256 of ``inputs`` as canonical JSON."""
    canonical = json.dumps(_plain(inputs, "inputs"), sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Artefact:
    """A complete artefact; ``path`` is its folder."""

    kind: str
    key: str
    path: Path
    manifest: Mapping[str, Any] = field(compare=False, repr=False)

    def file(self, name: str) -> Path:
        """The path of a file that the manifest lists."""
        if name not in self.manifest["files"]:
            raise StoreError(f"{self.path}: no file {name!r} in this artefact; it has {', '.join(self.manifest['files'])}")
        return self.path / name


class Store:
    """Finds artefacts and builds those that are missing, each once, however many processes ask for it."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def open(self) -> None:
        """Make the root folder. Raises StoreError when it cannot be one: better said before anything runs than by every worker."""
        with self._writing():
            self.root.mkdir(parents=True, exist_ok=True)

    def find(self, kind: str, inputs: Mapping[str, Any]) -> Artefact | None:
        """The complete artefact, or None. Takes no lock. Sizes are compared, not contents: see :meth:`verify`."""
        key = key_of(inputs)
        return _read(self._place(kind, key), kind, key)

    def get_or_build(self, kind: str, inputs: Mapping[str, Any], build: Callable[[Path], None], waiting: Callable[[], None] | None = None) -> Artefact:
        """The artefact, built by ``build(folder)`` if need be; ``waiting()`` is called once if another process is at it already."""
        plain = _plain(inputs, "inputs")
        if found := self.find(kind, plain):
            return found
        key = key_of(plain)
        with self._locked(kind, key, waiting):
            # Whoever held the lock may have built it meanwhile.
            return self.find(kind, plain) or self._build(kind, key, plain, build)

    def verify(self, artefact: Artefact) -> None:
        """Recompute every sha256 and raise StoreError naming the first file that differs from the manifest."""
        for name, entry in artefact.manifest["files"].items():
            file = artefact.path / name
            try:
                same = _sha256(file) == entry["sha256"]
            except OSError as error:
                raise StoreError(f"{file}: cannot be read ({error.strerror}); delete {artefact.path} to build it anew") from error
            if not same:
                raise StoreError(f"{file}: differs from its sha256 in {MANIFEST}; delete {artefact.path} to build it anew")

    def _place(self, kind: str, key: str) -> Path:
        if not _KIND.fullmatch(kind):
            raise StoreError(f"{kind!r} is no kind of artefact: lower-case letters, digits and '_', not 'locks' or 'tmp'")
        return self.root / kind / key

    @contextmanager
    def _locked(self, kind: str, key: str, waiting: Callable[[], None] | None) -> Iterator[None]:
        from filelock import FileLock, Timeout

        with self._writing():
            for folder in ("locks", "tmp", kind):
                (self.root / folder).mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.root / "locks" / f"{kind}-{key}.lock")
        with self._writing():
            try:
                lock.acquire(timeout=0)
                held = True
            except Timeout:
                held = False
        if not held:
            if waiting:
                waiting()
            with self._writing():
                lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _build(self, kind: str, key: str, inputs: dict[str, Any], build: Callable[[Path], None]) -> Artefact:
        final = self._place(kind, key)
        with self._writing():
            self._sweep(final, f"{kind}-{key}-")
            folder = self._scratch(kind, key)
            folder.mkdir()
        try:
            build(folder)
            files = _files_of(folder)
            with self._writing():
                entries = {name: {"size": (folder / name).stat().st_size, "sha256": _sha256(folder / name)} for name in files}
                manifest = {"schema": SCHEMA, "kind": kind, "key": key, "inputs": inputs, "files": entries}
                _write_durably(folder, files, json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n")
                os.replace(folder, final)
                sync(final.parent)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return Artefact(kind, key, final, manifest)

    def _scratch(self, kind: str, key: str) -> Path:
        return self.root / "tmp" / f"{kind}-{key}-{os.getpid()}-{secrets.token_hex(4)}"

    def _sweep(self, final: Path, prefix: str) -> None:
        if os.path.lexists(final):
            os.replace(final, self._scratch(final.parent.name, final.name))
        for remains in (self.root / "tmp").glob(f"{prefix}*"):
            if remains.is_dir() and not remains.is_symlink():
                shutil.rmtree(remains)
            else:
                remains.unlink()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = f" at {error.filename}" if error.filename and Path(error.filename) != self.root else ""
            why = f"{error.strerror or error}{where}"
            raise StoreError(f"{self.root}: this folder cannot be used as the cache ({why}); --mllmu-cache DIR chooses another") from error


def _plain(value: Any, place: str) -> Any:
    """``value`` as JSON reads it back; refuses what JSON would quietly change, since two inputs would then share a key."""
    if isinstance(value, Mapping):
        if odd := [key for key in value if not isinstance(key, str)]:
            raise StoreError(f"{place}: the key {odd[0]!r} is not a string")
        return {key: _plain(item, f"{place}[{key!r}]") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{place}[{index}]") for index, item in enumerate(value)]
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and value - value == 0):
        return value
    raise StoreError(f"{place}: {value!r} cannot be part of an artefact's key: finite numbers, strings, lists and mappings can")


def _read(place: Path, kind: str, key: str) -> Artefact | None:
    try:
        manifest = json.loads((place / MANIFEST).read_bytes())
        if (manifest["schema"], manifest["kind"], manifest["key"]) != (SCHEMA, kind, key) or not manifest["files"]:
            return None
        for name, entry in manifest["files"].items():
            inside = not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts
            if not (inside and (place / name).is_file() and (place / name).stat().st_size == entry["size"] and isinstance(entry["sha256"], str)):
                return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return Artefact(kind, key, place, manifest)


def _files_of(folder: Path) -> list[str]:
    """The names, relative to ``folder``, of what a build wrote, or StoreError if that cannot be stored."""
    names = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise StoreError(f"{path}: a build may write plain files only")
        if path.is_dir():
            continue
        if name == MANIFEST:
            raise StoreError(f"{path}: the store writes this file itself; the build has to choose another name")
        if path.suffix.lower() not in SUFFIXES:
            raise StoreError(f"{path}: a file of this type is not stored; allowed are {' '.join(sorted(SUFFIXES))}")
        names.append(name)
    if not names:
        raise StoreError(f"{folder}: the build wrote no files")
    return names


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_durably(folder: Path, files: list[str], manifest: bytes) -> None:
    """Write the manifest and sync everything, so that a power cut after the rename cannot leave names without contents."""
    for name in files:
        sync(folder / name)
    (folder / MANIFEST).write_bytes(manifest)
    sync(folder / MANIFEST)
    for inner in {folder, *((folder / name).parent for name in files)}:
        sync(inner)


def sync(path: Path) -> None:
    """Have a file or a folder on the disk before going on."""
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot open a folder, and syncs only what is open for writing
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
