"""English worlds: names and facts, sentences, questions."""
