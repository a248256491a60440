import pytest
import torch
from torch.autograd import gradcheck

from haechi.methods.segments import is_last, last_index, segment_sum

VALUES = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
SEGMENTS = torch.tensor([0, 0, 1, 2, 2, 2])


def test_sums_by_hand():
    assert segment_sum(VALUES, SEGMENTS, 3).tolist() == [1 + 2, 4, 8 + 16 + 32]


def test_an_answer_without_tokens_counts_zero():
    segments = torch.tensor([0, 0, 2])
    assert segment_sum(VALUES[:3], segments, 4).tolist() == [3, 0, 4, 0]


def test_last_token_of_each_answer():
    assert is_last(SEGMENTS).tolist() == [False, True, True, False, False, True]
    assert last_index(SEGMENTS, 3).tolist() == [1, 2, 5]


def test_answers_may_come_in_any_order():
    order = torch.tensor([3, 4, 5, 2, 0, 1])
    assert torch.equal(segment_sum(VALUES[order], SEGMENTS[order], 3), segment_sum(VALUES, SEGMENTS, 3))
    assert last_index(SEGMENTS[order], 3).tolist() == [5, 3, 2]


def test_neighbouring_answers_with_the_same_text_stay_apart():
    assert last_index(torch.tensor([1, 0]), 2).tolist() == [1, 0]


def test_gradients():
    values = torch.randn(6, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert gradcheck(lambda v: segment_sum(v, SEGMENTS, 3), values)


def test_no_tokens_at_all():
    nothing = torch.zeros(0, dtype=torch.long)
    assert is_last(nothing).tolist() == []
    assert last_index(nothing, 0).tolist() == []


def test_an_answer_without_an_end_is_refused():
    for segments, answers in [([0, 0, 2], 3), ([0, 1, 0], 2), ([0, 1, 0], 3), ([0], 2)]:
        with pytest.raises(ValueError, match="one contiguous run"):
            last_index(torch.tensor(segments), answers)
