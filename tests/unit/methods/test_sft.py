import math

import torch
from torch.autograd import gradcheck

from haechi.methods.sft import negative_log_likelihood, token_mean

SEGMENTS = torch.tensor([0, 0, 0, 1])
LOGPS = torch.tensor([0.5, 0.25, 0.5, 0.125]).log()


def test_by_hand():
    nll = negative_log_likelihood(LOGPS, SEGMENTS, 2)
    assert torch.allclose(nll, torch.tensor([math.log(2 * 4 * 2), math.log(8)]))
    assert math.isclose(token_mean(nll, 4).item(), (4 + 3) * math.log(2) / 4, rel_tol=1e-6)


def test_every_token_counts_alike_however_long_its_answer():
    logps = LOGPS.clone().requires_grad_()
    token_mean(negative_log_likelihood(logps, SEGMENTS, 2), 4).backward()
    assert logps.grad is not None
    assert logps.grad.tolist() == [-1 / 4] * 4


def test_accumulated_micro_batches_equal_the_batch():
    whole = token_mean(negative_log_likelihood(LOGPS, SEGMENTS, 2), 4)
    parts = [
        token_mean(negative_log_likelihood(LOGPS[:3], SEGMENTS[:3], 1), 4),
        token_mean(negative_log_likelihood(LOGPS[3:], SEGMENTS[3:] - 1, 1), 4),
    ]
    assert torch.allclose(whole, parts[0] + parts[1])


def test_order_of_answers_does_not_matter():
    order = torch.tensor([3, 0, 1, 2])
    assert torch.allclose(
        negative_log_likelihood(LOGPS[order], 1 - SEGMENTS[order], 2).flip(0),
        negative_log_likelihood(LOGPS, SEGMENTS, 2),
    )


def test_gradients():
    assert gradcheck(
        lambda x: token_mean(negative_log_likelihood(x, SEGMENTS, 2), 4), LOGPS.double().clone().requires_grad_()
    )


def test_an_impossible_answer_has_a_finite_loss():
    assert token_mean(negative_log_likelihood(torch.full((4,), -1e4), SEGMENTS, 2), 4).item() == 1e4
