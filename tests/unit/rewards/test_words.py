import pytest

from haechi.rewards.words import number_in, stems, tokens


def test_a_number_keeps_its_unit_and_loses_its_thousands_separators() -> None:
    assert tokens("높이는 1,037 m, 무게는 3.5톤") == ["높이는", "1037", "m", "무게는", "3.5톤"]
    assert tokens("2024년3월 37%입니다") == ["2024년", "3월", "37%입니다"]


def test_full_width_digits_and_capitals_are_folded() -> None:
    assert tokens("３７ KM") == ["37", "km"]


def test_commas_that_do_not_group_thousands_part_two_numbers() -> None:
    assert tokens("1,2345") == ["1", "2345"]


def test_only_a_token_that_begins_with_a_digit_has_a_number() -> None:
    assert number_in("3.5톤") == "3.5"
    assert number_in("톤") is None


@pytest.mark.parametrize(
    ("word", "stem"),
    [
        ("오누리입니다", "오누리"),
        ("오누리이다", "오누리"),
        ("학교에서는", "학교"),
        ("위치한다", "위치"),
        ("있습니다", "있"),
        ("떠납니다", "떠나"),
        ("떠난다", "떠나"),
        ("whales", "whale"),
        ("seoul입니다", "seoul"),
    ],
)
def test_one_particle_or_ending_comes_off(word: str, stem: str) -> None:
    assert {word, stem} <= stems(word)


def test_a_second_suffix_does_not_come_off() -> None:
    assert "오누" not in stems("오누가입니다")


def test_a_word_that_is_only_a_suffix_stays() -> None:
    assert stems("는") == {"는"}
    assert stems("its") == {"its"}
