"""Makes the notebooks from their text, runs them, and judges what came of it."""
