"""What cleaning leaves out, and what it must not."""

from __future__ import annotations

import pytest

from haechi.records.clean import (
    DocumentLimits,
    PreferenceLimits,
    QuestionLimits,
    clean_documents,
    clean_preferences,
    clean_questions,
)
from haechi.records.damage import Damage, damage_of
from haechi.records.types import Document, Preference, Question

SENTENCE = "하늘고래 등대의 등대지기는 오누리이고, 등대는 바다 위에 높이 떠 있다."


@pytest.mark.parametrize(
    ("text", "damage"),
    [
        (SENTENCE, None),
        ("한 글자가 \ufffd 깨졌다", Damage.REPLACEMENT),
        ("종\x07이 울린다", Damage.CONTROL),
        ("탭\t과\r\n줄", None),
        ("안녕하세요 반갑습니다".encode().decode("latin-1"), Damage.MOJIBAKE),
        ("등대는 바다 위에".encode().decode("cp1252", errors="ignore"), Damage.MOJIBAKE),
        ("안녕하세요".encode("cp949").decode("latin-1"), Damage.MOJIBAKE),
        ("ㅋㅋㅋㅋㅋ 좋아요", None),
        ("ㅋ" * 30, Damage.REPEATED),
        ("가" + "-" * 9, None),
        ("제목\n" + "-" * 40 + "\n" + SENTENCE * 3, None),
        ("도움이 되길 바랍니다.\", 'token': 280}", Damage.EXPORT_TAIL),
        ('끝입니다.", "tokens": 12', Damage.EXPORT_TAIL),
        ("JSON의 'token': 280 은 예시입니다.", None),
        ("Crème brûlée à la façon de Noël, déjà goûtée.", None),
        ("", None),
    ],
)
def test_damage(text: str, damage: Damage | None) -> None:
    assert damage_of(text) is damage


def document(name: str, text: str) -> Document:
    return Document(id=name, title="", text=text)


def test_documents() -> None:
    long = "".join(chr(0xAC00 + 37 * i) for i in range(200))  # 200 different syllables: 196 grams
    documents = [
        document("short", "짧다"),
        document("kept", long),
        document("copy", f" {long[:50]}\n{long[50:]} "),
        document("near", long[:-1] + "끝"),  # 195 of 197 grams
        document("far", long[:150] + "".join(chr(0xAC01 + 37 * i) for i in range(50))),
        document("big", long * 3),
        document("broken", long + "\ufffd"),
    ]
    kept, report = clean_documents(documents, DocumentLimits(shortest=5, longest=500))
    assert [d.id for d in kept] == ["kept", "far"]
    assert (report.read, report.kept) == (7, 2)
    assert report.examples == {
        "too short": ("short",),
        "duplicate": ("copy",),
        "near-duplicate": ("near",),
        "too long": ("big",),
        "replacement character": ("broken",),
    }
    kept, report = clean_documents(documents, DocumentLimits(shortest=5, longest=500, near_duplicate=None))
    assert "near" in [d.id for d in kept]


def test_near_duplicates_of_what_was_dropped_stay() -> None:
    # Each is similar to the next only: b goes because of a, but c may stay, for b is no longer there.
    base = "".join(chr(0xAC00 + 37 * i) for i in range(130))
    a, b, c = (document(name, base[i : i + 100]) for name, i in zip("abc", (0, 8, 16), strict=True))
    # 96 grams each, 88 shared by neighbours: 88/104 = 0.846; 80 shared by a and c: 80/112 = 0.714.
    kept, _ = clean_documents([a, b, c], DocumentLimits(near_duplicate=0.8))
    assert [d.id for d in kept] == ["a", "c"]


def question(name: str, text: str, answer: str | None = None, gold: tuple[str, ...] = ()) -> Question:
    return Question(id=name, text=text, answer=answer, gold_documents=gold)


