"""Studies: one question each, answered by training a few arms that differ only in what the question names."""
