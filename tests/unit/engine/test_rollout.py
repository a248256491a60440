"""Sampling: the right distribution, the training path's probabilities, independence of neighbours."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import pytest
import torch

from haechi.engine.forward import token_logps
from haechi.engine.rollout import Answer, Sampling, _draw, _restrict, sample
from haechi.engine.trees import Tree, micro_batches
from haechi.models.base import SharedBase
from haechi.models.llama.decoding import Memory
from haechi.models.roles import Kind, Role, Trainable

PROMPT_LENGTHS = (9, 3, 14, 6)
Disturb = Callable[..., Role]
Draw = Callable[..., list[Tree]]


def prompts_of(draw_trees: Draw, lengths: Sequence[int] = PROMPT_LENGTHS) -> list[list[int]]:
    return [list(tree.prompt) for tree in draw_trees(tuple((length, (1,)) for length in lengths))]


HALF = Sampling(temperature=0.5, max_new_tokens=12)


@pytest.fixture
def ending(base: SharedBase, draw_trees: Draw, monkeypatch: pytest.MonkeyPatch, disturb: Disturb) -> Role:
    """A role whose answers to the prompts end at different lengths."""
    return ending_role(base, prompts_of(draw_trees), monkeypatch, disturb)


def ending_role(
    base: SharedBase, prompts: Sequence[Sequence[int]], monkeypatch: pytest.MonkeyPatch, disturb: Disturb
) -> Role:
    """Makes a token that several answers say, some early and some late, the one that ends an answer."""
    role = disturb(Role(base, Trainable("lora", rank=3, alpha=12.0)))
    answers = list(itertools.chain(*sample(base, role, prompts, HALF, samples=5, seed=1)))

    def lengths(token: int) -> set[int]:
        return {answer.ids.index(token) + 1 if token in answer.ids else 12 for answer in answers}

    said = sorted({token for answer in answers for token in answer.ids})
    monkeypatch.setattr(base.codec, "eos", max(said, key=lambda token: len(lengths(token))))
    return role


def check_against_training(
    base: SharedBase,
    role: Role | None,
    prompts: Sequence[Sequence[int]],
    answers: list[list[Answer]],
    temperature: float,
) -> float:
    trees = [Tree(prompt, [answer.ids for answer in group]) for prompt, group in zip(prompts, answers, strict=True)]
    trained = token_logps(base, role, trees, micro_batches(trees, 10_000), temperature=temperature)
    flat = list(itertools.chain(*answers))
    return max(float((answer.logps - logps).abs().max()) for answer, logps in zip(flat, trained, strict=True))


def test_probabilities_are_those_of_training(base: SharedBase, ending: Role, draw_trees: Draw) -> None:
    """Prompts of different lengths, several samples each, rows that end at different times and leave the batch."""
    prompts = prompts_of(draw_trees)
    answers = sample(base, ending, prompts, HALF, samples=5, seed=1)
    assert [len(group) for group in answers] == [5] * 4
    flat = list(itertools.chain(*answers))
    assert len({len(answer.ids) for answer in flat}) >= 3 and any(a.ended for a in flat)
    for answer in flat:
        assert answer.ended == (answer.ids[-1] == base.codec.eos)
        assert base.codec.eos not in answer.ids[:-1]
        assert answer.ended or len(answer.ids) == 12
    assert check_against_training(base, ending, prompts, answers, 0.5) < 1e-4


@pytest.mark.parametrize(
    "settings",
    [
        Sampling(temperature=0, max_new_tokens=6),
        Sampling(temperature=1.3, top_k=5, max_new_tokens=6),
        Sampling(top_p=0.6, max_new_tokens=6),
    ],
)
def test_probabilities_are_those_of_training_however_drawn(
    base: SharedBase, settings: Sampling, draw_trees: Draw
) -> None:
    """Recorded is the model's own probability, before top-k and top-p; at temperature 0 that at temperature 1."""
    prompts = prompts_of(draw_trees)
    answers = sample(base, None, prompts, settings, samples=2)
    assert check_against_training(base, None, prompts, answers, settings.temperature or 1.0) < 1e-4


