"""What a step reads: rows that are a function of seed and step, in their shares, each learned for what it is worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from haechi.engine.trees import pack
from haechi.models.base import SharedBase
from haechi.pretrain.mixture import RIGHT, WORDS, WRONG, Mixture, Phase, Row, random_string, world_tree
from haechi.pretrain.model import build_model
from haechi.pretrain.spans import _GAP
from haechi.pretrain.text import PackedText, pack_text
from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.facts import Asked
from haechi.pretrain.worlds.world import World, generate
from haechi.prompt.tokens import Codec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

LIGHTHOUSE = World(
    (("등대", "등대지기는 오누리이다."),),
    (Asked("누가 지키나요?", "person", "오누리입니다.", 1), Asked("값은?", "price", None, None)),
    (Asked("누가 지키나요?", "person", "한바라입니다.", 1),),
)
PHASES = (Phase(3, (0, 0)), Phase(20, (1, 2), copies=0.3))


@pytest.fixture(scope="module")
def base(tokenizer: PreTrainedTokenizerFast) -> SharedBase:
    return SharedBase(
        build_model(tokenizer, layers=2, width=32, heads=2, intermediate=32, seed=0), Codec(tokenizer), "sprout"
    )


@pytest.fixture(scope="module")
def texts() -> tuple[str, ...]:
    """Pages of the prose of generated worlds."""
    pages = []
    for number in range(12):
        rng = Draw(f"page-{number}")
        told = [text for _ in range(6) for _, text in generate(rng, passages=1).passages if "\n" not in text]
        pages.append(f"{number}쪽\n\n" + " ".join(told) + "\n")
    return tuple(pages)


@pytest.fixture(scope="module")
def packed(base: SharedBase, texts: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> PackedText:
    file = tmp_path_factory.mktemp("text") / "ids.safetensors"
    pack_text(texts, base.codec, file)
    return PackedText(file)


def mixture(base: SharedBase, *phases: Phase, **settings: Any) -> Mixture:
    given: dict[str, Any] = {"tokens_a_step": 150, "seed": 3}
    return Mixture(base, phases or PHASES, **(given | settings))


def kind_of(row: Row, codec: Codec) -> str:
    """What a row is of, by its own words."""
    if row.weight < 1:
        return "text"
    questions = codec.tokenizer.decode(list(row.tree.answers[0]))
    if questions.startswith("Question: "):
        return "gaps" if _GAP in questions else "English"
    if questions.startswith("질문: "):
        return "gaps" if _GAP in questions else "Korean"
    return "copies"


def test_a_world_as_a_tree(tokenizer: PreTrainedTokenizerFast) -> None:
    """A verdict follows the end of every reply, where a reward model reads; wrong replies teach nothing else."""
    codec = Codec(tokenizer)
    (right,), (wrong,) = codec.encode(RIGHT), codec.encode(WRONG)
    tree = world_tree(LIGHTHOUSE, codec)
    assert tree.prompt[0] == tokenizer.bos_token_id
    assert tokenizer.decode(list(tree.prompt[1:])) == "[1] 등대: 등대지기는 오누리이다. [1]\n"
    expected = [
        ("질문: 누가 지키나요?\n답변:", " 오누리입니다. [1]", right),
        ("질문: 값은?\n답변:", f" {WORDS['ko'].abstention}", right),
        ("질문: 누가 지키나요?\n답변:", " 한바라입니다. [1]", wrong),
    ]
    assert len(tree.answers) == len(expected) and right != wrong
    for number, (question, reply, verdict) in enumerate(expected):
        ids, skip = list(tree.answers[number]), tree.skipped(number)
        assert tokenizer.decode(ids[:-2]) == question + reply
        assert ids[-2:] == [codec.eos, verdict]
        assert skip == (len(codec.encode(question)) if verdict == right else len(ids) - 1)
    packed = pack([tree])
    asks_for_verdict = packed.targets_N[-1] == wrong
    assert asks_for_verdict and packed.tokens_BT.flatten()[packed.read_R[packed.source_N[-1]]] == codec.eos


def test_english_worlds_are_asked_in_english(base: SharedBase) -> None:
    world = generate(Draw("en"), passages=1, language="en", questions=2, mistakes=1)
    tree = world_tree(world, base.codec)
    first = base.codec.tokenizer.decode(list(tree.answers[0]))
    assert first.startswith(f"Question: {world.asked[0].question}\nAnswer:")
    untold = World(world.passages, (Asked("Who?", "person", None, None),), (), "en")
    assert "The documents do not say." in base.codec.tokenizer.decode(list(world_tree(untold, base.codec).answers[0]))


def test_a_phase_says_how_many_questions_have_no_answer_and_how_many_replies_are_wrong(base: SharedBase) -> None:
    """A world has eight questions; the reply to one without an answer is the abstention, and of a wrong reply the
    verdict alone is learned."""
    abstention = base.codec.encode(f" {WORDS['ko'].abstention}")
    for unanswerable, mistakes in ((0.0, 0), (1.0, 3)):
        phase = Phase(9, (1, 2), unanswerable=unanswerable, mistakes=mistakes)
        for row in mixture(base, phase, tokens_a_step=1500).rows(2):
            answers = [list(answer[row.tree.skipped(number) :]) for number, answer in enumerate(row.tree.answers)]
            asked, wrong = answers[:8], answers[8:]
            assert len(wrong) == mistakes and all(len(answer) == 1 for answer in wrong)
            assert all((answer[: len(abstention)] == abstention) == bool(unanswerable) for answer in asked)


def test_gaps_are_of_three_passages_at_most(base: SharedBase, texts: tuple[str, ...]) -> None:
    rows = mixture(base, Phase(9, (5, 5), spans=1.0), texts=texts, tokens_a_step=4000).rows(0)
    gaps = [row for row in rows if kind_of(row, base.codec) == "gaps"]
    assert gaps and all("[4]" not in base.codec.decode(list(row.tree.prompt)) for row in gaps)
    assert any("[3]" in base.codec.decode(list(row.tree.prompt)) for row in gaps)


def test_rows_are_a_function_of_seed_and_step(base: SharedBase, texts: tuple[str, ...], packed: PackedText) -> None:
    given: dict[str, Any] = {"english": 0.5, "texts": texts, "packed": packed, "tokens_a_step": 2000}
    phases = (Phase(9, (1, 3), copies=0.2, spans=0.3, texts=0.3),)
    one, same, other = (mixture(base, *phases, seed=seed, **given) for seed in (3, 3, 4))
    assert one.rows(6) == one.rows(6) == same.rows(6)
    assert one.rows(5) != one.rows(6) != other.rows(6)
    assert {kind_of(row, base.codec) for step in range(12) for row in one.rows(step)} == {
        "copies", "text", "gaps", "English", "Korean",
    }  # fmt: skip


def test_copying_is_of_what_stands_in_the_prompt(base: SharedBase) -> None:
    """A string to repeat; or keys and values to look up, by the key alone or by words among which the key stands and
    that end as a question does."""
    shapes: Counter[str] = Counter()
    asks = base.codec.encode(f"\n{WORDS['ko'].answer}:")
    for row in (row for step in range(30) for row in mixture(base, Phase(1, (0, 0))).rows(step)):
        tree, eos = row.tree, base.codec.eos
        items = [f",{item.strip(',')}," for item in joined(tree.prompt[1:]).split(f",{eos},")]
        for number, answer in enumerate(tree.answers):
            question, value = list(answer[: tree.skipped(number)]), list(answer[tree.skipped(number) :])
            if not question:
                assert len(tree.answers) == 1 and tree.prompt == [*base.codec.bos, *value]
                shapes["string"] += 1
                continue
            assert value[-1] == eos
            ends = joined(value[:-1])
            keys = [item[: -len(ends)] + "," for item in items if item.endswith(ends)]
            assert any(key in joined(question) for key in keys), (items, question, value)
            about = question[-len(asks) :] == asks and len(question) > len(asks)
            assert about or joined(question) in keys
            shapes["about" if about else "key"] += 1
    assert min(shapes[shape] for shape in ("string", "about", "key")) > 20, shapes


def joined(ids: Sequence[int]) -> str:
    """Ids with commas around, so that one sequence can be sought in another."""
    return f",{','.join(map(str, ids))},"


def test_a_step_holds_its_tokens_and_not_a_row_more(base: SharedBase) -> None:
    for step in range(5):
        *rows, last = mixture(base, tokens_a_step=600).rows(step)
        before = sum(row.tree.num_tokens for row in rows)
        assert before < 600 <= before + last.tree.num_tokens


def test_phases_follow_one_another_and_the_last_goes_on(base: SharedBase) -> None:
    phases = (Phase(2, (0, 0)), Phase(3, (1, 1)), Phase(1, (4, 4)))
    kinds = [
        [(kind_of(row, base.codec), base.codec.tokenizer.decode(list(row.tree.prompt)).count("\n[")) for row in rows]
        for rows in (mixture(base, *phases).rows(step) for step in range(8))
    ]
    assert all(kind == "copies" for step in kinds[:2] for kind, _ in step)
    assert all(found == ("Korean", 0) for step in kinds[2:5] for found in step)
    assert all(found == ("Korean", 3) for step in kinds[5:] for found in step)


def test_shares_are_about_right(base: SharedBase, texts: tuple[str, ...], packed: PackedText) -> None:
    phase = Phase(1, (1, 2), copies=0.2, spans=0.3, texts=0.1)
    drawn = mixture(base, phase, english=0.25, texts=texts, packed=packed, tokens_a_step=300_000).rows(0)
    counted = Counter(kind_of(row, base.codec) for row in drawn)
    shares = {kind: count / len(drawn) for kind, count in counted.items()}
    # What is left, 0.4, are worlds, a quarter of them English; a deviation is at most √(0.24/400).
    assert len(drawn) > 400
    expected = {"copies": 0.2, "gaps": 0.3, "text": 0.1, "Korean": 0.3, "English": 0.1}
    assert shares == pytest.approx(expected, abs=0.08)


def test_without_text_there_are_no_gaps_and_no_running_text(base: SharedBase) -> None:
    rows = mixture(base, Phase(1, (1, 1), spans=0.5, texts=0.5), tokens_a_step=5000).rows(0)
    assert {kind_of(row, base.codec) for row in rows} == {"Korean"}
    assert {row.weight for row in rows} == {1.0}


def test_texts_too_short_for_gaps_leave_worlds(base: SharedBase) -> None:
    rows = mixture(base, Phase(1, (1, 1), spans=1.0), texts=("짧다.",), tokens_a_step=3000).rows(0)
    assert {kind_of(row, base.codec) for row in rows} == {"Korean"}


def test_prose_is_told_as_far_as_the_phase_says(base: SharedBase) -> None:
    """Bare worlds are short: a sentence holds a fact and nothing else."""
    lengths = []
    for prose in (0.0, 1.0):
        rows = mixture(base, Phase(1, (2, 2), prose=prose), tokens_a_step=20_000).rows(0)
        lengths.append(sum(len(row.tree.prompt) for row in rows) / len(rows))
    assert lengths[0] < 0.8 * lengths[1]


def test_random_strings() -> None:
    rng = Draw("0")
    assert len(random_string(rng, [5, 6, 7], 50)) == 50 and set(random_string(rng, [5, 6, 7], 50)) == {5, 6, 7}
