"""BLEU, ROUGE-L and chrF++, each with a tokenizer that reads Korean, and with its name beside the number.

The tokenizers that the packages default to do not: that of rouge-score drops every Hangul letter, so that two
identical Korean sentences score 0. Scores under different tokenizers cannot be compared.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

NAMES = {
    "bleu": "sacrebleu char",
    "rouge_l": "rouge-score, character",
    "chrf": "sacrebleu chrF++ (char 6, word 2)",
}


def overlap(answers: Sequence[str], references: Sequence[str]) -> dict[str, list[float]]:
    """BLEU, ROUGE-L (F) and chrF++ of each answer with its reference, from 0 to 100, by metric.

    BLEU is smoothed exponentially and counts only the orders of n-grams that a text is long enough to have: short
    answers have no four characters.

    Raises:
        ValueError: there are no answers, or not as many references.
    """
    if not answers or len(answers) != len(references):
        raise ValueError(f"{len(answers)} answers and {len(references)} references; need as many, and at least one")
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    bleu, chrf = BLEU(tokenize="char", effective_order=True), CHRF(word_order=2)
    rouge = RougeScorer(["rougeL"], tokenizer=_Letters())
    pairs = list(zip(answers, references, strict=True))
    return {
        "bleu": [bleu.sentence_score(answer, [reference]).score for answer, reference in pairs],
        "rouge_l": [100 * rouge.score(reference, answer)["rougeL"].fmeasure for answer, reference in pairs],
        "chrf": [chrf.sentence_score(answer, [reference]).score for answer, reference in pairs],
    }


class _Letters:
    """Letters and digits one by one, in the interface that rouge-score asks for."""

    def tokenize(self, text: str) -> list[str]:
        return [letter for letter in unicodedata.normalize("NFKC", text).lower() if letter.isalnum()]
