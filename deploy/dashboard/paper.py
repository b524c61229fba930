"""The paper's Table 1, its own agent's column; a test compares it with the evaluation's copy of the whole table."""

PAPER = {
    "AnyMDP n_s=1 (bandit)": "82.5 / 103 / 103",
    "AnyMDP 16": "95.3 / 2.0K / 29",
    "AnyMDP 32": "90.3 / 6.5K / 47",
    "AnyMDP 64": "91.3 / 7.7K / 25",
    "AnyMDP 128": "80.2 / 36.3K / 100",
    "Garnet(16,5,2)": "85.9 / 8.2K / 71",
    "Garnet(64,5,2)": "80.4 / 8.0K / 19",
    "CliffWalking": "100 / 3.0K / 65",
    "FrozenLake, not slippery": "99.8 / 0.3K / 35",
    "FrozenLake, slippery": "79.5 / 7.7K / 245",
    "Pendulum g=1": "90.5 / 8K / 40",
    "Pendulum g=5": "91.8 / 34K / 170",
    "Pendulum g=9.8": "73.4 / 33K / 165",
    "Switch2, two agents": "80.4 / 2.8K / 100",
    "Darkroom 6x6": "95.2 / 845 / 40",
    "Darkroom 8x8": "93.8 / 1.5K / 40",
    "Darkroom 10x10": "91.7 / 2.8K / 100",
}
"""By task: best average score in percent / environment steps / episodes until 99 % of it."""
