"""Checkpoints of strangers: what is refused, in one line and before anything is loaded."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_mllmu.errors import ModelError
from pytest_mllmu.folders import contents
from pytest_mllmu.models.agreement import handed_in
from pytest_mllmu.models.headers import DIMENSIONS, LONGEST, read_header
from pytest_mllmu.models.untrusted import LARGEST, inspect
from pytest_mllmu.settings import Settings
from tests.checkpoints import LAYER, SIZES, TENSORS, adapter, header, weights, whole


def refused(action: Callable[[], Any], *said: str) -> str:
    with pytest.raises(ModelError) as caught:
        action()
    message = str(caught.value)
    assert "\n" not in message
    assert all(part in message for part in said), message
    return message


# --- a file's header ---


def row(shape: list[Any], start: Any, end: Any, dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


HEADERS = {
    "nothing in it": (b"", "no safetensors file, or cut short in its header: 0 bytes"),
    "half a length": (b"\x01\x02", "cut short in its header: 2 bytes"),
    "a header longer than the file": (weights({"a": row([1], 0, 4)}, length=1000), "cut short in its header"),
    "a length of 2**63": (weights({"a": row([1], 0, 4)}, length=2**63), "cut short in its header"),
    "a page of the web": (b"<!DOCTYPE html><html>" * 100, "no safetensors file"),
    "no JSON": (weights(b"{" * 50), "no readable JSON"),
    "no UTF-8": (weights(b'{"\xff": 1}'), "no readable JSON"),
    "no object": (weights(b"[1, 2]"), "a JSON object is expected, not list"),
    "nested too deep": (weights(b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"), "nested too deep"),
    "a name twice": (weights(b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "a": 1}', size=4), "'a' is there twice"),
    "no tensors": (weights({"__metadata__": {}}), "holds no tensors"),
    "a tensor that is no object": (weights(b'{"a": 3}'), "a has no dtype, shape and data_offsets"),
    "a shape below 0": (weights({"a": row([-1, -1], 0, 4)}), "a has no dtype, shape"),
    "a shape that is no number": (weights({"a": row([True], 0, 4)}), "a has no dtype, shape"),
    "very many dimensions": (weights({"a": row([1] * (DIMENSIONS + 1), 0, 4)}), "a has no dtype, shape"),
    "a shape beyond all memory": (weights({"a": row([2**62, 2**62], 0, 4)}, size=4), "a has 4 bytes of data, not the"),
    "offsets the wrong way round": (weights({"a": row([1], 4, 0)}, size=4), "a has -4 bytes of data, not the 4"),
    "a shape of another size": (weights({"a": row([3], 0, 4)}), "a has 4 bytes of data, not the 12 of its shape and dtype"),
    "a tensor beyond the end": (weights({"a": row([1], 0, 4), "b": row([2], 4, 12)}, size=8), "b ends at byte 12 of 8: the file is cut short"),
    "tensors that overlap": (weights({"a": row([2], 0, 8), "b": row([2], 4, 12)}), "b starts at byte 4, not 8: tensors overlap or leave gaps"),
    "a gap": (weights({"a": row([1], 0, 4), "b": row([1], 8, 12)}), "b starts at byte 8, not 4"),
    "something behind the last": (weights({"a": row([1], 0, 4)}, size=1004), "1000 bytes at its end belong to no tensor"),
    "bytes of a pickle": (weights({"a": row([4], 0, 4, "U8")}), "a is of dtype U8, and no quantization_config in config.json says why"),
    "an unknown dtype": (weights({"a": row([4], 0, 4, "F\n4")}), r"a is of the unknown dtype 'F\n4'"),
    "a name with a line break": (weights({"a\nb": row([3], 0, 4)}), r"'a\nb' has 4 bytes"),
}


@pytest.mark.parametrize(("data", "said"), HEADERS.values(), ids=HEADERS)
def test_a_file_that_is_not_what_it_says(tmp_path: Path, data: bytes, said: str) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(data)
    refused(lambda: read_header(file), f"{file}: ", said)


def test_a_header_too_long_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes((LONGEST + 1).to_bytes(8, "little") + b"{")
    os.truncate(file, LONGEST + 100)  # sparse: it takes no space
    refused(lambda: read_header(file), f"its header claims {LONGEST + 1} bytes")


def test_what_a_sound_file_says(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    rows = header({"b": (2, 3), "empty": (0, 5), "scalar": ()}) | {"vision.position_ids": row([2], 28, 44, "I64")}
    file.write_bytes(weights(rows))
    found = read_header(file)
    assert {name: (stored.dtype, stored.shape) for name, stored in found.items()} == {
        "b": ("F32", (2, 3)), "empty": ("F32", (0, 5)), "scalar": ("F32", ()), "vision.position_ids": ("I64", (2,)),
    }  # fmt: skip


def test_the_library_reads_what_is_read_here(tmp_path: Path) -> None:
    """The same file through safetensors itself: the two agree on what is sound."""
    import torch
    from safetensors.torch import save_file

    stored = {"a": torch.ones(3, 2), "b": torch.ones(4, dtype=torch.bfloat16), "c": torch.tensor(1.0, dtype=torch.float64)}
    save_file(stored, tmp_path / "model.safetensors")
    assert {name: one.shape for name, one in read_header(tmp_path / "model.safetensors").items()} == {name: tuple(one.shape) for name, one in stored.items()}


# --- a folder ---


def test_a_sound_checkpoint(tmp_path: Path) -> None:
    found = inspect(whole(tmp_path / "m"))
    assert (found.adapter, set(found.tensors), found.notes) == (False, set(TENSORS), ())


def test_links_of_a_hub_cache_are_followed(tmp_path: Path) -> None:
    blobs, folder = whole(tmp_path / "blobs"), tmp_path / "snapshot"
    folder.mkdir()
    for file in blobs.iterdir():
        (folder / file.name).symlink_to(file)
    assert set(inspect(folder).tensors) == set(TENSORS)
    (blobs / "model.safetensors").unlink()
    inspect.cache_clear()
    refused(lambda: inspect(folder), "model.safetensors is a link to a file that is not there: an incomplete download?")


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    folder = whole(tmp_path / "m")
    os.mkfifo(folder / "tokenizer.json")
    refused(lambda: inspect(folder), f"{folder}: tokenizer.json is a pipe, socket or device")
    other = whole(tmp_path / "n")
    (other / "vocab.txt").symlink_to("/dev/zero")
    refused(lambda: inspect(other), "vocab.txt is a pipe, socket or device")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pth", "model.ckpt", "model.pkl"])
def test_pickled_weights(tmp_path: Path, name: str) -> None:
    folder = whole(tmp_path / "m")
    (folder / "model.safetensors").rename(folder / name)
    refused(lambda: inspect(folder), f"{folder}: only pickled weights ({name}), which can run code when they are loaded; convert them to safetensors")


def test_pickles_beside_safetensors_are_named_and_not_opened(tmp_path: Path) -> None:
    folder = whole(tmp_path / "m")
    (folder / "training_args.bin").write_bytes(b"cos\nsystem\n")
    (folder / "training_args.bin").chmod(0)
    assert inspect(folder).notes == ("pickled files are not read: training_args.bin",)


def test_no_weights_at_all(tmp_path: Path) -> None:
    folder = whole(tmp_path / "m")
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    refused(lambda: inspect(folder), f"{folder}: no weights: neither model.safetensors nor model.safetensors.index.json; an incomplete download?")


def test_a_huge_configuration_is_not_read(tmp_path: Path) -> None:
    folder = whole(tmp_path / "m")
    os.truncate(folder / "config.json", LARGEST["config.json"] + 1)
    refused(lambda: inspect(folder), f"{folder}: config.json has {LARGEST['config.json'] + 1} bytes; at most")


@pytest.mark.parametrize(
    ("text", "said"), [("", "no readable JSON"), ("[]", "not list"), ("{}", "no readable config.json with a model_type"), ('{"model_type": 3}', "model_type")]
)
def test_a_configuration_that_says_nothing(tmp_path: Path, text: str, said: str) -> None:
    folder = whole(tmp_path / "m")
    (folder / "config.json").write_text(text)
    refused(lambda: inspect(folder), str(folder), said)


def test_its_own_code_is_said_not_to_run(tmp_path: Path) -> None:
    folder = whole(tmp_path / "m", auto_map={"AutoModel": "evil.Model"})
    assert inspect(folder).notes == ("its own code (auto_map in config.json) is not run: transformers' code for llava is",)


@pytest.mark.parametrize("config", [{"attn_implementation": "evil/kernel"}, {"vision_config": {"_attn_implementation": {"": "evil/kernel@main"}}}])
def test_code_of_the_hub_is_not_fetched(tmp_path: Path, config: dict[str, Any]) -> None:
    refused(lambda: inspect(whole(tmp_path / "m", **config)), "config.json asks for code of the hub", "evil/kernel")


def test_other_weights_than_were_looked_at(tmp_path: Path) -> None:
    refused(lambda: inspect(whole(tmp_path / "m", transformers_weights="other.safetensors")), "names other weights", "other.safetensors")


def test_packed_numbers_need_a_reason(tmp_path: Path) -> None:
    folder = whole(tmp_path / "m")
    (folder / "model.safetensors").write_bytes(weights(header(TENSORS, "I8")))
    refused(lambda: inspect(folder), "is of dtype I8, and no quantization_config")
    other = whole(tmp_path / "n", quantization_config={"quant_method": "fbgemm_fp8"})
    (other / "model.safetensors").write_bytes(weights(header(TENSORS, "F8_E4M3")))
    assert inspect(other).notes == ("quantised as its config says: fbgemm_fp8",)


def test_what_decides_answers_is_part_of_the_key(tmp_path: Path) -> None:
    """In subfolders too, where transformers keeps templates and tokenizers; but no other models' weights, and nothing of a download's book-keeping."""
    folder = whole(tmp_path / "m")
    names = (
        "chat_template.jinja",
        "additional_chat_templates/rag.jinja",
        "qformer_tokenizer/vocab.txt",
        "original/part.safetensors",
        ".cache/huggingface/a.json",
    )
    for name in (*names, "README.md", "modeling.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    assert set(contents(folder)) == {"config.json", "model.safetensors", *names[:3]}


# --- an index ---


def sharded(folder: Path, **places: str) -> Path:
    """Each of the tensors in a file of its own, and an index in which some places are others."""
    whole(folder)
    (folder / "model.safetensors").unlink()
    files = {}
    for number, (name, shape) in enumerate(TENSORS.items()):
        files[name] = f"model-{number}.safetensors"
        (folder / files[name]).write_bytes(weights(header({name: shape})))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {**files, **places}}))
    return folder


HEAD = "lm_head.weight"


def test_a_model_in_several_files(tmp_path: Path) -> None:
    assert set(inspect(sharded(tmp_path / "m")).tensors) == set(TENSORS)


@pytest.mark.parametrize("place", ["../other.safetensors", "/etc/passwd", "..", "sub/model.safetensors", "a\\b.safetensors", "model.bin", "x\0.safetensors"])
def test_an_index_that_leads_elsewhere(tmp_path: Path, place: str) -> None:
    refused(lambda: inspect(sharded(tmp_path / "m", **{HEAD: place})), "model.safetensors.index.json: ", "is no safetensors file of this folder")


def test_an_index_that_does_not_agree_with_its_files(tmp_path: Path) -> None:
    refused(lambda: inspect(sharded(tmp_path / "a", **{HEAD: "model-9.safetensors"})), "model-9.safetensors, which model.safetensors.index.json names, is not")
    refused(lambda: inspect(sharded(tmp_path / "b", **{HEAD: "model-0.safetensors"})), "lm_head.weight, which", "places in model-0.safetensors, is not in that")
    refused(lambda: inspect(sharded(tmp_path / "c", surplus="model-0.safetensors")), "surplus, which", "is not in that file")
    folder = sharded(tmp_path / "d")
    (folder / "model-2.safetensors").write_bytes(weights(header({HEAD: (16, 8), "hidden": (1,)})))
    refused(lambda: inspect(folder), "model-2.safetensors: holds hidden, but model.safetensors.index.json does not know it")


@pytest.mark.parametrize("text", ["{}", '{"weight_map": []}', '{"weight_map": {"a": 3}}', '{"weight_map": {}}'])
def test_an_index_without_places(tmp_path: Path, text: str) -> None:
    folder = sharded(tmp_path / "m")
    (folder / "model.safetensors.index.json").write_text(text)
    refused(lambda: inspect(folder), "no weight_map from tensors to files")


# --- an adapter ---


def test_a_sound_adapter(tmp_path: Path) -> None:
    found = inspect(adapter(tmp_path / "a", auto_mapping={"base_model_class": "X", "parent_library": "os"}))
    assert (found.adapter, len(found.tensors), found.notes) == (True, 2, ())


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"peft_type": "IA3"}, "an adapter of type 'IA3'; only LoRA adapters are supported"),
        ({"megatron_config": {}, "megatron_core": "os"}, "sets megatron_config, which is not supported: it imports a module"),
        ({"layer_replication": [[0, 4]]}, "sets layer_replication"),
        ({"r": 10**9}, "has rank 4, and adapter_config.json says r 1000000000"),
        ({"r": "many"}, "says r many"),
        ({"r": True}, "says r True; a whole number from 1 is expected"),
        ({"rank_pattern": {"up_proj": 4.0}}, "says rank_pattern up_proj 4.0; a whole number"),
        ({"rank_pattern": [4]}, "says rank_pattern [4]; ranks by layer are expected"),
        ({"r": 10**9, "rank_pattern": {"nothing": 4}}, "says r 1000000000, and the largest rank stored is 4"),
        ({"rank_pattern": {"nothing": 10**9}}, "says rank_pattern nothing 1000000000, and the largest rank stored is 4"),
    ],
)
def test_an_adapter_that_is_refused(tmp_path: Path, config: dict[str, Any], said: str) -> None:
    refused(lambda: inspect(adapter(tmp_path / "a", **config)), f"{tmp_path / 'a'}: ", said)


def named(folder: Path, *names: str, **config: Any) -> Path:
    """A sound adapter with further tensors of these names."""
    adapter(folder, **config)
    tensors = {f"{LAYER}.lora_A.weight": (4, 8), f"{LAYER}.lora_B.weight": (12, 4), **dict.fromkeys(names, (4, 8))}
    (folder / "adapter_model.safetensors").write_bytes(weights(header(tensors)))
    return folder


@pytest.mark.parametrize(
    "name", [f"{LAYER}.lora_A.default.weight", f"{LAYER}.lora_A", f"{LAYER}.weight", "lora_A.weight", "base_model.model.head.weight", f"{LAYER}.lora_C.bias"]
)
def test_tensors_that_are_none_of_an_adapters(tmp_path: Path, name: str) -> None:
    """The rank of one that is not known would not be looked at."""
    refused(lambda: inspect(named(tmp_path / "a", name, modules_to_save=["projector"])), f"{tmp_path / 'a'}: {name} is no tensor of a LoRA adapter")


def test_tensors_beside_those_of_layers(tmp_path: Path) -> None:
    names = [
        f"{LAYER}.lora_B.bias", f"{LAYER}.lora_magnitude_vector", "base_model.model.lm_head.lora_embedding_A", "base_model.model.lm_head.lora_embedding_B",
        "base_model.model.lm_head.base_layer.weight", "base_model.model.model.projector.linear_1.weight", f"{LAYER}.bias",
    ]  # fmt: skip
    assert len(inspect(named(tmp_path / "a", *names, modules_to_save=["projector"])).tensors) == 9


def test_peft_writes_these_names(tmp_path: Path) -> None:
    """So that a new version's others are noticed."""
    import peft
    import torch

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed_tokens, self.up_proj, self.projector = torch.nn.Embedding(16, 8), torch.nn.Linear(8, 12), torch.nn.Linear(12, 8)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return torch.as_tensor(self.projector(self.up_proj(self.embed_tokens(ids))))

    for number, more in enumerate(({}, {"bias": "all"}, {"use_dora": True}, {"rank_pattern": {"up_proj": 3}})):
        config = peft.LoraConfig(r=4, target_modules=["embed_tokens", "up_proj"], modules_to_save=["projector"], **more)  # type: ignore[arg-type]
        adapted = peft.get_peft_model(Model(), config)  # type: ignore[arg-type]
        adapted.save_pretrained(tmp_path / str(number), save_embedding_layers=False)
        assert len(inspect(tmp_path / str(number)).tensors) >= 6


