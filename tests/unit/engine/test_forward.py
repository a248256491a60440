"""The shared forward against the model itself, in value and gradient, on four architectures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from haechi.engine.forward import answer_scores, answer_states, score_trees, token_logps
from haechi.engine.trees import Tree, micro_batches, unshared
from haechi.engine.trunk import TrunkCache
from haechi.models.base import SharedBase
from haechi.models.load import check_forward
from haechi.models.roles import Role, Trainable

SHAPES = ((11, (4, 2, 6)), (5, (3,)), (7, (1, 5)))
KINDS = (Trainable("lora", rank=4, alpha=8.0), Trainable("top_layers", layers=2), Trainable("full"), Trainable("head"))


def models_own(base: SharedBase, role: Role | None, trees: Sequence[Tree], temperature: float = 1.0) -> list[Tensor]:
    """Log-probabilities from the model's own logits, one answer at a time, without trees or packing."""
    found = []
    with base.wearing(role):
        for tree in unshared(trees):
            ids = torch.tensor([[*tree.prompt, *tree.answers[0]]])
            logps = (base.model(input_ids=ids, use_cache=False).logits[0].float() / temperature).log_softmax(-1)
            places = torch.arange(len(tree.prompt), ids.shape[1])
            found.append(logps[places - 1, ids[0, places]])
    return found


def gradients(role: Role, loss: Tensor) -> dict[str, Tensor]:
    parameters = role.parameters()
    found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    return {
        name: torch.zeros_like(w) if g is None else g for (name, w), g in zip(parameters.items(), found, strict=True)
    }


