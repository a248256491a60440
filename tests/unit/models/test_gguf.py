"""GGUF files: what another reader of the format makes of them is the model that was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf import GGUFReader
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from haechi.errors import HaechiError, ModelError, StageError
from haechi.models.gguf import interleaved, write_gguf
from haechi.pretrain.model import build_model
from haechi.stages.export import export

TEXT = "[1] 하늘고래 등대: 등대지기는 오누리이다. [1]\n질문: 몇 미터인가요? 23미터 뷁\n답변:"


@pytest.fixture
def folder(tmp_path: Path, tokenizer: Any) -> Path:
    model = build_model(tokenizer, layers=2, width=64, heads=4, intermediate=96, seed=0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    model.bfloat16().save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_another_reader_finds_the_same_model(folder: Path, tmp_path: Path) -> None:
    """Transformers reads GGUF by code of its own: the logits are the same but for float16."""
    export(str(folder), tmp_path / "model.gguf")
    read = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="model.gguf", dtype=torch.float32)
    written = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = torch.arange(3, 120).reshape(1, -1)
    with torch.no_grad():
        ours, theirs = written(ids).logits, read(ids).logits
    assert float((ours - theirs).abs().max()) < 2e-2 < float(ours.std())
    assert read.config.rope_parameters["rope_theta"] == 1e6


@pytest.mark.parametrize("tied", [True, False])
def test_grouped_queries_and_an_output_layer_of_its_own(
    tied: bool, folder: Path, tmp_path: Path, checkpoint_folder: Any
) -> None:
    """Two key-value heads for four query heads; rows of each are interleaved by their own number of heads."""
    written = LlamaForCausalLM.from_pretrained(checkpoint_folder("llama"), dtype=torch.float32)
    if not tied:
        weight = torch.randn(written.lm_head.weight.shape, generator=torch.Generator().manual_seed(2))
        written.config.tie_word_embeddings = False
        written.lm_head.weight = torch.nn.Parameter(weight * 0.1)
    written.save_pretrained(folder)
    export(str(folder), tmp_path / "model.gguf")
    read = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="model.gguf", dtype=torch.float32)
    ids = torch.arange(3, 120).reshape(1, -1)
    with torch.no_grad():
        ours, theirs = written(ids).logits, read(ids).logits
    assert read.config.num_key_value_heads == 2
    assert float((ours - theirs).abs().max()) < 2e-2 < float(ours.std())


def test_another_reader_cuts_text_alike(folder: Path, tmp_path: Path) -> None:
    """But for the blank that Transformers' reader puts before a text."""
    export(str(folder), tmp_path / "model.gguf")
    read = AutoTokenizer.from_pretrained(tmp_path, gguf_file="model.gguf")
    ours = AutoTokenizer.from_pretrained(folder).encode(f" {TEXT}", add_special_tokens=False)
    assert read.encode(TEXT, add_special_tokens=False) == ours
    assert (read.bos_token, read.eos_token) == ("<s>", "</s>")


def test_partners_become_neighbours() -> None:
    """Two heads of four rows: row i and its partner, two further, stand side by side."""
    rows = torch.arange(8.0)[:, None].expand(8, 3)
    assert interleaved(rows, 2)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_a_run_is_written_from_its_merged_model(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "merge").mkdir(parents=True)
    (run / "recipe.json").write_text("{}")
    with pytest.raises(StageError, match=r"has no merged model yet\. Fix: haechi merge"):
        export(str(run), tmp_path / "run.gguf")
    folder.rename(run / "merge" / "model")
    (run / "merge" / "result.json").write_text("{}")
    export(str(run), tmp_path / "run.gguf")
    assert (tmp_path / "run.gguf").read_bytes()[:4] == b"GGUF"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run.gguf"], "nothing half-written is left"


def test_a_run_of_pretraining_is_written_from_what_it_made(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "made" / "pretrain").mkdir(parents=True)
    (tmp_path / "made" / "recipe.json").write_text("{}")
    folder.rename(tmp_path / "made" / "pretrain" / "model")
    export(str(tmp_path / "made"), tmp_path / "made.gguf")
    assert (tmp_path / "made.gguf").read_bytes()[:4] == b"GGUF"


@pytest.mark.parametrize("name", ["gpt2", "qwen3"])
def test_what_is_no_plain_llama_is_refused(name: str, tmp_path: Path, checkpoint_folder: Any) -> None:
    with pytest.raises(ModelError, match=f"it is a {name}; only plain Llamas"):
        write_gguf(checkpoint_folder(name), tmp_path / "model.gguf", name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attention_bias": True}, "its layers have biases"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "its rotary positions are scaled"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "its rotary positions are scaled"),
        ({"hidden_act": "gelu"}, "its feed-forward parts are computed with gelu"),
        ({"head_dim": 12}, "its heads are 12 numbers wide"),
        ({"vocab_size": 9}, r"its tokenizer has \d+ pieces and its embeddings 9 rows"),
    ],
)
def test_what_the_format_would_silently_lose_is_refused(
    changes: dict[str, Any], message: str, folder: Path, tmp_path: Path
) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(ModelError, match=message):
        export(str(folder), tmp_path / "model.gguf")


def test_a_folder_of_an_older_transformers_gives_the_same_file(folder: Path, tmp_path: Path) -> None:
    """Merges with a blank between, the rotary base beside the sizes, its frequencies among the weights."""
    export(str(folder), tmp_path / "new.gguf")
    config = json.loads((folder / "config.json").read_text())
    theta = config.pop("rope_parameters")["rope_theta"]
    (folder / "config.json").write_text(json.dumps(config | {"rope_theta": theta, "rope_scaling": None}))
    tokenizer = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    model = tokenizer["model"]
    model["merges"] = [" ".join(piece.replace(" ", "▁") for piece in pair) for pair in model["merges"]]
    model["vocab"] = {piece.replace(" ", "▁"): number for piece, number in model["vocab"].items()}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), "utf-8")
    weights = load_file(folder / "model.safetensors")
    save_file(weights | {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(8)}, folder / "model.safetensors")
    export(str(folder), tmp_path / "old.gguf")
    assert (tmp_path / "old.gguf").read_bytes() == (tmp_path / "new.gguf").read_bytes()


def test_the_file_says_its_name_and_that_no_blank_is_put_before_a_text(folder: Path, tmp_path: Path) -> None:
    (folder / "NOTICE.md").write_text("읽은 글: 모두 지어낸 것", "utf-8")
    export(str(folder), tmp_path / "any.gguf")
    fields = GGUFReader(tmp_path / "any.gguf").fields
    assert fields["general.description"].contents() == "읽은 글: 모두 지어낸 것", "the terms come along"
    assert fields["general.name"].contents() == "model"
    assert fields["tokenizer.ggml.add_space_prefix"].contents() is False
    assert fields["tokenizer.ggml.add_bos_token"].contents() is True


@pytest.mark.parametrize(
    ("source", "file", "message"),
    [("saessak", "model.bin", "let it end in .gguf"), ("nowhere", "model.gguf", "config.json: missing")],
)
def test_what_cannot_be_written_is_told(source: str, file: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(HaechiError, match=message):
        export(source, tmp_path / file)
    assert not list(tmp_path.iterdir())


def test_a_damaged_folder_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "config.json").write_text('{"model_type": ')
    with pytest.raises(ModelError, match=r"config\.json: is not JSON .*\. Fix: fetch or make"):
        export(str(folder), tmp_path / "model.gguf")
