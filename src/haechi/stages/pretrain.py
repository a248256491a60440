"""Makes a small base: tokenizer, curriculum, a plain Transformers folder. See recipes/saessak.yaml."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from haechi.engine import attention
from haechi.engine.loop import LoopSettings, train
from haechi.errors import RecipeError
from haechi.models.base import SharedBase
from haechi.models.load import best_device, load_base
from haechi.pipeline.files import building
from haechi.pipeline.task import Task
from haechi.pretrain.saessak import Phase, Pretraining, build_model, validate
from haechi.pretrain.tokenizer import train_tokenizer
from haechi.pretrain.worlds import generate
from haechi.prompt.template import template
from haechi.prompt.tokens import Codec
from haechi.recipe import PretrainSettings
from haechi.stages.loop import hooks

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_TOKENIZER_WORLDS = 4000
_TOKEN_BUDGET = 3500


def run(task: Task) -> dict[str, Any]:
    """Trains, and writes `model/` in bfloat16 safetensors. A killed run goes on from its last checkpoint."""
    settings = task.recipe.pretrain
    if settings is None:
        raise RecipeError("the recipe has no section `pretrain`. Fix: add one, as recipes/saessak.yaml does.")
    torch.set_num_threads(task.threads)
    base = _start(task, settings)
    model = base.model
    model.set_attn_implementation(attention.register())
    model.requires_grad_(True)
    dtype = getattr(torch, settings.dtype)
    phases = [Phase(p.steps, (p.passages_min, p.passages_max), p.copy_share) for p in settings.curriculum]
    method = Pretraining(
        base,
        phases or [Phase(settings.steps, (2, 5))],
        tokens_a_step=settings.tokens_per_batch,
        token_budget=_TOKEN_BUDGET,
        seed=task.seed,
        validate_every=settings.validate_every,
        dtype=dtype,
    )
    train(
        method,
        dict(model.named_parameters()),
        LoopSettings(
            steps=settings.steps,
            learning_rate=settings.learning_rate,
            warmup=round(settings.warmup * settings.steps),
            final_rate=0.05,
            weight_decay=settings.weight_decay,
            checkpoint_every=settings.checkpoint_every,
            optimizer=settings.optimizer,
        ),
        task.folder,
        hooks(task, "loss", "validation/seen_exact", "validation/seen_judges"),
    )
    model.bfloat16()
    with building(task.folder / "model") as folder:
        model.save_pretrained(folder, safe_serialization=True)
        base.codec.save(folder)
    measured = validate(base, template("ko", instructed=False), 100, task.seed + 1)
    return {"trained_parameters": model.num_parameters(), "tokens": method.state()["tokens"], **measured}


def _start(task: Task, settings: PretrainSettings) -> SharedBase:
    """The model to go on from, or a new one, in float32."""
    if settings.start is not None:
        return load_base(settings.start, dtype="float32")
    tokenizer = _tokenizer(task, settings.vocabulary_size)
    model: Any = build_model(  # Transformers wraps its `to`, and the type is lost
        tokenizer,
        layers=settings.layers,
        width=settings.width,
        heads=settings.heads,
        intermediate=settings.intermediate,
        seed=task.seed,
    )
    return SharedBase(model.to(best_device()), Codec(tokenizer), "saessak")


def _tokenizer(task: Task, vocabulary_size: int) -> PreTrainedTokenizerFast:
    """Trained once: a resumed run reads the one that its weights know."""
    from transformers import PreTrainedTokenizerFast

    place = task.folder / "tokenizer"
    if not place.is_dir():
        with building(place) as folder:
            train_tokenizer(_tokenizer_texts(task.seed), vocabulary_size).save_pretrained(folder)
    return PreTrainedTokenizerFast.from_pretrained(place)


def _tokenizer_texts(seed: int) -> Iterator[str]:
    words = template("ko", instructed=False)
    rng = random.Random(f"tokenizer-{seed}")
    for _ in range(_TOKENIZER_WORLDS):
        world = generate(rng, passages=4)
        yield words.context(world.passages)
        for asked in world.asked:
            yield words.ask(asked.question) + words.reply(asked.answer or words.abstention, asked.passage)
