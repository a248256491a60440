"""What may be loaded, what is refused, and that nothing in a checkpoint ever runs."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from haechi.errors import ModelError
from haechi.models.load import _as_it_lies, load_base

FolderOf = Callable[[str], Path]


@pytest.fixture
def copy_of(checkpoint_folder: FolderOf, tmp_path: Path) -> FolderOf:
    """A checkpoint's copy that a test may damage."""
    return lambda name: Path(shutil.copytree(checkpoint_folder(name), tmp_path / name))


def edit(path: Path, **changes: Any) -> None:
    """Sets keys of a JSON file; None removes one."""
    content = json.loads(path.read_text("utf-8")) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}), "utf-8")


def test_a_base_is_frozen_pinned_and_in_evaluation_mode(checkpoint_folder: FolderOf) -> None:
    base = load_base(str(checkpoint_folder("llama")), dtype="float32", device="cpu")
    assert not base.model.training and not any(weight.requires_grad for weight in base.model.parameters())
    assert base.provenance["dtype"] == "torch.float32" and re.fullmatch("[0-9a-f]{64}", base.provenance["sha256"])
    assert (base.num_layers, base.width, base.dtype) == (4, 32, torch.float32)
    assert load_base(str(checkpoint_folder("llama")), dtype="bfloat16", device="cpu").dtype is torch.bfloat16


def test_provenance_changes_with_the_weights(copy_of: FolderOf) -> None:
    from safetensors.torch import load_file, save_file

    folder = copy_of("llama")
    before = load_base(str(folder), dtype="float32", device="cpu").provenance["sha256"]
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"][0] += 1
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    assert load_base(str(folder), dtype="float32", device="cpu").provenance["sha256"] != before


def test_a_base_without_pad_works(copy_of: FolderOf) -> None:
    folder = copy_of("llama")
    edit(folder / "tokenizer_config.json", pad_token=None)
    edit(folder / "config.json", pad_token_id=None)
    base = load_base(str(folder), dtype="float32", device="cpu")
    assert base.codec.tokenizer.pad_token is None
    assert base.codec.pad == base.codec.eos
    assert base.shared_forward


def test_a_base_without_eos_is_refused(copy_of: FolderOf) -> None:
    folder = copy_of("llama")
    edit(folder / "tokenizer_config.json", eos_token=None)
    edit(folder / "config.json", eos_token_id=None)
    with pytest.raises(ModelError, match=r"no end-of-sequence token.*Fix: set eos_token in its tokenizer_config\.json"):
        load_base(str(folder), dtype="float32", device="cpu")


CANARY = 'import pathlib\npathlib.Path({path!r}).write_text("ran")\n'


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_code_in_a_checkpoint_is_refused_and_never_runs(copy_of: FolderOf, tmp_path: Path, file: str) -> None:
    folder, canary = copy_of("llama"), tmp_path / "canary"
    (folder / "modeling_evil.py").write_text(CANARY.format(path=str(canary)), "utf-8")
    names = {
        "AutoConfig": "modeling_evil.Config",
        "AutoModelForCausalLM": "modeling_evil.Model",
        "AutoTokenizer": ["modeling_evil.T", None],
    }
    edit(folder / file, auto_map=names)
    with pytest.raises(ModelError, match=rf"{re.escape(file)}: asks to run Python code .*auto_map.* Fix: "):
        load_base(str(folder), dtype="float32", device="cpu")
    assert not canary.exists()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "model.pt", "model.ckpt"])
def test_a_pickle_is_refused_and_never_opened(copy_of: FolderOf, tmp_path: Path, name: str) -> None:
    folder, canary = copy_of("llama"), tmp_path / "canary"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.write_text, (canary, "ran")

    (folder / "model.safetensors").unlink()
    torch.save({"weights": Evil()}, folder / name)
    with pytest.raises(ModelError, match=rf"{re.escape(name)}, a pickle.* Fix: convert it once to safetensors"):
        load_base(str(folder), dtype="float32", device="cpu")
    assert not canary.exists()
    torch.load(folder / name, weights_only=False)
    assert canary.exists(), "the trap itself works"


def test_what_is_missing_is_named(copy_of: FolderOf, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere: no such folder\. Fix: "):
        load_base(str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"config\.json is missing\. Fix: "):
        load_base(str(tmp_path / "empty"))
    folder = copy_of("llama")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"holds no weights\. Fix: "):
        load_base(str(folder))


