"""Benchmarks of training: ``python -m trainer.bench``. Each cell is measured in a process of its own."""
