"""Random worlds: families to sample from, and their exact solutions."""
