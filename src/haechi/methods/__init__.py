"""One small pure file a method: log-probabilities in, losses per example and detached metrics out.

Nothing here knows a model, a tokenizer or the training loop. Log-probabilities arrive flat, one number for each answer
token of the batch, with the answer each token belongs to (`segments`): there is no padding, so no mask to forget.
"""
