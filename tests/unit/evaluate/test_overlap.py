import pytest

from haechi.evaluate.overlap import overlap

SENTENCES = ["하늘고래 등대의 등대지기는 오누리입니다.", "나루는 강 북쪽에 있습니다."]


@pytest.mark.parametrize("tokenizer", ["character", "word"])
def test_identical_korean_sentences_score_full_marks(tokenizer) -> None:
    found = overlap(SENTENCES, SENTENCES, rouge_tokenizer=tokenizer)
    assert found.corpus == pytest.approx({"bleu": 100.0, "rouge_l": 100.0, "chrf": 100.0})
    assert found.each["rouge_l"] == pytest.approx([100.0, 100.0])


def test_the_default_rouge_tokenizer_would_have_scored_zero() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    assert RougeScorer(["rougeL"]).score(SENTENCES[0], SENTENCES[0])["rougeL"].fmeasure == 0.0


def test_short_identical_answers_score_full_marks() -> None:
    assert overlap(["물"], ["물"]).corpus["bleu"] == pytest.approx(100.0)


def test_nothing_in_common_and_empty_answers_score_zero_rouge() -> None:
    found = overlap(["미르", ""], ["오누리", "오누리"])
    assert found.each["rouge_l"] == [0.0, 0.0]
    assert found.each["bleu"][1] == found.each["chrf"][1] == 0.0


def test_rouge_l_is_the_f_measure_of_the_longest_common_subsequence() -> None:
    # Letters 가나다라 against 가다라마바: 가다라 in common, precision 3/4, recall 3/5, F = 2/3.
    assert overlap(["가나다라"], ["가다라 마바"]).each["rouge_l"] == [pytest.approx(100 * 2 / 3)]
    # Words: 가나 of two and 가나 of three, F = 2 * (1/2) * (1/3) / (5/6) = 2/5.
    assert overlap(["가나 다"], ["가나 라 마"], rouge_tokenizer="word").each["rouge_l"] == [pytest.approx(40.0)]


def test_corpus_bleu_is_sacrebleu_with_its_character_tokenizer() -> None:
    import sacrebleu

    answers = ["하늘고래 등대의 지기는 오누리입니다.", "나루는 강 남쪽에 있습니다."]
    reference = sacrebleu.corpus_bleu(answers, [SENTENCES], tokenize="char").score
    assert overlap(answers, SENTENCES).corpus["bleu"] == pytest.approx(reference)
    assert overlap(answers, SENTENCES).corpus["chrf"] == pytest.approx(
        sacrebleu.corpus_chrf(answers, [SENTENCES], word_order=2).score
    )


def test_each_score_names_its_tokenizer() -> None:
    names = overlap(["물"], ["물"], rouge_tokenizer="word").names
    assert names["bleu"] == "sacrebleu char"
    assert "word" in names["rouge_l"]
    assert "chrF++" in names["chrf"]


def test_uneven_or_empty_input_is_refused() -> None:
    with pytest.raises(ValueError, match="1 answers and 2 references"):
        overlap(["물"], ["물", "불"])
    with pytest.raises(ValueError, match="at least one"):
        overlap([], [])
