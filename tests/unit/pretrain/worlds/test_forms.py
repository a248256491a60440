"""Layouts: prose, dialogues, lists and tables that tell every fact, each under a name of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import pytest

from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.english.speech import English
from haechi.pretrain.worlds.facts import Fact
from haechi.pretrain.worlds.forms import _BULLETS, _HEADS, _dialogue, _list, _table, grid, laid_out
from haechi.pretrain.worlds.korean.speech import Korean
from haechi.pretrain.worlds.world import generate
from haechi.prompt.template import Language


def made(language: Language, number: int, shape: float | None = None) -> tuple[str, list[Fact], str]:
    """A passage: its title, its facts and its text; `shape` decides between prose, dialogue, table and list."""

    class Shaped(Draw):
        """Draws the shape first, when it is told to."""

        forced: float | None = None

        def random(self) -> float:
            drawn, forced = super().random(), self.forced
            self.forced = None
            return drawn if forced is None else forced

    rng = Shaped(f"layout-{number}")
    speech = (Korean if language == "ko" else English)(rng, False)
    title = speech.entity()
    facts = speech.facts(title, rng.randint(2, 6))
    rng.forced = shape
    return title, facts, laid_out(rng, title, facts, speech)


def stands(value: str, text: str) -> bool:
    """Whether a value stands in a text, as it is or at the start of a sentence."""
    return value in text or value[:1].upper() + value[1:] in text


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("shape", [None, 0.5, 0.8, 0.9, 0.95], ids=["any", "prose", "dialogue", "table", "list"])
def test_every_fact_can_be_found(language: Language, shape: float | None) -> None:
    """Whatever the layout: no fact is left out, no line is empty, no brace is open."""
    for number in range(150):
        _, facts, text = made(language, number, shape)
        assert all(stands(fact.value, text) for fact in facts), (text, facts)
        assert not re.search(r"[{}]", text), text
        lines = text.split("\n")
        assert all(line.strip() == line and line for line in lines), text
        assert ("\n" not in text) if shape == 0.5 else True


@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_dialogue_asks_and_tells_every_fact_in_turn(language: Language) -> None:
    speakers: Counter[tuple[str, str]] = Counter()
    for number in range(150):
        _, facts, text = made(language, number, 0.8)
        lines = text.split("\n")
        assert len(lines) == 2 * len(facts)
        names = {tuple(line.split(": ", 1)[0] for line in lines[at : at + 2]) for at in range(0, len(lines), 2)}
        ((asks, knows),) = names
        speakers[(asks, knows) if asks == "Q" else ("", "")] += 1
        assert asks != knows
        for fact, question, reply in zip(facts, lines[::2], lines[1::2], strict=True):
            assert question.endswith(("?", ".")) and fact.value not in reply.split(": ", 1)[0]
            assert stands(fact.value, reply.split(": ", 1)[1]) and reply.endswith("."), (fact, reply)
    assert speakers["Q", "A"] / 150 == pytest.approx(0.3, abs=0.15)  # four deviations of √(0.21/150)
    assert sum(speakers.values()) == 150


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("shape", [0.9, 0.95], ids=["table", "list"])
def test_lines_name_each_fact_once_and_rightly(language: Language, shape: float) -> None:
    """A heading stands for one fact of the passage alone; whatever has a heading is under it, the rest in sentences."""
    listed = 0
    for number in range(200):
        title, facts, text = made(language, number, shape)
        speech = (Korean if language == "ko" else English)(Draw("names"), False)
        names = {id(fact): name for fact in facts if (name := speech.heading(title, fact))}
        doubled = len(set(names.values())) < len(names)
        lines = text.split("\n")
        found: dict[str, str] = {}
        for line in lines:
            if shape == 0.9 and " | " in line:
                cells = line.strip("| ").split(" | ")
                assert len(cells) == 2, line
                name, value = cells
            elif shape == 0.95 and (name_value := _bullet(line, set(names.values()))):
                name, value = name_value
            else:
                continue
            if (name, value) in _HEADS[language]:
                continue
            assert name not in found, (name, text)
            found[name] = value
        if doubled:
            assert not found, "two facts under one name cannot be told apart"
            continue
        assert found == {names[id(fact)]: fact.value for fact in facts if id(fact) in names}, text
        listed += len(found)
        told_in_words = [fact for fact in facts if id(fact) not in names]
        assert all(stands(fact.value, text) for fact in told_in_words)
        assert bool(told_in_words) or all(" | " in line or _bullet(line, set(found)) for line in lines)
    assert listed > 200


def _bullet(line: str, names: set[str]) -> tuple[str, str] | None:
    """The name and value of a line of a list; the name has to be one of those, since values hold blanks too."""
    for name in sorted(names, key=len, reverse=True):
        for bullet in _BULLETS:
            before, after = bullet.replace("{name}", name).split("{value}")
            if line.startswith(before) and line.endswith(after):
                return name, line[len(before) :]
    return None


def test_a_list_has_one_bullet_and_a_table_one_style() -> None:
    rows = [("높이", "3미터"), ("지기", "오누리")]
    lists = {tuple(_list(Draw(f"{i}"), rows)) for i in range(100)}
    assert lists == {tuple(bullet.format(name=name, value=value) for name, value in rows) for bullet in _BULLETS}
    tables = {tuple(_table(Draw(f"{i}"), rows, "ko")) for i in range(200)}
    bare = {tuple(style.format(" | ".join(row)) for row in rows) for style in ("{}", "| {} |")}
    heads = {
        tuple(style.format(" | ".join(row)) for row in (head, *rows))
        for style in ("{}", "| {} |")
        for head in _HEADS["ko"]
    }
    assert tables == bare | heads


def test_no_rows_make_no_head() -> None:
    assert {tuple(_table(Draw(f"{i}"), [], "en")) for i in range(50)} == {()}
    assert _list(Draw("1"), []) == []


def test_a_grid_has_a_row_for_each_subject() -> None:
    head, rows = ["name", "height"], [["Stroln Tower", "3 feet"], ["Kroth Inn", "4 feet"]]
    assert {grid(Draw(f"{i}"), head, rows) for i in range(50)} == {
        "name | height\nStroln Tower | 3 feet\nKroth Inn | 4 feet",
        "| name | height |\n| Stroln Tower | 3 feet |\n| Kroth Inn | 4 feet |",
    }


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("unseen", [False, True])
def test_a_table_of_several_subjects(language: Language, unseen: bool) -> None:
    """As many cells in each row as in the head, a row for each subject, each fact in its row under its label."""
    for number in range(100):
        speech = (Korean if language == "ko" else English)(Draw(f"grid-{number}"), unseen)
        title, facts, text = speech.table()
        head, *rows = (line.strip("| ").split(" | ") for line in text.split("\n"))
        assert title and {len(row) for row in rows} == {len(head)} and len(head) >= 3
        assert len(facts) == len(rows) * (len(head) - 1)
        cells = {(row[0], label): cell for row in rows for label, cell in zip(head[1:], row[1:], strict=True)}
        assert cells == {(fact.subject, fact.label): fact.value for fact in facts}
        assert len({row[0] for row in rows}) == len(rows) >= 3


def _told(speech: Korean | English, facts: Sequence[Fact]) -> str:
    return _dialogue(Draw("1"), facts, speech)


def test_how_two_people_talk() -> None:
    """A table's facts as a dialogue: what is asked names its subject, what is said its value."""
    fact = Fact("Stroln Tower", None, "height", "length", "3 feet")
    asked, said = _told(English(Draw("2"), False), [fact]).split("\n")
    assert "Stroln Tower" in asked and "height" in asked and "3 feet" in said
    fact = Fact("오누리 등대", None, "높이", "length", "3미터")
    asked, said = _told(Korean(Draw("2"), False), [fact]).split("\n")
    assert "오누리 등대" in asked and "3미터" in said


@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_page_does_not_ask_the_held_out_question(language: Language) -> None:
    """There is one held-out wording of each: a dialogue would hold the very question that is measured."""
    for seed in range(150):
        world = generate(Draw(f"asked-{seed}"), passages=3, language=language, unseen_templates=True)
        page = "\n".join(text for _, text in world.passages)
        assert not any(asked.question in page for asked in world.asked)
    trained = [generate(Draw(f"asked-{seed}"), passages=3, language=language) for seed in range(60)]
    assert any(asked.question in text for world in trained for _, text in world.passages for asked in world.asked)
