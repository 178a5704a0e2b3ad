from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from pytest_mllmu.errors import StoreError
from pytest_mllmu.store import Artefact, Store, default_root, key_of

INPUTS = {"base": "tiny-llava", "seed": 3, "lr": 1e-4, "layers": [1, 2]}


def build(folder: Path) -> None:
    (folder / "weights.safetensors").write_bytes(b"weights")
    (folder / "inner").mkdir()
    (folder / "inner" / "config.json").write_text("{}")


def refuse(folder: Path) -> None:
    raise AssertionError("built a second time")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def remains(store: Store) -> list[Path]:
    return list((store.root / "tmp").glob("*"))


def test_key_is_stable_across_versions_of_python_and_of_this_package() -> None:
    assert key_of(INPUTS) == "b547d951ff253efc0afb59bc32fc38b2"


def test_key_ignores_order_and_kind_of_container() -> None:
    shuffled = MappingProxyType({"layers": (1, 2), "lr": 0.0001, "seed": 3, "base": "tiny-llava"})
    assert key_of(shuffled) == key_of(INPUTS)


@pytest.mark.parametrize("other", [{"seed": 4}, {"seed": 3.0}, {"seed": "3"}, {"seed": None}, {"seed": 3, "more": None}])
def test_key_sees_every_change(other: dict[str, Any]) -> None:
    assert key_of(INPUTS) != key_of({**INPUTS, **other})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Path("x"), {1: "a"}, {1, 2}, b"x", [{"deep": object()}]])
def test_key_refuses_what_json_would_change(value: Any) -> None:
    with pytest.raises(StoreError, match=r"^inputs\['odd'\]"):
        key_of({"odd": value})


def test_builds_once_and_finds_again(store: Store) -> None:
    assert store.find("model", INPUTS) is None
    assert not store.root.exists(), "looking leaves no trace"
    built = store.get_or_build("model", INPUTS, build)
    assert built.path == store.root / "model" / key_of(INPUTS)
    assert built.file("inner/config.json").read_text() == "{}"
    again = Store(store.root).get_or_build("model", INPUTS, refuse)
    assert again == built == store.find("model", INPUTS)
    assert again.manifest == built.manifest
    assert hash(again) == hash(built)
    assert store.find("adapter", INPUTS) is None
    assert remains(store) == []


def test_manifest_is_deterministic_and_complete(tmp_path: Path) -> None:
    first, second = (Store(tmp_path / name).get_or_build("model", INPUTS, build) for name in ("one", "two"))
    text = (first.path / "manifest.json").read_bytes()
    assert text == (second.path / "manifest.json").read_bytes()
    manifest = json.loads(text)
    assert manifest["inputs"] == INPUTS
    assert list(manifest["files"]) == ["inner/config.json", "weights.safetensors"]
    assert manifest["files"]["weights.safetensors"]["size"] == 7


def test_file_must_be_listed(store: Store) -> None:
    with pytest.raises(StoreError, match=r"no file '\.\./x' in this artefact; it has inner/config.json, weights.safetensors"):
        store.get_or_build("model", INPUTS, build).file("../x")


def _no_manifest(path: Path) -> None:
    (path / "manifest.json").unlink()


