"""What an answer earns: rule-based terms, each readable by itself, and their weighted sum."""
