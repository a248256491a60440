"""Particles and sentence endings."""

from __future__ import annotations

from typing import Literal

import pytest

from haechi.pretrain.worlds.korean.grammar import agree, final_consonant, in_register, linked, reported


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
        ("떡을 굽는다.", "며", "떡을 구우며"),
        ("조개를 줍는다.", "고", "조개를 줍고"),
        ("조개를 줍는다.", "며", "조개를 주우며"),
    ],
)
def test_a_sentence_becomes_a_clause(sentence: str, ending: Literal["고", "며", "지만"], clause: str) -> None:
    assert linked(sentence, ending) == clause


@pytest.mark.parametrize(
    ("plain", "nominal"),
    [
        ("등대가 있다.", "등대가 있음."),
        ("등대가 없다.", "등대가 없음."),
        ("불을 켠다.", "불을 켬."),
        ("등대이다.", "등대임."),
        ("산이다.", "산임."),
        ("등대를 지었다.", "등대를 지었음."),
        ("예로부터 꽃이었다.", "예로부터 꽃이었음."),
        ("등대를 지킨다.", "등대를 지킴."),
        ("성을 다스린다.", "성을 다스림."),
        ("빵을 먹는다.", "빵을 먹음."),
        ("밤은 조용하다.", "밤은 조용함."),
        ("수출한다.", "수출함."),
        ("산은 높다.", "산은 높음."),
        # Stems in ㄹ keep it: the final becomes ㄻ.
        ("소금을 판다.", "소금을 팖."),
        ("섬에 산다.", "섬에 삶."),
        ("이름을 안다.", "이름을 앎."),
        ("문을 연다.", "문을 엶."),
        ("배를 이끈다.", "배를 이끎."),
        ("떡을 만든다.", "떡을 만듦."),
        ("길은 길다.", "길은 긺."),
        ("찾는 사람이 드물다.", "찾는 사람이 드묾."),
        ("아이들은 노래를 부르며 논다.", "아이들은 노래를 부르며 놂."),  # 놀다
        ("물은 바위를 돈다.", "물은 바위를 돎."),  # 돌다
        ("여행자가 머문다.", "여행자가 머묾."),  # 머물다
        # Stems in ㅂ, ㄷ and ㅅ that change before a vowel.
        ("밤에 더 아름답다.", "밤에 더 아름다움."),
        ("돌처럼 무겁다.", "돌처럼 무거움."),
        ("떡을 굽는다.", "떡을 구움."),
        ("조개를 줍는다.", "조개를 주움."),
        ("집을 짓는다.", "집을 지음."),
        ("노래를 듣는다.", "노래를 들음."),
        ("모자를 잡는다.", "모자를 잡음."),  # as 잡다, 얻다 and 웃다 do not
        ("빵을 얻는다.", "빵을 얻음."),
        ("아이가 웃는다.", "아이가 웃음."),
        ("누구인가?", "누구인가?"),
    ],
)
def test_a_sentence_ends_as_a_noun(plain: str, nominal: str) -> None:
    assert in_register(plain, "nominal") == nominal


@pytest.mark.parametrize(
    ("plain", "casual"),
    [
        ("등대이다.", "등대야."),
        ("산이다.", "산이야."),
        ("지었다.", "지었어."),
        ("섬에 있다.", "섬에 있어."),
        ("이름은 고양이이다.", "이름은 고양이야."),
        ("예로부터 꽃이었다.", "예로부터 꽃이었어."),
        ("불을 켠다.", "불을 켠다."),  # what has no rule stays plain, which friends say too
        ("빵이 없다.", "빵이 없다."),
        ("누구인가?", "누구인가?"),
    ],
)
def test_a_sentence_among_friends(plain: str, casual: str) -> None:
    assert in_register(plain, "casual") == casual


@pytest.mark.parametrize(
    ("sentence", "frame", "expected"),
    [
        ("등대이다.", "{}고 한다.", "등대이라고 한다."),
        ("산이다.", "증인은 {}고 진술하였다.", "증인은 산이라고 진술하였다."),
        ("등대를 지었다.", "{}고 한다.", "등대를 지었다고 한다."),
        ("섬에 산다.", "{}는 사실이 인정된다.", "섬에 산다는 사실이 인정된다."),
        ("산은 높다.", "한바라에 따르면 {}고 한다.", "한바라에 따르면 산은 높다고 한다."),
        ("예로부터 꽃이었다.", "기록에는 {}고 적혀 있다.", "기록에는 예로부터 꽃이었다고 적혀 있다."),
        ("그 까닭은 눈이 아니다.", "{}고 한다.", "그 까닭은 눈이 아니라고 한다."),
    ],
)
def test_what_somebody_says(sentence: str, frame: str, expected: str) -> None:
    assert reported(sentence, frame) == expected