def test_greedy_is_the_models_own_greedy(base: SharedBase, draw_trees: Draw) -> None:
    prompts = prompts_of(draw_trees)
    answers = sample(base, None, prompts, Sampling(temperature=0, max_new_tokens=8))
    for prompt, (answer,) in zip(prompts, answers, strict=True):
        ids = list(prompt)
        with torch.no_grad():
            for _ in answer.ids:
                ids.append(int(base.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
        assert answer.ids == ids[len(prompt) :]


def test_neighbours_and_grouping_change_no_answer(base: SharedBase, ending: Role, draw_trees: Draw) -> None:
    prompts = prompts_of(draw_trees)
    together = sample(base, ending, prompts, HALF, samples=3, seed=1)
    one_by_one = sample(base, ending, prompts, HALF, samples=3, seed=1, token_budget=1)
    beside_more = sample(base, ending, [*prompts, prompts[0][:5], [7] * 30], HALF, samples=3, seed=1)[:4]
    fewer_samples = sample(base, ending, prompts, HALF, samples=1, seed=1)
    ids = [[answer.ids for answer in group] for group in together]
    assert ids == [[answer.ids for answer in group] for group in one_by_one]
    assert ids == [[answer.ids for answer in group] for group in beside_more]
    assert [group[:1] for group in ids] == [[answer.ids for answer in group] for group in fewer_samples]
    again = sample(base, ending, prompts, HALF, samples=3, seed=1)
    for first, second in zip(itertools.chain(*together), itertools.chain(*again), strict=True):
        assert first.ids == second.ids and torch.equal(first.logps, second.logps)
    assert ids != [[answer.ids for answer in group] for group in sample(base, ending, prompts, HALF, samples=3, seed=2)]


def test_long_answers_outgrow_their_first_room(llama: SharedBase, draw_trees: Draw) -> None:
    prompts = prompts_of(draw_trees, (9, 3))
    answers = sample(llama, None, prompts, Sampling(max_new_tokens=150), samples=2, seed=1)
    assert max(len(answer.ids) for answer in itertools.chain(*answers)) > 128
    assert check_against_training(llama, None, prompts, answers, 1.0) < 1e-4


@pytest.mark.parametrize("kind", ["lora", "head"])
def test_a_memory_changes_no_answer(llama: SharedBase, draw_trees: Draw, disturb: Disturb, kind: Kind) -> None:
    """Prompts that begin like the last one, wholly, in part and not at all; another role forgets."""
    memory, (first, second) = Memory(), prompts_of(draw_trees, (300, 40))
    role = disturb(Role(llama, Trainable(kind, rank=3)))
    asked = [(first, 0), (first + second, 300), (first[:200] + second, 200), (second, 0), (second, 39), (second[:5], 4)]
    for prompt, reused in asked:
        ((ours,),) = sample(llama, role, [prompt], HALF, seed=3, memory=memory)
        ((plain,),) = sample(llama, role, [prompt], HALF, seed=3)
        assert memory.reused == reused
        assert ours.ids == plain.ids
        torch.testing.assert_close(ours.logps, plain.logps, rtol=1e-4, atol=1e-4)
    ((bare,),) = sample(llama, None, [second], HALF, seed=3, memory=memory)
    assert memory.reused == 0
    assert bare.ids == sample(llama, None, [second], HALF, seed=3)[0][0].ids
    sample(llama, None, [first, second], HALF, samples=2, memory=memory)
    ((again,),) = sample(llama, None, [second], HALF, seed=3, memory=memory)
    assert memory.reused == 39 and again.ids == bare.ids


def test_samples_of_one_prompt_differ_and_progress_is_told(llama: SharedBase, draw_trees: Draw) -> None:
    told: list[tuple[int, int]] = []
    prompts = prompts_of(draw_trees, (4, 4, 4))
    answers = sample(
        llama,
        None,
        prompts,
        Sampling(max_new_tokens=4),
        samples=6,
        token_budget=50,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert all(len({tuple(answer.ids) for answer in group}) == 6 for group in answers)


def test_a_sliding_window_is_sampled_with_its_window(
    load_architecture: Callable[[str], SharedBase], draw_trees: Draw, monkeypatch: pytest.MonkeyPatch, disturb: Disturb
) -> None:
    base = load_architecture("mistral")
    prompts = prompts_of(draw_trees, (20, 5, 30, 5))
    role = ending_role(base, prompts, monkeypatch, disturb)
    told: list[tuple[int, int]] = []
    answers = sample(
        base, role, prompts, HALF, samples=5, seed=1, progress=lambda done, total: told.append((done, total))
    )
    assert told == [(2, 4), (3, 4), (4, 4)]
    assert len({len(answer.ids) for answer in itertools.chain(*answers)}) >= 3
    assert check_against_training(base, role, prompts, answers, 0.5) < 1e-4


# ── drawing, by enumeration ───────────────────────────────────────────────────────────────────────────────────────

PROBABILITIES = (0.05, 0.4, 0.1, 0.25, 0.2)


def shares(settings: Sampling, draws: int = 20_000) -> list[float]:
    """How often each token comes when the uniform numbers are an even grid: exact to 1 / draws."""
    logits = torch.tensor([PROBABILITIES]).log().expand(draws, -1)
    uniform = (torch.arange(draws, dtype=torch.float64) + 0.5) / draws
    tokens, _ = _draw(logits, settings, uniform)
    return [float((tokens == token).double().mean()) for token in range(5)]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Sampling(), PROBABILITIES),
        (Sampling(top_k=1), (0, 1, 0, 0, 0)),
        (Sampling(top_k=3), (0, 0.4 / 0.85, 0, 0.25 / 0.85, 0.2 / 0.85)),
        (Sampling(top_k=9), PROBABILITIES),
        (Sampling(top_p=0.3), (0, 1, 0, 0, 0)),  # the likeliest alone is enough
        (Sampling(top_p=0.5), (0, 0.4 / 0.65, 0, 0.25 / 0.65, 0)),
        (Sampling(top_p=0.9), (0, 0.4 / 0.95, 0.1 / 0.95, 0.25 / 0.95, 0.2 / 0.95)),
        (Sampling(top_k=2, top_p=0.9), (0, 0.4 / 0.65, 0, 0.25 / 0.65, 0)),
        (Sampling(temperature=0.5), tuple(p**2 / sum(q**2 for q in PROBABILITIES) for p in PROBABILITIES)),
        (Sampling(temperature=2.0), tuple(p**0.5 / sum(q**0.5 for q in PROBABILITIES) for p in PROBABILITIES)),
        # Temperature first, then top-p: 0.16, 0.0625 and 0.04 of 0.275 make up 0.58, 0.23 and 0.15.
        (Sampling(temperature=0.5, top_p=0.7), (0, 0.16 / 0.2225, 0, 0.0625 / 0.2225, 0)),
        (Sampling(temperature=0), (0, 1, 0, 0, 0)),
    ],
)
def test_distribution_of_draws(settings: Sampling, expected: tuple[float, ...]) -> None:
    assert shares(settings) == pytest.approx(expected, abs=2e-4)


def test_extreme_uniform_numbers_stay_within_what_is_allowed() -> None:
    logits = torch.tensor([PROBABILITIES]).log()
    for uniform in (0.0, 1 - 2**-53):
        for settings in (Sampling(top_k=2), Sampling(top_p=0.5)):
            token, logp = _draw(logits, settings, torch.tensor([uniform], dtype=torch.float64))
            assert int(token) in (1, 3)
            assert float(logp) == pytest.approx(math.log(PROBABILITIES[int(token)]), abs=1e-5)


def test_restriction_is_row_by_row() -> None:
    logps = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]).log()
    assert (_restrict(logps, Sampling(top_k=1)) > -math.inf).tolist() == [[True, False, False], [False, False, True]]
    assert (_restrict(logps, Sampling(top_p=0.7)) > -math.inf).tolist() == [[True, False, False], [False, True, True]]
