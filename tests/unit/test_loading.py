"""Models to disk and back, and what is said about a folder that holds none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pytest_mllmu.errors import ModelError
from pytest_mllmu.models.adapters import with_adapter
from pytest_mllmu.models.families import Bundle
from pytest_mllmu.models.loading import Dtype, load, save
from pytest_mllmu.training.batches import Encoder
from pytest_mllmu.training.lora import Lora, adapted, save_adapter
from tests.models import person, random_bundle, same, weights

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    save(random_bundle(), folder)
    return folder


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))


@pytest.fixture(scope="module")
def adapter(saved: Path) -> tuple[Path, torch.Tensor]:
    """A saved adapter that changes something, and the logits of the PeftModel it came from."""
    bundle = load(saved, "cpu")
    model = adapted(bundle, Lora(), 0)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    model.eval()
    folder = saved.parent / "adapter"
    save_adapter(model, folder)
    return folder, logits(Bundle(model, bundle.processor, bundle.family))


def logits(bundle: Bundle) -> torch.Tensor:
    encoder = Encoder(bundle)
    batch = encoder.collate(encoder.pairs(person())[:3])
    with torch.inference_mode():
        found: torch.Tensor = bundle.model(**batch.inputs).logits
    return found


def refused(action: Callable[[], Any], *said: str) -> None:
    with pytest.raises(ModelError) as caught:
        action()
    message = str(caught.value)
    assert "\n" not in message
    for part in said:
        assert part in message


def test_saved_and_loaded_gives_the_same_logits(saved: Path) -> None:
    loaded = load(saved, "cpu")
    assert not loaded.model.training
    assert (loaded.family.name, loaded.eos, loaded.pad) == ("LLaVA", 1, 0)
    assert torch.equal(logits(loaded), logits(random_bundle()))


def test_a_checkpoint_cannot_ban_words(saved: Path, tmp_path: Path) -> None:
    """``generate`` takes from the model what our own settings do not say: a banned name would pass for a forgotten one."""
    folder = shutil.copytree(saved, tmp_path / "model")
    own = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps(own | {"bad_words_ids": [[5]], "repetition_penalty": 9.0, "eos_token_id": [1, 7]}))
    found = load(folder, "cpu")
    config = found.model.generation_config
    assert (config.bad_words_ids, config.repetition_penalty, config.eos_token_id) == (None, None, [1, 7])
    assert found.stops == [1, 7]


def test_a_model_folder_tells_nothing_of_this_machine_and_holds_no_code(saved: Path, tmp_path: Path) -> None:
    save(load(saved, "cpu"), tmp_path / "again")
    for folder in (saved, tmp_path / "again"):
        assert {file.suffix for file in folder.iterdir()} == {".jinja", ".json", ".safetensors"}
        assert not [file.name for file in folder.iterdir() if str(saved.parent).encode() in file.read_bytes()]
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (saved / "model.safetensors").read_bytes()


def test_a_folder_without_a_config_is_no_checkpoint(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        refused(lambda folder=folder: load(folder, "cpu"), f"{folder}: no readable config.json", "a checkpoint folder is expected")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", "\x00"])
def test_a_config_that_says_no_model_type(copy: Path, text: str) -> None:
    (copy / "config.json").write_text(text, encoding="utf-8")
    refused(lambda: load(copy, "cpu"), f"{copy}: no readable config.json with a model_type")


def test_an_unknown_model_type(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    (copy / "config.json").write_text(json.dumps(config | {"model_type": "lava"}), encoding="utf-8")
    refused(lambda: load(copy, "cpu"), "'lava'", "did you mean 'llava'?")


def test_a_pickle_is_not_loaded(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    torch.save(random_bundle().model.state_dict(), copy / "pytorch_model.bin")
    refused(lambda: load(copy, "cpu"), f"{copy}: only pickled weights (pytorch_model.bin)", "convert them to safetensors")


@pytest.mark.parametrize("damage", ["header cut", "end cut", "garbage", "empty"])
def test_damaged_weights(copy: Path, damage: str) -> None:
    file = copy / "model.safetensors"
    data = file.read_bytes()
    file.write_bytes({"header cut": data[:5000], "end cut": data[:-1], "garbage": b"\xff" * 1000, "empty": b""}[damage])
    refused(lambda: load(copy, "cpu"), f"{copy}: cannot be loaded as LLaVA: SafetensorError")


def test_missing_weights_are_not_made_up(copy: Path) -> None:
    name = "layers.0.mlp.up_proj.weight"
    stored = load_file(copy / "model.safetensors")
    kept = {key: value for key, value in stored.items() if not key.endswith(name)}
    assert len(kept) == len(stored) - 1
    save_file(kept, copy / "model.safetensors", metadata={"format": "pt"})
    refused(lambda: load(copy, "cpu"), f"{copy}: cannot be loaded as LLaVA: 1 weights are missing, such as", name)


def test_weights_without_a_place_are_not_ignored(copy: Path) -> None:
    stored = load_file(copy / "model.safetensors")
    save_file({**stored, "model.surplus.weight": torch.zeros(2)}, copy / "model.safetensors", metadata={"format": "pt"})
    refused(lambda: load(copy, "cpu"), f"{copy}: cannot be loaded as LLaVA: 1 weights are unexpected, such as model.surplus.weight")


def test_weights_of_another_shape(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    config["text_config"]["intermediate_size"] = 64
    (copy / "config.json").write_text(json.dumps(config), encoding="utf-8")
    refused(lambda: load(copy, "cpu"), f"{copy}: cannot be loaded as LLaVA")


@pytest.mark.parametrize(
    ("name", "text"),
    [("tokenizer.json", "{}"), ("tokenizer.json", "x"), ("processor_config.json", "["), ("config.json", '{"model_type": "llava", "text_config": 3}')],
)
def test_other_damaged_files(copy: Path, name: str, text: str) -> None:
    (copy / name).write_text(text, encoding="utf-8")
    refused(lambda: load(copy, "cpu"), f"{copy}: cannot be loaded as LLaVA")


def test_an_adapter_merged_is_the_adapter_applied(saved: Path, adapter: tuple[Path, torch.Tensor]) -> None:
    folder, expected = adapter
    merged = with_adapter(load(saved, "cpu"), folder)
    assert not merged.model.training
    assert not any("lora" in name for name, _ in merged.model.named_parameters())
    found = logits(merged)
    assert torch.allclose(found, expected, atol=1e-4)
    assert not torch.allclose(found, logits(load(saved, "cpu")), atol=1e-2)


def test_an_adapter_folder_tells_nothing_of_this_machine(saved: Path, adapter: tuple[Path, torch.Tensor]) -> None:
    folder, _ = adapter
    assert sorted(file.name for file in folder.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    for file in folder.iterdir():
        assert str(saved.parent).encode() not in file.read_bytes()
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] is None
    assert (config["r"], config["lora_alpha"], config["lora_dropout"]) == (16, 16, 0.05)


def test_adapters_hold_the_adapter_only(adapter: tuple[Path, torch.Tensor]) -> None:
    stored = load_file(adapter[0] / "adapter_model.safetensors")
    assert len(stored) == 3 * 7 * 2
    assert all("language_model" in name and "lora_" in name for name in stored)


def test_what_is_no_adapter(saved: Path, adapter: tuple[Path, torch.Tensor], tmp_path: Path) -> None:
    refused(lambda: with_adapter(random_bundle(), tmp_path / "missing"), f"{tmp_path / 'missing'}: no adapter_model.safetensors")
    damaged = Path(shutil.copytree(adapter[0], tmp_path / "damaged"))
    (damaged / "adapter_model.safetensors").write_bytes(b"\xff" * 100)
    refused(lambda: with_adapter(random_bundle(), damaged), f"{damaged}: cannot be loaded as an adapter: SafetensorError")
    pickled = Path(shutil.copytree(adapter[0], tmp_path / "pickled"))
    torch.save(load_file(pickled / "adapter_model.safetensors"), pickled / "adapter_model.bin")
    (pickled / "adapter_model.safetensors").unlink()
    refused(lambda: with_adapter(random_bundle(), pickled), f"{pickled}: no adapter_model.safetensors")


def test_an_adapter_by_path_needs_its_base(saved: Path, adapter: tuple[Path, torch.Tensor]) -> None:
    folder, expected = adapter
    refused(lambda: load(folder, "cpu"), f"{folder}: a LoRA adapter", "it needs the model that it was trained on")
    merged = load(folder, "cpu", base=load(saved, "cpu"))
    assert torch.allclose(logits(merged), expected, atol=1e-4)


def changed(adapter: Path, target: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Path:
    folder = Path(shutil.copytree(adapter, target))
    save_file(change(load_file(folder / "adapter_model.safetensors")), folder / "adapter_model.safetensors", metadata={"format": "pt"})
    return folder


def test_an_adapter_that_does_not_fit_leaves_the_base_as_it_was(adapter: tuple[Path, torch.Tensor], tmp_path: Path) -> None:
    name = "base_model.model.model.language_model.layers.1.mlp.up_proj.lora_B.weight"
    cases = {
        "missing": (lambda stored: {key: value for key, value in stored.items() if key != name}, f"1 weights are missing, such as {name}"),
        "surplus": (lambda stored: {**stored, "other.lora_A.weight": torch.zeros(2, 2)}, "1 weights are unexpected, such as other.lora_A.weight"),
        "shape": (lambda stored: {**stored, name: torch.zeros(3, 16)}, f"{name} has the shape (3, 16), not (256, 16)"),
    }
    bundle = random_bundle()
    for case, (change, said) in cases.items():
        folder = changed(adapter[0], tmp_path / case, change)
        refused(lambda folder=folder: with_adapter(bundle, folder), f"{folder}: does not fit LLaVA: {said}")
    assert same(weights(bundle.model), weights(random_bundle().model))


def test_an_adapter_of_another_kind(adapter: tuple[Path, torch.Tensor], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(adapter[0], tmp_path / "copy"))
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    for rows, said in (({"target_modules": "nowhere"}, "does not fit LLaVA"), ({"peft_type": "IA3"}, "only LoRA adapters"), ({"r": "many"}, "")):
        (folder / "adapter_config.json").write_text(json.dumps(config | rows), encoding="utf-8")
        refused(lambda: with_adapter(random_bundle(), folder), f"{folder}: ", said)


def test_a_hub_id_is_looked_for_on_this_disk_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    refused(lambda: load("llava-hf/llava-1.5-7b-hf", "cpu"), "llava-hf/llava-1.5-7b-hf: no such folder", "`hf download llava-hf/llava-1.5-7b-hf`")


def test_a_hub_id_whose_files_are_here(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    commit = "0" * 40
    shutil.copytree(saved, tmp_path / "models--somebody--tiny" / "snapshots" / commit)
    (tmp_path / "models--somebody--tiny" / "refs").mkdir()
    (tmp_path / "models--somebody--tiny" / "refs" / "main").write_text(commit, encoding="utf-8")
    assert same(weights(load("somebody/tiny", "cpu").model), weights(random_bundle().model))


@pytest.mark.parametrize(("dtype", "expected"), [("auto", torch.float32), ("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_dtype(saved: Path, dtype: Dtype, expected: torch.dtype) -> None:
    assert load(saved, "cpu", dtype=dtype).model.dtype == expected


def test_an_unknown_dtype(saved: Path) -> None:
    refused(lambda: load(saved, "cpu", dtype="float8"), f"{saved}: no dtype 'float8'", "bfloat16", "did you mean 'float")  # type: ignore[arg-type]


def test_a_device_map_is_followed(saved: Path) -> None:
    loaded = load(saved, "nowhere", device_map={"": "cpu"})
    assert loaded.device.type == "cpu"
    assert torch.equal(logits(loaded), logits(random_bundle()))


def test_four_bit_names_the_extra_when_it_is_not_installed(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_mllmu.models.loading.find_spec", lambda name: None)
    refused(lambda: load(saved, "cpu", four_bit=True), "4-bit weights need bitsandbytes", "pip install 'pytest-mllmu[quant]'")


def test_four_bit_is_nf4_and_computes_in_the_chosen_dtype(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def load_nothing(folder: Path, **settings: Any) -> None:
        asked.append(settings)
        raise OSError("not here")

    monkeypatch.setattr("pytest_mllmu.models.loading.find_spec", lambda name: "installed")
    monkeypatch.setattr("transformers.BitsAndBytesConfig", dict)
    monkeypatch.setattr("transformers.AutoModelForImageTextToText.from_pretrained", load_nothing)
    for dtype, compute in (("auto", "bfloat16"), ("float16", "float16")):
        refused(lambda dtype=dtype: load(saved, "cuda:1", dtype=dtype, four_bit=True), "cannot be loaded as LLaVA: not here")
        config = asked[-1]["quantization_config"]
        assert (config["load_in_4bit"], config["bnb_4bit_quant_type"], config["bnb_4bit_compute_dtype"]) == (True, "nf4", compute)
        assert asked[-1]["device_map"] == {"": "cuda:1"}
    refused(lambda: load(saved, "cpu"), "not here")
    assert "quantization_config" not in asked[-1]
    assert (asked[-1]["use_safetensors"], asked[-1]["local_files_only"], asked[-1]["trust_remote_code"]) == (True, True, False)


def test_an_adapter_on_a_quantised_model_is_not_rounded_into_it(adapter: tuple[Path, torch.Tensor]) -> None:
    """Nor can it have a second one: peft would train it on names that the stored adapter does not know."""
    folder, expected = adapter
    bundle = random_bundle()
    bundle.model.is_quantized = True
    loaded = with_adapter(bundle, folder)
    assert any("lora_A" in name for name, _ in loaded.model.named_parameters())
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
    assert torch.allclose(logits(loaded), expected, atol=1e-5)
    refused(lambda: adapted(loaded, Lora(), 0), "cannot take a second one")


# --- strangers' files ---


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers(copy: Path, value: float) -> None:
    name = "model.language_model.layers.0.mlp.up_proj.weight"
    stored = load_file(copy / "model.safetensors")
    (key,) = (key for key in stored if "vision" not in key and key.endswith("layers.0.mlp.up_proj.weight"))
    stored[key][3, 2] = value
    save_file(stored, copy / "model.safetensors", metadata={"format": "pt"})
    refused(lambda: load(copy, "cpu"), f"{copy}: {name} holds numbers that are not finite (NaN or infinity)")


def test_an_adapter_that_is_no_numbers(adapter: tuple[Path, torch.Tensor], tmp_path: Path) -> None:
    name = "base_model.model.model.language_model.layers.1.mlp.up_proj.lora_B.weight"
    folder = changed(adapter[0], tmp_path / "nan", lambda stored: {**stored, name: stored[name] * float("nan")})
    refused(lambda: with_adapter(random_bundle(), folder), f"{folder}: {name} holds numbers that are not finite")


def test_finite_in_every_precision() -> None:
    from pytest_mllmu.models.finite import not_finite

    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        sound = torch.full((4,), torch.finfo(dtype).max, dtype=dtype)  # whose sum is not
        assert not_finite([("a", sound), ("none", sound[:0]), ("whole", torch.tensor([1])), ("far", sound.to("meta"))]) == ""
        assert not_finite([("a", sound), ("b", sound * 2)]) == "b"


def test_its_own_code_is_not_run(copy: Path) -> None:
    """Named in every place where transformers looks for it, and lying beside the weights."""
    (copy / "evil.py").write_text(f"open({str(copy / 'ran')!r}, 'w')\n", encoding="utf-8")
    for name in ("config.json", "tokenizer_config.json", "processor_config.json"):
        named = dict.fromkeys(("AutoConfig", "AutoModelForImageTextToText", "AutoProcessor", "AutoImageProcessor"), "evil.Evil")
        row = json.loads((copy / name).read_text(encoding="utf-8"))
        (copy / name).write_text(json.dumps(row | {"auto_map": named | {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}}), encoding="utf-8")
    assert same(weights(load(copy, "cpu").model), weights(random_bundle().model))
    assert not (copy / "ran").exists()
