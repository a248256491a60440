"""What flows through a run, and how it is read, cleaned and split."""
