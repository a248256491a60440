"""Particles and sentence endings."""

from __future__ import annotations

from typing import Literal

import pytest

from haechi.pretrain.korean import agree, final_consonant, in_register, linked


@pytest.mark.parametrize(
    ("syllable", "final"), [("가", 0), ("각", 1), ("한", 4), ("물", 8), ("있", 20), ("힣", 27), ("A", 0), ("3", 0)]
)
def test_final_consonant(syllable: str, final: int) -> None:
    assert final_consonant(syllable) == final


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("오누리(은/는) 왔다.", "오누리는 왔다."),
        ("성(은/는) 높다.", "성은 높다."),
        ("나루(이/가) 섬(을/를) 본다.", "나루가 섬을 본다."),
        ("물(으로/로) 간다.", "물로 간다."),  # ㄹ
        ("산(으로/로) 간다.", "산으로 간다."),
        ("나루(으로/로) 간다.", "나루로 간다."),
        ("감(과/와) 배(과/와) 귤", "감과 배와 귤"),
        ("봄(이라/라) 한다. 나비(이라/라) 한다.", "봄이라 한다. 나비라 한다."),
        ("값은 3(이고/고) 수는 넷(이고/고)", "값은 3고 수는 넷이고"),
        ("여기(는/은) 그대로", "여기(는/은) 그대로"),
        ("(은/는) 앞에 아무것도 없다", "(은/는) 앞에 아무것도 없다"),
    ],
)
def test_particles_agree(text: str, expected: str) -> None:
    assert agree(text) == expected


@pytest.mark.parametrize(
    ("plain", "formal", "polite"),
    [
        ("값은 은빛이다.", "값은 은빛입니다.", "값은 은빛이에요."),
        ("이름은 오누리이다.", "이름은 오누리입니다.", "이름은 오누리예요."),
        ("자랑은 고양이이다.", "자랑은 고양이입니다.", "자랑은 고양이예요."),
        ("성을 세웠다.", "성을 세웠습니다.", "성을 세웠어요."),
        ("섬에 있다.", "섬에 있습니다.", "섬에 있어요."),
        ("빵을 먹는다.", "빵을 먹습니다.", "빵을 먹습니다."),  # what has no polite rule becomes formal
        ("섬을 다스린다.", "섬을 다스립니다.", "섬을 다스립니다."),
        ("사람이 산다.", "사람이 삽니다.", "사람이 삽니다."),
        ("밤은 조용하다.", "밤은 조용합니다.", "밤은 조용합니다."),
        ("산은 높다.", "산은 높습니다.", "산은 높습니다."),
        ("길은 길다.", "길은 깁니다.", "길은 깁니다."),  # ㄹ falls
        ("빵이 없다.", "빵이 없습니다.", "빵이 없습니다."),
        ("누구인가?", "누구인가?", "누구인가?"),
    ],
)
def test_registers(plain: str, formal: str, polite: str) -> None:
    assert (in_register(plain, "plain"), in_register(plain, "formal"), in_register(plain, "polite")) == (
        plain,
        formal,
        polite,
    )


@pytest.mark.parametrize(
    ("sentence", "ending", "clause"),
    [
        ("등대는 섬에 있다.", "며", "등대는 섬에 있으며"),
        ("등대를 세웠다.", "지만", "등대를 세웠지만"),
        ("지기는 오누리이다.", "고", "지기는 오누리이고"),
        ("지기는 오누리이다.", "며", "지기는 오누리이며"),
        ("등대를 지킨다.", "며", "등대를 지키며"),
        ("배를 이끈다.", "고", "배를 이끌고"),
        ("섬에 산다.", "며", "섬에 살며"),
        ("이끼를 먹는다.", "며", "이끼를 먹으며"),
        ("언제나 조용하다.", "고", "언제나 조용하고"),
        ("들고 들어갈 수 없다.", "며", "들고 들어갈 수 없으며"),
    ],
)
def test_a_sentence_becomes_a_clause(sentence: str, ending: Literal["고", "며", "지만"], clause: str) -> None:
    assert linked(sentence, ending) == clause
