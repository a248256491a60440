"""Documents to passages, passages to a searchable library, questions to the passages they are asked with."""