def test_a_pickled_adapter(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "a")
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    refused(lambda: inspect(folder), f"{folder}: no adapter_model.safetensors, only pickled weights (adapter_model.bin)")


def test_a_model_and_an_adapter_in_one_folder(tmp_path: Path) -> None:
    folder = whole(tmp_path / "m")
    (folder / "adapter_config.json").write_text("{}")
    refused(lambda: inspect(folder), f"{folder}: both a whole model and a LoRA adapter")


# --- side by side ---


def settings(vanilla: Path, candidate: Path, **more: str) -> Settings:
    return Settings(method=("none",), **{"model": str(vanilla), "vanilla": str(vanilla), "candidate": str(candidate), **more})  # type: ignore[arg-type]


def test_models_that_agree(tmp_path: Path) -> None:
    vanilla, tied = whole(tmp_path / "v"), {name: shape for name, shape in TENSORS.items() if name != HEAD}
    old = {f"language_model.{name.replace('language_model.', '')}": shape for name, shape in TENSORS.items()}  # as transformers 4 wrote them
    renamed = {name.replace("up_proj", "fc1"): shape for name, shape in TENSORS.items()}
    for number, tensors in enumerate((TENSORS, tied, old, renamed, {**TENSORS, "vision.norm.num_batches_tracked": ()})):
        assert handed_in(settings(vanilla, whole(tmp_path / f"c{number}", tensors))) == ()
    assert handed_in(settings(vanilla, adapter(tmp_path / "a"))) == ()


