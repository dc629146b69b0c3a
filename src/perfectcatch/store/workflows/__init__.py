"""What is kept of workflows."""