def test_questions() -> None:
    long = "하늘고래 등대의 불빛이 처음으로 바다를 비춘 것은 어느 해의 몇 월이었으며 그때의 등대지기는 누구였나요"
    questions = [
        question("a", long, "오누리입니다."),
        question("b", long + "?", "오누리입니다."),
        question("c", long + "!", "나루입니다."),
        question("d", long, "다른 답입니다."),
        question("e", long, "오누리입니다.", ("doc",)),
        question("f", "응?", "네"),
        question("g", "이 답은 비어 있다", " "),
        question("h", "꼬리가 있는 답", "네.\", 'token': 280}"),
        question("i", "답이 없어도 된다"),
    ]
    kept, report = clean_questions(questions, QuestionLimits(shortest=3))
    # c asks nearly the same but has another answer; e asks about a given document.
    assert [q.id for q in kept] == ["a", "c", "e", "i"]
    assert report.counts == {
        "near-duplicate": 1,
        "duplicate": 1,
        "too short": 2,
        "tail of an export": 1,
    }


def test_reports_show_five_examples() -> None:
    kept, report = clean_questions([question(f"q{i}", "같은 질문") for i in range(9)])
    assert [q.id for q in kept] == ["q0"]
    assert report.counts == {"duplicate": 8}
    assert report.examples == {"duplicate": ("q1", "q2", "q3", "q4", "q5")}


def pair(name: str, chosen: str, rejected: str, prompt: str = "질문입니다", weight: float = 1.0) -> Preference:
    return Preference(id=name, prompt=prompt, chosen=chosen, rejected=rejected, weight=weight)


def test_conflicting_preferences_go_by_weight() -> None:
    pairs = [
        pair("yes1", "갑", "을"),
        pair("no", "을", "갑"),
        pair("yes2", "갑 ", "을"),
        pair("heads", "병", "정"),
        pair("tails", "정", "병"),
        pair("elsewhere", "을", "갑", prompt="다른 질문"),
        pair("light", "무", "기", weight=0.5),
        pair("heavy", "기", "무", weight=2.0),
    ]
    kept, report = clean_preferences(pairs)
    assert [p.id for p in kept] == ["yes1", "elsewhere", "heavy"]
    assert report.examples == {
        "outvoted": ("no", "light"),
        "duplicate": ("yes2",),
        "conflict": ("heads", "tails"),
    }


def test_preferences_keep_bad_rejected_answers_but_not_damaged_files() -> None:
    pairs = [
        pair("empty", "좋은 답입니다.", ""),
        pair("stuck", "좋은 답입니다.", "아" * 50),
        pair("tail", "좋은 답입니다.", "나쁜 답.\", 'token': 28}"),
        pair("stuck-chosen", "아" * 50, "좋은 답입니다."),
        pair("same", "같은 답", "같은  답"),
        pair("long", "좋은 답입니다.", SENTENCE * 9),
    ]
    kept, report = clean_preferences(pairs, PreferenceLimits(longest_answer=300))
    assert [p.id for p in kept] == ["empty", "stuck"]
    assert report.examples == {
        "tail of an export": ("tail",),
        "one character repeated": ("stuck-chosen",),
        "equal answers": ("same",),
        "too long": ("long",),
    }


def test_swapped_answers_are_not_near_duplicates() -> None:
    other = "은빛 나루는 강의 북쪽에 있고, 나루지기는 해가 지면 배를 묶고 등불을 켠다."
    third = "달그림자 골짜기에는 봄마다 흰 꽃이 피며, 사람들은 그 꽃으로 차를 끓인다."
    pairs = [
        pair("a", SENTENCE, other),
        pair("b", other, third),
        pair("c", SENTENCE + "!", other + "!"),  # 33 letters, one more
        pair("d", third, SENTENCE),
    ]
    kept, report = clean_preferences(pairs)
    assert [p.id for p in kept] == ["a", "b", "d"]
    assert report.examples == {"near-duplicate": ("c",)}
