"""TRL's DPOTrainer, RewardTrainer and SFTTrainer on a row: python -m engine.peers.trl_fixed ROW SETTING CHECKPOINT

As their documentation sets them up (`user`), the defaults of their own configurations hold: bfloat16 autocast and
gradient checkpointing, except for SFT, whose fastest documented setting is the same as `float32` and `bfloat16` here
without checkpointing; the better one counts.
"""

from __future__ import annotations

import tempfile
import time
from typing import Any

import peft
import torch
import transformers
import trl
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoTokenizer, LlamaForCausalLM, LlamaForSequenceClassification

from engine import shape
from engine.shape import Row, asked, ids, say, text


def main() -> None:
    """Measures the second step (with frozen lower layers the mean of three), and prints what was found."""
    row, setting, checkpoint = asked()
    torch.set_num_threads(shape.THREADS)
    torch.manual_seed(0)
    dtype = torch.bfloat16 if setting == "bfloat16" else torch.float32
    documented = setting == "user"
    steps = max(2, row.steps)
    micro = shape.MICRO_BATCH // row.answers
    with tempfile.TemporaryDirectory() as folder:
        options: dict[str, Any] = {
            "output_dir": folder,
            "per_device_train_batch_size": micro,
            "gradient_accumulation_steps": row.prompts // micro,
            "max_steps": steps,
            "learning_rate": shape.LEARNING_RATE,
            "max_length": row.prompt_tokens + row.answer_tokens + 8,
            "report_to": [],
            "save_strategy": "no",
            "use_cpu": True,
            "disable_tqdm": True,
            "bf16": documented,
            "gradient_checkpointing": documented,
        }
        trainer = _trainer(row, checkpoint, dtype, options)
        stamps = _watch(trainer)
        trainer.train()
    each = row.prompts // micro
    per_step = [sum(stamps[i : i + each]) for i in range(0, len(stamps), each)]
    say(
        sum(per_step) / row.steps if row.steps > 1 else per_step[-1],
        dtype=str(dtype).removeprefix("torch."),
        autocast=documented,
        trl=trl.__version__,
        torch=torch.__version__,
        transformers=transformers.__version__,
        peft=peft.__version__,
    )


def _trainer(row: Row, checkpoint: str, dtype: torch.dtype, options: dict[str, Any]) -> Any:
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    lora = None
    if row.trained == "lora":
        lora = LoraConfig(
            r=shape.RANK,
            lora_alpha=shape.ALPHA,
            target_modules="all-linear",
            task_type="SEQ_CLS" if row.kind == "reward" else "CAUSAL_LM",
        )
    count = row.prompts * (1 if row.steps > 1 else 2)
    prompts = [text(ids(row.prompt_tokens, f"prompt {i}")) for i in range(count)]
    answers = [[text(ids(row.answer_tokens, f"answer {i} {k}")) for i in range(count)] for k in range(2)]
    if row.kind == "reward":
        model = LlamaForSequenceClassification.from_pretrained(checkpoint, num_labels=1, dtype=dtype)
        chosen, rejected = ([f"{p} {a}" for p, a in zip(prompts, some, strict=True)] for some in answers)
        data = Dataset.from_dict({"chosen": chosen, "rejected": rejected})
    else:
        model = LlamaForCausalLM.from_pretrained(checkpoint, dtype=dtype)
        asked_for = [f"{prompt} " for prompt in prompts]
        columns = {"prompt": asked_for, "chosen": answers[0], "rejected": answers[1]}
        data = Dataset.from_dict(
            {"prompt": asked_for, "completion": answers[0]} if row.kind == "sft" else columns
        )
    if row.trained == "top":
        _top_only(model)
    common: dict[str, Any] = {"train_dataset": data, "processing_class": tokenizer, "peft_config": lora}
    if row.kind == "reward":
        return trl.RewardTrainer(model=model, args=trl.RewardConfig(**options), **common)
    if row.kind == "sft":
        return trl.SFTTrainer(model=model, args=trl.SFTConfig(**options, packing=False), **common)
    reference = None
    if row.trained == "top":
        reference = LlamaForCausalLM.from_pretrained(checkpoint, dtype=dtype)
    return trl.DPOTrainer(model=model, ref_model=reference, args=trl.DPOConfig(**options), **common)


def _top_only(model: torch.nn.Module) -> None:
    learns = [f"layers.{i}." for i in range(shape.LAYERS - shape.TOP_LAYERS, shape.LAYERS)]
    for name, parameter in model.named_parameters():
        parameter.requires_grad = any(part in name for part in learns) or name.startswith(("score", "model.norm"))


def _watch(trainer: Any) -> list[float]:
    """Seconds of each micro-batch, forwards and backwards; the optimiser's step is left out, in the peer's favour."""
    stamps: list[float] = []
    step = trainer.training_step

    def timed(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        loss = step(*args, **kwargs)
        stamps.append(time.perf_counter() - began)
        return loss

    trainer.training_step = timed
    return stamps


if __name__ == "__main__":
    main()