def _half_manifest(path: Path) -> None:
    text = (path / "manifest.json").read_bytes()
    (path / "manifest.json").write_bytes(text[: len(text) // 2])


def _missing_file(path: Path) -> None:
    (path / "weights.safetensors").unlink()


def _short_file(path: Path) -> None:
    (path / "weights.safetensors").write_bytes(b"w")


def _folder_for_file(path: Path) -> None:
    _missing_file(path)
    (path / "weights.safetensors").mkdir()


def _file_for_folder(path: Path) -> None:
    os.rename(path, path.with_name("elsewhere"))
    path.write_text("not a folder")


def _manifest(text: str) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        (path / "manifest.json").write_text(text.replace("KEY", key_of(INPUTS)))

    return replace


BROKEN = {
    "no manifest": _no_manifest,
    "half a manifest": _half_manifest,
    "missing file": _missing_file,
    "short file": _short_file,
    "folder for file": _folder_for_file,
    "file for folder": _file_for_folder,
    "list": _manifest("[]"),
    "number": _manifest("3"),
    "bytes": _manifest("\x00"),
    "deep": _manifest("[" * 100_000),
    "other schema": _manifest('{"schema": 0, "kind": "model", "key": "KEY", "files": {"weights.safetensors": {}}}'),
    "no files": _manifest('{"schema": 1, "kind": "model", "key": "KEY", "files": {}}'),
    "files are a list": _manifest('{"schema": 1, "kind": "model", "key": "KEY", "files": [1]}'),
    "file outside": _manifest('{"schema": 1, "kind": "model", "key": "KEY", "files": {"../../x.txt": {"size": 1, "sha256": ""}}}'),
}


@pytest.mark.parametrize("breakage", BROKEN.values(), ids=BROKEN)
def test_broken_artefact_is_not_found_and_is_rebuilt(store: Store, breakage: Callable[[Path], None]) -> None:
    sound = store.get_or_build("model", INPUTS, build)
    (store.root / "x.txt").write_text("x")
    breakage(sound.path)
    assert store.find("model", INPUTS) is None
    assert store.get_or_build("model", INPUTS, build).manifest == sound.manifest
    store.verify(sound)
    assert remains(store) == []


def test_verify_names_the_file_that_differs(store: Store) -> None:
    artefact = store.get_or_build("model", INPUTS, build)
    store.verify(artefact)
    artefact.file("weights.safetensors").write_bytes(b"WEIGHTS")
    assert store.find("model", INPUTS) == artefact, "find compares sizes only"
    with pytest.raises(StoreError, match=r"weights\.safetensors: differs from its sha256 in manifest\.json; delete "):
        store.verify(artefact)
    artefact.file("weights.safetensors").unlink()
    with pytest.raises(StoreError, match=r"weights\.safetensors: cannot be read"):
        store.verify(artefact)


@pytest.mark.parametrize("error", [ValueError("loss is nan"), OSError(errno.ENOENT, "no such checkpoint"), KeyboardInterrupt()])
def test_error_of_a_build_propagates_and_leaves_nothing(store: Store, error: BaseException) -> None:
    def fail(folder: Path) -> None:
        build(folder)
        raise error

    with pytest.raises(type(error)) as caught:
        store.get_or_build("model", INPUTS, fail)
    assert caught.value is error
    assert store.find("model", INPUTS) is None
    assert remains(store) == []
    store.get_or_build("model", INPUTS, build)


@pytest.mark.parametrize("name", ["model.bin", "state.PT", "optimizer.pkl", "noextension", ".hidden", "manifest.json", "inner/run.py"])
def test_refuses_files_that_are_not_on_the_list(store: Store, name: str) -> None:
    def write(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")

    with pytest.raises(StoreError, match=name.replace(".", r"\.")):
        store.get_or_build("model", INPUTS, write)
    assert store.find("model", INPUTS) is None
    assert remains(store) == []


def test_refuses_links_and_empty_builds(store: Store, tmp_path: Path) -> None:
    (tmp_path / "far.txt").write_text("x")
    with pytest.raises(StoreError, match="plain files only"):
        store.get_or_build("model", INPUTS, lambda folder: (folder / "near.txt").symlink_to(tmp_path / "far.txt"))
    with pytest.raises(StoreError, match="wrote no files"):
        store.get_or_build("model", INPUTS, lambda folder: None)


@pytest.mark.parametrize("kind", ["", "..", "a/b", "A", "a-b", "tmp", "locks", "a\n", "1a", "x" * 41])
def test_refuses_kinds_that_are_no_folder_names(store: Store, kind: str) -> None:
    with pytest.raises(StoreError, match="is no kind of artefact"):
        store.get_or_build(kind, INPUTS, build)
    with pytest.raises(StoreError, match="is no kind of artefact"):
        store.find(kind, INPUTS)


def test_kinds_may_start_like_a_reserved_word(store: Store) -> None:
    assert store.get_or_build("tmp_model", INPUTS, build) == store.find("tmp_model", INPUTS)


def test_sweeps_remains_of_its_own_key_only(store: Store) -> None:
    mine, other = (store.root / "tmp" / f"model-{key}-123-abcd" for key in (key_of(INPUTS), key_of({})))
    for folder in (mine, other):
        folder.mkdir(parents=True)
        (folder / "half.safetensors").write_bytes(b"x")
    store.get_or_build("model", INPUTS, build)
    assert remains(store) == [other]


@pytest.mark.parametrize("root", ["file", "file/below"])
def test_root_that_is_a_file(tmp_path: Path, root: str) -> None:
    (tmp_path / "file").write_text("x")
    store = Store(tmp_path / root)
    assert store.find("model", INPUTS) is None
    with pytest.raises(StoreError, match=r"file.*: this folder cannot be used as the cache \(.*\); --mllmu-cache DIR chooses another$") as caught:
        store.get_or_build("model", INPUTS, refuse)
    assert "\n" not in str(caught.value)


def test_root_that_cannot_be_written_serves_what_it_has(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    built = store.get_or_build("model", INPUTS, build)

    def deny(path: Path, **_: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", deny)
    assert store.get_or_build("model", INPUTS, refuse) == built
    with pytest.raises(StoreError, match=r"cache: this folder .* \(Permission denied at .*locks\); --mllmu-cache DIR"):
        store.get_or_build("other", INPUTS, refuse)


def test_full_disk_while_finishing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"No space left on device\); --mllmu-cache DIR"):
        store.get_or_build("model", INPUTS, build)
    assert remains(store) == []
    assert store.find("model", INPUTS) is None


def test_threads_build_once_and_waiting_is_called_once(store: Store) -> None:
    inside, go, told = threading.Event(), threading.Event(), []
    results: list[Artefact] = []

    def slow(folder: Path) -> None:
        inside.set()
        assert go.wait(10)
        build(folder)

    def wait() -> None:
        told.append("waiting")
        go.set()

    first = threading.Thread(target=lambda: results.append(store.get_or_build("model", INPUTS, slow)))
    first.start()
    assert inside.wait(10)
    results.append(store.get_or_build("model", INPUTS, refuse, wait))
    first.join(10)
    assert told == ["waiting"]
    assert len(results) == 2
    assert results[0] == results[1]


def test_waiter_builds_when_the_first_one_failed(store: Store) -> None:
    inside, go = threading.Event(), threading.Event()

    def fail(folder: Path) -> None:
        inside.set()
        assert go.wait(10)
        raise ValueError("first")

    def first() -> None:
        with pytest.raises(ValueError, match="first"):
            store.get_or_build("model", INPUTS, fail)

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(10)
    store.verify(store.get_or_build("model", INPUTS, build, go.set))
    thread.join(10)


def test_build_that_asks_for_itself_fails_instead_of_hanging(store: Store) -> None:
    def ask(folder: Path) -> None:
        store.get_or_build("model", INPUTS, build)

    with pytest.raises(RuntimeError, match=r"[Dd]eadlock"):
        store.get_or_build("model", INPUTS, ask)
    assert remains(store) == []


def test_builds_may_nest(store: Store) -> None:
    def outer(folder: Path) -> None:
        base = store.get_or_build("base", {}, build)
        (folder / "copy.json").write_text(base.file("inner/config.json").read_text())

    assert store.get_or_build("model", INPUTS, outer).file("copy.json").read_text() == "{}"


def test_default_root_follows_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_root().name == "pytest-mllmu" or "pytest-mllmu" in default_root().parts
    if sys.platform == "linux":
        assert default_root() == tmp_path / "pytest-mllmu"


def test_imports_nothing_heavy() -> None:
    code = "import sys, pytest_mllmu.store, pytest_mllmu.progress; print(sorted({'torch', 'numpy', 'pyarrow', 'safetensors', 'filelock'} & set(sys.modules)))"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "[]"
