import pytest

from haechi.evaluate.overlap import NAMES, overlap

SENTENCES = ["하늘고래 등대의 등대지기는 오누리입니다.", "나루는 강 북쪽에 있습니다."]


def test_identical_korean_sentences_score_full_marks() -> None:
    found = overlap(SENTENCES, SENTENCES)
    assert set(found) == set(NAMES)
    for scores in found.values():
        assert scores == pytest.approx([100.0, 100.0])


def test_the_default_rouge_tokenizer_would_have_scored_zero() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    assert RougeScorer(["rougeL"]).score(SENTENCES[0], SENTENCES[0])["rougeL"].fmeasure == 0.0


def test_short_identical_answers_score_full_marks() -> None:
    assert overlap(["물"], ["물"])["bleu"] == [pytest.approx(100.0)]


def test_nothing_in_common_and_empty_answers_score_zero_rouge() -> None:
    found = overlap(["미르", ""], ["오누리", "오누리"])
    assert found["rouge_l"] == [0.0, 0.0]
    assert found["bleu"][1] == found["chrf"][1] == 0.0


def test_rouge_l_is_the_f_measure_of_the_longest_common_subsequence() -> None:
    # Letters 가나다라 against 가다라마바: 가다라 in common, precision 3/4, recall 3/5, F = 2/3.
    assert overlap(["가나다라"], ["가다라 마바"])["rouge_l"] == [pytest.approx(100 * 2 / 3)]


def test_bleu_and_chrf_are_those_of_sacrebleu_with_its_character_tokenizer() -> None:
    import sacrebleu

    answers = ["하늘고래 등대의 지기는 오누리입니다.", "나루는 강 남쪽에 있습니다."]
    found = overlap(answers, SENTENCES)
    for number, (answer, reference) in enumerate(zip(answers, SENTENCES, strict=True)):
        bleu = sacrebleu.corpus_bleu([answer], [[reference]], tokenize="char", smooth_method="exp").score
        assert 0 < bleu < 100 and found["bleu"][number] == pytest.approx(bleu)
        chrf = sacrebleu.corpus_chrf([answer], [[reference]], word_order=2).score
        assert 0 < chrf < 100 and found["chrf"][number] == pytest.approx(chrf)


def test_uneven_or_empty_input_is_refused() -> None:
    with pytest.raises(ValueError, match="1 answers and 2 references"):
        overlap(["물"], ["물", "불"])
    with pytest.raises(ValueError, match="at least one"):
        overlap([], [])
