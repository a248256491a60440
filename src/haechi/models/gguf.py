"""A model folder as one GGUF file, the format of llama.cpp and what builds on it.

Plain Llamas with a byte-fallback BPE can be written, as the embedded base is. Rows of query and key projections are
interleaved, for llama.cpp turns neighbouring dimensions where Transformers turns halves. The tokenizer becomes one of
SentencePiece's kind: `▁` for a blank, and for every merge a score that falls with its rank. What a tokenizer's own
splitting of the text forbids (a piece over the end of a name and its particle) llama.cpp does not know, so that it cuts
a word otherwise now and then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file
from torch import Tensor

from haechi.errors import ModelError
from haechi.models.load import terms_in

if TYPE_CHECKING:
    from gguf import GGUFWriter

_OUTSIDE = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
_IN_A_LAYER = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
_NEVER_MERGED = -1e6  # score of a piece that no merge makes


def write_gguf(folder: Path, file: Path, name: str) -> None:
    """Writes the model of a Transformers folder under a name, its weights in float16 and its norms in float32, and the
    terms that lie in the folder as the description.

    Raises:
        ModelError: the package `gguf` is missing, or the model is no plain Llama with a byte-fallback BPE.
    """
    try:
        from gguf import GGUFWriter
    except ModuleNotFoundError:
        raise ModelError("a GGUF file needs the package gguf. Fix: pip install 'haechi[gguf]'.") from None
    config, tokenizer = _json(folder / "config.json"), _json(folder / "tokenizer.json")
    if strange := _strange(config, tokenizer):
        raise ModelError(
            f"{folder}: {strange}; only plain Llamas with a byte-fallback BPE can be written. "
            "Fix: convert it with llama.cpp's convert_hf_to_gguf.py."
        )
    writer = GGUFWriter(str(file), "llama")
    _describe(writer, name, config)
    if terms := terms_in(folder):
        writer.add_description("\n\n".join(file.read_text("utf-8", errors="replace") for file in terms))
    _add_tokenizer(writer, tokenizer, config)
    heads = {"attn_q": config["num_attention_heads"], "attn_k": _key_value_heads(config)}
    for part in sorted(folder.glob("*.safetensors")):
        for parameter, weight in load_file(part).items():
            if not parameter.endswith("rotary_emb.inv_freq"):  # older files hold what follows from the config
                called, tensor = gguf_tensor(parameter, weight, heads)
                writer.add_tensor(called, tensor.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _strange(config: Mapping[str, Any], tokenizer: Mapping[str, Any]) -> str:
    """What about a model the format's plain Llama has not; empty if nothing."""
    model, scaling = tokenizer["model"], config.get("rope_scaling") or config.get("rope_parameters") or {}
    if config.get("model_type") != "llama":
        return f"it is a {config.get('model_type')}"
    if config.get("attention_bias") or config.get("mlp_bias"):
        return "its layers have biases"
    if config.get("hidden_act", "silu") != "silu":
        return f"its feed-forward parts are computed with {config['hidden_act']}"
    if _head(config) * config["num_attention_heads"] != config["hidden_size"]:
        return f"its heads are {_head(config)} numbers wide, not an even part of the hidden state"
    if scaling.get("rope_type", scaling.get("type", "default")) != "default":
        return "its rotary positions are scaled"
    if model.get("type") != "BPE" or not model.get("byte_fallback"):
        return "its tokenizer is no byte-fallback BPE"
    if set(model["vocab"].values()) != set(range(config["vocab_size"])):
        return f"its tokenizer has {len(model['vocab'])} pieces and its embeddings {config['vocab_size']} rows"
    return ""


def _key_value_heads(config: Mapping[str, Any]) -> int:
    return config.get("num_key_value_heads") or config["num_attention_heads"]


def _head(config: Mapping[str, Any]) -> int:
    return config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]


def _theta(config: Mapping[str, Any]) -> float:
    """The rotary base, where Transformers 5 or an older one keeps it."""
    return (config.get("rope_parameters") or config).get("rope_theta", 10_000.0)


def gguf_tensor(name: str, weight: Tensor, heads: Mapping[str, int]) -> tuple[str, Tensor]:
    """A weight by llama.cpp's name, in its order of rows and its number type.

    Args:
        heads: heads of `attn_q` and `attn_k`, whose rows are interleaved.
    """
    if name in _OUTSIDE:
        called = _OUTSIDE[name]
    else:
        _, _, layer, *module, _ = name.split(".")
        part = _IN_A_LAYER[".".join(module)]
        if part in heads:
            weight = interleaved(weight, heads[part])
        called = f"blk.{layer}.{part}.weight"
    return called, (weight.float() if weight.ndim == 1 else weight.half()).contiguous()


def interleaved(weight: Tensor, heads: int) -> Tensor:
    """The rows of each head so that dimension i and its partner, half a head further, become neighbours."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).transpose(1, 2).reshape(rows, columns)


def _describe(writer: GGUFWriter, name: str, config: Mapping[str, Any]) -> None:
    writer.add_name(name)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(_key_value_heads(config))
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_dimension_count(_head(config))
    writer.add_rope_freq_base(_theta(config))
    writer.add_vocab_size(config["vocab_size"])


def _add_tokenizer(writer: GGUFWriter, tokenizer: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    from gguf import TokenType

    # A merge is a pair, or in older files two pieces with a blank between.
    merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in tokenizer["model"]["merges"]]
    rank = {"".join(pair): number for number, pair in enumerate(merges)}
    control = {token["content"] for token in tokenizer["added_tokens"] if token["special"]}
    pieces = sorted(tokenizer["model"]["vocab"], key=tokenizer["model"]["vocab"].__getitem__)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([piece.replace(" ", "▁").encode() for piece in pieces])
    writer.add_token_scores([float(-1 - rank[piece]) if piece in rank else _NEVER_MERGED for piece in pieces])
    writer.add_token_types(
        [
            TokenType.CONTROL if piece in control else TokenType.BYTE if _is_byte(piece) else TokenType.NORMAL
            for piece in pieces
        ]
    )
    for name, add in (
        ("bos_token_id", writer.add_bos_token_id),
        ("eos_token_id", writer.add_eos_token_id),
        ("pad_token_id", writer.add_pad_token_id),
    ):
        if config.get(name) is not None:
            add(config[name])
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)


def _is_byte(piece: str) -> bool:
    return len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">")


def _json(file: Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{file}: missing. Fix: name a folder that holds a model, as runs/NAME/merge/model.") from None
    except ValueError as error:
        raise ModelError(f"{file}: is not JSON ({error}). Fix: fetch or make the model's folder again.") from None