def test_models_that_do_not(tmp_path: Path) -> None:
    vanilla = whole(tmp_path / "v")
    cases = {
        "kind": (whole(tmp_path / "kind", kind="idefics2"), "is of the type 'idefics2', not 'llava' as"),
        "size": (whole(tmp_path / "size", text_config={**SIZES, "hidden_size": 16}), "has text_config.hidden_size 16, not 8 as"),
        "layers": (whole(tmp_path / "layers", text_config={**SIZES, "num_hidden_layers": 2}), "has text_config.num_hidden_layers 2, not 1 as"),
        "words": (whole(tmp_path / "words", text_config={**SIZES, "vocab_size": 17}), "has text_config.vocab_size 17, not 16 as"),
        "shape": (whole(tmp_path / "shape", {**TENSORS, HEAD: (17, 8)}), "has lm_head.weight of the shape (17, 8), not (16, 8) as"),
        "more": (whole(tmp_path / "more", {**TENSORS, "model.extra": (1,)}), "has the tensor extra, unlike"),
        "less": (whole(tmp_path / "less", dict([*TENSORS.items()][1:])), "lacks the tensor embed_tokens.weight, unlike"),
        "adapter": (adapter(tmp_path / "adapter", size=16), f"has {LAYER}.lora_A.weight for a layer of size 16, not 8 as"),
    }
    for candidate, said in cases.values():
        refused(lambda candidate=candidate: handed_in(settings(vanilla, candidate)), f"--mllmu-candidate: {candidate} {said} the vanilla {vanilla};")  # type: ignore[misc]
    other = cases["size"][0]
    refused(lambda: handed_in(settings(vanilla, vanilla, oracle=str(other))), f"--mllmu-oracle: {other} has", f"as the vanilla {vanilla}")
    refused(lambda: handed_in(settings(vanilla, vanilla, model=str(other))), f"--mllmu-vanilla: {vanilla} has", f"as the base {other}")


