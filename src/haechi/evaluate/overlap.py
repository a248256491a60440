"""BLEU, ROUGE-L and chrF++, each with a tokenizer that reads Korean, and with its name beside the number.

The tokenizers that the packages default to do not: that of rouge-score drops every Hangul letter, so that two
identical Korean sentences score 0. Scores under different tokenizers cannot be compared.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from haechi.rewards.words import tokens

RougeTokenizer = Literal["character", "word"]

NAMES = {
    "bleu": "sacrebleu char",
    "rouge_l": "rouge-score, {tokenizer}",
    "chrf": "sacrebleu chrF++ (char 6, word 2)",
}


@dataclass(frozen=True, slots=True)
class Overlap:
    """Overlap of answers with their references, all from 0 to 100.

    Attributes:
        corpus: by metric (`bleu`, `rouge_l`, `chrf`) the score of the corpus; for ROUGE-L, the mean over answers.
        each: by metric the score of each answer; BLEU there with exponential smoothing.
        names: by metric the implementation and the tokenizer, to be reported with the score.
    """

    corpus: dict[str, float]
    each: dict[str, list[float]]
    names: dict[str, str]


def overlap(
    answers: Sequence[str], references: Sequence[str], *, rouge_tokenizer: RougeTokenizer = "character"
) -> Overlap:
    """BLEU, ROUGE-L (F) and chrF++ of answers, one reference each, as a corpus and one by one.

    BLEU counts only the orders of n-grams that a text is long enough to have: short answers have no four characters.

    Raises:
        ValueError: there are no answers, or not as many references.
    """
    if not answers or len(answers) != len(references):
        raise ValueError(f"{len(answers)} answers and {len(references)} references; need as many, and at least one")
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    bleu, chrf = BLEU(tokenize="char", effective_order=True), CHRF(word_order=2)
    pairs = list(zip(answers, references, strict=True))
    each = {
        "bleu": [bleu.sentence_score(answer, [reference]).score for answer, reference in pairs],
        "rouge_l": _rouge_l(pairs, rouge_tokenizer),
        "chrf": [chrf.sentence_score(answer, [reference]).score for answer, reference in pairs],
    }
    corpus = {
        "bleu": bleu.corpus_score(answers, [references]).score,
        "rouge_l": sum(each["rouge_l"]) / len(pairs),
        "chrf": chrf.corpus_score(answers, [references]).score,
    }
    names = {metric: name.format(tokenizer=rouge_tokenizer) for metric, name in NAMES.items()}
    return Overlap(corpus, each, names)


class _Tokenizer:
    """The interface that rouge-score asks for."""

    def __init__(self, kind: RougeTokenizer) -> None:
        self.kind = kind

    def tokenize(self, text: str) -> list[str]:
        if self.kind == "word":
            return tokens(text)
        return [letter for letter in unicodedata.normalize("NFKC", text).lower() if letter.isalnum()]


def _rouge_l(pairs: Sequence[tuple[str, str]], kind: RougeTokenizer) -> list[float]:
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"], tokenizer=_Tokenizer(kind))
    return [100 * scorer.score(reference, answer)["rougeL"].fmeasure for answer, reference in pairs]
