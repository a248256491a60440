"""Base and aligned policy become one plain model, read back from disk and compared before it is accepted."""

from __future__ import annotations

import shutil
from typing import Any

import torch

from haechi.engine.forward import token_logps
from haechi.engine.rollout import Sampling, sample
from haechi.engine.trees import Tree, micro_batches
from haechi.errors import ModelError
from haechi.models.base import SharedBase
from haechi.models.load import load_base
from haechi.models.merge import compare, merged_model, save_model
from haechi.pipeline.task import Task
from haechi.stages.cases import load_cases, prompt_of, words_of
from haechi.stages.models import aligned_role, base_of

_PROBES = 32
_TOKEN_BUDGET = 4096


@torch.no_grad()
def run(task: Task) -> dict[str, Any]:
    """Writes `model/`, which plain `AutoModelForCausalLM` loads.

    Raises:
        ModelError: the merged model does not say what base and adapter say; nothing is left behind.
    """
    recipe = task.recipe
    base, words = _in_float32(task), words_of(recipe)
    policy = aligned_role(task, base, "ppo")
    prompts = [prompt_of(case, base.codec, words, recipe) for case in load_cases(task, "validation")[:_PROBES]]
    greedy = Sampling(temperature=0, max_new_tokens=recipe.prompt.max_answer_tokens)
    said = [group[0].ids for group in sample(base, policy, prompts, greedy)]
    trees = [Tree(prompt, [ids]) for prompt, ids in zip(prompts, said, strict=True)]
    groups = micro_batches(trees, _TOKEN_BUDGET)
    before = token_logps(base, policy, trees, groups)
    building = task.folder / "building"
    shutil.rmtree(building, ignore_errors=True)
    save_model(merged_model(base, policy), base, building)
    merged = load_base(str(building), dtype="float32", device=str(base.device))
    after = token_logps(merged, None, trees, groups)
    again = [group[0].ids for group in sample(merged, None, prompts, greedy)]
    agreement = compare(before, after, said, again)
    if not agreement.accepted(recipe.merge.tolerance):
        shutil.rmtree(building)
        raise ModelError(
            f"{task.folder}: the merged model differs from base and adapter: log-probabilities by up to "
            f"{agreement.largest_difference:.2g} (allowed {recipe.merge.tolerance:g}), "
            f"{agreement.identical_answers} of {agreement.answers} greedy answers identical. "
            f"Fix: {_remedy(agreement.largest_difference <= recipe.merge.tolerance)}."
        )
    final = task.folder / "model"
    shutil.rmtree(final, ignore_errors=True)
    building.rename(final)
    return {
        "largest_difference": agreement.largest_difference,
        "identical_answers": agreement.identical_answers,
        "answers": agreement.answers,
        "sha256": merged.provenance["sha256"],
        "trained_on_4_bits": recipe.base.quantise == "nf4",
    }


def _remedy(close: bool) -> str:
    if close:
        return "another seed or number of ppo.iterations: these answers stand so near a tie that rounding turns them"
    return "where so much is as good as equal, a higher merge.tolerance"


def _in_float32(task: Task) -> SharedBase:
    """The base in float32: 4-bit weights cannot take an adapter, and bfloat16 would round its small change away."""
    base, settings = base_of(task), task.recipe.base
    if settings.quantise == "none" and base.dtype == torch.float32:
        return base
    task.progress.note("the adapter is merged into the base in float32, which is how the model is saved")
    return load_base(settings.name_or_path, revision=settings.revision, dtype="float32", device="cpu")
