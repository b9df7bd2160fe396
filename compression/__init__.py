"""What is done: steps, recipes, the runner and checkpoints."""
