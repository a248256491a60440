"""saessak (새싹), the embedded base: a plain Llama of a few million parameters that is born able to copy.

Legend: N learned tokens, V vocabulary.

Reading is copying the right thing. Found by gradient descent alone, copying takes millions of tokens to appear; set up
in the first weights (`initialise`) it is there at once, and a few hundred steps of repeated strings and look-ups make
it firm before the first world. Worlds come in gradually, because a sudden start undoes it (docs/log.md).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from haechi.engine.forward import score_trees
from haechi.engine.trees import Tree, micro_batches
from haechi.errors import ModelError
from haechi.models.base import SharedBase
from haechi.pretrain.worlds import World, generate
from haechi.prompt.template import Template, template
from haechi.prompt.tokens import Codec

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

TRAINING, VALIDATION = "training", "validation"

RIGHT, WRONG = "O", "X"  # a token each

_LONGEST_STRING = 96

# The first weights. A token's embedding has this standard deviation, and the last norm's gain makes the logits of a
# tied output layer what they would be at 0.06: wide enough for AdamW's steps not to wash an embedding away.
_EMBEDDING_STD, _OUTPUT_STD = 0.25, 0.06
_PREVIOUS_SHARPNESS = 8.0  # what each fast pair of dimensions adds to the attention score of the token before
_MATCH_SHARPNESS = 3.5  # gain on the product of a token and what stood before another
_WRITTEN = 2.5  # gain with which the two heads write, in standard deviations of an embedding


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the curriculum.

    Attributes:
        steps: how long it lasts.
        passages: least and most passages of a world; (0, 0) = copying only.
        copies: share of the rows that only copy: random strings to repeat, random keys to look values up by.
    """

    steps: int
    passages: tuple[int, int]
    copies: float = 0.0


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


def world_tree(world: World, codec: Codec, words: Template) -> Tree:
    """A world as one tree: the passages are the prompt; question, reply, its end and a verdict on it are a branch.

    Questions are not learned, and of wrong replies only the verdict is: the state at an answer's end, where a reward
    model reads, then knows whether the passages bear the answer out.
    """
    judged = [(asked, RIGHT) for asked in world.asked] + [(reply, WRONG) for reply in world.mistaken]
    context, *pieces = codec.encode_all(
        [
            words.context(world.passages),
            *(words.ask(asked.question) for asked, _ in judged),
            *(words.reply(asked.answer or words.abstention, asked.passage) for asked, _ in judged),
            *(verdict for _, verdict in judged),
        ]
    )
    count = len(judged)
    branches = list(zip(pieces[:count], pieces[count : 2 * count], pieces[2 * count :], strict=True))
    answers = [question + reply + [codec.eos] + verdict for question, reply, verdict in branches]
    questions = [len(question) for question, _, _ in branches[: len(world.asked)]]
    wrong = [len(answer) - 1 for answer in answers[len(world.asked) :]]
    return Tree(prompt=codec.bos + context, answers=answers, skip=questions + wrong)


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
        for verdict in (RIGHT, WRONG):
            tokens = base.codec.encode(verdict)
            if len(tokens) != 1:
                raise ModelError(
                    f"{base.name}: its tokenizer makes {len(tokens)} tokens of the verdict {verdict!r}, and one is "
                    "needed. Fix: go on from another model, or make one from nothing."
                )
        self.base, self.phases, self.seed = base, phases, seed
        self.tokens_a_step, self.token_budget = tokens_a_step, token_budget
        self.validate_every, self.validation_worlds = validate_every, validation_worlds
        self.dtype = dtype
        self.words = template("ko", instructed=False)
        special = set(base.codec.tokenizer.all_special_ids)
        self._ordinary = [i for i in range(len(base.codec.tokenizer)) if i not in special]
        self._seen_tokens = 0

    def updates(self, step: int) -> Iterable[Sequence[Micro]]:
        trees = self._trees(step)
        learned = sum(len(a) - tree.skipped(i) for tree in trees for i, a in enumerate(tree.answers))
        self._seen_tokens += sum(tree.num_tokens for tree in trees)
        yield [Micro([trees[i] for i in group], learned) for group in micro_batches(trees, self.token_budget)]

    def loss(self, micro: Micro) -> tuple[Tensor, Mapping[str, float]]:
        with torch.autocast(self.base.device.type, dtype=self.dtype, enabled=self.dtype is not torch.float32):
            scored = score_trees(self.base, None, micro.trees)
        return -scored.logps_N.sum() / micro.learned, {}

    def wants(self, metrics: Mapping[str, float]) -> bool:
        del metrics
        return True

    def after(self, step: int, metrics: Mapping[str, float]) -> Mapping[str, float]:
        numbers = {"tokens": float(self._seen_tokens)}
        if self.validate_every and (step + 1) % self.validate_every == 0:
            numbers |= validate(self.base, self.words, self.validation_worlds, self.seed, dtype=self.dtype)
        return numbers

    def state(self) -> dict[str, Any]:
        return {"tokens": self._seen_tokens}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._seen_tokens = int(state["tokens"])

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
                trees.append(self._copying(rng))
            else:
                world = generate(rng, passages=rng.randint(*phase.passages))
                trees.append(world_tree(world, self.base.codec, self.words))
            tokens += trees[-1].num_tokens
        return trees

    def _copying(self, rng: random.Random) -> Tree:
        """A random string to repeat, or a list of random keys and values to look values up in."""
        bos, eos = self.base.codec.bos, self.base.codec.eos
        if rng.random() < 0.5:
            string = random_string(rng, self._ordinary, rng.randint(4, _LONGEST_STRING))
            return Tree(bos + string, [string])

        def some(longest: int) -> list[int]:
            return random_string(rng, self._ordinary, rng.randint(1, longest))

        items = [(some(3), some(6)) for _ in range(rng.randint(2, 8))]
        asked = [rng.choice(items) for _ in range(4)]
        return Tree(
            bos + [token for key, value in items for token in [*key, *value, eos]],
            [[*key, *value, eos] for key, value in asked],
            [len(key) for key, _ in asked],
        )


