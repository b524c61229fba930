"""Data in, batches out: which datasets, in which order, what varies from epoch to epoch, made ready by whom."""
