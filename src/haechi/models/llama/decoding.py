"""Answers written token by token: keys and values of a prompt held once for all its answers, those of answers in memory
that doubles when it is full.

Legend: M prompts, T places of the longest prompt, B answers being written, L places of an answer, G key heads, H heads,
K size of a head, D width, S answers a prompt has at most.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from haechi.engine.products import Laid
from haechi.models.llama.attention import Attention, Plan, blocks_of_prompt, only
from haechi.models.llama.decoder import Decoder
from haechi.models.llama.linear import Adapters

_ROOM = 64  # places of an answer, at first


class Decoding:
    """Some prompts and the answers to them that are being written.

    Args:
        output: the vocabulary projection, weight and bias.
        new_tokens: the most that an answer gets.
    """

    def __init__(
        self,
        decoder: Decoder,
        adapters: Adapters,
        output: tuple[Tensor, Tensor | None],
        prompts: Sequence[Sequence[int]],
        samples: int,
        new_tokens: int,
    ) -> None:
        self._decoder = decoder
        self._layers = [decoder.layer(number, adapters) for number in range(decoder.num_layers)]
        self._output_VD, self._bias_V = output
        self._laid_output: Laid | None = None
        rows = len(prompts) * samples
        if Laid.pays(self._output_VD, rows, new_tokens):
            self._laid_output = Laid(self._output_VD, rows)
            for layer in self._layers:
                layer.attention.lay(rows, new_tokens)
                layer.feed_forward.lay(rows, new_tokens)
        self._lengths_M = torch.tensor([len(prompt) for prompt in prompts])
        self._prompt_of_B = torch.arange(len(prompts)).repeat_interleave(samples)
        self._used = 0
        self._prompts: list[tuple[Tensor, Tensor]] = []  # of each layer: keys [M, G, K, T] and values [M, G, T, K]
        last_MD = self._read(prompts)
        _, heads, _, size = self._prompts[0][1].shape
        room = (rows, heads, min(_ROOM, new_tokens), size)
        self._answers = [(last_MD.new_zeros(room), last_MD.new_zeros(room)) for _ in self._layers]
        self._hidden_BD = last_MD[self._prompt_of_B]
        self._seat()

    def logits(self) -> Tensor:
        """Of each answer's next token [B, V]."""
        if self._laid_output is None:
            return F.linear(self._hidden_BD, self._output_VD, self._bias_V)
        logits_BV = self._laid_output.product(self._hidden_BD)
        return logits_BV if self._bias_V is None else logits_BV + self._bias_V

    def step(self, tokens_B: Tensor) -> None:
        """Writes a token to every answer."""
        x_BD = self._decoder.embed(tokens_B)
        positions_B = self._lengths_M[self._prompt_of_B] + self._used
        plan = Plan(None, [], *self._decoder.rotation(positions_B, x_BD.dtype))
        if self._used == self._answers[0][0].shape[2]:
            self._answers = [(_doubled(keys), _doubled(values)) for keys, values in self._answers]
        room = self._answers[0][0].shape[2]
        self._unwritten_L = torch.zeros(room).masked_fill_(torch.arange(room) > self._used, float("-inf"))
        for layer, prompts, answers in zip(self._layers, self._prompts, self._answers, strict=True):
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

    def _read(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """Computes the prompts, keeping their keys and values; the state of each one's last place [M, D]."""
        tokens_P = torch.tensor([token for prompt in prompts for token in prompt])
        positions_P = torch.cat([torch.arange(len(prompt)) for prompt in prompts])
        ends_M = self._lengths_M.cumsum(0)
        blocks = [
            block
            for end, length in zip(ends_M.tolist(), self._lengths_M.tolist(), strict=True)
            for block in blocks_of_prompt(end - length, end)
        ]
        x_PD = self._decoder.embed(tokens_P)
        plan = Plan(None, blocks, *self._decoder.rotation(positions_P, x_PD.dtype))
        reading = Plan(ends_M - 1, only(blocks, ends_M - 1), plan.cos_PK, plan.sin_PK)
        for layer in self._layers:
            of_layer = reading if layer is self._layers[-1] else plan
            x_PD, (q_QHK, k_PGK, v_PGK, _) = layer.attention.forward(x_PD, of_layer)
            _, k_GPK = layer.attention.turned(q_QHK, k_PGK, of_layer)
            self._prompts.append((self._by_prompt(k_GPK).mT.contiguous(), self._by_prompt(v_PGK.transpose(0, 1))))
            x_PD = layer.feed_forward(x_PD)
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