def test_a_checkpoint_beside_an_embedded_model(tmp_path: Path) -> None:
    tiny = whole(tmp_path / "tiny", text_config={"hidden_size": 96, "num_hidden_layers": 3})
    assert handed_in(Settings(method=("none",), candidate=str(tiny))) == ()
    large = whole(tmp_path / "large", text_config={"hidden_size": 4096, "num_hidden_layers": 32})
    refused(lambda: handed_in(Settings(method=("none",), candidate=str(large))), f"{large} has text_config.hidden_size 4096, not 96 as the base tiny-llava")
    refused(lambda: handed_in(Settings(method=("none",), model="tiny-idefics2", candidate=str(tiny))), "'llava', not 'idefics2' as the base tiny-idefics2")


def test_quantised_models_are_compared_by_their_configurations(tmp_path: Path) -> None:
    vanilla, packed = whole(tmp_path / "v"), whole(tmp_path / "q", {"packed": (3,)}, quantization_config={"quant_method": "bitsandbytes"})
    assert handed_in(settings(vanilla, packed)) == ("--mllmu-candidate: quantised as its config says: bitsandbytes",)


def beside(tmp_path: Path, vanilla: dict[str, Any], candidate: dict[str, Any]) -> tuple[str, ...]:
    """The notes about a candidate that is the vanilla but for these files: texts, or what is written as JSON."""
    folders = whole(tmp_path / "v"), whole(tmp_path / "c")
    for folder, files in zip(folders, (vanilla, candidate), strict=True):
        for name, content in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return handed_in(settings(*folders))


