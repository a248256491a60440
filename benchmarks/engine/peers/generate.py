"""Transformers' generate on a row: python -m engine.peers.generate ROW SETTING CHECKPOINT

Its documentation offers for a CPU: the dynamic or the static cache, a prompt's cache handed in again, bfloat16, and
several samples of a prompt in one call. The settings measured here are those that were fastest.
"""

from __future__ import annotations

import copy

import torch
import transformers
from transformers import DynamicCache, LlamaForCausalLM

from engine import shape
from engine.shape import ASK_PREFIX, Row, Setting, asked, ids, say, timed


def main() -> None:
    """Measures the second batch of a process, and prints what was found."""
    row, setting, checkpoint = asked()
    torch.set_num_threads(shape.THREADS)
    torch.manual_seed(0)
    dtype = torch.bfloat16 if setting == "bfloat16" else torch.float32
    model = LlamaForCausalLM.from_pretrained(checkpoint, dtype=dtype).eval()
    model.generation_config.eos_token_id = None
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    seconds = _rollout(row, model) if row.kind == "rollout" else _ask(row, setting, model)
    new = row.prompts * row.answers * row.answer_tokens
    say(seconds, dtype=str(dtype).removeprefix("torch."), tokens_per_second=new / seconds, **versions)


def _rollout(row: Row, model: LlamaForCausalLM) -> float:
    def batch(number: int) -> float:
        prompts = torch.tensor([ids(row.prompt_tokens, f"prompt {number} {i}") for i in range(row.prompts)])
        return timed(
            lambda: model.generate(
                prompts,
                attention_mask=torch.ones_like(prompts),
                do_sample=True,
                top_k=0,
                num_return_sequences=row.answers,
                max_new_tokens=row.answer_tokens,
                min_new_tokens=row.answer_tokens,
            )
        )

    batch(0)
    return batch(1)


def _ask(row: Row, setting: Setting, model: LlamaForCausalLM) -> float:
    """As a user gets it every question is read whole; else the cache of the prefix is handed in again."""
    prefix = torch.tensor([ids(ASK_PREFIX, "prefix")])
    cached = model(prefix, past_key_values=DynamicCache(), use_cache=True).past_key_values
    seconds = []
    for number in range(2):
        question = torch.tensor([ids(row.prompt_tokens - ASK_PREFIX, f"question {number}")])
        prompt = torch.cat([prefix, question], dim=1)
        more = {} if setting == "user" else {"past_key_values": copy.deepcopy(cached)}
        seconds.append(
            timed(
                lambda prompt=prompt, more=more: model.generate(
                    prompt,
                    attention_mask=torch.ones_like(prompt),
                    do_sample=False,
                    max_new_tokens=row.answer_tokens,
                    min_new_tokens=row.answer_tokens,
                    **more,
                )
            )
        )
    return seconds[-1]


if __name__ == "__main__":
    with torch.inference_mode():
        main()
