"""saessak (새싹), the embedded base: a plain Llama of a few million parameters that learns to read by copying first.

Legend: N learned tokens, V vocabulary.

The curriculum matters more than anything else: strings repeated until copying works, then worlds of one passage, two,
and more. A model that leaves the first phase early learns the form of an answer and nothing else (docs/log.md).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from haechi.engine.forward import score_trees
from haechi.engine.trees import Tree, micro_batches
from haechi.models.base import SharedBase
from haechi.pretrain.worlds import World, generate, random_string
from haechi.prompt.template import Template, template
from haechi.prompt.tokens import Codec

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

TRAINING, VALIDATION = "training", "validation"

# Strings to repeat begin short and grow by a fifth whenever a step's loss shows that their length is mastered: over a
# dozen tokens the model finds out that looking back helps within a few hundred steps, over a hundred in thousands.
_SHORTEST_CURRICULUM, _LONGEST_STRING, _GROWTH, _MASTERED = 10, 96, 1.2, 1.0
_STRING_AMONG_WORLDS = 40  # longest string where copying is practised beside reading


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the curriculum.

    Attributes:
        steps: how long it lasts.
        passages: least and most passages of a world; (0, 0) = repeated strings only.
        copies: share of the tokens kept on repeated strings.
    """

    steps: int
    passages: tuple[int, int]
    copies: float = 0.08


@dataclass(frozen=True, slots=True)
class Micro:
    """Some trees, and by how much their summed loss is divided."""

    trees: list[Tree]
    learned: int


def build_model(
    tokenizer: PreTrainedTokenizerFast,
    *,
    layers: int,
    width: int,
    heads: int,
    intermediate: int,
    seed: int,
    initial_std: float = 0.06,
    context: int = 2048,
) -> LlamaForCausalLM:
    """A Llama with random weights. `initial_std` 0.06 learns to copy much earlier than the usual 0.02 at this width."""
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
        initializer_range=initial_std,
        tie_word_embeddings=True,
        pad_token_id=codec.pad,
        bos_token_id=codec.bos[0],
        eos_token_id=codec.eos,
    )
    return LlamaForCausalLM(config)


def world_tree(world: World, codec: Codec, words: Template) -> Tree:
    """A world as one tree: the passages are the prompt, each question with its answer a branch, answers learned."""
    replies = [
        words.reply(asked.answer, asked.passage) if asked.answer else words.reply(words.abstention)
        for asked in world.asked
    ]
    context, *pieces = codec.encode_all(
        [words.context(world.passages), *(words.ask(asked.question) for asked in world.asked), *replies]
    )
    count = len(world.asked)
    questions, answers = pieces[:count], pieces[count:]
    return Tree(
        prompt=codec.bos + context,
        answers=[question + answer + [codec.eos] for question, answer in zip(questions, answers, strict=True)],
        skip=[len(question) for question in questions],
    )


