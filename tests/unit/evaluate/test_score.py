from haechi.evaluate.score import Scores, correctness_is_told, headline, score_answer
from haechi.prompt.template import template
from haechi.records.types import Passage, Question

KO = template("ko")


def passage(title: str, text: str) -> Passage:
    return Passage(id=f"{title}#0", document_id=title, title=title, text=text, start=0, end=len(text))


PASSAGES = [passage("은빛 나루", "나루는 강 북쪽에 있다."), passage("하늘고래 등대", "등대지기는 오누리이다.")]
KEEPER = Question(id="q1", text="등대지기는 누구인가요?", answer="오누리입니다.", accepted=("오누리",))
UNKNOWN = Question(id="q2", text="등대의 나이는?", answerable=False)


def test_a_right_answer() -> None:
    assert score_answer(KEEPER, PASSAGES, [2], "오누리입니다. [2]", KO) == Scores(
        correct=1.0,
        abstained=False,
        citations=(2,),
        citation_precision=1.0,
        citation_recall=1.0,
        grounded=1.0,
        f1=1.0,
        length=7,
    )


def test_a_title_is_part_of_the_passage() -> None:
    assert score_answer(KEEPER, PASSAGES, [2], "하늘고래 등대의 오누리입니다. [2]", KO).grounded == 1.0


def test_an_abstention_on_an_answerable_question_loses_recall_but_not_precision() -> None:
    scores = score_answer(KEEPER, PASSAGES, [2], KO.abstention, KO)
    assert (scores.correct, scores.abstained) == (0.0, True)
    assert (scores.citation_precision, scores.citation_recall, scores.grounded, scores.f1) == (None, 0.0, None, 0.0)


def test_where_the_evidence_is_not_at_hand_recall_does_not_apply() -> None:
    assert score_answer(KEEPER, PASSAGES, [], KO.abstention, KO).citation_recall is None
    attempted = score_answer(KEEPER, PASSAGES, [], "오누리입니다. [2]", KO)
    assert (attempted.citation_precision, attempted.citation_recall) == (0.0, None)


def test_an_attempt_that_cites_nothing_has_precision_zero() -> None:
    for answer in ("오누리입니다.", ""):
        scores = score_answer(KEEPER, PASSAGES, [2], answer, KO)
        assert (scores.citation_precision, scores.citation_recall, scores.grounded) == (0.0, 0.0, 0.0)


def test_without_gold_numbers_citations_are_compared_with_the_text() -> None:
    right = score_answer(KEEPER, PASSAGES, None, "오누리입니다. [2]", KO)
    wrong = score_answer(KEEPER, PASSAGES, None, "오누리입니다. [1]", KO)
    assert (right.citation_precision, right.citation_recall) == (1.0, 1.0)
    assert (wrong.citation_precision, wrong.citation_recall) == (0.0, 0.0)


def test_an_unanswerable_question_has_no_citation_scores_and_no_f1() -> None:
    declined = score_answer(UNKNOWN, PASSAGES, [], KO.abstention, KO)
    assert (declined.correct, declined.citation_precision, declined.citation_recall) == (1.0, None, None)
    made_up = score_answer(UNKNOWN, PASSAGES, [], "300살입니다. [2]", KO)
    assert (made_up.correct, made_up.grounded, made_up.f1) == (0.0, 0.0, None)


def test_f1_does_not_apply_without_a_gold_answer() -> None:
    assert score_answer(Question(id="q3", text="?"), PASSAGES, [2], "오누리입니다. [2]", KO).f1 is None


def test_without_accepted_answers_likeness_stands_in_for_correctness() -> None:
    open_ended = Question(id="q3", text="나루는 어떤 곳인가요?", answer="강 북쪽에 있다.")
    said = [score_answer(open_ended, PASSAGES, [1], answer, KO) for answer in ("강 북쪽에 있다. [1]", KO.abstention)]
    assert [(one.correct, one.f1) for one in said] == [(None, 1.0), (None, 0.0)]
    assert headline([open_ended] * 2, said) == {"f1": 0.5}
    # The unanswerable question alone would make a model that always abstains perfect.
    declined = score_answer(UNKNOWN, PASSAGES, [], KO.abstention, KO)
    assert headline([open_ended, open_ended, UNKNOWN], [*said, declined]) == {"f1": 0.5}
    right = score_answer(KEEPER, PASSAGES, [2], "바람입니다. [2]", KO)
    assert headline([open_ended, UNKNOWN, KEEPER], [said[0], declined, right]) == {"correct": 0.5}
    assert headline([UNKNOWN], [declined]) == {"correct": 1.0}
    bare = Question(id="q4", text="나루는 어떤 곳인가요?")
    assert headline([bare], [score_answer(bare, PASSAGES, [], "강입니다.", KO)]) == {}


def test_correctness_is_told_by_answerable_questions() -> None:
    assert correctness_is_told([(True, ["오누리"]), (True, []), (False, [])])
    assert correctness_is_told([(False, [])])
    assert not correctness_is_told([(True, []), (False, [])])
