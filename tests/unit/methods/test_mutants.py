"""The tests of the methods can fail: each named fault, put into a method's source, breaks at least one of them.

A fault is a piece of source text and what stands there instead. The method is rebuilt from the changed source, in
memory, and its own test file is run against it. A piece that no longer occurs exactly once fails too, so the list
cannot go stale.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from torch.autograd.gradcheck import GradcheckError

import haechi.methods

HERE = Path(__file__).parent
# How a test says no, or the library refuses what a test gave it. A fault that breaks the program in any other way
# would prove nothing about the tests and does not count as caught.
FAILURES = (AssertionError, ValueError, pytest.fail.Exception, GradcheckError)

MUTANTS: dict[str, dict[str, tuple[str, str]]] = {
    "segments": {
        "first instead of last": (
            "last_N[:-1] = segments_N[:-1] != segments_N[1:]",
            "last_N[1:] = segments_N[:-1] != segments_N[1:]",
        ),
        "answers must be sorted": ("segments_N[:-1] != segments_N[1:]", "segments_N[:-1] < segments_N[1:]"),
        "missing end accepted": ("if len(ends) != num_answers or", "if"),
        "split answer accepted": (" or bool((index_A < 0).any())", ""),
    },
    "sft": {
        "flipped sign": ("return -segment_sum", "return segment_sum"),
        "mean over answers": ("nll_A.sum() / num_tokens", "nll_A.mean()"),
    },
    "reward": {
        "swapped pair": ("difference_P = first_P - second_P", "difference_P = second_P - first_P"),
        "forgotten margin": ("difference_P - margin_P", "difference_P"),
        "margin with the wrong sign": ("difference_P - margin_P", "difference_P + margin_P"),
        "hard labels": ("- (1 - label_P) * logsigmoid(-logit_P)", ""),
        "exchanged soft label": (
            "-label_P * logsigmoid(logit_P) - (1 - label_P)",
            "-(1 - label_P) * logsigmoid(logit_P) - label_P",
        ),
        "unstable log of sigmoid": ("* logsigmoid(logit_P)", "* logit_P.sigmoid().log()"),
        "centred difference": ("(first_P + second_P).square()", "(first_P - second_P).square()"),
        "forgotten centring": ("if centring:", "if False:"),
        "forgotten weights": ("if weights_P is not None:", "if False:"),
        "accuracy upside down": ("torch.sign(label_P - 0.5)", "torch.sign(0.5 - label_P)"),
        "accuracy ignores labels": ("torch.sign(label_P - 0.5) * ", ""),
        "attached metrics": (
            "_metrics(first_P.detach(), second_P.detach(), label_P)",
            "_metrics(first_P, second_P, label_P)",
        ),
        "mean not removed": ("(scores_A - self.mean) / self.std", "scores_A / self.std"),
        "scaled by the variance": ("/ self.std", "/ self.std**2"),
        "unbiased deviation": ("correction=0", "correction=1"),
        "constant scores accepted": (" or std <= 1e-8 * max(1.0, abs(mean))", ""),
    },
    "kl": {
        "reversed k1": ("return logps_N - reference_logps_N", "return reference_logps_N - logps_N"),
        "k2 without the half": ("return 0.5 * (", "return ("),
        "reversed k3": (
            "(-bounded_log_ratio(logps_N, reference_logps_N)).expm1()",
            "bounded_log_ratio(logps_N, reference_logps_N).expm1()",
        ),
        "k3 without its control variate": (".expm1() + (logps_N - reference_logps_N)", ".expm1()"),
        "k3 that cancels": (".expm1()", ".exp() - 1"),
        "unbounded ratio": (".clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)", ""),
        "beta runs away": ("1 + error * num_steps", "1 - error * num_steps"),
        "unclipped error": ("min(max(observed_kl / self.target - 1, -0.2), 0.2)", "observed_kl / self.target - 1"),
        "forgotten horizon": ("num_steps / self.horizon", "1 / self.horizon"),
        "absolute error": ("observed_kl / self.target - 1", "observed_kl - self.target"),
        "negative beta": ("max(1 + error * num_steps / self.horizon, 0.0)", "(1 + error * num_steps / self.horizon)"),
        "NaN accepted": ("if not math.isfinite(observed_kl):", "if False:"),
    },
    "critic": {
        "folds cut through prompts": (
            "torch.unique(prompts_N, return_inverse=True)[1] % _FOLDS",
            "torch.arange(len(prompts_N)) % _FOLDS",
        ),
        "chosen by the worst": ("best = min(error", "best = max(error"),
        "learned from what is left out": (
            "_ridge(z_ND[~left_out_N], returns_N[~left_out_N])",
            "_ridge(z_ND, returns_N)",
        ),
        "states not scaled back": ("weight_D = weight_D / scale_D", "weight_D = weight_D * 1"),
        "mean forgotten in the bias": ("bias - weight_D @ mean_D", "bias"),
        "bias penalised": ("centred_ND = z_ND - middle_D", "centred_ND = z_ND"),
        "penalty not per token": ("penalty * max(len(z_ND), 1)", "penalty"),
        "what says nothing is kept": ("if not explained > 0:", "if False:"),
    },
    "probe": {
        "folds cut through topics": (
            "torch.unique(topics_P, return_inverse=True)[1] % _FOLDS",
            "torch.arange(len(topics_P)) % _FOLDS",
        ),
        "chosen by the worst": ("best = int(right.argmax())", "best = int(right.argmin())"),
        "learned from what is left out": (
            "_optimum(difference_PD[~out_P], weights_P[~out_P], _PENALTIES",
            "_optimum(difference_PD, weights_P, _PENALTIES",
        ),
        "pairs turned round": (
            "(features_AD[pairs_P2[:, 0]] - features_AD[pairs_P2[:, 1]])",
            "(features_AD[pairs_P2[:, 1]] - features_AD[pairs_P2[:, 0]])",
        ),
        "features not scaled": ("scale_D = spread_D * price_D.sqrt()", "scale_D = price_D.sqrt()"),
        "weights not scaled back": ("[penalty], label_smoothing)[0] / scale_D", "[penalty], label_smoothing)[0]"),
        "price, not its root": ("price_D.sqrt()", "price_D"),
        "one price for all groups": ("size / sum(groups)) for", "1.0) for"),
        "forgotten smoothing": ("(chance_P - (1 - label_smoothing))", "(chance_P - 1)"),
        "smoothing forgotten at the end": ("[penalty], label_smoothing)", "[penalty], 0.0)"),
        "smoothing forgotten in the choice": ("_PENALTIES, label_smoothing)", "_PENALTIES, 0.0)"),
        "forgotten weights": (
            "weights_P / weights_P.sum().clamp(min=1e-8)",
            "torch.full_like(weights_P, 1 / len(weights_P))",
        ),
        "weights forgotten in the choice": ("weights_P[out_P] @ (0.5", "torch.ones_like(weights_P[out_P]) @ (0.5"),
        "accuracy of the opposite": ("(0.5 + 0.5 * (", "(0.5 - 0.5 * ("),
        "one step alone": ("_STEPS = 50", "_STEPS = 1"),
        "steps never halved": ("step_R = step_R / 2", "break"),
        "half of the span": ("torch.linalg.qr(difference_PD.T)[0]", "torch.linalg.qr(difference_PD[::2].T)[0]"),
        "the last bit believed": ("_CONSTANT = 1e-6", "_CONSTANT = 0.0"),
        "NaN accepted": ("if not torch.isfinite(features_AD).all():", "if False:"),
        "nobody is asked": ("on_fold is not None", "False"),
    },
    "gae": {
        "forgotten lambda": ("gamma * lam * goes_on_N", "gamma * goes_on_N"),
        "forgotten gamma in the trace": ("gamma * lam * goes_on_N", "lam * goes_on_N"),
        "forgotten gamma in the residual": ("gamma * next_values_N", "next_values_N"),
        "bootstrap from the next answer": ("_shift_left(values_N, 1) * goes_on_N", "_shift_left(values_N, 1)"),
        "trace into the next answer": ("gamma * lam * goes_on_N", "gamma * lam * torch.ones_like(goes_on_N)"),
        "value added": ("next_values_N - values_N", "next_values_N + values_N"),
        "returns without values": ("advantages_N, advantages_N + values_N", "advantages_N, advantages_N"),
        "scan stops early": ("while stride < len(values_N):", "while stride < 4:"),
        "scan forgets its carry": ("carry_N = carry_N * _shift_left(carry_N, stride)", "carry_N = carry_N * carry_N"),
        "attached targets": ("@torch.no_grad()\n", ""),
        "other default lambda": ("lam: float = 0.95", "lam: float = 1.0"),
        "inverted shift_mean": ("white_N if shift_mean else", "white_N if not shift_mean else"),
        "unbiased variance": ("correction=0", "correction=1"),
        "divided by the variance": (
            "torch.rsqrt(values_N.var(correction=0) + 1e-8)",
            "1 / (values_N.var(correction=0) + 1e-8)",
        ),
        "zero variance divides by zero": (" + 1e-8", ""),
    },
    "ppo": {
        "KL paid out": ("rewards_N = -beta * kl_N", "rewards_N = beta * kl_N"),
        "forgotten beta": ("rewards_N = -beta * kl_N", "rewards_N = -kl_N"),
        "score on every token": (
            "rewards_N.index_add(0, last_index(segments_N, len(scores_A)), scores_A.to(rewards_N.dtype))",
            "rewards_N + scores_A[segments_N]",
        ),
        "attached rewards": ("@torch.no_grad()\n", ""),
        "flipped policy sign": ("unclipped_N = -advantages_N * ratio_N", "unclipped_N = advantages_N * ratio_N"),
        "inverted ratio": (
            "bounded_log_ratio(logps_N, old_logps_N).exp()",
            "bounded_log_ratio(old_logps_N, logps_N).exp()",
        ),
        "dropped clip": ("loss_N = torch.maximum(unclipped_N, clipped_N)", "loss_N = unclipped_N"),
        "always clipped": ("loss_N = torch.maximum(unclipped_N, clipped_N)", "loss_N = clipped_N"),
        "optimistic clip": ("torch.maximum(unclipped_N, clipped_N)", "torch.minimum(unclipped_N, clipped_N)"),
        "clip on one side": ("ratio_N.clamp(1 - clip, 1 + clip)", "ratio_N.clamp(max=1 + clip)"),
        "dropped dual clip": ("if dual_clip is not None:", "if False:"),
        "dual clip for good tokens": ("torch.where(advantages_N < 0,", "torch.where(advantages_N > 0,"),
        "unbounded ratio": ("bounded_log_ratio(logps_N, old_logps_N).exp()", "(logps_N - old_logps_N).exp()"),
        "clip fraction counts all tokens outside": (
            "(loss_N.detach() != unclipped_N.detach())",
            "((ratio_N.detach() - 1).abs() > clip)",
        ),
        "reversed approximate KL": ("k3(old_logps_N, logps_N.detach())", "k3(logps_N.detach(), old_logps_N)"),
        "attached ratio": ("ratio_N.detach().max()", "ratio_N.max()"),
        "dropped value clip": ("if clip is not None:", "if False:"),
        "optimistic value clip": ("torch.maximum(error_N, (moved_N", "torch.minimum(error_N, (moved_N"),
        "value clipped around the return": (
            "moved_N = old_values_N + (values_N - old_values_N)",
            "moved_N = returns_N + (values_N - returns_N)",
        ),
        "value loss without the half": ("return 0.5 * loss_N", "return loss_N"),
        "explained variance upside down": ("1 - residual / returns_N", "residual / returns_N"),
        "explained variance as mean square": (
            "(returns_N - values_N.detach()).var(correction=0)",
            "(returns_N - values_N.detach()).square().mean()",
        ),
        "explained variance divides by zero": (
            "returns_N.var(correction=0).clamp(min=1e-8)",
            "returns_N.var(correction=0)",
        ),
        "forgotten value coefficient": ("settings.value_coefficient * value_N", "value_N"),
        "entropy punished": ("loss_N - settings.entropy_coefficient", "loss_N + settings.entropy_coefficient"),
        "missing entropy ignored": ("elif settings.entropy_coefficient:", "elif False:"),
        "mean over the micro-batch": ("losses.loss_N.sum() / num_tokens", "losses.loss_N.mean()"),
    },
    "dpo": {
        "swapped pair": ("z_P = reward_chosen_P - reward_rejected_P", "z_P = reward_rejected_P - reward_chosen_P"),
        "forgotten beta": ("beta * (chosen_logps_P - ", "(chosen_logps_P - "),
        "forgotten reference": ("(chosen_logps_P - reference_chosen_logps_P)", "chosen_logps_P"),
        "swapped references": (
            "(rejected_logps_P - reference_rejected_logps_P)",
            "(rejected_logps_P - reference_chosen_logps_P)",
        ),
        "margin with the wrong sign": ("z_P - margin_P", "z_P + margin_P"),
        "forgotten margin": ("if margin_P is not None:", "if False:"),
        "forgotten weights": ("if weights_P is not None:", "if False:"),
        "flipped sigmoid sign": ("-(1 - label_smoothing) * logsigmoid(z_P)", "(1 - label_smoothing) * logsigmoid(z_P)"),
        "forgotten smoothing": (" - label_smoothing * logsigmoid(-z_P)", ""),
        "unscaled smoothing": ("-(1 - label_smoothing) * logsigmoid(z_P)", "-logsigmoid(z_P)"),
        "unstable log of sigmoid": ("* logsigmoid(z_P)", "* z_P.sigmoid().log()"),
        "hinge without its floor": (".clamp(min=0)", ""),
        "flipped hinge": ("(1 - z_P)", "(1 + z_P)"),
        "ipo without its target": ("((z_P - 0.5) / beta)", "(z_P / beta)"),
        "ipo in units of reward": ("((z_P - 0.5) / beta)", "(z_P - 0.5)"),
        "metrics from the margin": (
            "margin_P = reward_chosen_P - reward_rejected_P",
            "margin_P = reward_rejected_P - reward_chosen_P",
        ),
        "ties count as right": ("(0.5 + 0.5 * torch.sign(margin_P))", "(margin_P >= 0).float()"),
        "attached metrics": (
            "_metrics(reward_chosen_P.detach(), reward_rejected_P.detach())",
            "_metrics(reward_chosen_P, reward_rejected_P)",
        ),
        "beta unchecked": ("if beta <= 0:", "if False:"),
        "smoothing unchecked": (' or (label_smoothing and kind != "sigmoid")', ""),
    },
    "best_of_n": {
        "worst of n": ('"amax"', '"amin"'),
        "last of equals": (
            'new_full((num_groups,), none).scatter_reduce(0, groups_A[candidates], candidates, "amin")',
            'new_full((num_groups,), -1).scatter_reduce(0, groups_A[candidates], candidates, "amax")',
        ),
        "negative scores lose to nothing": ("include_self=False", "include_self=True"),
        "NaN accepted": ("if bool(scores_A.isnan().any()):", "if False:"),
        "empty group accepted": ("if bool((index_G == none).any()):", "if False:"),
        "wrong bound": ("(num_samples - 1) / num_samples", "1 / num_samples"),
    },
}


def build(name: str, source: str) -> ModuleType:
    """The method's module, made from `source`."""
    real = importlib.import_module(f"haechi.methods.{name}")
    module = ModuleType(real.__name__)
    # dataclasses look their module up while it is being built.
    sys.modules[real.__name__] = module
    exec(compile(source, f"<{name}, changed>", "exec"), module.__dict__)
    return module


