"""How well a base reads, and what SFT makes of it: what the measurements of `haechi evaluate --base` share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from haechi.engine.loop import train
from haechi.engine.rollout import Sampling, sample
from haechi.engine.trees import Tree
from haechi.errors import ModelError, StageError
from haechi.evaluate.score import score_answer
from haechi.evaluate.significance import Interval, bootstrap, bootstrap_ratio
from haechi.learners.batches import some, steps_for
from haechi.learners.sft import SupervisedLearner
from haechi.models.base import SharedBase
from haechi.models.roles import Role
from haechi.pipeline.files import write_json
from haechi.pipeline.task import Task
from haechi.prompt.citations import without_citations
from haechi.prompt.template import Language, Template, template
from haechi.recipe.bases import Reading
from haechi.records.types import Passage, Question
from haechi.records.write import read_rows, write_jsonl
from haechi.retrieval.contexts import Context
from haechi.stages.cases import Case, prompt_of
from haechi.stages.loop import hooks
from haechi.stages.models import answer_ids, trainable
from haechi.stages.sft import loop_settings

_MEANS = ("exact", "exact_cited", "cited", "f1")


@dataclass(frozen=True, slots=True)
class Scores:
    """How some questions were answered.

    Attributes:
        questions: how many were short enough to be asked.
        intervals: none where no question was asked, else
            `exact`: the share of answerable questions answered to the letter, citations aside;
            `f1`: the characters shared with their answers;
            `cited`: the share of attempted answers to them that cite the right passage and no other;
            `exact_cited`: both;
            `abstention_f1`: of abstaining, over all questions, where some have no answer.
    """

    questions: int
    intervals: Mapping[str, Interval]


@dataclass(frozen=True, slots=True)
class Read:
    """A question with its passages, and the language that both are in."""

    case: Case
    language: Language


def reading_of(task: Task) -> Reading:
    """How the base is to be measured."""
    assert task.recipe.reading is not None  # these stages stand in no other graph
    return task.recipe.reading


def read_case(
    identifier: str,
    question: str,
    passages: Sequence[tuple[str, str]],
    answer: str | None,
    gold: int | None,
    language: Language,
    topic: str = "",
) -> Read:
    """A question on passages of (title, text); `gold` is the number of the passage that answers it, None if none.
    Answers on one topic are not independent."""
    made = tuple(
        Passage(
            id=f"{identifier}#{number}",
            document_id=f"{identifier}#{number}",
            title=title,
            text=text,
            start=0,
            end=len(text),
        )
        for number, (title, text) in enumerate(passages, start=1)
    )
    asked = Question(
        id=identifier,
        text=question,
        answer=answer,
        accepted=(answer,) if answer else (),
        answerable=answer is not None,
        gold_documents=(made[gold - 1].document_id,) if gold else (),
        topic=topic,
    )
    return Read(Case(asked, Context(identifier, made, (gold,) if gold else (), retrieved=gold is not None)), language)


def taught(task: Task, base: SharedBase, examples: Sequence[Read], folder: Path) -> tuple[Role, int]:
    """The role that SFT makes of the base with these examples, and of how many; a killed training goes on from its
    checkpoint."""
    settings = reading_of(task).sft
    trees: list[Tree] = []
    for read, prompt in _fitting(task, base, some(examples, reading_of(task).examples, task.seed), "learned from"):
        target = read.case.target(_words(task, read))
        if target is not None:
            with suppress(ModelError):  # the answer may be what is too long
                trees.append(Tree(prompt, [answer_ids(base, prompt, target, read.case.question.id)]))
    if not trees:
        raise StageError("none of the questions that SFT would learn from fits. Fix: raise prompt.max_prompt_tokens.")
    role = Role(base, trainable(settings.trainable), seed=task.seed)
    learner = SupervisedLearner(
        base, role, trees, batch_size=settings.batch_size, token_budget=settings.token_budget, seed=task.seed
    )
    steps = steps_for(len(trees), settings.batch_size, settings.epochs)
    folder.mkdir(parents=True, exist_ok=True)
    train(learner, role.parameters(), loop_settings(settings, steps), folder, hooks(task, "loss"))
    return role.freeze(), len(trees)


def scored(task: Task, base: SharedBase, role: Role | None, asked: Sequence[Read], file: Path) -> Scores:
    """Greedy answers to questions, written to `file`, and their scores. What an interrupted attempt wrote stands."""
    if not file.exists():
        fitting = _fitting(task, base, asked, "asked")
        prompts = [prompt for _, prompt in fitting]
        greedy = Sampling(temperature=0, max_new_tokens=task.recipe.prompt.max_answer_tokens)
        answers = sample(base, role, prompts, greedy, progress=watched(task)) if prompts else []
        texts = [base.codec.decode(group[0].ids) for group in answers]
        write_jsonl(
            file,
            [_row(read.case, text, _words(task, read)) for (read, _), text in zip(fitting, texts, strict=True)],
        )
    rows = read_rows(file)
    return Scores(len(rows), intervals(rows, task.recipe.evaluate.bootstrap))


def watched(task: Task) -> Callable[[int, int], None]:
    """Shows how much is done; leaves unfinished work as soon as the user asks to stop."""

    def done(some: int, total: int) -> None:
        task.progress.update(some, total)
        if some < total and task.stopping():
            raise task.stopped()

    return done


def write_scores(task: Task, scores: Mapping[str, Scores]) -> dict[str, float]:
    """The metrics of a stage, `NAME/METRIC`; with their intervals they stand in `scores.json`."""
    write_json(
        task.folder / "scores.json",
        {
            name: {"questions": its.questions} | {metric: one.as_dict() for metric, one in its.intervals.items()}
            for name, its in scores.items()
        },
    )
    found: dict[str, float] = {}
    for name, its in scores.items():
        found |= {f"{name}/questions": its.questions}
        found |= {f"{name}/{metric}": one.value for metric, one in its.intervals.items()}
    return found


def _words(task: Task, read: Read) -> Template:
    return template(read.language, instructed=task.recipe.prompt.instructed)


def _fitting(task: Task, base: SharedBase, asked: Sequence[Read], use: str) -> list[tuple[Read, list[int]]]:
    """The questions whose prompts the base can read, with these; a note says how many are left out."""
    fitting: list[tuple[Read, list[int]]] = []
    for read in asked:
        with suppress(ModelError):
            fitting.append((read, prompt_of(read.case, base.codec, _words(task, read), task.recipe)))
    if len(fitting) < len(asked):
        left = f"{len(asked) - len(fitting)} of {len(asked)}"
        task.progress.note(f"{left} questions to be {use} are too long, and are left out")
    return fitting


def _row(case: Case, text: str, words: Template) -> dict[str, Any]:
    question, context = case.question, case.context
    scores = score_answer(question, context.passages, context.gold_numbers, text, words)
    answerable = not case.should_abstain
    exact = _plain(without_citations(text)) == _plain(question.answer or "") if answerable else None
    cited = scores.citations == context.gold_numbers if answerable and not scores.abstained else None
    return {
        "question": question.text,
        "topic": question.subject,
        "gold": question.answer if answerable else None,
        "answer": text,
        "answerable": answerable,
        "abstained": scores.abstained,
        "exact": exact,
        "f1": scores.f1 if answerable else None,
        "cited": cited,
        "exact_cited": exact and bool(cited) if exact is not None else None,
    }


def _plain(text: str) -> str:
    """Without the spaces and full stops that make no difference."""
    return " ".join(text.split()).rstrip(" .")


def intervals(rows: Sequence[Mapping[str, Any]], samples: int = 1000) -> dict[str, Interval]:
    """The scores over the rows of `scored`, with 95 % intervals over topics (`haechi.evaluate.significance`)."""
    topics = [row["topic"] for row in rows]
    found: dict[str, Interval] = {}
    for name in _MEANS:
        values = [row[name] for row in rows]
        if any(value is not None for value in values):
            found[name] = bootstrap(values, topics, samples=samples)
    if not all(row["answerable"] for row in rows):
        rightly = [2 * (row["abstained"] and not row["answerable"]) for row in rows]
        either = [row["abstained"] + (not row["answerable"]) for row in rows]
        found["abstention_f1"] = bootstrap_ratio(rightly, either, topics, samples=samples)
    return found
