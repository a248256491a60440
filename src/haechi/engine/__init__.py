"""Trees ▶ forward ▶ log-probabilities; rollout; the one training loop; checkpoints; guards."""