def test_a_misspelt_saessak_is_not_looked_for_on_the_hub() -> None:
    with pytest.raises(ModelError, match=r"saesak: no such base\. Did you mean saessak\?"):
        load_base("saesak")
    with pytest.raises(ModelError, match="nobody/saesak: cannot be fetched"):
        load_base("nobody/saesak")


def test_a_name_that_is_not_in_the_cache_says_where_it_looked() -> None:
    with pytest.raises(ModelError, match=r"nobody/nothing: cannot be fetched and is not in \S+ .*Fix: .*saessak"):
        load_base("nobody/nothing")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", "{not json"),
        ("config.json", json.dumps({"model_type": "unheard_of"})),
        ("config.json", json.dumps({"model_type": "t5", "architectures": ["T5ForConditionalGeneration"]})),
        ("tokenizer_config.json", "{not json"),
        ("tokenizer.json", "{not json"),
        ("model.safetensors", "not tensors"),
    ],
)
def test_damaged_or_unknown_files_are_model_errors(copy_of: FolderOf, file: str, content: str) -> None:
    folder = copy_of("llama")
    (folder / file).write_text(content, "utf-8")
    with pytest.raises(ModelError, match=r"Fix: "):
        load_base(str(folder), dtype="float32", device="cpu")


def test_missing_weights_are_not_made_up(copy_of: FolderOf) -> None:
    """A checkpoint that lacks a weight must not be completed with random numbers."""
    from safetensors.torch import load_file, save_file

    folder = copy_of("llama")
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"up_proj.* Fix: "):
        load_base(str(folder), dtype="float32", device="cpu")


def test_a_weight_of_another_shape_is_refused(copy_of: FolderOf) -> None:
    folder = copy_of("llama")
    edit(folder / "config.json", intermediate_size=40)
    with pytest.raises(ModelError, match=r"Fix: "):
        load_base(str(folder), dtype="float32", device="cpu")


@pytest.mark.parametrize("name", ["llama", "gpt2", "neox", "qwen3"])
def test_a_tokenizer_without_its_config_is_read_as_it_lies(copy_of: FolderOf, name: str) -> None:
    """Transformers makes the architecture's usual tokenizer then, which reads Korean as nothing or as one unknown."""
    from tokenizers import Tokenizer

    folder = copy_of(name)
    whole = load_base(str(folder), dtype="float32", device="cpu").codec
    (folder / "tokenizer_config.json").unlink()
    edit(folder / "config.json", bos_token_id=whole.bos[0], eos_token_id=whole.eos, pad_token_id=whole.pad)
    codec = load_base(str(folder), dtype="float32", device="cpu").codec
    text = "푸른 등대의 지기는 누구인가요? [1]"
    lies = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text, add_special_tokens=False).ids
    assert codec.encode(text) == whole.encode(text) == lies
    assert codec.eos == whole.eos


@pytest.mark.parametrize("token", ["eos_token", "pad_token", "bos_token"])
def test_a_special_token_beyond_the_weights_is_refused(copy_of: FolderOf, token: str) -> None:
    folder = copy_of("llama")
    edit(folder / "tokenizer_config.json", **{token: "<|nowhere|>"})
    with pytest.raises(ModelError, match=rf"{token} is number \d+, but the weights know \d+ tokens.*tokenizer_config"):
        load_base(str(folder), dtype="float32", device="cpu")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(copy_of: FolderOf, value: float) -> None:
    from safetensors.torch import load_file, save_file

    folder = copy_of("llama")
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.1.mlp.up_proj.weight"][0, 0] = value
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"model\.layers\.1\.mlp\.up_proj\.weight holds numbers that are not finite"):
        load_base(str(folder), dtype="float32", device="cpu")


def test_special_tokens_that_the_vocabulary_lacks_come_from_the_numbers(copy_of: FolderOf) -> None:
    folder = copy_of("llama")
    whole = load_base(str(folder), dtype="float32", device="cpu").codec
    edit(folder / "config.json", bos_token_id=whole.bos[0], eos_token_id=whole.eos)
    usual: Any = SimpleNamespace(bos_token="<strange>", eos_token="</strange>", pad_token=None, unk_token=None)
    found = _as_it_lies(folder, usual)
    assert (found.bos_token_id, found.eos_token_id) == (whole.bos[0], whole.eos)
