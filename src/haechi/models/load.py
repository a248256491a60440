"""Loading a base: safetensors only, no remote code, the revision pinned and recorded, the fast forward verified.

A name is `saessak` (embedded), a local folder, or a model on the Hub. Nothing in a checkpoint is ever executed.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from haechi.engine import attention
from haechi.engine.logps import answer_logps
from haechi.engine.products import by_onednn
from haechi.engine.trees import Layout, Tree, pack, taken, unshared
from haechi.errors import ModelError
from haechi.models.base import SharedBase
from haechi.prompt.tokens import Codec

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

EMBEDDED = "saessak"
Dtype = Literal["auto", "float32", "bfloat16"]
Quantise = Literal["none", "nf4"]

# Of a repository on the Hub only these are ever fetched: no pickles, no Python.
_WANTED = ["*.safetensors", "*.json", "*.model", "*.txt", "*.jinja", "LICENSE*", "NOTICE*"]
# What a tokenizer must be able to give back, if it can.
_PROBE = "푸른 등대의 높이는 37미터이다. [1] It is tall."
_TERMS = ("LICENSE", "LICENCE", "NOTICE", "COPYING")
_PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def load_base(
    name: str,
    *,
    revision: str | None = None,
    dtype: Dtype = "auto",
    quantise: Quantise = "none",
    device: str | None = None,
) -> SharedBase:
    """A base, ready to be worn by roles.

    Raises:
        ModelError: no weights, pickle-only weights, weights that are not finite, code in the checkpoint, an unsupported
            architecture, a tokenizer that does not belong to the weights.
    """
    folder, provenance = _resolve(name, revision)
    _refuse_what_runs(folder, name)
    if (device or best_device()) == "cpu":
        by_onednn()
    model = _load_model(folder, name, dtype, quantise, device or best_device())
    _refuse_non_finite(model, name)
    codec = Codec(_load_tokenizer(folder, name), name)
    _refuse_unknown_ids(model, codec, name, folder)
    base = SharedBase(model, codec, name, provenance | {"dtype": str(model.dtype)}, terms=terms_in(folder))
    check_forward(base)
    return base


def embedded_folder() -> Path:
    """Where the embedded base lies in the package."""
    return Path(__file__).parent.parent / "assets" / EMBEDDED


def terms_in(folder: Path) -> tuple[Path, ...]:
    """The files of a model's folder that say whose it is and what one may do with it: they go where the weights go."""
    return tuple(sorted(file for file in folder.iterdir() if file.is_file() and file.name.startswith(_TERMS)))


@torch.no_grad()
def check_forward(base: SharedBase) -> float:
    """Compares the forward passes that the base could take with the model's own logits, on small random trees, and sets
    `base.layout` to the fastest exact one.

    Where sharing a prompt is not exact (sliding windows, recurrent layers) every answer is computed with its own copy.

    Returns:
        The largest difference between the chosen and the plain log-probabilities, in nats.

    Raises:
        ModelError: even the plain forward does not give the model's own probabilities.
    """
    generator = torch.Generator().manual_seed(0)
    vocabulary = base.output_weight()[0].shape[0]

    def draw(count: int) -> list[int]:
        return torch.randint(0, min(vocabulary, len(base.codec.tokenizer)), (count,), generator=generator).tolist()

    # Longer than the usual test windows, so that a sliding window shows.
    trees = [Tree(draw(40), [draw(7), draw(3)]), Tree(draw(9), [draw(5)])]
    plain = _logps(base, unshared(trees), "apart")
    tolerance = 1e-3 if base.dtype == torch.float32 else 0.15
    own = _own_logps(base, trees)
    if float((plain - own).abs().max()) > tolerance:
        raise ModelError(
            f"{base.name}: hidden states and output layer do not give the model's own probabilities (an output "
            "scaling or soft cap that haechi does not know). Fix: use a Llama, Qwen, GPT-2 or GPT-NeoX model."
        )
    shared: list[Layout] = [] if _sees_a_window(base.model.config) else ["rows"]
    if shared and base.decoder is not None:
        shared.insert(0, "flat")
    for base.layout in shared:
        difference = float((plain - _logps(base, trees, base.layout)).abs().max())
        if difference <= tolerance:
            return difference
    base.layout = "apart"
    return 0.0


def _sees_a_window(config: Any) -> bool:
    """Whether some layer attends to a window only: the trees of the check are shorter than most windows."""
    layers = getattr(config, "layer_types", None) or getattr(config, "attention_layers", None)
    if layers:
        return any(kind not in ("full_attention", "global") for kind in layers)
    return bool(getattr(config, "sliding_window", None)) and getattr(config, "use_sliding_window", True) is not False