def assert_same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    largest = max(float(gradient.abs().max()) for gradient in theirs.values())
    assert largest > 1e-3, "the comparison would hold for gradients of zero"
    for name, gradient in ours.items():
        torch.testing.assert_close(
            gradient, theirs[name], rtol=1e-3, atol=2e-5 * max(largest, 1.0), msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.mark.parametrize("trainable", KINDS[:3], ids=lambda t: t.kind)
def test_shared_equals_plain_in_value_and_gradient(
    base: SharedBase, trainable: Trainable, disturb: Callable[..., Role], draw_trees: Callable[..., list[Tree]]
) -> None:
    role = disturb(Role(base, trainable))
    trees = draw_trees(SHAPES)
    mix = torch.randn(sum(len(a) for t in trees for a in t.answers), generator=torch.Generator().manual_seed(0))
    scored = score_trees(base, role, trees)
    own = torch.cat(models_own(base, role, trees))
    torch.testing.assert_close(scored.logps_N, own, rtol=1e-4, atol=1e-4)
    assert_same(gradients(role, scored.logps_N @ mix), gradients(role, own @ mix))


def test_the_role_matters(
    base: SharedBase, disturb: Callable[..., Role], draw_trees: Callable[..., list[Tree]]
) -> None:
    trees = draw_trees(SHAPES)
    for trainable in KINDS[:3]:
        worn = score_trees(base, disturb(Role(base, trainable)), trees).logps_N
        bare = score_trees(base, None, trees).logps_N
        assert float((worn - bare).detach().abs().max()) > 0.05, trainable


@pytest.mark.parametrize("kind", ["lora", "top_layers", "head"])
def test_trunk_changes_neither_value_nor_gradient_at_any_layer(
    base: SharedBase, kind: str, disturb: Callable[..., Role], draw_trees: Callable[..., list[Tree]]
) -> None:
    """The trunk ends at each layer in turn, below a role that changes what is above; at times over a LoRA parent."""
    trees = draw_trees(SHAPES)
    parent = disturb(Role(base, Trainable("lora", rank=2)), seed=1) if kind == "lora" else None
    for stop in range(base.num_layers + 1):
        above = base.num_layers - stop
        role = disturb(
            Role(base, Trainable("top_layers", layers=above) if above else Trainable("head"), parent, head_outputs=1)
        )
        assert role.first_layer == stop
        if kind == "head":  # a head alone may read from a trunk that ends anywhere
            role = disturb(Role(base, Trainable("head"), head_outputs=1))
        head = role.head
        assert head is not None

        def outcome(
            trunk: TrunkCache | None, role: Role = role, head: torch.nn.Linear = head
        ) -> tuple[Tensor, dict[str, Tensor]]:
            scored = score_trees(base, role, trees, trunk=trunk)
            values = head(scored.states_ND).squeeze(-1)
            return torch.stack([scored.logps_N, values]).detach(), gradients(
                role, scored.logps_N.sum() + values.sum() + head(scored.last_AD).sum()
            )

        trunk = TrunkCache(stop)
        without, wanted = outcome(None)
        first, first_gradients = outcome(trunk)
        assert trunk.hits == 0
        again, again_gradients = outcome(trunk)
        assert trunk.hits == (len(trees) if stop else 0)
        torch.testing.assert_close(first, without, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(again, without, rtol=1e-4, atol=1e-4)
        assert_same(first_gradients, wanted)
        assert_same(again_gradients, wanted)


def test_cached_states_replace_the_layers_below(
    llama: SharedBase, draw_trees: Callable[..., list[Tree]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hit computes no layer of the trunk, and lays out trees in another grouping than they were stored in."""
    role = Role(llama, Trainable("top_layers", layers=1))
    trees = draw_trees(SHAPES)
    trunk = TrunkCache(role.first_layer)
    score_trees(llama, role, trees, trunk=trunk)
    assert llama.decoder is not None
    ran: list[int] = []
    layer = llama.decoder.layer
    monkeypatch.setattr(llama.decoder, "layer", lambda number, worn: (ran.append(number), layer(number, worn))[1])
    regrouped = [trees[2], trees[0]]
    from_cache = score_trees(llama, role, regrouped, trunk=trunk).logps_N
    monkeypatch.undo()
    assert ran == [llama.num_layers - 1]
    assert trunk.hits == 2
    torch.testing.assert_close(from_cache, score_trees(llama, role, regrouped).logps_N, rtol=1e-4, atol=1e-4)


def test_trunk_keeps_to_its_budget(llama: SharedBase, draw_trees: Callable[..., list[Tree]]) -> None:
    trees = draw_trees(((9, (3,)), (8, (4,)), (4, (2,))))
    tokens = 4 * llama.width  # bytes of a token's state
    trunk = TrunkCache(2, budget_bytes=24 * tokens)
    role = Role(llama, Trainable("top_layers", layers=2))
    score_trees(llama, role, trees[:2], trunk=trunk)
    assert trunk.bytes == 24 * tokens
    score_trees(llama, role, trees[2:], trunk=trunk)
    assert trunk.bytes == 18 * tokens  # the first, the oldest, has left
    score_trees(llama, role, trees[1:], trunk=trunk)
    assert trunk.hits == 2
    score_trees(llama, role, trees[:1], trunk=trunk)
    assert trunk.hits == 2


def test_temperature_and_entropy(base: SharedBase, draw_trees: Callable[..., list[Tree]]) -> None:
    trees = draw_trees(SHAPES)
    scored = score_trees(base, None, trees, temperature=0.5, entropy="learned")
    torch.testing.assert_close(scored.logps_N, torch.cat(models_own(base, None, trees, 0.5)), rtol=1e-4, atol=2e-4)
    assert scored.entropy_N is not None
    ids = torch.tensor([[*trees[1].prompt, *trees[1].answers[0]]])
    logps = (base.model(input_ids=ids, use_cache=False).logits[0, 4:7] / 0.5).log_softmax(-1)
    torch.testing.assert_close(scored.entropy_N[12:15], -(logps.exp() * logps).sum(-1), rtol=1e-4, atol=1e-4)


def test_answers_come_back_in_the_order_of_the_trees(
    base: SharedBase, disturb: Callable[..., Role], draw_trees: Callable[..., list[Tree]]
) -> None:
    trees = draw_trees(SHAPES)
    role = disturb(Role(base, Trainable("lora", rank=2), head_outputs=1))
    assert role.head is not None
    own = models_own(base, role, trees)
    for budget in (1, 25, 1000):
        found = token_logps(base, role, trees, micro_batches(trees, budget))
        for ours, theirs in zip(found, own, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
        scores = answer_scores(base, role, trees, micro_batches(trees, budget))
        with torch.no_grad(), base.wearing(role):
            last = [
                base.body(input_ids=torch.tensor([[*t.prompt, *t.answers[0]]])).last_hidden_state[0, -1]
                for t in unshared(trees)
            ]
            torch.testing.assert_close(scores, role.head(torch.stack(last)).squeeze(-1), rtol=1e-4, atol=1e-4)


def test_a_sliding_window_is_found_and_computed_plainly(
    load_architecture: Callable[[str], SharedBase], disturb: Callable[..., Role], draw_trees: Callable[..., list[Tree]]
) -> None:
    base = load_architecture("mistral")
    assert base.layout == "apart" and not base.shared_forward
    trees = draw_trees((*SHAPES, (20, (5, 4))))
    role = disturb(Role(base, Trainable("top_layers", layers=1)))
    trunk = TrunkCache(role.first_layer)
    own = torch.cat(models_own(base, role, trees))
    for _ in range(2):
        scored = score_trees(base, role, trees, trunk=trunk)
        torch.testing.assert_close(scored.logps_N, own, rtol=1e-4, atol=1e-4)
        assert scored.num_answers == 8
    assert trunk.hits == 8
    # The window matters here: with all of the prompt in sight the values would be others.
    base.layout = "rows"
    assert float((score_trees(base, role, trees).logps_N - own).detach().abs().max()) > 1e-2


def test_check_forward_tells_the_difference_and_refuses_what_it_cannot_explain(
    make_model: Callable[[str], Any], llama: SharedBase
) -> None:
    assert check_forward(llama) < 1e-4
    assert llama.layout == "flat" and llama.shared_forward

    from haechi.errors import ModelError

    scaled = SharedBase(make_model("llama"), llama.codec, "scaled")
    forward = scaled.model.forward

    def capped(*args: Any, **kwargs: Any) -> Any:
        output = forward(*args, **kwargs)
        output.logits = 3 * torch.tanh(output.logits / 3)
        return output

    scaled.model.forward = capped
    with pytest.raises(ModelError, match=r"soft cap.*Fix: use a Llama"):
        check_forward(scaled)


def test_a_head_on_the_answers_states_gives_their_scores(
    base: SharedBase, disturb: Callable[..., Role], draw_trees: Callable[..., list[Tree]]
) -> None:
    role, trees = disturb(Role(base, KINDS[0], head_outputs=1)), draw_trees(SHAPES)
    assert role.head is not None
    for budget in (10_000, 1):
        groups = micro_batches(trees, budget)
        states = answer_states(base, role, trees, groups)
        assert states.shape == (6, base.width)
        torch.testing.assert_close(
            role.head(states.to(base.device)).squeeze(-1).cpu(), answer_scores(base, role, trees, groups)
        )
