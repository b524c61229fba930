"""Dataset in, agent out: stream, model, training loop, in-context evaluation."""
