"""Data synthesis: a recipe and an index in, one sequence out."""
