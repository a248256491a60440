"""haechi's engine and its peers on the same checkpoint, the same token ids and the same hyperparameters."""
