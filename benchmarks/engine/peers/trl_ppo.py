"""TRL's PPOTrainer on a row, in the last release that has one: python -m engine.peers.trl_ppo ROW SETTING CHECKPOINT

It wants four models. As its documentation sets it up (`user`), Trainer's own defaults hold: bfloat16 autocast and
gradient checkpointing. With LoRA its value model is a copy of the base that is trained whole, unless VALUE=frozen is
set in the environment, which leaves it its head.
"""

from __future__ import annotations

import os
import tempfile

import peft
import torch
import transformers
import trl
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoTokenizer, LlamaForCausalLM, LlamaForSequenceClassification
from trl.experimental.ppo import PPOConfig, PPOTrainer

from engine import shape
from engine.shape import asked, ids, say, timed


def main() -> None:
    """Measures one update, and prints what was found."""
    row, setting, checkpoint = asked()
    torch.set_num_threads(shape.THREADS)
    torch.manual_seed(0)
    dtype = torch.bfloat16 if setting == "bfloat16" else torch.float32
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    policy = LlamaForCausalLM.from_pretrained(checkpoint, dtype=dtype)
    reward, value = (
        LlamaForSequenceClassification.from_pretrained(checkpoint, num_labels=1, dtype=dtype) for _ in range(2)
    )
    reference, lora = None, None
    if row.trained == "top":
        reference = LlamaForCausalLM.from_pretrained(checkpoint, dtype=dtype)
        for model in (policy, value):
            _top_only(model)
    else:
        lora = LoraConfig(
            r=shape.RANK, lora_alpha=shape.ALPHA, target_modules="all-linear", task_type="CAUSAL_LM"
        )
        if os.environ.get("VALUE") == "frozen":
            for name, parameter in value.named_parameters():
                parameter.requires_grad = name.startswith("score")
    answers = row.prompts * row.answers
    prompts = [ids(row.prompt_tokens, f"prompt {i}") for i in range(row.prompts) for _ in range(row.answers)]
    data = Dataset.from_dict({"input_ids": prompts})
    with tempfile.TemporaryDirectory() as folder:
        settings = PPOConfig(
            output_dir=folder,
            per_device_train_batch_size=shape.MICRO_BATCH,
            gradient_accumulation_steps=answers // shape.MICRO_BATCH,
            per_device_eval_batch_size=shape.MICRO_BATCH,
            num_mini_batches=1,
            total_episodes=answers,
            num_ppo_epochs=shape.PPO_EPOCHS,
            response_length=row.answer_tokens,
            local_rollout_forward_batch_size=answers,
            num_sample_generations=0,
            learning_rate=shape.LEARNING_RATE,
            temperature=1.0,
            stop_token=None,
            report_to=[],
            save_strategy="no",
            use_cpu=True,
            disable_tqdm=True,
            bf16=setting == "user",
            gradient_checkpointing=setting == "user",
        )
        trainer = PPOTrainer(
            args=settings,
            processing_class=tokenizer,
            model=policy,
            ref_model=reference,
            reward_model=reward,
            value_model=value,
            train_dataset=data,
            eval_dataset=data.select(range(shape.MICRO_BATCH)),
            peft_config=lora,
        )
        seconds = timed(trainer.train)
    say(
        seconds,
        dtype=str(dtype).removeprefix("torch."),
        autocast=settings.bf16,
        trl=trl.__version__,
        torch=torch.__version__,
        transformers=transformers.__version__,
        peft=peft.__version__,
    )


def _top_only(model: torch.nn.Module) -> None:
    learns = [f"layers.{i}." for i in range(shape.LAYERS - shape.TOP_LAYERS, shape.LAYERS)]
    for name, parameter in model.named_parameters():
        parameter.requires_grad = any(part in name for part in learns) or name.startswith(("score", "model.norm"))


if __name__ == "__main__":
    main()
