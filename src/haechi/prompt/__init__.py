"""Question and passages to tokens, and answers back to claims and citations."""