def _logps(base: SharedBase, trees: list[Tree], layout: Layout) -> torch.Tensor:
    packed = pack(trees, layout)
    hidden_RD = base.hidden(packed)
    weight, bias = base.output_weight()
    states_ND = taken(hidden_RD, packed.source_N)
    return answer_logps(states_ND, packed.targets_N.to(hidden_RD.device), weight, bias)[0].cpu()


def _own_logps(base: SharedBase, trees: list[Tree]) -> torch.Tensor:
    found = []
    for tree in unshared(trees):
        ids = torch.tensor([[*tree.prompt, *tree.answers[0]]], device=base.device)
        logps = base.model(input_ids=ids, use_cache=False).logits[0].float().log_softmax(-1)
        start = len(tree.prompt)
        found += [logps[at - 1, ids[0, at]] for at in range(start, ids.shape[1])]
    return torch.stack(found).cpu()


def best_device() -> str:
    """Where a model is computed unless somebody says otherwise."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def _resolve(name: str, revision: str | None) -> tuple[Path, dict[str, str]]:
    """The folder of a base, and what pins its weights: the Hub's commit, or the sha256 of the local files."""
    if name == EMBEDDED:
        return embedded_folder(), {"name": EMBEDDED, "sha256": _digest(embedded_folder())}
    local = Path(name).expanduser()
    if local.is_dir():
        return local, {"name": local.name, "sha256": _digest(local)}
    if name.startswith((".", "/", "~")):
        raise ModelError(
            f"{local.resolve()}: no such folder. Fix: name a folder that holds config.json and *.safetensors."
        )
    if "/" not in name and difflib.get_close_matches(name, [EMBEDDED]):
        raise ModelError(f"{name}: no such base. Did you mean {EMBEDDED}?")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=_WANTED))
    except HFValidationError as error:
        raise ModelError(
            f"{name}: neither a folder here nor a name on the Hub. Fix: write ./{name} for a folder, or owner/model."
        ) from error
    except (LocalEntryNotFoundError, OSError, HfHubHTTPError) as error:
        from huggingface_hub.constants import HF_HUB_CACHE

        reason = str(error).strip().splitlines()[0][:160]
        raise ModelError(
            f"{name}: cannot be fetched and is not in {HF_HUB_CACHE} ({reason}). Fix: download it where there is a "
            "network and give its folder as base.name_or_path, or use base.name_or_path: saessak."
        ) from error
    return folder, {"name": name, "revision": folder.name}


def _refuse_what_runs(folder: Path, name: str) -> None:
    config = folder / "config.json"
    if not config.is_file():
        raise ModelError(f"{name}: {config} is missing. Fix: name a folder in Transformers format.")
    for file in ("config.json", "tokenizer_config.json"):
        path = folder / file
        if path.is_file() and "auto_map" in _json(path):
            raise ModelError(
                f"{path}: asks to run Python code of its own (auto_map), which haechi never does. "
                "Fix: use a model of an architecture that Transformers knows."
            )
    if not list(folder.glob("*.safetensors")):
        pickled = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
        held = f"only {pickled[0]}, a pickle, which can run code when loaded" if pickled else "no weights"
        raise ModelError(
            f"{name}: {folder} holds {held}. Fix: convert it once to safetensors (save_pretrained writes them)."
        )


def _json(path: Path) -> dict[str, object]:
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ModelError(f"{path}: is not JSON ({error}). Fix: fetch the model's folder again.") from error


def _load_model(folder: Path, name: str, dtype: Dtype, quantise: Quantise, device: str) -> PreTrainedModel:
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()  # the run has a display of its own
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise _not_whole(folder, name, error) from error
    chosen = _dtype(dtype, getattr(config, "dtype", None), device)
    extra: dict[str, Any] = {}
    if quantise == "nf4":
        extra = {"quantization_config": _nf4(chosen), "device_map": {"": device}}
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=chosen,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            attn_implementation="sdpa",  # refuses architectures that it would compute wrongly
            output_loading_info=True,
            **extra,
        )
    except ImportError as error:
        reason = str(error).strip().splitlines()[0][:160]
        raise ModelError(f"{name}: needs a package that is not here ({reason}). Fix: install it, or take weights "
                         "that are not quantised.") from error
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise _not_whole(folder, name, error) from error
    model, found = loaded  # the annotated return type leaves the loading info out
    if found["missing_keys"]:  # Transformers would fill them with random numbers
        raise ModelError(
            f"{name}: the weights in {folder} lack {sorted(found['missing_keys'])[0]}. "
            "Fix: check that the folder is whole."
        )
    if device == "cpu":
        model.set_attn_implementation(attention.register())
    return _differentiable(model) if quantise == "nf4" else model.to(device)