ASKED = "--mllmu-candidate: asked with its own "


def test_a_tokenizer_of_its_own_is_said(tmp_path: Path) -> None:
    said = beside(tmp_path, {"tokenizer.json": "{}"}, {"tokenizer.json": '{"a": 1}', "chat_template.jinja": "{{ 1 }}"})
    assert said == (f"{ASKED}chat_template.jinja, tokenizer.json, other than the vanilla's",)


@pytest.mark.parametrize(
    "name",
    [
        "chat_template.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.model", "tokenizer.5.0.0.json", "vocab.json", "vocab.txt",
        "merges.txt", "spiece.model", "additional_chat_templates/tool_use.jinja", "qformer_tokenizer/tokenizer.json",
    ],
)  # fmt: skip
def test_every_file_that_decides_what_is_read(tmp_path: Path, name: str) -> None:
    assert beside(tmp_path, {name: {"a": 1}}, {name: {"a": 2}}) == (f"{ASKED}{name}, other than the vanilla's",)


def test_a_template_inside_a_configuration(tmp_path: Path) -> None:
    """Where most of a hub's models have theirs; where a file was, and who wrote it, decides nothing."""
    vanilla = {"chat_template": "{{ a }}", "eos_token": "</s>", "name_or_path": "/a", "transformers_version": "5.0"}
    candidate = {"transformers_version": "5.1", "eos_token": "</s>", "chat_template": "{{ b }}", "add_bos_token": True}
    said = beside(tmp_path, {"tokenizer_config.json": vanilla}, {"tokenizer_config.json": candidate})
    assert said == (f"{ASKED}tokenizer_config.json (add_bos_token, chat_template), other than the vanilla's",)


