"""Where it runs: the demo, manifests and the status dashboard."""
