"""No cluster crosses a split; shares and balance hold; order of input does not matter."""

from __future__ import annotations

import random

import pytest

from haechi.errors import RecipeError, StageError
from haechi.records.split import clusters, split
from haechi.records.types import Question

SHARES = {"train": 0.8, "dev": 0.1, "test": 0.1}


def question(name: str, text: str, topic: str = "", answerable: bool = True) -> Question:
    return Question(id=name, text=text, topic=topic, answerable=answerable)


def unlike(draw: random.Random) -> str:
    return "".join(chr(draw.randrange(0xAC00, 0xD7A4)) for _ in range(20))


def many(count: int, seed: int = 3) -> list[Question]:
    """Topics of one to six questions, a quarter of the questions without an answer."""
    draw = random.Random(seed)
    topics: list[str] = []
    while len(topics) < count:
        topics += [f"t{len(topics)}"] * draw.randrange(1, 7)
    return [question(f"q{i:04}", unlike(draw), topics[i], draw.random() > 0.25) for i in range(count)]


def test_clusters_join_paraphrases_and_topics() -> None:
    long = "하늘고래 등대의 등대지기로 오래 일한 사람은 누구인가요"
    questions = [
        question("e", "전혀 다른 질문", topic="나루"),
        question("d", long + "?", topic="나루"),
        question("c", "혼자 있는 질문"),
        question("b", long),
        question("a", "빈 주제는 주제가 아니다"),
    ]
    assert [[q.id for q in cluster] for cluster in clusters(questions, 0.8)] == [["a"], ["b", "d", "e"], ["c"]]
    assert [[q.id for q in cluster] for cluster in clusters(questions, 1.0)] == [["a"], ["b"], ["c"], ["d", "e"]]


def test_equal_texts_are_one_cluster_at_any_threshold() -> None:
    questions = [question("a", "같은  질문"), question("b", "같은 질문"), question("c", "같은질문")]
    assert len(clusters(questions, 1.0)) == 1


def test_parts_hold_everything_once_and_no_topic_crosses() -> None:
    questions = many(500)
    parts = split(questions, SHARES, seed=1)
    assert list(parts) == list(SHARES)
    assert sorted(q.id for part in parts.values() for q in part) == [q.id for q in questions]
    topics = [{q.topic for q in part} for part in parts.values()]
    assert sum(map(len, topics)) == len(set().union(*topics))


@pytest.mark.parametrize("seed", range(5))
def test_shares_and_balance(seed: int) -> None:
    questions = many(500, seed)
    unanswerable = sum(not q.answerable for q in questions)
    for name, part in split(questions, SHARES, seed).items():
        assert abs(len(part) - 500 * SHARES[name]) <= 3
        assert abs(sum(not q.answerable for q in part) - unanswerable * SHARES[name]) <= 6


def test_large_topics_reach_every_part() -> None:
    parts = split(many(500), SHARES, seed=1)
    for part in parts.values():
        assert max(sum(q.topic == topic for q in part) for topic in {q.topic for q in part}) == 6


def test_same_parts_in_any_order_of_input_but_not_for_any_seed() -> None:
    questions = many(200)
    shuffled = random.Random(0).sample(questions, len(questions))
    assert split(questions, SHARES, seed=4) == split(shuffled, SHARES, seed=4)
    assert split(questions, SHARES, seed=4) != split(questions, SHARES, seed=5)


def test_few_clusters_still_fill_every_part() -> None:
    draw = random.Random(1)
    questions = [question(f"q{i}", unlike(draw)) for i in range(3)]
    assert [len(part) for part in split(questions, SHARES, seed=0).values()] == [1, 1, 1]


def test_too_few_clusters_are_refused() -> None:
    draw = random.Random(1)
    questions = [question(f"q{i}", unlike(draw), topic="one" if i else "") for i in range(10)]
    with pytest.raises(StageError, match="10 questions form 2 clusters"):
        split(questions, SHARES, seed=0)


@pytest.mark.parametrize("shares", [{}, {"a": 0.5, "b": 0.4}, {"a": 1.0, "b": 0.0}, {"a": 1.5, "b": -0.5}])
def test_bad_shares_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(RecipeError, match="add up to 1"):
        split(many(20), shares, seed=0)
