"""The flagship run: one command, in legs of minutes, from a bare accelerator to a trained, evaluated, shared agent."""
