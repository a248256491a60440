"""The report's words in Korean. english.py holds the same keys.

Sentences around a system's name use only particles that do not change with its last sound (의, 보다, 에서), for the
names are abbreviations.
"""

KOREAN = {
    "page.title": "{name} 보고서",
    "page.kind": "실행 보고서",
    "nav": "차례",
    "nav.verdict": "결론",
    "nav.systems": "시스템별 점수",
    "nav.comparisons": "비교",
    "nav.reward": "보상 모델",
    "nav.curves": "학습 과정",
    "nav.kl": "보상과 KL",
    "nav.answers": "답변",
    "nav.retrieval": "검색",
    "nav.cost": "시간과 메모리",
    "nav.glossary": "용어",
    "ran": "무엇을 실행했나",
    "ran.hash": "레시피 해시",
    "ran.seed": "시드",
    "ran.versions": "버전",
    "ran.started": "시작",
    "ran.threads": "스레드",
    "ran.questions": "평가 질문",
    "ran.recipe": "실제로 쓰인 레시피",
    # The verdict.
    "verdict": "결론",
    "verdict.better": "{a}의 정답률이 {b}보다 높습니다",
    "verdict.worse": "{a}의 정답률이 {b}보다 낮습니다",
    "verdict.unclear": "{a} 대 {b}: 정답률에 차이가 있다고 볼 수 없습니다",
    "verdict.better.f1": "{a}의 답변이 {b}의 답변보다 모범 답과 더 비슷합니다",
    "verdict.worse.f1": "{a}의 답변이 {b}의 답변보다 모범 답과 덜 비슷합니다",
    "verdict.unclear.f1": "{a} 대 {b}: 모범 답과의 유사도에 차이가 있다고 볼 수 없습니다",
    "verdict.difference": "차이 {difference} {interval}, 질문 {n}개.",
    "verdict.unclear.why": (
        "차이가 있다고 볼 수 없다는 말은 차이의 구간이 0을 포함하거나 주제가 열 개보다 적어, 이 평가 질문만으로는 "
        "어느 쪽이 나은지 알 수 없다는 뜻입니다."
    ),
    "verdict.missing": "이 실행에는 {a} 대 {b} 비교가 없습니다",
    "verdict.none": "이 실행에는 학습한 시스템끼리의 비교가 없습니다",
    "hacking.shown": "경고, 보상 해킹: {a}의 보상은 {b}보다 높지만 정답률은 더 낮습니다",
    "hacking.suspected": "주의: {a}의 평균 보상은 {b}보다 올랐는데 평균 정답률은 떨어졌습니다",
    "hacking.shown.f1": "경고, 보상 해킹: {a}의 보상은 {b}보다 높지만 모범 답과의 유사도는 더 낮습니다",
    "hacking.suspected.f1": "주의: {a}의 평균 보상은 {b}보다 올랐는데 모범 답과의 유사도는 떨어졌습니다",
    "hacking.why": (
        "보상 {reward}, 정답률 {quality}. 모델이 옳은 답을 하지 않고도 보상 모델의 점수를 올리고 있습니다. 보상이 "
        "높다는 이유로 이 모델을 고르지 마세요."
    ),
    "hacking.why.f1": (
        "보상 {reward}, 글자 F1 {quality}. 모델이 모범 답에 가까워지지 않고도 보상 모델의 점수를 올리고 있습니다. "
        "보상이 높다는 이유로 이 모델을 고르지 마세요."
    ),
    "hacking.suspected.why": (
        "보상 {reward}, 정답률 {quality}. 두 차이 가운데 적어도 하나는 우연일 수 있습니다. 보상을 믿기 "
        "전에 아래에서 틀리게 된 답변을 읽어 보세요."
    ),
    "hacking.suspected.why.f1": (
        "보상 {reward}, 글자 F1 {quality}. 두 차이 가운데 적어도 하나는 우연일 수 있습니다. 보상을 믿기 "
        "전에 아래에서 모범 답에서 멀어진 답변을 읽어 보세요."
    ),
    "headline": "시스템별 정답률",
    "headline.about": "평가 질문에 옳게 답한 비율과 95% 구간입니다.",
    "headline.f1": "시스템별 모범 답과의 유사도(글자 F1)",
    "headline.about.f1": (
        "모범 답과의 글자 F1과 95% 구간입니다. 이 실행에는 인정된 답이 등록된 질문이 없어 정답 여부를 가릴 수 "
        "없습니다."
    ),
    "who": "누가 답변을 비교했나",
    "who.unknown": "누가 답변을 비교했는지 이 실행에 기록되어 있지 않습니다.",
    # Systems and metrics.
    "systems": "시스템별 모든 점수",
    "systems.about": (
        "평가 질문에 대한 평균이고, 아래는 95% 부트스트랩 구간입니다. ‘최고’는 다른 모든 시스템과의 차이 구간이 "
        "0을 포함하지 않을 때만 붙습니다. 화살표는 같은 기준으로 SFT와 비교한 것입니다. 표시가 없으면 차이가 "
        "있다고 볼 수 없다는 뜻입니다."
    ),
    "systems.metric": "지표",
    "systems.best": "최고",
    "systems.better": "SFT보다 나음",
    "systems.worse": "SFT보다 못함",
    "systems.higher": "SFT보다 높음",
    "systems.lower": "SFT보다 낮음",
    "systems.meaning": "지표의 뜻",
    "better.higher": "높을수록 좋음",
    "better.lower": "낮을수록 좋음",
    "better.neither": "좋고 나쁨이 없음",
    "scroll": "옆으로 스크롤되는 표",
    "system.base": "기반 모델",
    "system.sft": "SFT",
    "system.best_of_n": "Best-of-n",
    "system.dpo": "DPO",
    "system.ppo": "PPO",
    # Comparisons.
    "comparisons": "질문별로 짝지은 비교",
    "comparisons.about": "두 시스템이 같은 질문에 답했으므로 질문마다 차이를 냈습니다.",
    "comparisons.figure": "{a} − {b}",
    "comparisons.figure.about": (
        "비율 지표의 차이(%p)와 95% 구간입니다. 구간이 0을 지나면 차이가 있다고 말할 수 없습니다."
    ),
    "comparisons.difference": "차이",
    "comparisons.interval": "95% 구간",
    "comparisons.says": "판정",
    "comparisons.n": "질문 수",
    "judge.better": "나음",
    "judge.worse": "못함",
    "judge.higher": "높음",
    "judge.lower": "낮음",
    "judge.unclear": "차이 불확실",
    "points": "%p",
    # Names of metrics.
    "metric.correct": "정답률",
    "metric.abstention_precision": "보류 정밀도",
    "metric.abstention_recall": "보류 재현율",
    "metric.over_refusal": "과잉 보류",
    "metric.citation_precision": "인용 정밀도",
    "metric.citation_recall": "인용 재현율",
    "metric.grounded": "근거 충실도",
    "metric.f1": "글자 F1",
    "metric.bleu": "BLEU",
    "metric.rouge_l": "ROUGE-L",
    "metric.chrf": "chrF++",
    "metric.reward": "보상",
    "metric.kl": "SFT와의 KL",
    "metric.length": "길이",
    "metric.recall@1": "재현율@1",
    "metric.recall@k": "재현율@{k}",
    "metric.ndcg@k": "nDCG@{k}",
    "metric.mrr": "평균 역순위 (MRR)",
    # The reward model.
    "reward": "보상 모델",
    "reward.about": (
        "보상 모델은 비교 결과에서 어느 답변이 선호되는지 배웁니다. 비교에도 실수가 섞여 있어 그 비교와의 일치율은 "
        "상한을 넘기 어렵습니다. ‘참 선호 기준’은 실수를 바로잡은 판단과 견준 값입니다."
    ),
    "reward.accuracy": "따로 둔 비교와의 일치",
    "reward.accuracy.about": "따로 둔 쌍에서 선호된 답변의 점수가 더 높은 비율과 95% 구간입니다.",
    "reward.overall": "보상 모델",
    "reward.true_accuracy": "참 선호 기준",
    "reward.length_only": "길이만 보고 고를 때",
    "reward.kind": "종류: {kind}",
    "kind.value": "틀린 값",
    "kind.citation": "틀린 인용",
    "kind.missing_citation": "인용 누락",
    "kind.guessing": "지어낸 답",
    "kind.over_refusal": "과잉 보류",
    "kind.form": "형식",
    "reward.ceiling": "상한",
    "reward.chance": "우연",
    "reward.ceiling.said": (
        "상한 {ceiling}: 비교한 쪽의 판단이 참 선호와 맞는 비율입니다. 이 값에 가까우면 이 비교로 확인할 수 있는 "
        "만큼은 정확하다는 뜻입니다."
    ),
    "reward.realised": "이 비교들에서 실제로 옳게 고른 비율은 {ceiling}입니다. 완벽한 보상 모델도 이만큼만 맞힙니다.",
    "reward.margin": "평균 점수 차 (선호 − 비선호)",
    "reward.no_better_than_length": (
        "정확도 구간이 길이만 보고 고를 때({length_only})를 포함합니다. 길이 이상을 배웠다고 볼 근거가 없습니다."
    ),
    "reward.calibration": "보정",
    "reward.calibration.about": (
        "점이 대각선에 놓이면, 80%로 선호된다고 예측한 쌍이 실제로도 80% 비율로 선호된다는 뜻입니다."
    ),
    "reward.predicted": "예측",
    "reward.observed": "실제",
    "reward.scores": "선호·비선호 답변의 점수 분포",
    "reward.scores.about": "두 봉우리가 멀리 떨어져 있을수록 보상 모델이 답변의 좋고 나쁨을 뚜렷이 구별합니다.",
    "reward.score": "점수",
    "reward.count": "답변 수",
    "reward.chosen": "선호",
    "reward.rejected": "비선호",
    # Training curves: names, then one line of explanation each.
    "curves": "학습이 어떻게 진행되었나",
    "curves.about": (
        "가로축은 학습 스텝이고, 그래프마다 지표 하나를 보여 줍니다. 옅은 선과 진한 선이 겹쳐 있으면 옅은 선은 모든 "
        "스텝의 값, 진한 선은 이동 평균입니다. 점이 찍힌 점선은 학습에 쓰지 않은 질문에서 잰 값입니다."
    ),
    "stage.ingest": "문서 읽기",
    "stage.split": "나누기",
    "stage.sft": "SFT",
    "stage.sample": "답변 생성",
    "stage.compare": "답변 비교",
    "stage.reward": "보상 모델",
    "stage.dpo": "DPO",
    "stage.ppo": "PPO",
    "stage.merge": "병합",
    "stage.evaluate": "평가",
    "step": "스텝",
    "validation": "검증",
    "curve.desc": "{name}: 스텝 {first_step}에서 {first}, 스텝 {last_step}에서 {last}, 범위 {low}~{high}.",
    "curve.loss": "손실",
    "curve.learning_rate": "학습률",
    "curve.tokens_per_second": "초당 토큰",
    "curve.accuracy": "정확도",
    "curve.margin": "점수 차",
    "curve.kl": "KL",
    "curve.reward": "보상과 그 항목",
    "curve.kl_coefficient": "KL 계수",
    "curve.policy_loss": "정책 손실",
    "curve.value_loss": "가치 손실",
    "curve.clip_fraction": "클리핑 비율",
    "curve.entropy": "엔트로피",
    "curve.ratio_max": "최대 확률비",
    "curve.length": "답변 길이",
    "curve.eos_rate": "스스로 끝낸 답변",
    "curve.correct": "정답률",
    "curve.f1": "모범 답과의 유사도(글자 F1)",
    "curve.grad_norm": "기울기 크기",
    "curve.approx_kl": "갱신 전후의 KL(근사)",
    "curve.ratio_mean": "평균 확률비",
    "curve.value_mean": "평균 가치",
    "curve.value_clip_fraction": "가치 클리핑 비율",
    "curve.explained_variance": "설명 분산",
    "curve.advantage_std": "어드밴티지 표준편차",
    "curve.first": "선호 답변의 점수",
    "curve.second": "비선호 답변의 점수",
    "curve.reward_chosen": "선호 답변의 보상",
    "curve.reward_rejected": "비선호 답변의 보상",
    "curve.stopped_early": "조기 종료",
    "curve.ptx_loss": "SFT 손실(ptx)",
    "curve.critic_fit": "가치 헤드의 초기 적합도",
    "series.std": "표준편차",
    "series.total": "합계",
    "series.learned": "학습된 보상",
    "series.grounded": "근거",
    "series.cited": "인용",
    "series.length": "길이",
    "series.abstaining": "보류 비용",
    "series.missing_eos": "끝내지 못한 답변의 벌점",
    "about.loss": "최적화가 낮추는 값입니다. 학습은 내려가는데 검증이 오르면 과적합입니다.",
    "about.sft.loss": "답변 토큰의 교차 엔트로피(nat)입니다. 검증 손실이 오르면 과적합입니다.",
    "about.reward.loss": "쌍의 −log σ(점수 차)입니다. 정한 격차가 없으면 log 2 ≈ 0.693이 전혀 모르는 상태입니다.",
    "about.dpo.loss": "−log σ(계수 × 점수 차)이고, log 2 ≈ 0.693에서 시작합니다.",
    "about.learning_rate": "실제로 적용된 학습률입니다.",
    "about.tokens_per_second": "프롬프트와 답변 토큰을 합한 속도입니다.",
    "about.accuracy": "선호된 답변의 점수가 더 높은 쌍의 비율입니다. 50%면 우연입니다.",
    "about.margin": "선호된 답변의 점수에서 비선호 답변의 점수를 뺀 값입니다.",
    "about.kl": "모델이 SFT에서 얼마나 멀어졌는지입니다(답변당 nat).",
    "about.reward": "답변이 받은 보상의 합계와 항목입니다. 합계만 보면 어느 항목에서 보상을 얻는지 알 수 없습니다.",
    "about.kl_coefficient": (
        "SFT에서 멀어질 때 치르는 벌점의 크기입니다. ppo.adaptive를 켰을 때만 KL이 목표 근처에 머물도록 바뀝니다."
    ),
    "about.policy_loss": "클리핑한 목적 함수의 음수입니다. 0 근처를 오가며, 높낮이에는 큰 뜻이 없습니다.",
    "about.value_loss": "앞으로 받을 보상의 합을 얼마나 잘못 예측했는지입니다. 내려가서 낮게 유지되어야 합니다.",
    "about.clip_fraction": "확률비가 잘린 토큰의 비율입니다. 30%를 크게 넘으면 한 번의 갱신 폭이 너무 크다는 뜻입니다.",
    "about.entropy": "정책이 얼마나 망설이는지입니다. 0으로 떨어지면 늘 같은 말만 합니다.",
    "about.ratio_max": "새 정책과 옛 정책의 확률비 중 가장 큰 값입니다. 튀어 오르면 불안정한 갱신입니다.",
    "about.length": "답변의 평균 토큰 수입니다. 길이만 늘며 오르는 보상은 의심해야 합니다.",
    "about.eos_rate": "길이 제한에 걸리지 않고 스스로 끝낸 답변의 비율입니다.",
    "about.f1": "검증 질문에서 잰, 모범 답과의 글자 F1입니다. 보상이 오르면 함께 올라야 합니다.",
    "about.correct": "보상이 나타내야 할 정답률을 검증 질문에서 잰 값입니다.",
    # Reward against KL.
    "kl": "PPO에서의 보상과 KL",
    "kl.about": (
        "점 하나가 학습의 한 순간이고 나중일수록 진합니다. 속이 빈 점이 시작입니다. KL이 같다면 보상이 높은 쪽이 "
        "낫습니다. 보상은 계속 오르는데 정답률이 꺾이면 보상 해킹입니다."
    ),
    "kl.about.f1": (
        "점 하나가 학습의 한 순간이고 나중일수록 진합니다. 속이 빈 점이 시작입니다. KL이 같다면 보상이 높은 쪽이 "
        "낫습니다. 보상은 계속 오르는데 답변이 모범 답에서 멀어지면 보상 해킹입니다."
    ),
    "kl.reward": "KL에 따른 보상",
    "kl.correct": "KL에 따른 정답률",
    "kl.f1": "KL에 따른 모범 답과의 유사도(글자 F1)",
    "kl.reward.about": "같은 KL에서 높을수록 좋습니다.",
    "kl.correct.about": "보상과 함께 올라야 합니다.",
    "kl.f1.about": "보상과 함께 올라야 합니다.",
    "kl.axis": "SFT와의 KL (답변당 nat)",
    "kl.desc": "KL {first_x}에서 {first}, KL {last_x}에서 {last}; 점 {n}개.",
    # Answers.
    "answers": "학습 전후의 답변",
    "answers.about": (
        "평가 질문 {n}개에 대한 {before}와 {after}의 답변입니다. 변화가 큰 것부터, 좋아진 것과 나빠진 것을 모두 "
        "보여 줍니다."
    ),
    "answers.won": "오답 → 정답",
    "answers.lost": "정답 → 오답",
    "answers.same": "정답 여부 그대로",
    "answers.hacked": "보상만 오르고 오답이 됨",
    "answers.won.f1": "모범 답에 가까워짐",
    "answers.lost.f1": "모범 답에서 멀어짐",
    "answers.same.f1": "유사도 그대로",
    "answers.hacked.f1": "보상은 올랐는데 모범 답에서 멀어짐",
    "answers.identical": "글자까지 같은 답변",
    "answers.group.won": "{before}에서 틀리고 {after}에서 맞힌 질문",
    "answers.group.lost": "{before}에서 맞히고 {after}에서 틀린 질문",
    "answers.group.same": "정답 여부가 그대로인 질문 (보상 변화 순)",
    "answers.group.won.f1": "{after}의 답변이 {before}보다 모범 답에 가까운 질문",
    "answers.group.lost.f1": "{after}의 답변이 {before}보다 모범 답에서 먼 질문",
    "answers.group.same.f1": "유사도가 그대로인 질문 (보상 변화 순)",
    "answers.group.unscored": "채점하지 않은 질문 (보상 변화 순)",
    "answers.shown": "질문 {n}개 가운데 {shown}개를 보여 줍니다. 전부는 evaluate/answers.jsonl에 있습니다.",
    "answers.printed": "인쇄본에는 종류마다 처음 여섯 개만, 문단 없이 실립니다. 화면에는 더 있습니다.",
    "answers.filter": "답변 골라 보기",
    "answers.all": "전체",
    "answers.search": "질문과 답변에서 찾기",
    "answers.gold": "기대한 답",
    "answers.unanswerable": "문서에 답이 없어 보류하는 것이 맞는 질문입니다.",
    "answers.correct": "정답",
    "answers.wrong": "오답",
    "answers.f1": "F1",
    "answers.unscored": "채점 안 됨",
    "answers.abstained": "보류",
    "answers.reward": "보상",
    "answers.kl": "KL",
    "answers.length": "길이",
    "answers.passages": "문단 {n}개",
    "answers.cited_by": "인용",
    "answers.holds": "답이 있는 문단",
    "answers.reward_change": "보상 {change}",
    # Retrieval and cost.
    "retrieval": "검색",
    "retrieval.about": (
        "모델 앞에 놓인 문단에 답이 있었는지입니다. 검색이 답이 든 문단을 놓치면 어떤 시스템도 답할 수 없습니다."
    ),
    "cost": "시간과 메모리",
    "cost.seconds": "단계별 시간",
    "cost.memory": "단계별 최대 메모리",
    "cost.seconds.about": "단계마다 걸린 실제 시간이고, 모두 합해 {total}입니다.",
    "cost.memory.about": "단계가 도는 동안 쓴 가장 큰 메모리이고, 가장 높은 값은 {most}입니다.",
    "cost.trained": "학습된 파라미터 {n}개",
    "unit.hours": "시간",
    "unit.minutes": "분",
    "unit.seconds": "초",
    # Glossary: term|meaning.
    "glossary": "용어",
    "glossary.sft": "SFT|지도 미세조정. 미리 써 둔 답변에서 배웁니다. 그 뒤의 모든 것은 이것과 비교합니다.",
    "glossary.rm": "보상 모델|비교 결과에서 배워 답변에 점수를 매기는 모델입니다.",
    "glossary.ppo": (
        "PPO|모델이 답하고, 점수를 받고, 점수가 좋았던 쪽으로 조금씩 움직입니다. KL 벌점이 SFT에서 너무 멀어지지 "
        "않게 붙잡습니다."
    ),
    "glossary.dpo": "DPO|보상 모델이나 생성 없이 비교 결과에서 바로 배웁니다.",
    "glossary.bon": (
        "Best-of-n|SFT가 n번 답하고, PPO와 같은 보상으로 점수가 가장 높은 답을 고릅니다. 학습은 없고 비용이 n배입니다. "
        "PPO는 이보다 나아야 의미가 있습니다."
    ),
    "glossary.kl": "KL|모델의 답변이 SFT의 답변에서 얼마나 멀어졌는지입니다. 0이면 같은 모델입니다.",
    "glossary.grounded": "근거 충실도|답변의 주장이 문단으로 뒷받침되는 정도입니다.",
    "glossary.abstain": (
        "답변 보류|문서에 답이 없다고 말하는 것입니다. 정밀도는 보류한 것 가운데 옳은 비율, 재현율은 답이 없는 "
        "질문 가운데 보류한 비율입니다."
    ),
    "glossary.refusal": "과잉 보류|문서에 답이 있는데도 보류하는 것입니다.",
    "glossary.interval": (
        "95% 구간|주제 단위로 다시 뽑아 구한 부트스트랩 구간입니다. 같은 종류의 평가를 100번 하면 95번쯤은 그 구간에 "
        "참 평균이 들어갑니다."
    ),
    "glossary.hacking": (
        "보상 해킹|보상은 오르는데, 정작 그 보상이 나타내야 할 것(답의 질)은 오르지 않는 현상입니다."
    ),
}
