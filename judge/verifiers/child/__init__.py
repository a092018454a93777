"""Work of verifiers that may take long, done in a process of its own; knows nothing of flywheel."""