def test_what_differs_harmlessly(tmp_path: Path) -> None:
    vanilla, candidate = {"name_or_path": "/a", "eos_token": "</s>"}, {"eos_token": "</s>", "name_or_path": "/b"}
    files = {"tokenizer_config.json": vanilla, "vocab.json": '{"a": 1, "b": 2}', "README.md": "a", "trainer_state.json": "1"}
    others = {"tokenizer_config.json": candidate, "vocab.json": '{\n  "b": 2,\n  "a": 1}', "checkpoint-5/tokenizer.json": "{}"}
    assert beside(tmp_path, files, others) == ()


@pytest.mark.parametrize(("one", "other"), [('{"name_or_path": 1}', '{"name_or_path": 2}'), ('{"a": 1}', '{"a": true}'), ('{"a": 1}', '{"a": 2, "a": 1}')])
def test_what_differs_harmfully(tmp_path: Path, one: str, other: str) -> None:
    """A token may have the name of an entry that a configuration does not need; of a name twice, libraries take the last."""
    assert beside(tmp_path, {"vocab.json": one}, {"vocab.json": other}) == (f"{ASKED}vocab.json, other than the vanilla's",)


def test_a_note_stays_a_line(tmp_path: Path) -> None:
    (note,) = beside(tmp_path, {"tokenizer_config.json": {}}, {"tokenizer_config.json": {f"{number}\n": 1 for number in range(1000)}, "a\nb.jinja": ""})
    assert "\n" not in note
    assert len(note) < 300
    assert "and 992 more" in note


