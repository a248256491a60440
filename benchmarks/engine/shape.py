"""What is measured: the model's shape, the rows of the table, and the token ids that both sides read.

It imports nothing that ours and the peers' environments do not both have.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

LAYERS, WIDTH, INNER, HEADS, VOCABULARY = 12, 512, 1536, 8, 32_000
PAD, BOS, EOS = 0, 1, 2
THREADS = 2
TOP_LAYERS, RANK, ALPHA = 2, 16, 32
PPO_EPOCHS, MICRO_BATCH = 4, 8
LEARNING_RATE = 1e-6

Kind = Literal["ppo", "dpo", "reward", "sft", "rollout", "ask"]
# How a side is set: in float32 · as a user gets it (ours: its default; the peer: as its documentation sets it up) ·
# the peer loaded in bfloat16 · the peer in float32 with oneDNN's products, of which its documentation says nothing.
Setting = Literal["float32", "user", "bfloat16", "onednn"]
SETTINGS: tuple[Setting, ...] = ("float32", "user", "bfloat16", "onednn")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table.

    Attributes:
        peer: the package that is measured against, and its version.
        trained: `lora` on all linear layers, the `top` two layers and the final norm, or None where nothing learns.
        prompts, answers: prompts of an update, and answers to each.
        float32, user: how many times the peer's time ours must reach, both in float32, and each as a user gets it.
        memory: the same of peak memory; None where none is asked for.
    """

    name: str
    kind: Kind
    peer: str
    trained: Literal["lora", "top"] | None
    prompts: int
    answers: int
    prompt_tokens: int
    answer_tokens: int
    float32: float
    user: float
    memory: float | None

    @property
    def steps(self) -> int:
        """Timed steps; with frozen lower layers three epochs over the same pairs, whose mean counts."""
        return 3 if self.kind == "reward" and self.trained == "top" else 1


_PPO, _TRL, _GENERATE = "trl==1.12.0", "trl==1.16.0", "transformers==5.23.0"
ROWS = {
    row.name: row
    for row in (
        Row("ppo-lora", "ppo", _PPO, "lora", 4, 4, 384, 48, 6, 10, 5),
        Row("ppo-top", "ppo", _PPO, "top", 4, 4, 384, 48, 10, 16, 5),
        Row("ppo-lora-16x1", "ppo", _PPO, "lora", 16, 1, 384, 48, 2.5, 4, 3),
        Row("ppo-top-16x1", "ppo", _PPO, "top", 16, 1, 384, 48, 4.5, 8, 3),
        Row("dpo-lora", "dpo", _TRL, "lora", 8, 2, 768, 64, 3.5, 6, 4),
        Row("dpo-top", "dpo", _TRL, "top", 8, 2, 768, 64, 5, 9, 4),
        Row("reward-lora", "reward", _TRL, "lora", 8, 2, 768, 64, 2.2, 4, 3),
        Row("reward-top", "reward", _TRL, "top", 8, 2, 768, 64, 3, 5, 3),
        Row("sft-lora", "sft", _TRL, "lora", 8, 1, 384, 48, 1.8, 3, 2),
        Row("rollout", "rollout", _GENERATE, None, 4, 4, 384, 48, 4, 6, None),
        Row("ask", "ask", _GENERATE, None, 1, 1, 384, 48, 2, 3, None),
    )
}
# The part of an asked question's prompt that every question shares (instruction and passages).
ASK_PREFIX = 320


def asked() -> tuple[Row, Setting, str]:
    """The row, the setting and the checkpoint's folder that a measuring script is called with."""
    name, setting, checkpoint = sys.argv[1:4]
    assert setting in SETTINGS
    if setting == "onednn":
        import torch

        torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    return ROWS[name], setting, checkpoint


def ids(length: int, name: str) -> list[int]:
    """Random token ids, a function of their name alone; no special token is among them."""
    draw = random.Random(name)
    return [draw.randrange(3, VOCABULARY) for _ in range(length)]


def text(tokens: list[int]) -> str:
    """What the checkpoint's tokenizer reads as these tokens."""
    return " ".join(f"t{token}" for token in tokens)


def timed(work: Callable[[], object]) -> float:
    """Wall-clock seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def say(seconds: float, **more: Any) -> None:
    """Prints what was measured as one line of JSON, the last of a measuring script."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": round(seconds, 4), "peak_mb": round(peak), **more}), flush=True)
