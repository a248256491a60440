"""Korean worlds: names and facts, sentences, questions."""
