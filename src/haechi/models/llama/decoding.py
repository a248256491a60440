"""Answers written token by token: keys and values of a prompt held once for all its answers, those of answers in memory
that doubles when it is full.

Legend: M prompts, T places of the longest prompt, B answers being written, L places of an answer, G key heads, H heads,
K size of a head, D width, S answers a prompt has at most.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from haechi.engine.products import Laid
from haechi.models.llama.attention import Attention, Plan, attend, behind, blocks_of_prompt, only
from haechi.models.llama.decoder import Decoder
from haechi.models.llama.linear import Adapters

_ROOM = 64  # places of an answer, at first
_ALWAYS = 1 << 30  # products that are yet to come of a weight that stays laid out


class Weights:
    """A decoder and the vocabulary projection as a role wears them, ready for products with few rows."""

    def __init__(
        self, decoder: Decoder, adapters: Adapters, output: tuple[Tensor, Tensor | None], rows: int, products: int
    ) -> None:
        self.decoder = decoder
        self.layers = [decoder.layer(number, adapters) for number in range(decoder.num_layers)]
        self._output_VD, self._bias_V = output
        self._laid_output: Laid | None = None
        if Laid.pays(self._output_VD, rows, products):
            self._laid_output = Laid(self._output_VD)
            for layer in self.layers:
                layer.attention.lay(rows, products)
                layer.feed_forward.lay(rows, products)

    def logits(self, hidden_BD: Tensor) -> Tensor:
        """Of the token after each state [B, V]."""
        if self._laid_output is None:
            return F.linear(hidden_BD, self._output_VD, self._bias_V)
        logits_BV = self._laid_output.product(hidden_BD)
        return logits_BV if self._bias_V is None else logits_BV + self._bias_V


class Memory:
    """What stays between questions that are asked one at a time of a role that does not learn: its weights as they were
    laid out, and the keys and values of the last prompt, with which the next one often begins.

    Attributes:
        reused: how many places of the last prompt did not have to be computed.
    """

    def __init__(self) -> None:
        self.reused = 0
        self._role: object = self
        self._weights: Weights | None = None
        self._tokens: Sequence[int] = ()
        self._states: list[tuple[Tensor, Tensor]] = []  # of each layer: keys and values [G, T, K]

    def of(self, role: object) -> Memory:
        """The memory, empty unless it is of this role."""
        if self._role is not role:
            self.__init__()
            self._role = role
        return self

    def weights(self, make: Callable[[int], Weights]) -> Weights:
        """The weights; made (with so many products to come) if they are not here."""
        if self._weights is None:
            self._weights = make(_ALWAYS)
        return self._weights

    def recalled(self, prompt: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of the places with which a prompt begins like the last one; its own last place is left."""
        shared = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(prompt[:-1], self._tokens, strict=False))
        self.reused = sum(1 for _ in shared)
        return [(keys[:, : self.reused], values[:, : self.reused]) for keys, values in self._states]

    def remember(self, prompt: Sequence[int], states: list[tuple[Tensor, Tensor]]) -> None:
        """Takes the keys and values of a whole prompt."""
        self._tokens, self._states = list(prompt), states


