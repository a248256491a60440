"""What the peers do of each row, run in environments of their own."""
