"""Log-probabilities in chunks against the whole matrix at once."""

from __future__ import annotations

import math

import pytest
import torch

from haechi.engine.logps import answer_logps


def test_by_hand() -> None:
    # Two tokens, logits (0, ln 3): probabilities 1/4 and 3/4; entropy = ln 4 - 3/4 ln 3.
    hidden = torch.tensor([[1.0], [1.0]])
    weight = torch.tensor([[0.0], [math.log(3)]])
    logps, entropy = answer_logps(hidden, torch.tensor([0, 1]), weight, entropy="learned")
    assert logps.tolist() == pytest.approx([math.log(1 / 4), math.log(3 / 4)])
    assert entropy is not None
    assert entropy.tolist() == pytest.approx([math.log(4) - 0.75 * math.log(3)] * 2)
    # At temperature 1/2 the odds are squared: 1 to 9.
    cold, _ = answer_logps(hidden, torch.tensor([0, 1]), weight, temperature=0.5)
    assert cold.tolist() == pytest.approx([math.log(1 / 10), math.log(9 / 10)])


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_chunks_change_neither_value_nor_gradient(chunk: int) -> None:
    torch.manual_seed(0)
    hidden, weight, bias = torch.randn(7, 5), torch.randn(11, 5), torch.randn(11)
    targets, mix = torch.randint(11, (7,)), torch.randn(2, 7)

    def gradients(chunked: bool) -> list[torch.Tensor]:
        leaves = [tensor.clone().requires_grad_() for tensor in (hidden, weight)]
        if chunked:
            logps, entropy = answer_logps(
                leaves[0], targets, leaves[1], bias, temperature=0.7, entropy="learned", chunk=chunk
            )
            assert entropy is not None
        else:
            every = ((leaves[0] @ leaves[1].T + bias) / 0.7).log_softmax(-1)
            logps, entropy = every[range(7), targets], -(every.exp() * every).sum(-1)
        (logps @ mix[0] + entropy @ mix[1]).backward()
        return [logps.detach(), entropy.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]

    for ours, whole in zip(gradients(True), gradients(False), strict=True):
        torch.testing.assert_close(ours, whole)


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_a_frozen_projection_gives_the_same_values_and_gradient(chunk: int) -> None:
    """Of the log-probability alone, in whatever order and how often its rows are used; the entropy has none."""
    torch.manual_seed(0)
    weight, bias = torch.randn(11, 5, dtype=torch.float64), torch.randn(11, dtype=torch.float64)
    hidden, targets, mix = torch.randn(7, 5, dtype=torch.float64), torch.randint(11, (7,)), torch.randn(7)
    ours, theirs = hidden.clone().requires_grad_(), hidden.clone().requires_grad_()
    logps, entropy = answer_logps(ours, targets, weight, bias, temperature=0.7, entropy="measured", chunk=chunk)
    every = ((theirs @ weight.T + bias) / 0.7).log_softmax(-1)
    whole = every[range(7), targets]
    torch.testing.assert_close(logps, whole.float())
    assert entropy is not None and not entropy.requires_grad
    torch.testing.assert_close(entropy, -(every.exp() * every).sum(-1).detach().float())
    (logps @ mix).backward()
    (whole.float() @ mix).backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-6)


def test_a_measured_entropy_has_the_value_and_no_gradient() -> None:
    torch.manual_seed(1)
    hidden, weight, targets = torch.randn(4, 5, requires_grad=True), torch.randn(11, 5), torch.randint(11, (4,))
    logps, measured = answer_logps(hidden, targets, weight, entropy="measured", chunk=3)
    _, learned = answer_logps(hidden, targets, weight, entropy="learned")
    assert measured is not None and learned is not None
    torch.testing.assert_close(measured, learned.detach())
    assert learned.requires_grad and logps.requires_grad and not measured.requires_grad


def test_nothing_to_learn() -> None:
    logps, entropy = answer_logps(
        torch.zeros(0, 5, requires_grad=True), torch.zeros(0, dtype=torch.long), torch.ones(3, 5), entropy="learned"
    )
    assert logps.shape == (0,) and entropy is not None and entropy.shape == (0,)
