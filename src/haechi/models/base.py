"""The shared base: one causal language model in memory, worn by every role in turn.

Legend: B rows, T tokens of a row, P places, R places that are read, D width.

`wearing(role)` puts a role's weights on; inside it the base computes as that role does. The lower layers that no role
changes (the trunk) can be computed apart and their states reused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from haechi.engine.trees import Layout, Packed, taken
from haechi.errors import ModelError
from haechi.models.llama.decoder import Decoder
from haechi.models.llama.linear import Adapters
from haechi.prompt.tokens import Codec

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from haechi.models.roles import Role


class SharedBase:
    """A frozen causal language model, its tokenizer, and the means to run parts of it.

    Attributes:
        model: the plain Transformers model; its own parameters never require gradients.
        codec: the tokenizer.
        name: what the user called it.
        provenance: where the weights come from (revision or sha256), recorded with the run.
        terms: files of the base's folder that say under what terms it may be used; a model made of it takes them along.
        decoder: runs the model on flat trees, where it can (`haechi.models.llama`).
    """

    def __init__(
        self,
        model: PreTrainedModel,
        codec: Codec,
        name: str,
        provenance: dict[str, str] | None = None,
        terms: Sequence[Path] = (),
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self.codec = codec
        self.name = name
        self.provenance = provenance or {}
        self.terms = terms
        self.decoder = Decoder(model) if Decoder.suits(model) else None
        self._layout: Layout = "rows" if self.decoder is None else "flat"
        self.body: nn.Module = model.base_model
        self.layers = _decoder_layers(model)
        self.width = int(model.config.hidden_size)
        self._names_of = _names_of(model)
        self._lora: list[dict[str, tuple[Tensor, Tensor, float]]] = []
        self._hooked: set[str] = set()

    @property
    def num_layers(self) -> int:
        return len(self.layers)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(p for p in self.model.parameters() if p.is_floating_point()).dtype

    @property
    def layout(self) -> Layout:
        """How trees must lie so that the forward pass is exact (`check_forward` decides)."""
        # Mixed precision is for Transformers' modules, which autocast knows.
        return "rows" if self._layout == "flat" and torch.is_autocast_enabled(self.device.type) else self._layout

    @layout.setter
    def layout(self, layout: Layout) -> None:
        self._layout = layout

    @property
    def shared_forward(self) -> bool:
        """Whether the answers to a prompt share its computation."""
        return self._layout != "apart"

    @property
    def adapters(self) -> Adapters:
        """The LoRA matrices that are worn now, oldest first."""
        return self._lora

    # ── wearing a role ────────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def wearing(self, role: Role | None) -> Iterator[SharedBase]:
        """Puts a role's weights (and its parents') on the base for the time of the block."""
        if role is None:
            yield self
            return
        with ExitStack() as stack:
            for name, weight in role.replacements().items():
                for tied in self._names_of[name]:
                    stack.enter_context(self._replaced(tied, weight))
            previous, self._lora = self._lora, role.lora_chain()
            for module in {module for layer in self._lora for module in layer}:
                self._hook(module)
            try:
                yield self
            finally:
                self._lora = previous

    @contextmanager
    def _replaced(self, name: str, weight: Tensor) -> Iterator[None]:
        path, _, leaf = name.rpartition(".")
        module = self.model.get_submodule(path)
        original = module._parameters[leaf]
        assert original is not None
        # The cast is part of the graph: gradients reach the role's float32 weight.
        module._parameters[leaf] = weight.to(original.dtype)  # type: ignore[assignment]
        try:
            yield
        finally:
            module._parameters[leaf] = original

    def _hook(self, name: str) -> None:
        """Adds scale · (x Aᵀ) Bᵀ of the worn adapters to a linear module's output (LoRA, arXiv 2106.09685, §4.1)."""
        if name in self._hooked:
            return
        self._hooked.add(name)

        def add_delta(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            for adapter in self._lora:
                if name in adapter:
                    a, b, scale = adapter[name]
                    x = inputs[0]
                    output = output + ((x @ a.to(x.dtype).T) @ b.to(x.dtype).T * scale).to(output.dtype)
            return output

        self.model.get_submodule(name).register_forward_hook(add_delta)

    # ── forward ───────────────────────────────────────────────────────────────────────────────────────────────────

    def hidden(self, packed: Packed, *, start: int = 0, states_PD: Tensor | None = None) -> Tensor:
        """Final hidden states where they are read [R, D].

        Args:
            start: first layer to compute; the layers below are replaced by `states_PD`.
            states_PD: inputs of layer `start`, from `trunk`.
        """
        if packed.layout == "flat":
            assert self.decoder is not None
            return self.decoder.hidden(packed, self._lora, start=start, states_PD=states_PD)
        if start == 0:
            hidden_BTD = self._run(packed)
        else:
            assert states_PD is not None
            with self._skipping(start, states_PD.view(*packed.tokens_BT.shape, -1)):
                hidden_BTD = self._run(packed)
        return taken(hidden_BTD.flatten(0, 1), packed.read_R)

    @torch.no_grad()
    def trunk(self, packed: Packed, *, stop: int) -> Tensor:
        """What the layers below `stop` (at least one, at most all) make of the tokens [P, D]."""
        if packed.layout == "flat":
            assert self.decoder is not None
            return self.decoder.states(packed, self._lora, stop=stop)
        caught: list[Tensor] = []

        def catch(_: nn.Module, __: object, output: Tensor | tuple[Tensor, ...]) -> None:
            caught.append(output[0] if isinstance(output, tuple) else output)
            raise _TrunkComputed

        handle = self.layers[stop - 1].register_forward_hook(catch)
        try:
            self._run(packed)
        except _TrunkComputed:
            return caught[0].flatten(0, 1)
        finally:
            handle.remove()
        raise ModelError(f"{self.name}: layer {stop} was never reached")

    def _run(self, packed: Packed) -> Tensor:
        visible_BTT = packed.visible_BTT
        output = self.body(
            input_ids=packed.tokens_BT.to(self.device),
            attention_mask=None if visible_BTT is None else visible_BTT[:, None].to(self.device),
            position_ids=packed.positions_BT.to(self.device),
            use_cache=False,
        )
        return output.last_hidden_state

    @contextmanager
    def _skipping(self, start: int, states_BTD: Tensor) -> Iterator[None]:
        """Layers below `start` hand the cached states on instead of computing."""
        returns_tuple = self._layer_returns_tuple()

        def hand_on(*args: object, **kwargs: object) -> object:
            return (states_BTD,) if returns_tuple else states_BTD

        for layer in self.layers[:start]:
            layer.forward = hand_on  # type: ignore[method-assign]
        try:
            yield
        finally:
            for layer in self.layers[:start]:
                del layer.forward

    def _layer_returns_tuple(self) -> bool:
        if not hasattr(self, "_tuple"):
            seen: list[bool] = []
            handle = self.layers[0].register_forward_hook(lambda m, i, o: seen.append(isinstance(o, tuple)))
            with torch.no_grad():
                self.body(input_ids=torch.zeros(1, 1, dtype=torch.long, device=self.device), use_cache=False)
            handle.remove()
            self._tuple = seen[0]
        return self._tuple

    def output_weight(self) -> tuple[Tensor, Tensor | None]:
        """The vocabulary projection [V, D] and its bias, as the worn role has them."""
        head = self.model.get_output_embeddings()
        if not isinstance(head, nn.Linear):
            raise ModelError(f"{self.name}: the model has no linear output layer, so answers cannot be scored")
        return head.weight, head.bias


class _TrunkComputed(Exception):
    """Ends a forward pass as soon as the trunk's states are there."""


def _names_of(model: PreTrainedModel) -> dict[str, list[str]]:
    """By a parameter's first name all its names: tied embeddings are also the output layer's weight."""
    names: dict[int, list[str]] = {}
    for name, weight in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(weight), []).append(name)
    return {tied[0]: tied for tied in names.values()}


def _decoder_layers(model: PreTrainedModel) -> Sequence[nn.Module]:
    count = model.config.num_hidden_layers
    for module in model.base_model.children():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return list(module)
    raise ModelError(
        f"{type(model).__name__}: no list of {count} decoder layers found. "
        "Fix: use a decoder-only model such as Llama, Qwen, GPT-2 or GPT-NeoX."
    )
