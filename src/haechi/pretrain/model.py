"""saessak (새싹), the embedded base: a plain Llama of a few million parameters that is born able to copy.

Reading is copying the right thing. Found by gradient descent alone, copying takes millions of tokens to appear; set up
in the first weights (`initialise`) it is there at once, and a hundred steps or two of repeated strings and look-ups
make it firm before the first world. Worlds come in gradually, because a sudden start undoes it (docs/log.md).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from haechi.prompt.tokens import Codec

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

# The first weights. A token's embedding has this standard deviation, and the last norm's gain makes the logits of a
# tied output layer what they would be at 0.06: wide enough for AdamW's steps not to wash an embedding away.
_EMBEDDING_STD, _OUTPUT_STD = 0.25, 0.06
_PREVIOUS_SHARPNESS = 8.0  # what each fast pair of dimensions adds to the attention score of the token before
_MATCH_SHARPNESS = 3.5  # gain on the product of a token and what stood before another
_WRITTEN = 2.5  # gain with which the two heads write, in standard deviations of an embedding


def build_model(
    tokenizer: PreTrainedTokenizerFast,
    *,
    layers: int,
    width: int,
    heads: int,
    intermediate: int,
    seed: int,
    rope_theta: float = 1e6,
    context: int = 2048,
) -> LlamaForCausalLM:
    """A Llama with the first weights of `initialise`. A large `rope_theta` leaves half of every head's dimensions
    turning so slowly that a match over hundreds of tokens still is one."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    codec = Codec(tokenizer)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=context,
        rope_parameters={"rope_type": "default", "rope_theta": rope_theta},
        initializer_range=0.06,
        tie_word_embeddings=True,
        pad_token_id=codec.pad,
        bos_token_id=codec.bos[0],
        eos_token_id=codec.eos,
    )
    model = LlamaForCausalLM(config)
    initialise(model)
    return model


@torch.no_grad()
def initialise(model: LlamaForCausalLM) -> None:
    """First weights: an induction circuit (arXiv 2209.11895) in layers 0 and 1; no other branch adds anything yet.

    Layer 0: heads look at the token before and write the first quarter of its embedding into the residual's last
    quarter, which embeddings leave empty. Layer 1: half of the heads compare the token at hand with what stood before
    others, in the slowly turning half of their dimensions, and write half of the embedding of the token found. "A B …
    A" then predicts B. Structured first weights are known to help (mimetic initialisation, arXiv 2305.09828); this
    structure is ours. Training is free to change all of it.
    """
    config: Any = model.config
    layers: Any = model.model.layers  # whose attributes a ModuleList does not type
    width, heads = config.hidden_size, config.num_attention_heads
    head = width // heads
    half, quarter = head // 2, width // 4
    theta = config.rope_parameters["rope_theta"]
    for layer in layers:
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
    model.model.norm.weight.fill_(_OUTPUT_STD / _EMBEDDING_STD)

    # Dimension 0 is constant, so that a query can ask for a position whatever the token is. With the last quarter
    # empty and half of √D there, an embedding's root mean square is its standard deviation, and 0 reads ½√D.
    table = model.model.embed_tokens.weight
    table.mul_(_EMBEDDING_STD / config.initializer_range)
    constant = 0.5 * width**0.5
    table[:, 0] = constant * _EMBEDDING_STD
    table[:, -quarter:] = 0
    table[config.pad_token_id] = 0

    before, match = layers[0].self_attn, layers[1].self_attn
    turned = -(-quarter // head)  # heads of layer 0 that the quarter needs
    for projection in (before.q_proj, before.k_proj):
        projection.weight[: turned * head] = 0
    gain = (_PREVIOUS_SHARPNESS * head**0.5) ** 0.5 / constant
    for start in range(0, turned * head, head):
        for pair in range(half // 4):  # the fast pairs; a key turned on by one place meets the next query in phase
            angle = theta ** (-pair / half)
            before.q_proj.weight[start + pair, 0] = gain
            before.k_proj.weight[start + pair, 0] = gain * math.cos(angle)
            before.k_proj.weight[start + half + pair, 0] = gain * math.sin(angle)
    _copying(before, 1, width - quarter, quarter, rows=turned * head)

    compared = width // 2
    slow = [*range(half - half // 2, half), *range(head - half // 2, head)]
    for projection in (match.q_proj, match.k_proj):
        projection.weight[:compared] = 0
    for number in range(min(quarter, heads // 2 * len(slow))):
        row = number // len(slow) * head + slow[number % len(slow)]
        match.q_proj.weight[row, 1 + number] = _MATCH_SHARPNESS**0.5
        match.k_proj.weight[row, width - quarter + number] = _MATCH_SHARPNESS**0.5
    _copying(match, 1, 1, compared, rows=compared)


def _copying(attention: Any, source: int, target: int, count: int, rows: int) -> None:
    """Makes the first heads (`rows` rows) carry `count` dimensions, unmixed, from `source` on to `target` on."""
    value, output = attention.v_proj.weight, attention.o_proj.weight
    value[:rows] = 0
    for number in range(count):
        value[number, source + number] = 1
        output[target + number, number] = _WRITTEN * _EMBEDDING_STD
