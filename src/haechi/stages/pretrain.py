"""Makes a small base: tokenizer, curriculum, a plain Transformers folder. See recipes/saessak.yaml."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from haechi.engine import attention
from haechi.engine.loop import Hooks, LoopSettings, train
from haechi.errors import RecipeError
from haechi.models.base import SharedBase
from haechi.models.load import best_device, load_base
from haechi.models.merge import save_model
from haechi.pipeline.files import building
from haechi.pipeline.task import Task
from haechi.pretrain.mixture import WORDS, Mixture, Phase
from haechi.pretrain.model import build_model
from haechi.pretrain.pretraining import Pretraining, validate
from haechi.pretrain.text import Corpus, PackedText, bits_per_character, pack_text, read_corpus
from haechi.pretrain.tokenizer import train_tokenizer
from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.world import generate
from haechi.prompt.template import Language
from haechi.prompt.tokens import Codec
from haechi.recipe.bases import PretrainSettings
from haechi.stages.loop import hooks

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_TOKENIZER_WORLDS = 4000
_TOKENIZER_CHARACTERS = 6_000_000  # of public text
_TOKEN_BUDGET = 1000  # small micro-batches stay in a CPU's caches, where a step is a fifth faster
_TOKEN_BUDGET_GPU = 32_000


def run(task: Task) -> dict[str, Any]:
    """Trains, and writes `model/` in bfloat16 safetensors. A killed run goes on from its last checkpoint."""
    settings = task.recipe.pretrain
    if settings is None:
        raise RecipeError("the recipe has no section `pretrain`. Fix: add one, as recipes/saessak.yaml does.")
    torch.set_num_threads(task.threads)
    corpus = read_corpus(settings.text, settings.text_characters)
    base = _start(task, settings, corpus)
    model = base.model
    model.set_attn_implementation(attention.register())
    model.requires_grad_(True)
    packed = _packed(task, corpus, base.codec) if any(phase.text_share for phase in settings.curriculum) else None
    method = Pretraining(
        base,
        rows_of(settings, base, task.seed, corpus.training, packed),
        token_budget=_TOKEN_BUDGET if base.device.type == "cpu" else _TOKEN_BUDGET_GPU,
        seed=task.seed,
        validate_every=settings.validate_every,
        dtype=getattr(torch, settings.dtype),
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
        _with_throughput(hooks(task, "loss", "tokens_per_second", "validation/unseen_loss")),
    )
    model.bfloat16()
    with building(task.folder / "model") as folder:
        save_model(model, base, folder)
    model.float()  # what is measured are the weights as saved, computed with as `haechi evaluate --base` does
    measured = validate(base, 100, task.seed + 1)
    if settings.english_share:
        english = validate(base, 100, task.seed + 1, language="en")
        measured |= {f"english/{name.removeprefix('validation/')}": value for name, value in english.items()}
    bits = {
        f"bits_per_character/{language}": bits_per_character(base, texts)
        for language, texts in corpus.held_out.items()
        if texts
    }
    return {"trained_parameters": model.num_parameters(), "tokens": method.state()["tokens"], **measured, **bits}


def rows_of(
    settings: PretrainSettings,
    base: SharedBase,
    seed: int,
    texts: Sequence[str] = (),
    packed: PackedText | None = None,
) -> Mixture:
    """The rows that the settings ask for: of worlds, and of public text where there is any."""
    phases = [
        Phase(
            phase.steps,
            (phase.passages_min, phase.passages_max),
            copies=phase.copy_share,
            spans=phase.span_share,
            texts=phase.text_share,
            prose=phase.prose,
            unanswerable=phase.unanswerable,
            mistakes=phase.mistakes,
        )
        for phase in settings.curriculum
    ]
    return Mixture(
        base,
        phases or [Phase(settings.steps, (2, 5))],
        tokens_a_step=settings.tokens_per_batch,
        seed=seed,
        english=settings.english_share,
        texts=texts,
        packed=packed,
    )


def _with_throughput(hooks: Hooks) -> Hooks:
    """The hooks, told also how many tokens a second are read; no metric, for no two runs have the same."""
    start: tuple[float, float] | None = None

    def progress(step: int, total: int, numbers: Mapping[str, float]) -> None:
        nonlocal start
        now, tokens = time.monotonic(), numbers["tokens"]
        start = start or (now, tokens)
        rate = {"tokens_per_second": (tokens - start[1]) / (now - start[0])} if now > start[0] else {}
        hooks.progress(step, total, {**numbers, **rate})

    return replace(hooks, progress=progress)


def _packed(task: Task, corpus: Corpus, codec: Codec) -> PackedText | None:
    """The text to learn from as token ids, packed once: a resumed run reads what the first one wrote."""
    if not corpus.training:
        return None
    place = task.folder / "text"
    if not place.is_dir():
        with building(place) as folder:
            pack_text(corpus.training, codec, folder / "ids.safetensors")
    return PackedText(place / "ids.safetensors")


def _start(task: Task, settings: PretrainSettings, corpus: Corpus) -> SharedBase:
    """The model to go on from, or a new one, in float32."""
    if settings.start is not None:
        return load_base(settings.start, dtype="float32")
    tokenizer = _tokenizer(task, settings, corpus)
    model: Any = build_model(  # Transformers wraps its `to`, and the type is lost
        tokenizer,
        layers=settings.layers,
        width=settings.width,
        heads=settings.heads,
        intermediate=settings.intermediate,
        seed=task.seed,
    )
    return SharedBase(model.to(best_device()), Codec(tokenizer), "saessak")


def _tokenizer(task: Task, settings: PretrainSettings, corpus: Corpus) -> PreTrainedTokenizerFast:
    """Trained once: a resumed run reads the one that its weights know."""
    from transformers import PreTrainedTokenizerFast

    place = task.folder / "tokenizer"
    if not place.is_dir():
        with building(place) as folder:
            texts = tokenizer_texts(task.seed, settings.english_share, corpus)
            train_tokenizer(texts, settings.vocabulary_size).save_pretrained(folder)
    return PreTrainedTokenizerFast.from_pretrained(place)


def tokenizer_texts(seed: int, english: float, corpus: Corpus) -> Iterator[str]:
    """Worlds, and a random part of the public text, which the tokenizer's pieces are counted on."""
    rng = Draw(f"tokenizer-{seed}")
    for _ in range(_TOKENIZER_WORLDS):
        language: Language = "en" if rng.random() < english else "ko"
        words, world = WORDS[language], generate(rng, passages=4, language=language)
        yield words.context(world.passages)
        for asked in world.asked:
            yield words.ask(asked.question) + words.reply(asked.answer or words.abstention, asked.passage)
    left = _TOKENIZER_CHARACTERS
    for text in rng.sample(corpus.training, len(corpus.training)):
        if left <= 0:
            return
        yield text[:5000]
        left -= min(len(text), 5000)
