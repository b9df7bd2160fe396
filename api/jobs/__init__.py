"""Long work: a queue, the processes that do it, and what is remembered of it meanwhile."""