def _not_whole(folder: Path, name: str, error: Exception) -> ModelError:
    reason = str(error).strip().splitlines()[0][:200]
    return ModelError(f"{name}: the model in {folder} cannot be loaded ({reason}). Fix: check the folder.")


def _differentiable(model: PreTrainedModel) -> PreTrainedModel:
    """Keeps bitsandbytes from repacking 4-bit weights for a CPU kernel that passes no gradient on."""
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            setattr(module, "support_avx512bf16_for_cpu", False)  # noqa: B010 (no attribute of every Module)
    return model


def _dtype(asked: Dtype, saved: object, device: str) -> torch.dtype:
    """`auto` takes what the base was saved in, but for float16, which underflows: bfloat16 then. On a CPU it takes
    float32, which is the faster one there, unless the processor has tiles for bfloat16 (AMX)."""
    if asked != "auto":
        return getattr(torch, asked)
    if device == "cpu" and not torch.cpu._is_amx_tile_supported():
        return torch.float32
    if isinstance(saved, torch.dtype) and saved is not torch.float16:
        return saved
    return torch.float32 if device == "cpu" else torch.bfloat16


def _nf4(compute: torch.dtype) -> object:
    try:
        import bitsandbytes  # noqa: F401
    except ImportError as error:
        raise ModelError("base.quantise: nf4 needs bitsandbytes. Fix: pip install 'haechi[nf4]'.") from error
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=compute
    )


def _load_tokenizer(folder: Path, name: str) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise ModelError(
            f"{name}: no usable tokenizer in {folder} ({reason}). Fix: put the model's tokenizer files there."
        ) from error
    if not _gives_back(tokenizer) and (folder / "tokenizer.json").is_file():
        # A folder that does not name the tokenizer's class gets its architecture's usual one, with this vocabulary.
        tokenizer = _as_it_lies(folder, tokenizer)
    # As it is written there: a configuration that says nothing has a number by default, of another vocabulary.
    end = _json(folder / "config.json").get("eos_token_id")
    if tokenizer.eos_token_id is None and isinstance(end, int):
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(end)
    if not tokenizer.encode(_PROBE, add_special_tokens=False):
        raise ModelError(
            f"{name}: the tokenizer in {folder} makes nothing of “{_PROBE}”. Fix: put the model's tokenizer.json and "
            "tokenizer_config.json there."
        )
    return tokenizer


def _gives_back(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a Korean and English text comes back as it went in."""
    text = tokenizer.decode(tokenizer.encode(_PROBE, add_special_tokens=False), clean_up_tokenization_spaces=False)
    return isinstance(text, str) and text.strip() == _PROBE


def _as_it_lies(folder: Path, usual: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """The tokenizer of tokenizer.json, with the special tokens of the usual one, or those that config.json numbers."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer.from_file(str(folder / "tokenizer.json"))
    config, named = _json(folder / "config.json"), dict[str, Any]()
    for role in ("bos", "eos", "pad", "unk"):
        token, number = getattr(usual, f"{role}_token", None), config.get(f"{role}_token_id")
        if token is None or raw.token_to_id(token) is None:
            token = raw.id_to_token(number) if isinstance(number, int) else None
        if token is not None:
            named[f"{role}_token"] = token
    return PreTrainedTokenizerFast(tokenizer_object=raw, **named)


def _refuse_non_finite(model: PreTrainedModel, name: str) -> None:
    for weight, values in model.named_parameters():
        if values.is_floating_point() and not torch.isfinite(values).all():
            raise ModelError(f"{name}: the weight {weight} holds numbers that are not finite. Fix: fetch it again.")


def _refuse_unknown_ids(model: PreTrainedModel, codec: Codec, name: str, folder: Path) -> None:
    """A special token beyond the embeddings belongs to another model."""
    embeddings: Any = model.get_input_embeddings()
    rows = embeddings.weight.shape[0]
    for role, ids in (("eos", [codec.eos]), ("pad", [codec.pad]), ("bos", codec.bos)):
        if ids and max(ids) >= rows:
            raise ModelError(
                f"{name}: {role}_token is number {max(ids)}, but the weights know {rows} tokens. "
                f"Fix: correct {role}_token in {folder / 'tokenizer_config.json'}."
            )


def _digest(folder: Path) -> str:
    """One sha256 over the weights' files, by name."""
    whole = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        whole.update(path.name.encode())
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()
