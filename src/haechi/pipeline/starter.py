"""The folder that `haechi new` makes: a commented recipe, documents and questions to replace by one's own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Literal

from haechi.errors import StageError
from haechi.pipeline.files import write_text

_RECIPE = {
    "ko": """\
# {name}: 문서와 사람의 판단으로 질의응답 모델을 만드는 레시피.
#   실행           haechi run {folder}/recipe.yaml
#   모든 항목      haechi run --help
#   값 바꿔 보기   haechi run {folder}/recipe.yaml --ppo.iterations 20
name: {name}
language: ko
seed: 0                 # 시드, 기계, 스레드 수가 같으면 결과도 같습니다

base:
  name_or_path: saessak # haechi에 들어 있는 작은 모델. 다른 모델은 Qwen/Qwen3-0.6B처럼 적습니다

prompt:
  instructed: false     # 지시문을 이해하는 모델이면 true
  max_prompt_tokens: 1024
  max_answer_tokens: 48

documents:
  paths: [documents]    # 이 파일이 있는 폴더를 기준으로 찾습니다
  max_chars: 45         # 문단 하나의 최대 길이(글자 수). 새싹은 짧아야 잘 읽습니다. 큰 모델이라면 300쯤으로
  k: 2                  # 질문마다 함께 읽을 문단 수. 새싹은 적을수록 잘 읽습니다. 큰 모델이라면 5쯤으로

questions:
  path: questions.jsonl # 한 줄에 질문 하나. 비교하려면 100개쯤 필요합니다
  # prompts: asked.jsonl # 답을 적지 않은 질문(예: 대화 기록)이 더 있으면 적습니다. PPO가 그것으로 연습합니다
  split: {{train: 0.8, validation: 0.1, test: 0.1}}

sft:
  epochs: 2
  learning_rate: 2e-4
  trainable: {{kind: lora, rank: 16}}

compare:
  source: simulated     # 정답을 아는 모의 평가자. 사람이 비교한 파일이 있으면 file로 바꾸고 path를 적으세요
  error_rate: 0.1       # 모의 평가자가 틀리는 비율

reward:
  trainable: {{kind: lora, rank: 16}}

dpo:
  enabled: true         # PPO와 비교할 DPO도 함께 학습

ppo:
  iterations: 50
  kl_coefficient: 0.05  # 클수록 SFT 모델에서 덜 멀어집니다
  rewards: {{learned: 1.0, grounded: 0.5, cited: 0.5}} # 보상 모델과 규칙의 비중
""",
    "en": """\
# {name}: one experiment that makes a question-answering model of documents and people's judgement.
#   run it          haechi run {folder}/recipe.yaml
#   every field     haechi run --help
#   try a value     haechi run {folder}/recipe.yaml --ppo.iterations 20
name: {name}
language: en
seed: 0                 # same seed, machine and number of threads: same result

base:
  name_or_path: Qwen/Qwen3-0.6B # fetched once from the Hub; saessak, which comes with haechi, reads little English

prompt:
  instructed: true      # an instruction stands before the passages
  max_prompt_tokens: 1024
  max_answer_tokens: 48

documents:
  paths: [documents]    # counts from this file's folder
  max_chars: 160        # where documents are cut, in characters
  k: 4                  # passages that a question is answered from

questions:
  path: questions.jsonl # one question a line; about a hundred for a verdict
  # prompts: asked.jsonl # more questions, which nobody answered (a chat's log): what PPO practises on
  split: {{train: 0.8, validation: 0.1, test: 0.1}}

sft:
  epochs: 2
  learning_rate: 2e-4
  trainable: {{kind: lora, rank: 16}}

compare:
  source: simulated     # an annotator who knows the answers; file with a path for comparisons by people
  error_rate: 0.1       # how often that annotator errs

reward:
  trainable: {{kind: lora, rank: 16}}

dpo:
  enabled: true         # also train DPO, to compare PPO with

ppo:
  iterations: 50
  kl_coefficient: 0.05  # the higher, the closer to the SFT model
  rewards: {{learned: 1.0, grounded: 0.5, cited: 0.5}} # weights of the reward model and the rules
""",
}

_DOCUMENT = {
    "ko": "# 달빛 도서관\n\n달빛 도서관은 오전 아홉 시에 문을 엽니다. 관장은 한여울입니다.\n"
    "책은 두 주 동안 빌릴 수 있습니다.\n",
    "en": "# Moonlight Library\n\nThe library opens at nine in the morning. Its director is Ada Reed.\n"
    "Books can be borrowed for two weeks.\n",
}

# Text; answer, accepted string and evidence, or nothing where the document does not tell.
_QUESTIONS: dict[str, list[tuple[str, tuple[str, str, str] | None]]] = {
    "ko": [
        ("달빛 도서관의 관장은 누구인가요?", ("한여울입니다.", "한여울", "관장은 한여울입니다.")),
        (
            "달빛 도서관은 몇 시에 문을 여나요?",
            ("오전 아홉 시에 엽니다.", "아홉 시", "달빛 도서관은 오전 아홉 시에 문을 엽니다."),
        ),
        ("달빛 도서관의 전화번호는 무엇인가요?", None),
    ],
    "en": [
        ("Who is the director of the Moonlight Library?", ("Ada Reed.", "Ada Reed", "Its director is Ada Reed.")),
        (
            "When does the Moonlight Library open?",
            ("At nine in the morning.", "nine", "The library opens at nine in the morning."),
        ),
        ("What is the phone number of the Moonlight Library?", None),
    ],
}


def make_starter(folder: Path, language: Literal["ko", "en"]) -> Path:
    """Make a folder with a recipe, an example document and example questions; returns the recipe's path.

    Raises StageError, before anything is written, if the folder exists or its name cannot name a run.
    """
    if not re.fullmatch(r"\w[\w.-]{0,63}", folder.name):
        raise StageError(f"{folder.name!r} cannot name a run. Fix: use letters, digits, `_`, `-` and `.`.")
    if folder.exists():
        raise StageError(f"{folder.absolute()} exists already. Fix: choose another name.")
    (folder / "documents").mkdir(parents=True)
    write_text(folder / "documents" / "example.md", _DOCUMENT[language])
    rows = [_row(number, *question) for number, question in enumerate(_QUESTIONS[language], start=1)]
    write_text(folder / "questions.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    recipe = folder / "recipe.yaml"
    write_text(recipe, _RECIPE[language].format(name=folder.name, folder=folder))
    return recipe


def _row(number: int, text: str, told: tuple[str, str, str] | None) -> dict[str, object]:
    row: dict[str, object] = {"id": f"q{number}", "text": text, "answerable": told is not None}
    if told is None:
        return row
    answer, accepted, evidence = told
    gold = {"gold_documents": ["example"], "evidence": evidence}
    return row | {"answer": answer, "accepted": [accepted], **gold}
