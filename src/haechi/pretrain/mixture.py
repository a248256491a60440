"""What a step of pre-training reads: rows that only copy, generated worlds, gaps in real prose, running text.

Every step's rows are a function of (seed, step).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from haechi.engine.trees import Tree
from haechi.errors import ModelError
from haechi.models.base import SharedBase
from haechi.pretrain.spans import span_world
from haechi.pretrain.text import PackedText
from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.world import World, generate
from haechi.prompt.template import Language, Template, template
from haechi.prompt.tokens import Codec

RIGHT, WRONG = "O", "X"  # a token each

WORDS: Mapping[Language, Template] = {"ko": template("ko", instructed=False), "en": template("en", instructed=False)}

_LONGEST_STRING = 96
_TEXT_ROW = 256  # tokens of a row of running text
_TEXT_WEIGHT = 0.2  # of a token of running text, beside 1 for a token of an answer


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the curriculum.

    Attributes:
        steps: how long it lasts.
        passages: least and most passages of a world; (0, 0) = no worlds.
        copies: share of the rows that only copy: random strings to repeat, random keys to look values up by.
        spans: share of the rows that are gaps in real prose.
        texts: share of the rows that are running text.
        prose: how far worlds are told as prose is (`Draw.prose`).
        unanswerable: share of the questions that no passage answers.
        mistakes: wrong replies a world, to be judged.
    """

    steps: int
    passages: tuple[int, int]
    copies: float = 0.0
    spans: float = 0.0
    texts: float = 0.0
    prose: float = 1.0
    unanswerable: float = 0.22
    mistakes: int = 4


class Row(NamedTuple):
    """A tree, and what each of its learned tokens counts."""

    tree: Tree
    weight: float = 1.0


class Mixture:
    """Draws the rows of any step.

    Args:
        english: share of the worlds that are English.
        texts: documents for gaps; empty = none.
        packed: running text; None = none.

    Raises:
        ModelError: the tokenizer has no single token for a verdict.
    """

    def __init__(
        self,
        base: SharedBase,
        phases: Sequence[Phase],
        *,
        tokens_a_step: int,
        seed: int,
        english: float = 0.0,
        texts: Sequence[str] = (),
        packed: PackedText | None = None,
    ) -> None:
        for verdict in (RIGHT, WRONG):
            tokens = base.codec.encode(verdict)
            if len(tokens) != 1:
                raise ModelError(
                    f"{base.name}: its tokenizer makes {len(tokens)} tokens of the verdict {verdict!r}, and one is "
                    "needed. Fix: go on from another model, or make one from nothing."
                )
        self._codec, self._phases, self._seed = base.codec, phases, seed
        self._tokens_a_step, self._english, self._texts, self._packed = tokens_a_step, english, texts, packed
        self._answers = base.codec.encode(f"\n{WORDS['ko'].answer}:")
        special = set(base.codec.tokenizer.all_special_ids)
        self._ordinary = [i for i in range(len(base.codec.tokenizer)) if i not in special]

    def rows(self, step: int) -> list[Row]:
        """The rows of a step, as many as hold the tokens of a step."""
        rng, phase = Draw(f"training-{self._seed}-{step}"), self._phase(step)
        rng.prose = phase.prose
        rows: list[Row] = []
        tokens = 0
        while tokens < self._tokens_a_step:
            rows.append(self._row(rng, phase))
            tokens += rows[-1].tree.num_tokens
        return rows

    def _row(self, rng: Draw, phase: Phase) -> Row:
        shape = rng.random()
        if shape < phase.copies:
            return Row(self._copying(rng))
        if self._packed and shape < phase.copies + phase.texts:
            return Row(self._packed.row(rng, self._codec, _TEXT_ROW), _TEXT_WEIGHT)
        if phase.passages == (0, 0):
            return Row(self._copying(rng))
        passages = rng.randint(*phase.passages)
        if self._texts and shape < phase.copies + phase.texts + phase.spans:
            world = span_world(rng, self._texts, passages=min(passages, 3))
            if world:
                return Row(world_tree(world, self._codec))
        language: Language = "en" if rng.random() < self._english else "ko"
        world = generate(
            rng, passages=passages, language=language, unanswerable=phase.unanswerable, mistakes=phase.mistakes
        )
        return Row(world_tree(world, self._codec))

    def _phase(self, step: int) -> Phase:
        for phase in self._phases:
            if step < phase.steps:
                return phase
            step -= phase.steps
        return self._phases[-1]

    def _copying(self, rng: random.Random) -> Tree:
        """A random string to repeat, or a list of random keys and values to look values up in.

        Half of the look-ups ask as a question does: the key stands somewhere among other words, and the value is
        wanted not behind it but at the end, where the answer begins.
        """
        bos, eos = self._codec.bos, self._codec.eos
        if rng.random() < 0.5:
            string = random_string(rng, self._ordinary, rng.randint(4, _LONGEST_STRING))
            return Tree(bos + string, [string])

        def some(longest: int) -> list[int]:
            return random_string(rng, self._ordinary, rng.randint(1, longest))

        items = [(some(3), some(6)) for _ in range(rng.randint(2, 8))]
        asked = [rng.choice(items) for _ in range(4)]
        about = rng.random() < 0.5
        questions = [[*some(4), *key, *some(4), *self._answers] if about else key for key, _ in asked]
        return Tree(
            bos + [token for key, value in items for token in [*key, *value, eos]],
            [[*question, *value, eos] for question, (_, value) in zip(questions, asked, strict=True)],
            [len(question) for question in questions],
        )


def random_string(rng: random.Random, vocabulary: Sequence[int], length: int) -> list[int]:
    """Random token ids, to be repeated: copying is learned first."""
    return [rng.choice(vocabulary) for _ in range(length)]


def world_tree(world: World, codec: Codec) -> Tree:
    """A world as one tree: the passages are the prompt; question, reply, its end and a verdict on it are a branch.

    Questions are not learned, and of wrong replies only the verdict is: the state at an answer's end, where a reward
    model reads, then knows whether the passages bear the answer out.
    """
    words = WORDS[world.language]
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
