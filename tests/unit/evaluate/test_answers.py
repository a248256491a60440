import pytest

from haechi.evaluate.answers import character_f1, contains, is_correct, normalise
from haechi.prompt.template import template

KO = template("ko")


def test_normalisation_of_korquad() -> None:
    assert normalise("《훈민정음》은  'Hangul'(한글)이다!") == "훈민정음 은 hangul 한글 이다"
    assert normalise("3.5") == "35"


def test_character_f1_counts_letters_as_a_multiset() -> None:
    # 오누리입니다 against 오누리: three letters in common of six and three.
    assert character_f1("오누리입니다.", ["오누리"]) == pytest.approx(2 * 3 / (6 + 3))
    # 나나 against 나: one in common of two and one.
    assert character_f1("나나", ["나"]) == pytest.approx(2 * 1 / (2 + 1))
    assert character_f1("하늘 고래", ["하늘고래"]) == 1.0
    assert character_f1("오누리", ["미르", "오누리"]) == 1.0
    assert character_f1("미르", ["오누"]) == 0.0
    assert character_f1("미르", []) == 0.0


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("높이는 37미터입니다.", "37미터"),
        ("높이는 37 미터입니다.", "37미터"),
        ("37미터입니다.", "37 미터"),
        ("모두 1,037명입니다.", "1037명"),
        ("제37회입니다.", "37회"),
        ("《하늘 고래》입니다.", "하늘고래"),
        ("It is the Sky Whale.", "sky whale"),
        ("국민연금공단입니다.", "공단"),
        ("영하 -3도입니다.", "-3도"),
        ("3.5톤입니다.", "3.5톤"),
        ("2020~2021년입니다.", "2021년"),
        ("물은 깊습니다.", "물"),
        ("흰 비입니다.", "비입니다"),
        ("모두 일곱 번입니다.", "일곱 번"),
        ("일곱번입니다.", "일곱 번"),
        ("섬의 동쪽입니다.", "동쪽"),
        ("색종이입니다.", "종이"),
        ("바위마를린입니다.", "마를린"),
        ("바위구름헛간입니다.", "구름헛간"),
    ],
)
def test_an_accepted_string_is_found_in_another_spelling(text: str, accepted: str) -> None:
    assert contains(text, accepted)


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("높이는 37미터입니다.", "7미터"),
        ("7.5미터입니다.", "7"),
        ("7.5미터입니다.", "5미터"),
        ("35톤입니다.", "3.5톤"),
        ("370명입니다.", "37"),
        ("1,037명입니다.", "37명"),
        ("방 3 7미터입니다.", "37미터"),
        ("-3도입니다.", "3도"),
        ("a party", "art"),
        ("건물입니다.", "물"),
        ("흰 두꺼비입니다.", "비입니다"),
        ("나무예요.", "무예요"),
        ("흰 두꺼비를 보았습니다.", "비를"),
        ("모두 백스무 개입니다.", "스무 개"),
        ("열일곱 번입니다.", "일곱 번"),
        ("이십일 년입니다.", "십일 년"),
        ("스물네 개입니다.", "네 개"),
        ("남동쪽입니다.", "동쪽"),
        ("오누리입니다.", ""),
        ("오누리입니다.", "."),
    ],
)
def test_a_part_of_a_number_or_of_a_word_is_not_found(text: str, accepted: str) -> None:
    assert not contains(text, accepted)


@pytest.mark.parametrize(
    "answer",
    [
        "오누리입니다. [2]",
        "하늘고래 등대의 등대지기는 오누리입니다. [2]",
        "네, 오누리입니다. [2]",
        "등대는 높습니다. [1] 등대지기는 오누리입니다. [2]",
    ],
)
def test_right_answers(answer: str) -> None:
    assert is_correct(answer, ["오 누리", "오누리"], True, KO)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "미르입니다. [1]",
        "미르, 가온, 오누리입니다. [1]",
        "미르·가온·오누리입니다. [1]",
        "미르 또는 오누리입니다. [1]",
        "미르입니다. 가온입니다. 오누리입니다. [1]",
        "미르 " * 25 + "오누리입니다. [1]",
        KO.abstention,
    ],
)
def test_wrong_answers_and_lists_of_candidates(answer: str) -> None:
    assert not is_correct(answer, ["오누리"], True, KO)


def test_what_stands_inside_the_accepted_string_is_no_list() -> None:
    assert is_correct("신청서, 신분증, 통장 또는 카드를 냅니다. [1]", ["신청서, 신분증, 통장 또는 카드"], True, KO)
    assert is_correct("모두 1,037,200원입니다. [1]", ["1037200원"], True, KO)


def test_only_abstaining_is_right_where_there_is_no_answer() -> None:
    assert is_correct(KO.abstention, [], False, KO)
    assert is_correct(KO.abstention.rstrip("."), ["오누리"], False, KO)
    assert not is_correct("오누리입니다. [1]", ["오누리"], False, KO)
    assert not is_correct(f"{KO.abstention} 오누리입니다. [1]", ["오누리"], False, KO)


@pytest.mark.parametrize(
    ("answer", "accepted", "right"),
    [
        ("오누리가 아닙니다. [1]", "오누리", False),
        ("등대지기는 오누리는 아니고 미르입니다. [1]", "오누리", False),
        ("등대지기는 오누리가 아니라 미르입니다. [1]", "미르", True),
        ("오누리가 아닌 사람이 아니라 오누리입니다. [1]", "오누리", True),
        ("It is not Onuri. [1]", "Onuri", False),
        ("The keeper isn't Onuri. [1]", "Onuri", False),
        ("The keeper is president Onuri, not Mir. [1]", "Onuri", True),
    ],
)
def test_what_is_denied_is_not_answered(answer: str, accepted: str, right: bool) -> None:
    assert is_correct(answer, [accepted], True, KO) is right
