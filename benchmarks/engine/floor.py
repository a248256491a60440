"""The floor: the fewest floating-point operations that a training step needs, over the matrix rate of this moment.

A product of [N × I] and [I × O] counts 2 N I O. A prompt is computed once; the last layer only where a loss reads it.
Frozen weights cost a forward and the gradient of their inputs, learned ones their own gradient too; adapters of rank r
cost their two thin products, forwards and back. Nothing below the lowest learned weight has a backward pass.
"""

from __future__ import annotations

import statistics

import torch

from engine import shape
from engine.shape import Row

_ATTENTION = 4 * shape.WIDTH * shape.WIDTH  # q, k, v and out of a layer
_FEED_FORWARD = 3 * shape.WIDTH * shape.INNER
_ADAPTED = 8 * shape.WIDTH + 3 * (shape.WIDTH + shape.INNER)  # inputs and outputs of a layer's linear modules


def training_operations(row: Row) -> float:
    """Of one step: every epoch of a PPO update, else one pass over the batch."""
    reads = row.answers * row.answer_tokens if row.kind != "reward" else row.answers
    tokens = row.prompt_tokens + row.answers * row.answer_tokens
    below = 0 if row.trained == "lora" else shape.LAYERS - shape.TOP_LAYERS
    total = 0.0
    for layer in range(shape.LAYERS):
        rows = reads if layer + 1 == shape.LAYERS else tokens
        linear = 2.0 * (rows * (_ATTENTION // 2 + _FEED_FORWARD) + tokens * _ATTENTION // 2)
        # Each answer token sees the prompt and half of its answer, each prompt token half of the prompt.
        seen = row.answers * row.answer_tokens * (row.prompt_tokens + row.answer_tokens / 2)
        seen += 0 if layer + 1 == shape.LAYERS else row.prompt_tokens**2 / 2
        attention = 4.0 * seen * shape.WIDTH
        if layer < below:
            continue  # the rollout or an earlier epoch has computed it
        backward = attention * 2 + (linear if layer > below else 0)
        learned = linear if row.trained == "top" else 3 * 2.0 * shape.RANK * tokens * _ADAPTED
        total += linear + attention + backward + learned
    if row.kind != "reward":
        total += 2 * 2.0 * reads * shape.WIDTH * shape.VOCABULARY
    return total * row.prompts * (shape.PPO_EPOCHS if row.kind == "ppo" else 1)


def matrix_rate() -> float:
    """Floating-point operations a second of a float32 product of the size of a layer's, with this process's threads."""
    x, w = torch.randn(1152, shape.WIDTH), torch.randn(shape.WIDTH, shape.INNER)
    seconds = [shape.timed(lambda: x @ w) for _ in range(30)]
    return 2.0 * x.numel() * w.shape[1] / statistics.median(seconds)
