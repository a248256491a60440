"""What each metric is called, which way is better, and what it means, in Korean and in English."""

from __future__ import annotations

from dataclasses import dataclass

from haechi.evaluate.overlap import NAMES
from haechi.evaluate.significance import Better
from haechi.prompt.template import Language


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of the report; `title` and `about` by language."""

    key: str
    better: Better
    title: dict[Language, str]
    about: dict[Language, str]


def _metric(key: str, better: Better, ko: tuple[str, str], en: tuple[str, str]) -> Metric:
    return Metric(key, better, {"ko": ko[0], "en": en[0]}, {"ko": ko[1], "en": en[1]})


_BLEU, _ROUGE, _CHRF = NAMES["bleu"], NAMES["rouge_l"], NAMES["chrf"]

METRICS: tuple[Metric, ...] = (
    _metric(
        "correct",
        "higher",
        (
            "정답률",
            "답할 수 있는 질문에는 인정된 답을 말하고, 문서에 답이 없는 질문에는 답을 보류한 비율입니다. 답할 수 "
            "있지만 인정된 답이 등록되지 않은 질문은 빼고 계산합니다.",
        ),
        (
            "Correct",
            "Share of questions answered with an accepted answer, or declined where the documents hold none; "
            "answerable questions without accepted answers on record are left out.",
        ),
    ),
    _metric(
        "abstention_precision",
        "higher",
        ("보류 정밀도", "답을 보류한 질문 가운데 실제로 문서에 답이 없던 비율입니다."),
        ("Abstention precision", "Of the questions it declined, the share that the documents do not answer."),
    ),
    _metric(
        "abstention_recall",
        "higher",
        ("보류 재현율", "문서에 답이 없는 질문 가운데 답을 보류한 비율입니다. 나머지는 지어낸 답입니다."),
        ("Abstention recall", "Of the questions without an answer, the share it declined; the rest it made up."),
    ),
    _metric(
        "over_refusal",
        "lower",
        ("과잉 보류", "답할 수 있는데도 답을 보류한 질문의 비율입니다."),
        ("Over-refusal", "Of the questions that can be answered, the share it declined."),
    ),
    _metric(
        "citation_precision",
        "higher",
        (
            "인용 정밀도",
            "답할 수 있는 질문에 내놓은 답에서, 인용한 문단 가운데 실제 근거인 비율입니다. 인용이 없는 답은 0입니다.",
        ),
        (
            "Citation precision",
            "In attempted answers to answerable questions, the share of citations that are evidence; 0 without one.",
        ),
    ),
    _metric(
        "citation_recall",
        "higher",
        ("인용 재현율", "근거 문단이 주어진 질문 가운데 그 문단을 인용한 비율입니다. 답을 보류하면 0입니다."),
        ("Citation recall", "Of the questions whose evidence was at hand, the share that cited it; 0 if declined."),
    ),
    _metric(
        "grounded",
        "higher",
        (
            "근거 충실도",
            "답의 낱말과 수가 인용한 문단에 나오는 비율입니다. 부정이나 뒤바뀐 관계는 가려내지 못합니다.",
        ),
        ("Grounded", "Share of an answer's words and numbers in what it cites; blind to negation and wrong relations."),
    ),
    _metric(
        "f1",
        "higher",
        ("글자 F1", "모범 답과 겹치는 글자의 F1입니다(KorQuAD 1.0 방식, 공백 제외). 답을 보류하면 0입니다."),
        ("Character F1", "F1 of the letters shared with the gold answer (as KorQuAD 1.0, no spaces); 0 if declined."),
    ),
    _metric(
        "bleu",
        "higher",
        ("BLEU", f"모범 답과의 BLEU, 답마다 구한 값의 평균입니다(0~100, {_BLEU}). 답을 보류하면 0입니다."),
        ("BLEU", f"BLEU with the gold answer, mean of the answers' scores, 0 to 100 ({_BLEU}); 0 if declined."),
    ),
    _metric(
        "rouge_l",
        "higher",
        ("ROUGE-L", f"모범 답과의 ROUGE-L F, 답마다 구한 값의 평균입니다(0~100, {_ROUGE}). 답을 보류하면 0입니다."),
        ("ROUGE-L", f"ROUGE-L F with the gold answer, mean over answers, 0 to 100 ({_ROUGE}); 0 if declined."),
    ),
    _metric(
        "chrf",
        "higher",
        ("chrF++", f"모범 답과의 chrF++, 답마다 구한 값의 평균입니다(0~100, {_CHRF}). 답을 보류하면 0입니다."),
        ("chrF++", f"chrF++ with the gold answer, mean of the answers' scores, 0 to 100 ({_CHRF}); 0 if declined."),
    ),
    _metric(
        "reward",
        "higher",
        ("보상", "보상 모델이 매긴 점수입니다. 답의 질이 함께 오르지 않으면 보상만 노린 것일 수 있습니다."),
        ("Reward", "The reward model's score; if it rises and the answers get no better, it may be being gamed."),
    ),
    _metric(
        "kl",
        "neither",
        ("SFT와의 KL", "SFT 모델에서 벗어난 정도입니다. 답 하나의 로그 확률 차이를 더한 값입니다(nat)."),
        ("KL", "How far it moved from the SFT model: the summed log-probability difference of an answer, in nats."),
    ),
    _metric(
        "length",
        "neither",
        ("길이", "답의 글자 수입니다(인용 표시 제외)."),
        ("Length", "Characters of the answer, citation marks aside."),
    ),
)


def metrics_block(language: Language) -> dict[str, dict[str, str]]:
    """The `metrics` block of results.json in one language."""
    return {
        metric.key: {
            "title": metric.title[language],
            "better": metric.better,
            "about": metric.about[language],
        }
        for metric in METRICS
    }
