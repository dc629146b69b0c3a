"""What things cost: figures, never a pass or a failure."""