def random_string(rng: random.Random, vocabulary: Sequence[int], length: int) -> list[int]:
    """Random token ids, to be repeated: copying is learned first."""
    return [rng.choice(vocabulary) for _ in range(length)]


@torch.no_grad()
def validate(
    base: SharedBase, words: Template, worlds: int, seed: int, *, passages: int = 4, dtype: torch.dtype = torch.float32
) -> dict[str, float]:
    """Greedy answers on fresh worlds: exact with the right citation, and right abstentions, seen and unseen templates;
    and the share of verdicts, on these answers and on wrong ones, that are right.

    An answer decoded greedily equals the reference exactly if every one of its tokens is the likeliest given the
    reference before it, so one forward pass decides it.
    """
    numbers: dict[str, float] = {}
    for name, unseen in (("seen", False), ("unseen", True)):
        rng = random.Random(f"{VALIDATION}-{seed}-{name}")
        made = [generate(rng, passages=passages, unseen_templates=unseen) for _ in range(worlds)]
        hits = iter(_likeliest(base, [world_tree(world, base.codec, words) for world in made], dtype))
        exact: list[bool] = []
        abstains: list[bool] = []
        judges: list[bool] = []
        for world in made:
            for asked in world.asked:
                *answer, verdict = next(hits)
                (abstains if asked.answer is None else exact).append(all(answer))
                judges.append(verdict)
            judges.extend(verdict for _ in world.mistaken for verdict in next(hits))
        for label, right in (("exact", exact), ("abstains", abstains), ("judges", judges)):
            numbers[f"validation/{name}_{label}"] = sum(right) / max(len(right), 1)
    return numbers


def _likeliest(base: SharedBase, trees: Sequence[Tree], dtype: torch.dtype) -> list[list[bool]]:
    """For each answer, which of its learned tokens greedy decoding would choose after the reference before them."""
    chosen: list[list[bool]] = []
    for start in range(0, len(trees), 8):
        some = trees[start : start + 8]
        with torch.autocast(base.device.type, dtype=dtype, enabled=dtype is not torch.float32):
            scored = score_trees(base, None, some, logps=False)
            likeliest = iter(torch.nn.functional.linear(scored.states_ND, *base.output_weight()).argmax(-1).tolist())
        chosen.extend(
            [token == next(likeliest) for token in answer[tree.skipped(i) :]]
            for tree in some
            for i, answer in enumerate(tree.answers)
        )
    return chosen