def test_answers_that_end_elsewhere(tmp_path: Path) -> None:
    settings = {"eos_token_id": 2, "pad_token_id": 0, "max_length": 50, "transformers_version": "5.0"}
    said = beside(tmp_path, {"generation_config.json": settings}, {"generation_config.json": {"eos_token_id": [13, 2], "pad_token_id": 0}})
    assert said == ("--mllmu-candidate: its generation settings have eos_token_id 2, 13, other than the vanilla's 2",)


def test_answers_that_end_where_the_vanillas_do(tmp_path: Path) -> None:
    """Without generation settings transformers takes the model's own, or its decoder's."""
    vanilla, candidate = {"eos_token_id": [2], "temperature": 0.5}, {"model_type": "llava", "text_config": {**SIZES, "eos_token_id": 2}}
    assert beside(tmp_path, {"generation_config.json": vanilla}, {"config.json": candidate}) == ()


def test_an_end_in_the_models_own_configuration(tmp_path: Path) -> None:
    candidate = {"model_type": "llava", "text_config": {**SIZES, "eos_token_id": 13}}
    said = beside(tmp_path, {}, {"config.json": candidate})
    assert said == ("--mllmu-candidate: its generation settings have eos_token_id 13, other than the vanilla's none",)


def test_generation_settings_that_cannot_be_read(tmp_path: Path) -> None:
    """Which of two ends counts is anybody's guess."""
    twice = '{"eos_token_id": 13, "eos_token_id": 2}'
    refused(lambda: beside(tmp_path, {}, {"generation_config.json": twice}), "--mllmu-candidate: ", "generation_config.json: no readable JSON", "twice")


def test_a_vanilla_that_is_an_adapter_reads_as_its_base(tmp_path: Path) -> None:
    base, candidate = whole(tmp_path / "b"), whole(tmp_path / "c")
    (candidate / "tokenizer.json").write_text("{}")
    said = handed_in(settings(adapter(tmp_path / "v"), candidate, model=str(base)))
    assert said == (f"{ASKED}tokenizer.json, other than the vanilla's",)


def test_which_option_is_wrong(tmp_path: Path) -> None:
    vanilla = whole(tmp_path / "v")
    (tmp_path / "empty").mkdir()
    refused(lambda: handed_in(settings(vanilla, tmp_path / "empty")), f"--mllmu-candidate: {tmp_path / 'empty'}: neither config.json nor")
    assert handed_in(Settings(method=("none",), vanilla="served:v", oracle="build", candidate="oracle")) == ()
