"""Every system answers the test questions from the same passages: best-of-n from samples, the others greedily."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from haechi.engine.rollout import Answer, Sampling, sample
from haechi.evaluate.score import Scores, headline, score_answer
from haechi.learners.batches import some
from haechi.methods.best_of_n import best_of_n
from haechi.models.roles import Role
from haechi.pipeline.task import Task
from haechi.prompt.citations import citations
from haechi.prompt.template import Template
from haechi.records.write import write_jsonl
from haechi.retrieval.contexts import gold_passage_ids
from haechi.retrieval.library import Library
from haechi.retrieval.measure import ndcg_at_k, recall_at_k, reciprocal_rank
from haechi.stages.cases import Case, load_cases, prompt_of, words_of
from haechi.stages.earned import Earned
from haechi.stages.models import RewardModel, aligned_role, base_of, sft_role
from haechi.stages.ppo import divergences
from haechi.stages.sample import sampling_of

SYSTEMS = ("base", "sft", "best_of_n", "dpo", "ppo")
_DEEP = 50
# Test questions whose KL is estimated; it takes three passes over a prompt, and no verdict rests on it.
_KL_QUESTIONS = 64


def run(task: Task) -> dict[str, Any]:
    """Writes `answers.jsonl` (docs/architecture.md) and `retrieval.jsonl`."""
    recipe = task.recipe
    base, words = base_of(task), words_of(recipe)
    cases = some(load_cases(task, "test"), recipe.evaluate.max_questions, recipe.seed)
    prompts = [prompt_of(case, base.codec, words, recipe) for case in cases]
    learned = RewardModel(task, base, recipe.ppo.token_budget)
    rows = [_row(case) for case in cases]
    systems = _systems(task)
    said: list[list[Answer]] = []
    means: dict[str, float] = {}
    for number, name in enumerate(systems, start=1):
        answers, kls = _answers(task, name, cases, prompts, learned)
        texts = [base.codec.decode(answer.ids) for answer in answers]
        scores = [_score(text, case, words) for text, case in zip(texts, cases, strict=True)]
        for row, text, one, kl in zip(rows, texts, scores, kls, strict=True):
            row["systems"][name] = _scored(text, one, kl)
        told = headline([case.question for case in cases], scores)
        named = {f"{name}_{metric}": mean for metric, mean in told.items()}
        means |= named
        said.append(answers)
        task.progress.update(number, len(systems) + 1, **named)
    # One tree a question: what all systems say to it is scored behind one reading of its prompt.
    rewards_A = learned(cases, prompts, [[answer.ids for answer in group] for group in zip(*said, strict=True)])
    for row, rewards in zip(rows, rewards_A.view(len(rows), len(systems)).tolist(), strict=True):
        for name, reward in zip(systems, rewards, strict=True):
            row["systems"][name]["reward"] = reward
    task.progress.update(len(systems) + 1, len(systems) + 1)
    write_jsonl(task.folder / "answers.jsonl", rows)
    write_jsonl(task.folder / "retrieval.jsonl", _retrieval(task, cases))
    return {"questions": len(rows), "systems": list(systems), **means}


def _systems(task: Task) -> list[str]:
    made = [name for name in SYSTEMS if name in ("base", "sft", "best_of_n") or name in task.inputs]
    wanted = task.recipe.evaluate.systems
    return [name for name in made if wanted is None or name in wanted]


def _answers(
    task: Task, name: str, cases: Sequence[Case], prompts: list[list[int]], learned: RewardModel
) -> tuple[list[Answer], Sequence[float | None]]:
    """One answer a prompt, and its system's KL to SFT at some of the prompts (`_KL_QUESTIONS`)."""
    recipe = task.recipe
    base, sft = base_of(task), sft_role(task, base_of(task))
    greedy = Sampling(temperature=0, max_new_tokens=recipe.prompt.max_answer_tokens)
    role: Role | None
    match name:
        case "base":
            role = None
        case "sft":
            role = sft
        case "best_of_n":
            return _best(task, cases, prompts, learned, sft), [None] * len(prompts)
        case _:
            role = aligned_role(task, base, name)
    answers = [group[0] for group in sample(base, role, prompts, greedy)]
    if role is sft:
        return answers, [0.0] * len(prompts)
    asked = some(range(len(prompts)), _KL_QUESTIONS, task.seed)
    found = divergences(
        base,
        role,
        sft,
        [prompts[i] for i in asked],
        recipe.prompt.max_answer_tokens,
        seed=task.seed,
        token_budget=recipe.ppo.token_budget,
    )
    kls: list[float | None] = [None] * len(prompts)
    for place, kl in zip(asked, found, strict=True):
        kls[place] = kl
    return answers, kls


def _best(task: Task, cases: Sequence[Case], prompts: list[list[int]], learned: RewardModel, sft: Role) -> list[Answer]:
    """The answer that earns most, by the very rewards that PPO learns from, among n samples of SFT."""
    recipe, n = task.recipe, task.recipe.evaluate.best_of_n
    sampling = replace(sampling_of(task), max_new_tokens=recipe.prompt.max_answer_tokens)
    groups = sample(base_of(task), sft, prompts, sampling, samples=n, seed=task.seed)
    earned = Earned(base_of(task), cases, prompts, learned, recipe.ppo, words_of(recipe))
    scores_A, _ = earned(range(len(prompts)), groups)
    owners_A = torch.arange(len(prompts)).repeat_interleave(n)
    chosen = best_of_n(scores_A, owners_A, len(prompts)).tolist()
    flat = [answer for group in groups for answer in group]
    return [flat[index] for index in chosen]


def _row(case: Case) -> dict[str, Any]:
    return {
        "question_id": case.question.id,
        "topic": case.question.subject,
        "question": case.question.text,
        "gold": case.question.answer,
        "accepted": list(case.question.accepted),
        "answerable": case.question.answerable,
        "passages": [{"id": p.id, "title": p.title, "text": p.text} for p in case.context.passages],
        "gold_numbers": _gold_numbers(case),
        "systems": {},
    }


def _gold_numbers(case: Case) -> list[int] | None:
    known = bool(case.question.gold_documents) or not case.question.answerable
    return list(case.context.gold_numbers) if known else None


def _score(text: str, case: Case, words: Template) -> Scores:
    return score_answer(case.question, case.context.passages, _gold_numbers(case), text, words)


def _scored(text: str, scores: Scores, kl: float | None) -> dict[str, Any]:
    return {
        "text": text,
        "citations": list(citations(text)),
        "correct": scores.correct,
        "abstained": scores.abstained,
        "citation_precision": scores.citation_precision,
        "citation_recall": scores.citation_recall,
        "grounded": scores.grounded,
        "f1": scores.f1,
        "length": scores.length,
        "kl": kl,
    }


def _retrieval(task: Task, cases: Sequence[Case]) -> list[dict[str, Any]]:
    """Per answerable test question, where the search ranks its gold passages."""
    k = task.recipe.documents.k
    rows = []
    with Library.open(task.inputs["ingest"] / "library") as library:
        for case in cases:
            gold = gold_passage_ids(case.question, library)
            if not gold:
                continue
            ranked = [hit.passage.id for hit in library.search(case.question.text, _DEEP)]
            rows.append(
                {
                    "question_id": case.question.id,
                    "topic": case.question.subject,
                    "recall@1": recall_at_k(ranked, gold, 1),
                    "recall@k": recall_at_k(ranked, gold, k),
                    "ndcg@k": ndcg_at_k(ranked, gold, k),
                    "mrr": reciprocal_rank(ranked, gold),
                }
            )
    return rows
