"""Tiny random checkpoints of the supported architectures, on disk, and bases loaded from them."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from haechi.engine.trees import Tree
    from haechi.models.base import SharedBase
    from haechi.models.roles import Role

ARCHITECTURES = ("llama", "gpt2", "neox", "qwen3")
VOCABULARY = 2900  # the alphabet of syllables and bytes alone takes more than 2,700

MakeModel = Callable[[str], "PreTrainedModel"]
LoadArchitecture = Callable[[str], "SharedBase"]
Disturb = Callable[..., "Role"]
DrawTrees = Callable[..., "list[Tree]"]


@pytest.fixture(scope="session", autouse=True)
def one_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """Exact comparisons need a fixed number of threads; sessions without a model never import torch here."""
    models = {"engine", "models", "learners", "prompt", "pretrain", "invariant", "parity", "pipeline"}
    if not any(models & set(item.path.parts) for item in request.session.items):
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    """A real tokenizer, trained on a few worlds; a session's tests share it and leave it as it is."""
    from haechi.pretrain.tokenizer import train_tokenizer
    from haechi.pretrain.worlds.draw import Draw
    from haechi.pretrain.worlds.world import generate
    from haechi.prompt.template import template

    rng = Draw("tokenizer")
    words = template("ko")
    texts = [words.context(generate(rng, passages=4).passages) for _ in range(20)]
    return train_tokenizer(texts, VOCABULARY)


@pytest.fixture(scope="session")
def make_model(tokenizer: PreTrainedTokenizerFast) -> MakeModel:
    """Random models by name; every weight is away from its usual start, so that no term of a layer is 0 or 1."""

    def make(name: str) -> PreTrainedModel:
        import torch

        torch.manual_seed(0)
        model = _architecture(name, len(tokenizer))
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(0.05 * torch.randn(weight.shape, generator=generator))
        return model.eval()

    return make


def _architecture(name: str, vocabulary: int) -> PreTrainedModel:
    import transformers as hf

    shared: dict[str, Any] = {
        "vocab_size": vocabulary,
        "initializer_range": 0.15,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    body: dict[str, Any] = shared | {"hidden_size": 32, "intermediate_size": 48, "max_position_embeddings": 512}
    partial: dict[str, Any] = {"rotary_pct": 0.25}
    grouped: dict[str, Any] = body | {"num_attention_heads": 4, "num_key_value_heads": 2}
    match name:
        case "llama":  # Llama 3.2: grouped queries, tied embeddings
            return hf.LlamaForCausalLM(hf.LlamaConfig(**grouped, num_hidden_layers=4, tie_word_embeddings=True))
        case "gpt2":  # skt/kogpt2: Conv1D, learned positions, tied embeddings
            return hf.GPT2LMHeadModel(hf.GPT2Config(**shared, n_embd=32, n_layer=3, n_head=4, n_positions=512))
        case "neox":  # polyglot-ko: untied, parallel residual, rotary on a part of each head
            return hf.GPTNeoXForCausalLM(
                hf.GPTNeoXConfig(
                    **body,
                    **partial,
                    num_attention_heads=2,
                    num_hidden_layers=3,
                    tie_word_embeddings=False,
                    use_parallel_residual=True,
                )
            )
        case "qwen3":  # normed queries and keys, a head size of its own
            return hf.Qwen3ForCausalLM(
                hf.Qwen3Config(**grouped, head_dim=12, num_hidden_layers=3, tie_word_embeddings=False)
            )
        case "mistral":  # a sliding window
            return hf.MistralForCausalLM(hf.MistralConfig(**grouped, num_hidden_layers=3, sliding_window=8))
        case _:
            raise KeyError(name)


@pytest.fixture(scope="session")
def checkpoint_folder(
    make_model: MakeModel, tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """The folder of a random checkpoint, written once a session."""
    folders: dict[str, Path] = {}

    def folder_of(name: str) -> Path:
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp(name)
            make_model(name).save_pretrained(folders[name], safe_serialization=True)
            tokenizer.save_pretrained(folders[name])
        return folders[name]

    return folder_of


@pytest.fixture(scope="session")
def load_architecture(checkpoint_folder: Callable[[str], Path]) -> LoadArchitecture:
    """A base of its own, freshly loaded in float32 on the CPU."""

    def load(name: str) -> SharedBase:
        from haechi.models.load import load_base

        return load_base(str(checkpoint_folder(name)), dtype="float32", device="cpu")

    return load


@pytest.fixture(scope="session", params=ARCHITECTURES)
def base(request: pytest.FixtureRequest, load_architecture: LoadArchitecture) -> SharedBase:
    """Each architecture in turn; its own weights stay as they are."""
    return load_architecture(request.param)


@pytest.fixture(scope="session")
def llama(load_architecture: LoadArchitecture) -> SharedBase:
    """The Llama alone, where the architecture does not matter; its own weights stay as they are."""
    return load_architecture("llama")


@pytest.fixture(scope="session")
def disturb() -> Disturb:
    """Moves a role's weights away from where they start, as training would."""

    def moved(role: Role, seed: int = 7, size: float = 0.1) -> Role:
        import torch

        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in role.parameters().values():
                weight.add_(size * torch.randn(weight.shape, generator=generator))
        return role

    return moved


@pytest.fixture(scope="session")
def draw_trees() -> DrawTrees:
    """Random trees of given shapes: `((prompt tokens, (answer tokens, …)), …)`."""

    def draw(shapes: Sequence[tuple[int, Sequence[int]]], seed: int = 3) -> list[Tree]:
        from haechi.engine.trees import Tree

        rng = random.Random(seed)

        def ids(count: int) -> list[int]:
            return [rng.randrange(3, VOCABULARY) for _ in range(count)]

        return [Tree(ids(prompt), [ids(answer) for answer in answers]) for prompt, answers in shapes]

    return draw
