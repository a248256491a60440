"""The report's words in English. korean.py holds the same keys."""

ENGLISH = {
    "page.title": "{name}: report",
    "page.kind": "Run report",
    "nav": "Contents",
    "nav.verdict": "Verdict",
    "nav.systems": "Systems",
    "nav.comparisons": "Comparisons",
    "nav.reward": "Reward model",
    "nav.curves": "Training",
    "nav.kl": "Reward and KL",
    "nav.answers": "Answers",
    "nav.retrieval": "Retrieval",
    "nav.cost": "Cost",
    "nav.glossary": "Glossary",
    "ran": "What ran",
    "ran.hash": "Recipe hash",
    "ran.seed": "Seed",
    "ran.versions": "Versions",
    "ran.started": "Started",
    "ran.threads": "Threads",
    "ran.questions": "Test questions",
    "ran.recipe": "The resolved recipe",
    # The verdict.
    "verdict": "Verdict",
    "verdict.better": "{a} answers more questions correctly than {b}",
    "verdict.worse": "{a} answers fewer questions correctly than {b}",
    "verdict.unclear": "{a} and {b} cannot be told apart in correctness",
    "verdict.better.f1": "{a}'s answers are closer to the gold answers than {b}'s",
    "verdict.worse.f1": "{a}'s answers are further from the gold answers than {b}'s",
    "verdict.unclear.f1": "{a} and {b} cannot be told apart in likeness to the gold answers",
    "verdict.difference": "Difference {difference} {interval} over {n} questions.",
    "verdict.unclear.why": (
        "Cannot be told apart: the interval of the difference includes zero, or fewer than ten topics stand behind "
        "it, so this test set does not show which is better."
    ),
    "verdict.missing": "{a} and {b} were not compared in this run",
    "verdict.none": "No trained system was compared with another in this run",
    "hacking.shown": "Warning, reward hacking: {a} earns more reward than {b}, but fewer of its answers are correct",
    "hacking.suspected": "Caution: for {a} the mean reward rose against {b} while the mean correctness fell",
    "hacking.shown.f1": (
        "Warning, reward hacking: {a} earns more reward than {b}, but its answers are less like the gold answers"
    ),
    "hacking.suspected.f1": "Caution: for {a} the mean reward rose against {b} while likeness to the gold answers fell",
    "hacking.why": (
        "Reward {reward}; correctness {quality}. The learned reward is being satisfied by something other than "
        "right answers: do not prefer this model for its reward."
    ),
    "hacking.why.f1": (
        "Reward {reward}; character F1 {quality}. The learned reward is being satisfied by something other than "
        "answers like the gold ones: do not prefer this model for its reward."
    ),
    "hacking.suspected.why": (
        "Reward {reward}; correctness {quality}. The two differences are not both distinguishable from zero, so "
        "this may be chance; read the lost answers below before trusting the reward."
    ),
    "hacking.suspected.why.f1": (
        "Reward {reward}; character F1 {quality}. The two differences are not both distinguishable from zero, so "
        "this may be chance; read below the answers that moved away from the gold ones before trusting the reward."
    ),
    "headline": "Correct answers by system",
    "headline.about": "Share of test questions answered correctly, with its 95% interval.",
    "headline.f1": "Likeness to the gold answers (character F1) by system",
    "headline.about.f1": (
        "Character F1 with the gold answer, with its 95% interval. The questions of this run have no accepted "
        "answers on record, so whether an answer is correct cannot be told."
    ),
    "who": "Who compared the answers",
    "who.unknown": "This run does not record who compared the answers.",
    # Systems and metrics.
    "systems": "Every system on every metric",
    "systems.about": (
        "Mean over test questions, and below it the 95% bootstrap interval. “Best” stands only where a system is "
        "ahead of every other by a difference whose interval excludes zero; arrows compare with SFT by the same "
        "rule. No mark means: not distinguishable."
    ),
    "systems.metric": "Metric",
    "systems.best": "best",
    "systems.better": "better than SFT",
    "systems.worse": "worse than SFT",
    "systems.higher": "higher than SFT",
    "systems.lower": "lower than SFT",
    "systems.meaning": "What the metrics mean",
    "better.higher": "higher is better",
    "better.lower": "lower is better",
    "better.neither": "neither is better",
    "scroll": "Table, scrolls sideways",
    "system.base": "Base",
    "system.sft": "SFT",
    "system.best_of_n": "Best-of-n",
    "system.dpo": "DPO",
    "system.ppo": "PPO",
    # Comparisons.
    "comparisons": "Comparisons, paired by question",
    "comparisons.about": "Both systems answered the same questions, so differences are taken question by question.",
    "comparisons.figure": "{a} − {b}",
    "comparisons.figure.about": (
        "Differences of the rates, in percentage points, with their 95% intervals. An interval that crosses the "
        "line at zero shows no difference."
    ),
    "comparisons.difference": "Difference",
    "comparisons.interval": "95% interval",
    "comparisons.says": "Says",
    "comparisons.n": "Questions",
    "judge.better": "better",
    "judge.worse": "worse",
    "judge.higher": "higher",
    "judge.lower": "lower",
    "judge.unclear": "not distinguishable",
    "points": " points",
    # Names of metrics.
    "metric.correct": "Correct",
    "metric.abstention_precision": "Abstention precision",
    "metric.abstention_recall": "Abstention recall",
    "metric.over_refusal": "Over-refusal",
    "metric.citation_precision": "Citation precision",
    "metric.citation_recall": "Citation recall",
    "metric.grounded": "Grounded",
    "metric.f1": "Character F1",
    "metric.bleu": "BLEU",
    "metric.rouge_l": "ROUGE-L",
    "metric.chrf": "chrF++",
    "metric.reward": "Reward",
    "metric.kl": "KL to SFT",
    "metric.length": "Length",
    "metric.recall@1": "Recall@1",
    "metric.recall@k": "Recall@{k}",
    "metric.ndcg@k": "nDCG@{k}",
    "metric.mrr": "Mean reciprocal rank",
    # The reward model.
    "reward": "Reward model",
    "reward.about": (
        "The reward model learns from comparisons which of two answers is preferred. Comparisons hold "
        "mistakes, so agreement with them can hardly exceed the ceiling; “against the true preference” is without them."
    ),
    "reward.accuracy": "Agreement with held-out comparisons",
    "reward.accuracy.about": (
        "How often the preferred answer of a held-out pair scores higher, with its 95% interval."
    ),
    "reward.overall": "Reward model",
    "reward.true_accuracy": "against the true preference",
    "reward.length_only": "preferring by length alone",
    "reward.kind": "kind: {kind}",
    "kind.value": "wrong value",
    "kind.citation": "wrong citation",
    "kind.missing_citation": "missing citation",
    "kind.guessing": "guessing",
    "kind.over_refusal": "over-refusal",
    "kind.form": "form",
    "reward.ceiling": "Ceiling",
    "reward.chance": "Chance",
    "reward.ceiling.said": (
        "Ceiling {ceiling}: the share of comparisons that agree with the true preference. An accuracy near it is "
        "as good as these comparisons can show."
    ),
    "reward.realised": "Of these comparisons {ceiling} were judged rightly: a perfect reward model would score that.",
    "reward.margin": "Mean margin, preferred − rejected",
    "reward.no_better_than_length": (
        "The interval of its accuracy includes that of preferring by length alone ({length_only}): this test "
        "does not show that it learned more than length."
    ),
    "reward.calibration": "Calibration",
    "reward.calibration.about": "On the diagonal, a pair said to be preferred with 80% is preferred 80% of the time.",
    "reward.predicted": "predicted",
    "reward.observed": "observed",
    "reward.scores": "Scores of preferred and rejected answers",
    "reward.scores.about": "The further apart the two hills, the more clearly the reward model tells answers apart.",
    "reward.score": "score",
    "reward.count": "answers",
    "reward.chosen": "preferred",
    "reward.rejected": "rejected",
    # Training curves: names, then one line of explanation each.
    "curves": "How training went",
    "curves.about": (
        "One figure a quantity, over optimisation steps. Where a faint line stands behind a strong one, the "
        "faint one is every step and the strong one a moving mean. Dashed lines with dots are measured on "
        "questions that are not trained on."
    ),
    "stage.ingest": "Ingest",
    "stage.split": "Split",
    "stage.sft": "SFT",
    "stage.sample": "Sample",
    "stage.compare": "Compare",
    "stage.reward": "Reward model",
    "stage.dpo": "DPO",
    "stage.ppo": "PPO",
    "stage.merge": "Merge",
    "stage.evaluate": "Evaluate",
    "step": "step",
    "validation": "validation",
    "curve.desc": "{name}: {first} at step {first_step}, {last} at step {last_step}, between {low} and {high}.",
    "curve.loss": "Loss",
    "curve.learning_rate": "Learning rate",
    "curve.tokens_per_second": "Tokens per second",
    "curve.accuracy": "Accuracy",
    "curve.margin": "Margin",
    "curve.kl": "KL",
    "curve.reward": "Reward and its terms",
    "curve.kl_coefficient": "KL coefficient",
    "curve.policy_loss": "Policy loss",
    "curve.value_loss": "Value loss",
    "curve.clip_fraction": "Clip fraction",
    "curve.entropy": "Entropy",
    "curve.ratio_max": "Largest ratio",
    "curve.length": "Answer length",
    "curve.eos_rate": "Finished answers",
    "curve.correct": "Correct answers",
    "curve.f1": "Likeness to the gold answers (character F1)",
    "curve.grad_norm": "Gradient norm",
    "curve.approx_kl": "KL of an update (approximate)",
    "curve.ratio_mean": "Mean ratio",
    "curve.value_mean": "Mean value",
    "curve.value_clip_fraction": "Value clip fraction",
    "curve.explained_variance": "Explained variance",
    "curve.advantage_std": "Deviation of advantages",
    "curve.first": "Score of the chosen",
    "curve.second": "Score of the rejected",
    "curve.reward_chosen": "Reward of the chosen",
    "curve.reward_rejected": "Reward of the rejected",
    "curve.stopped_early": "Stopped early",
    "curve.ptx_loss": "SFT loss (ptx)",
    "curve.critic_fit": "First fit of the value head",
    "series.std": "deviation",
    "series.total": "total",
    "series.learned": "learned",
    "series.grounded": "grounded",
    "series.cited": "cited",
    "series.length": "length",
    "series.abstaining": "price of abstaining",
    "series.missing_eos": "price of not ending",
    "about.loss": "What the optimiser lowers; validation rising while training falls is overfitting.",
    "about.sft.loss": "Cross-entropy of the answers' tokens, in nats; validation rising is overfitting.",
    "about.reward.loss": "−log σ(margin) of the pairs; without stated margins log 2 ≈ 0.693 is knowing nothing.",
    "about.dpo.loss": "−log σ of the scaled margin; it starts at log 2 ≈ 0.693.",
    "about.learning_rate": "The schedule as it was really applied.",
    "about.tokens_per_second": "Speed, prompt and answer tokens together.",
    "about.accuracy": "Share of pairs whose preferred answer scores higher; 50% is chance.",
    "about.margin": "Score of the preferred answer less that of the rejected one.",
    "about.kl": "How far the model has moved from SFT, in nats an answer.",
    "about.reward": "What answers earn, in total and by term; the total alone hides which term is being collected.",
    "about.kl_coefficient": "The price of moving away from SFT; it moves only where ppo.adaptive is on.",
    "about.policy_loss": "The clipped objective, negated; it hovers around zero and its level means little.",
    "about.value_loss": "Error of the predicted return; it should fall and stay low.",
    "about.clip_fraction": "Share of tokens whose ratio was clipped; much above 30% means steps too large.",
    "about.entropy": "How undecided the policy is; a fall to zero means it says always the same.",
    "about.ratio_max": "Largest probability ratio of new to old policy; spikes are unstable updates.",
    "about.length": "Mean tokens an answer; reward that rises with length alone is suspect.",
    "about.eos_rate": "Share of answers that ended by themselves before the limit.",
    "about.f1": "What the reward is meant to stand for: character F1 with the gold answers of validation questions.",
    "about.correct": "What the reward is meant to stand for, measured on validation questions.",
    # Reward against KL.
    "kl": "Reward against KL along PPO",
    "kl.about": (
        "Each dot is a moment of training, later ones darker; the hollow ring is the start. Reward bought with "
        "little KL is cheap; when reward goes on rising while correctness bends down, the reward is being hacked."
    ),
    "kl.about.f1": (
        "Each dot is a moment of training, later ones darker; the hollow ring is the start. Reward bought with "
        "little KL is cheap; when reward goes on rising while the answers move away from the gold ones, the reward is "
        "being hacked."
    ),
    "kl.reward": "Reward against KL",
    "kl.correct": "Correct answers against KL",
    "kl.f1": "Likeness to the gold answers (character F1) against KL",
    "kl.reward.about": "Higher at the same KL is better.",
    "kl.correct.about": "It should rise together with the reward.",
    "kl.f1.about": "It should rise together with the reward.",
    "kl.axis": "KL to SFT (nats an answer)",
    "kl.desc": "From {first} at KL {first_x} to {last} at KL {last_x}; {n} points.",
    # Answers.
    "answers": "Answers before and after",
    "answers.about": (
        "{before} against {after} on {n} test questions, the largest changes first, wins and losses both."
    ),
    "answers.won": "became correct",
    "answers.lost": "became wrong",
    "answers.same": "as correct as before",
    "answers.hacked": "reward rose while correctness fell",
    "answers.won.f1": "came closer to the gold answer",
    "answers.lost.f1": "moved away from the gold answer",
    "answers.same.f1": "as close as before",
    "answers.hacked.f1": "reward rose while the answer moved away",
    "answers.identical": "word for word the same",
    "answers.group.won": "{after} got it right, {before} did not",
    "answers.group.lost": "{after} got it wrong, {before} did not",
    "answers.group.same": "Equally correct, by change of reward",
    "answers.group.won.f1": "{after} is closer to the gold answer than {before}",
    "answers.group.lost.f1": "{after} is further from the gold answer than {before}",
    "answers.group.same.f1": "Equally close, by change of reward",
    "answers.group.unscored": "Not scored, by change of reward",
    "answers.shown": "Shown here: {shown} of {n} questions. All of them: evaluate/answers.jsonl.",
    "answers.printed": "Printed: the first six of each kind, without their passages; the page on a screen has more.",
    "answers.filter": "Filter answers",
    "answers.all": "all",
    "answers.search": "Search questions and answers",
    "answers.gold": "Expected",
    "answers.unanswerable": "The documents do not hold the answer: abstaining is right.",
    "answers.correct": "correct",
    "answers.wrong": "wrong",
    "answers.f1": "F1",
    "answers.unscored": "not scored",
    "answers.abstained": "abstained",
    "answers.reward": "reward",
    "answers.kl": "KL",
    "answers.length": "length",
    "answers.passages": "{n} passages",
    "answers.cited_by": "cited by",
    "answers.holds": "holds the answer",
    "answers.reward_change": "reward {change}",
    # Retrieval and cost.
    "retrieval": "Retrieval",
    "retrieval.about": (
        "Whether the passages put before the model held the answer. No system can answer from passages that "
        "retrieval missed."
    ),
    "cost": "Time and memory",
    "cost.seconds": "Seconds by stage",
    "cost.memory": "Peak memory by stage",
    "cost.seconds.about": "Wall clock of each stage; {total} in all.",
    "cost.memory.about": "Largest resident memory while the stage ran; the highest is {most}.",
    "cost.trained": "{n} trained parameters",
    "unit.hours": " h",
    "unit.minutes": " min",
    "unit.seconds": " s",
    # Glossary: term|meaning.
    "glossary": "Glossary",
    "glossary.sft": (
        "SFT|Supervised fine-tuning: the model learns from written answers. Everything after is measured against it."
    ),
    "glossary.rm": "Reward model|A model that learned from comparisons to score an answer.",
    "glossary.ppo": (
        "PPO|The model answers, is scored, and moves towards what scored well, in small clipped steps, held near "
        "SFT by KL."
    ),
    "glossary.dpo": "DPO|Learns from the comparisons directly, without a reward model or sampling.",
    "glossary.bon": (
        "Best-of-n|SFT answers n times and the reward model picks one: no training, n times the cost. PPO has to "
        "beat it to be worth its trouble."
    ),
    "glossary.kl": "KL|How far a model's answers have moved from those of SFT; 0 is the same model.",
    "glossary.grounded": "Grounded|The answer's claims are supported by the passages.",
    "glossary.abstain": (
        "Abstention|Saying that the documents do not hold the answer. Precision: of the abstentions, how many "
        "were right. Recall: of the unanswerable questions, how many were abstained from."
    ),
    "glossary.refusal": "Over-refusal|Abstaining although the passages hold the answer.",
    "glossary.interval": (
        "95% interval|Bootstrap over topics: of 100 such test sets, about 95 would give an interval that "
        "holds the true mean."
    ),
    "glossary.hacking": "Reward hacking|Reward rises and what it stands for does not.",
}