class Decoding:
    """Some prompts and the answers to them that are being written.

    Args:
        output: the vocabulary projection, weight and bias.
        new_tokens: the most that an answer gets.
        memory: of the role that is worn; for a single prompt.
    """

    def __init__(
        self,
        decoder: Decoder,
        adapters: Adapters,
        output: tuple[Tensor, Tensor | None],
        prompts: Sequence[Sequence[int]],
        samples: int,
        new_tokens: int,
        memory: Memory | None = None,
    ) -> None:
        rows = len(prompts) * samples

        def make(products: int) -> Weights:
            return Weights(decoder, adapters, output, rows, products)

        self._decoder = decoder
        self._weights = make(new_tokens) if memory is None else memory.weights(make)
        self._lengths_M = torch.tensor([len(prompt) for prompt in prompts])
        self._prompt_of_B = torch.arange(len(prompts)).repeat_interleave(samples)
        self._used = 0
        self._prompts: list[tuple[Tensor, Tensor]] = []  # of each layer: keys [M, G, K, T] and values [M, G, T, K]
        last_MD = self._read(prompts, memory)
        _, heads, _, size = self._prompts[0][1].shape
        room = (rows, heads, min(_ROOM, new_tokens), size)
        self._answers = [(last_MD.new_zeros(room), last_MD.new_zeros(room)) for _ in self._weights.layers]
        self._hidden_BD = last_MD[self._prompt_of_B]
        self._seat()

    def logits(self) -> Tensor:
        """Of each answer's next token [B, V]."""
        return self._weights.logits(self._hidden_BD)

    def step(self, tokens_B: Tensor) -> None:
        """Writes a token to every answer."""
        x_BD = self._decoder.embed(tokens_B)
        positions_B = self._lengths_M[self._prompt_of_B] + self._used
        plan = Plan(None, [], *self._decoder.rotation(positions_B, x_BD.dtype))
        if self._used == self._answers[0][0].shape[2]:
            self._answers = [(_doubled(keys), _doubled(values)) for keys, values in self._answers]
        room = self._answers[0][0].shape[2]
        self._unwritten_L = torch.zeros(room).masked_fill_(torch.arange(room) > self._used, float("-inf"))
        for layer, prompts, answers in zip(self._weights.layers, self._prompts, self._answers, strict=True):
            x_BD = layer.feed_forward(self._attention(layer.attention, x_BD, plan, prompts, answers))
        self._used += 1
        self._hidden_BD = self._decoder.finish(x_BD)

    def keep(self, rows: Tensor) -> None:
        """Goes on with some answers alone, named by their present place, in ascending order."""
        self._prompt_of_B = self._prompt_of_B[rows]
        self._answers = [(keys[rows], values[rows]) for keys, values in self._answers]
        self._hidden_BD = self._hidden_BD[rows]
        asked = self._prompt_of_B.unique()
        if 2 * len(asked) <= len(self._lengths_M):
            self._prompts = [(keys[asked], values[asked]) for keys, values in self._prompts]
            self._lengths_M = self._lengths_M[asked]
            self._prompt_of_B = torch.searchsorted(asked, self._prompt_of_B)
        self._seat()

    def _seat(self) -> None:
        """Gives each answer a seat beside its prompt, so that those of a prompt can ask it together."""
        counts_M = torch.bincount(self._prompt_of_B, minlength=len(self._lengths_M))
        self._seats = int(counts_M.max())
        number_B = torch.arange(len(self._prompt_of_B)) - (counts_M.cumsum(0) - counts_M)[self._prompt_of_B]
        self._seat_B = self._prompt_of_B * self._seats + number_B
        longest = self._prompts[0][0].shape[3]
        unused_MT = torch.arange(longest) >= self._lengths_M[:, None]
        self._mask_M11T = torch.zeros(unused_MT.shape).masked_fill_(unused_MT, float("-inf"))[:, None, None]

    def _read(self, prompts: Sequence[Sequence[int]], memory: Memory | None) -> Tensor:
        """Computes the prompts, keeping their keys and values; the state of each one's last place [M, D]."""
        recalled = [] if memory is None else memory.recalled(prompts[0])
        known = recalled[0][0].shape[1] if recalled else 0
        tokens_P = torch.tensor([token for prompt in prompts for token in prompt[known:]])
        positions_P = torch.cat([torch.arange(known, len(prompt)) for prompt in prompts])
        ends_M = (self._lengths_M - known).cumsum(0)
        starts_M = ends_M - (self._lengths_M - known)
        spans = zip(starts_M.tolist(), ends_M.tolist(), strict=True)
        blocks = [block for start, end in spans for block in blocks_of_prompt(start, end)]
        x_PD = self._decoder.embed(tokens_P)
        rotation = self._decoder.rotation(positions_P, x_PD.dtype)
        plan = Plan(None, behind(blocks, known), *rotation)
        reading = Plan(ends_M - 1, behind(only(blocks, ends_M - 1), known), *rotation)
        states: list[tuple[Tensor, Tensor]] = []
        for number, layer in enumerate(self._weights.layers):
            of_layer = reading if layer is self._weights.layers[-1] else plan
            q_QHK, k_PGK, v_PGK = layer.attention.project(x_PD, of_layer)
            q_HQK, k_GPK = layer.attention.turned(q_QHK, k_PGK, of_layer)
            v_GPK = v_PGK.transpose(0, 1)
            if recalled:
                before_k, before_v = recalled[number]
                k_GPK, v_GPK = torch.cat([before_k, k_GPK], dim=1), torch.cat([before_v, v_GPK], dim=1)
            states.append((k_GPK, v_GPK))
            out_QHK = attend(q_HQK, k_GPK, v_GPK, of_layer.blocks)
            x_PD = layer.feed_forward(layer.attention.out.forward(out_QHK.flatten(1), onto=of_layer.of_asking(x_PD)))
        self._prompts = [(self._by_prompt(keys).mT.contiguous(), self._by_prompt(values)) for keys, values in states]
        if memory is not None:
            memory.remember(prompts[0], states)
        return self._decoder.finish(x_PD)

    def _by_prompt(self, states_GPK: Tensor) -> Tensor:
        """[M, G, T, K], shorter prompts filled up with zeros."""
        parts = states_GPK.transpose(0, 1).split(self._lengths_M.tolist())
        return pad_sequence(list(parts), batch_first=True).transpose(1, 2).contiguous()

    def _attention(
        self,
        attention: Attention,
        x_BD: Tensor,
        plan: Plan,
        prompts: tuple[Tensor, Tensor],
        answers: tuple[Tensor, Tensor],
    ) -> Tensor:
        q_BHK, k_BGK, v_BGK = attention.project(x_BD, plan)
        q_HBK, k_GBK = attention.turned(q_BHK, k_BGK, plan)
        (prompt_keys, prompt_values), (keys, values) = prompts, answers
        keys[:, :, self._used], values[:, :, self._used] = k_GBK.transpose(0, 1), v_BGK
        # Queries [B, G, H/G, K]: a head's queries ask the keys of its group.
        q = q_HBK.transpose(0, 1).reshape(len(x_BD), keys.shape[1], -1, keys.shape[3])
        of_prompt = self._from_seats(self._seated(q) @ prompt_keys + self._mask_M11T, q)
        # Over all the room there is: a product with a part of it would copy that part first.
        of_own = q @ keys.mT + self._unwritten_L
        weights = torch.cat([of_prompt, of_own], dim=-1).softmax(-1, dtype=torch.float32).to(q.dtype)
        on_prompt, on_own = weights.split([of_prompt.shape[-1], of_own.shape[-1]], dim=-1)
        out = self._from_seats(self._seated(on_prompt) @ prompt_values, q) + on_own @ values
        return attention.out.forward(out.flatten(1), onto=x_BD)

    def _seated(self, rows_BGHX: Tensor) -> Tensor:
        """[M, G, S · H/G, X]: rows beside their prompt, empty seats filled with zeros."""
        _, groups, heads, last = rows_BGHX.shape
        prompts = len(self._lengths_M)
        if len(rows_BGHX) == prompts * self._seats:
            seated = rows_BGHX
        else:
            seated = rows_BGHX.new_zeros(prompts * self._seats, groups, heads, last)
            seated[self._seat_B] = rows_BGHX
        return seated.view(prompts, self._seats, groups, heads, last).transpose(1, 2).reshape(prompts, groups, -1, last)

    def _from_seats(self, seated_MGSX: Tensor, like_BGHK: Tensor) -> Tensor:
        """[B, G, H/G, X]: the opposite."""
        prompts, groups, _, last = seated_MGSX.shape
        rows = seated_MGSX.view(prompts, groups, self._seats, -1, last).transpose(1, 2).flatten(0, 1)
        return rows if len(rows) == len(like_BGHK) else rows[self._seat_B]


def _doubled(states_BGLK: Tensor) -> Tensor:
    """With as much room again, which holds zeros: what nobody has written is multiplied by 0, and must be a number."""
    return torch.cat([states_BGLK, torch.zeros_like(states_BGLK)], dim=2)
