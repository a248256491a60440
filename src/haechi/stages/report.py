"""results.json, the run's contract with whoever reads it by program, and report.html for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from haechi.evaluate.significance import bootstrap
from haechi.evaluate.summary import summarise
from haechi.methods.best_of_n import kl_bound
from haechi.pipeline.files import read_json, write_json
from haechi.pipeline.task import Task
from haechi.recipe import recipe_hash
from haechi.records.write import read_rows
from haechi.report import write_report

SCHEMA = 1
_PAIRS = (("ppo", "sft"), ("ppo", "best_of_n"), ("ppo", "dpo"), ("best_of_n", "sft"), ("dpo", "sft"), ("sft", "base"))


def run(task: Task) -> dict[str, Any]:
    """Writes `results.json` and `report.html` into the run's folder."""
    folder = task.folder.parent
    write_json(folder / "results.json", gather(task))
    page = write_report(folder, language_of(task))
    return {"results": "results.json", "report": page.name}


def language_of(task: Task) -> Literal["ko", "en"]:
    """The language of verdicts, notes and page."""
    return task.recipe.report.language or task.recipe.language


def gather(task: Task) -> dict[str, Any]:
    """results.json from what the stages wrote."""
    recipe = task.recipe
    configs = {name: read_json(Path(path) / "config.json") for name, path in task.inputs.items()}
    rows = read_rows(task.inputs["evaluate"] / "answers.jsonl")
    systems = list(rows[0]["systems"])
    pairs = [(a, b) for a, b in _PAIRS if a in systems and b in systems]
    samples = recipe.evaluate.bootstrap
    return {
        "schema": SCHEMA,
        "name": recipe.name,
        "seed": recipe.seed,
        "recipe_hash": recipe_hash(recipe),
        "versions": configs["evaluate"]["versions"],
        "threads": configs["evaluate"]["threads"],
        "started": min(config["started"] for config in configs.values()),
        **summarise(rows, pairs, language_of(task), samples=samples, seed=recipe.seed),  # type: ignore[arg-type]
        "reward_model": read_json(task.inputs["reward"] / "accuracy.json"),
        "retrieval": _retrieval(task, samples),
        "stages": _stages(task.inputs),
        "notes": [
            *_notes(task, systems),
            *_where_nothing_was_gained(task),
            *_uncheckable(rows, korean=language_of(task) == "ko"),
            *_caveats(task, configs),
        ],
    }


def _caveats(task: Task, configs: Mapping[str, Any]) -> list[str]:
    """What is not of one piece: stages that the recipe of today would make otherwise, or other versions made."""
    korean = language_of(task) == "ko"
    now = configs["evaluate"]
    others = [
        name for name, config in configs.items()
        if (config["versions"], config["threads"]) != (now["versions"], now["threads"])
    ]  # fmt: skip
    notes = []
    if task.stale:
        names = ", ".join(task.stale)
        notes.append(
            f"지금의 레시피나 앞 단계와 맞지 않는, 예전 설정으로 만든 결과가 섞여 있습니다: {names}."
            if korean
            else f"Made by earlier settings, and not what the recipe of this page would make: {names}."
        )
    if others:
        names = ", ".join(others)
        notes.append(
            f"다른 버전이나 스레드 수로 실행한 단계가 있습니다: {names}."
            if korean
            else f"These stages ran under other versions or threads than the evaluation: {names}."
        )
    return notes


def _retrieval(task: Task, samples: int) -> dict[str, Any]:
    rows = read_rows(task.inputs["evaluate"] / "retrieval.jsonl")
    measured: dict[str, Any] = {"k": task.recipe.documents.k}
    topics = [row["topic"] for row in rows]
    for name in ("recall@1", "recall@k", "ndcg@k", "mrr"):
        if rows:
            measured[name] = bootstrap(
                [row[name] for row in rows], topics, samples=samples, seed=task.recipe.seed
            ).as_dict()
    return measured


def _stages(inputs: Any) -> dict[str, Any]:
    found = {}
    for name, path in inputs.items():
        result = read_json(Path(path) / "result.json")
        found[name] = {key: result.get(key) for key in ("seconds", "peak_memory_mb", "trained_parameters")}
    return found


def _where_nothing_was_gained(task: Task) -> list[str]:
    """A note where PPO is SFT, because none of its weights earned more on the validation questions."""
    if "ppo" not in task.inputs or read_json(task.inputs["ppo"] / "result.json")["metrics"]["best_iteration"]:
        return []
    if language_of(task) == "ko":
        about = "PPO는 검증 질문에서 SFT보다 보상이 높은 가중치를 찾지 못해"
        return [f"{about} SFT의 가중치를 그대로 두었습니다. 두 시스템은 같습니다."]
    about = "PPO found no weights that earn more on the validation questions than SFT's"
    return [f"{about} and kept these: the two are equal."]


def _uncheckable(rows: Sequence[Mapping[str, Any]], korean: bool) -> list[str]:
    """A note on answerable questions to which no answer can be checked."""
    answerable = [row for row in rows if row["answerable"]]
    count = sum(not row["accepted"] for row in answerable)
    if not count:
        return []
    if korean:
        return [
            f"답할 수 있는 질문 {len(answerable)}개 가운데 {count}개에는 인정된 답이 등록되어 있지 않아 정답률에 넣지 "
            "않았습니다."
        ]
    about = f"{count} of {len(answerable)} answerable questions have no accepted answers on record"
    return [f"{about} and do not count in Correct."]


def _notes(task: Task, systems: list[str]) -> list[str]:
    recipe = task.recipe
    compared = read_json(task.inputs["compare"] / "result.json")["metrics"]
    korean = language_of(task) == "ko"
    notes = []
    if compared["source"] == "simulated":
        rate = f"{compared['error_rate']:.0%}"
        notes.append(
            "답을 비교한 것은 사람이 아니라 정답을 아는 모의 평가자입니다. "
            f"비교의 약 {rate}는 일부러 틀리게 골랐습니다."
            if korean
            else f"No person compared the answers: a simulated annotator who knows the gold did, and erred in {rate}."
        )
    else:
        notes.append("답의 비교는 파일에서 읽었습니다." if korean else "The comparisons were read from a file.")
    notes.append(
        "구간은 주제 단위로 다시 뽑아(부트스트랩) 구했습니다. 학습 시드에 따른 변동은 들어 있지 않습니다."
        if korean
        else "Intervals come from resampling topics. How much another seed of the training would change is not in them."
    )
    notes.append(
        "모든 시스템이 같은 문단을 보고 답했습니다. best-of-n만 여러 답을 뽑아 고르고, 나머지는 매번 가장 확률이 높은 "
        "토큰으로 답합니다."
        if korean
        else "Every system read the same passages. Only best-of-n samples; the others answer greedily."
    )
    if "best_of_n" in systems:
        n, temperature = recipe.evaluate.best_of_n, f"{recipe.sample.temperature:g}"
        bound = kl_bound(n)
        notes.append(
            f"best-of-{n}의 답이 그 답을 뽑은 SFT의 분포(온도 {temperature})에서 벗어난 정도(KL)는 최대 "
            f"{bound:.2f}nat입니다."
            if korean
            else f"The KL of best-of-{n} to what it draws from (SFT at temperature {temperature}) is at most "
            f"{bound:.2f} nats an answer."
        )
    return notes