class Pretraining:
    """The method that the loop runs: each step's trees are a function of (seed, step)."""

    def __init__(
        self,
        base: SharedBase,
        phases: Sequence[Phase],
        *,
        tokens_a_step: int,
        token_budget: int,
        seed: int,
        validate_every: int,
        validation_worlds: int = 48,
        dtype: torch.dtype = torch.bfloat16,
    ) -> None:
        self.base, self.phases, self.seed = base, phases, seed
        self.tokens_a_step, self.token_budget = tokens_a_step, token_budget
        self.validate_every, self.validation_worlds = validate_every, validation_worlds
        self.dtype = dtype
        self.words = template("ko", instructed=False)
        special = set(base.codec.tokenizer.all_special_ids)
        self._ordinary = [i for i in range(len(base.codec.tokenizer)) if i not in special]
        self._seen_tokens = 0
        self._longest_string = float(_SHORTEST_CURRICULUM)

    def updates(self, step: int) -> Iterable[Sequence[Micro]]:
        trees = self._trees(step)
        learned = sum(len(a) - tree.skipped(i) for tree in trees for i, a in enumerate(tree.answers))
        self._seen_tokens += sum(tree.num_tokens for tree in trees)
        yield [Micro([trees[i] for i in group], learned) for group in micro_batches(trees, self.token_budget)]

    def loss(self, micro: Micro) -> tuple[Tensor, Mapping[str, float]]:
        with torch.autocast(self.base.device.type, dtype=self.dtype, enabled=self.dtype is not torch.float32):
            scored = score_trees(self.base, None, micro.trees)
        return -scored.logps_N.sum() / micro.learned, {}

    def after(self, step: int, metrics: Mapping[str, float]) -> Mapping[str, float]:
        if self._phase(step).passages == (0, 0) and metrics.get("loss", _MASTERED) < _MASTERED:
            self._longest_string = min(self._longest_string * _GROWTH, _LONGEST_STRING)
        numbers = {"tokens": float(self._seen_tokens), "longest_string": self._longest_string}
        if self.validate_every and (step + 1) % self.validate_every == 0:
            numbers |= validate(self.base, self.words, self.validation_worlds, self.seed, dtype=self.dtype)
        return numbers

    def state(self) -> dict[str, Any]:
        return {"tokens": self._seen_tokens, "longest_string": self._longest_string}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._seen_tokens = int(state["tokens"])
        self._longest_string = float(state["longest_string"])

    def tensors(self) -> dict[str, Tensor]:
        return {}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        del tensors

    def _phase(self, step: int) -> Phase:
        for phase in self.phases:
            if step < phase.steps:
                return phase
            step -= phase.steps
        return self.phases[-1]

    def _trees(self, step: int) -> list[Tree]:
        rng = random.Random(f"{TRAINING}-{self.seed}-{step}")
        phase = self._phase(step)
        trees: list[Tree] = []
        tokens = 0
        while tokens < self.tokens_a_step:
            if phase.passages == (0, 0) or rng.random() < phase.copies:
                longest = round(self._longest_string) if phase.passages == (0, 0) else _STRING_AMONG_WORLDS
                string = random_string(rng, self._ordinary, rng.randint(4, longest))
                trees.append(Tree(self.base.codec.bos + string, [string]))
            else:
                world = generate(rng, passages=rng.randint(*phase.passages))
                trees.append(world_tree(world, self.base.codec, self.words))
            tokens += trees[-1].num_tokens
        return trees


@torch.no_grad()
def validate(
    base: SharedBase, words: Template, worlds: int, seed: int, *, passages: int = 4, dtype: torch.dtype = torch.float32
) -> dict[str, float]:
    """Greedy answers on fresh worlds: exact with the right citation, and right abstentions, seen and unseen templates.

    An answer decoded greedily equals the reference exactly if every one of its tokens is the likeliest given the
    reference before it, so one forward pass decides it.
    """
    numbers: dict[str, float] = {}
    for name, unseen in (("seen", False), ("unseen", True)):
        rng = random.Random(f"{VALIDATION}-{seed}-{name}")
        made = [generate(rng, passages=passages, unseen_templates=unseen) for _ in range(worlds)]
        trees = [world_tree(world, base.codec, words) for world in made]
        right = _all_likeliest(base, trees, dtype)
        answerable = [asked.answer is not None for world in made for asked in world.asked]
        for label, wanted in (("exact", True), ("abstains", False)):
            hits = [hit for hit, has in zip(right, answerable, strict=True) if has is wanted]
            numbers[f"validation/{name}_{label}"] = sum(hits) / max(len(hits), 1)
    return numbers


def _all_likeliest(base: SharedBase, trees: Sequence[Tree], dtype: torch.dtype) -> list[bool]:
    """For each answer, whether greedy decoding would give exactly it."""
    right: list[bool] = []
    for start in range(0, len(trees), 8):
        with torch.autocast(base.device.type, dtype=dtype, enabled=dtype is not torch.float32):
            scored = score_trees(base, None, trees[start : start + 8], logps=False)
            likeliest_N = torch.nn.functional.linear(scored.states_ND, *base.output_weight()).argmax(-1)
        targets_N = torch.tensor(
            [
                token
                for tree in trees[start : start + 8]
                for i, a in enumerate(tree.answers)
                for token in a[tree.skipped(i) :]
            ]
        )
        missed_A = torch.zeros(scored.num_answers).index_add_(
            0, scored.segments_N.cpu(), (likeliest_N.cpu() != targets_N).float()
        )
        right.extend((missed_A == 0).tolist())
    return right