def run_tests_of(name: str) -> int:
    """Run every test of the method's test file as it stands in `sys.modules`; how many there were."""
    spec = importlib.util.spec_from_file_location(f"tests_of_{name}", HERE / f"test_{name}.py")
    assert spec is not None
    assert spec.loader is not None
    tests = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tests)
    found = [value for key, value in vars(tests).items() if key.startswith("test_")]
    for test in found:
        test()
    return len(found)


def source_of(name: str) -> str:
    path = Path(next(iter(haechi.methods.__path__))) / f"{name}.py"
    return path.read_text(encoding="utf-8")


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put every real module back afterwards."""
    for name in MUTANTS:
        monkeypatch.setitem(sys.modules, f"haechi.methods.{name}", importlib.import_module(f"haechi.methods.{name}"))


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("name", MUTANTS)
def test_unchanged_source_passes(name: str) -> None:
    build(name, source_of(name))
    assert run_tests_of(name) >= 4


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize(("name", "fault"), [(name, fault) for name, faults in MUTANTS.items() for fault in faults])
def test_fault_is_caught(name: str, fault: str) -> None:
    source = source_of(name)
    old, new = MUTANTS[name][fault]
    assert source.count(old) == 1, f"{old!r} must occur once in {name}.py"
    build(name, source.replace(old, new))
    with pytest.raises(FAILURES):
        run_tests_of(name)


def test_every_method_has_mutants() -> None:
    folder = Path(next(iter(haechi.methods.__path__)))
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == MUTANTS.keys()
