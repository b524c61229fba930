"""What both sides speak: configuration, seeds, worlds, agents, data synthesis and the dataset."""
