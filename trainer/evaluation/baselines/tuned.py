"""Settings of the Q-learning baselines per suite: 256 worlds, 512 steps.

Chosen on other worlds by ``python -m trainer.evaluation.baselines.tune``.
"""

Tuned = dict[str, float]

TUNED: dict[str, dict[str, Tuned]] = {
    "small": {
        "q-epsilon-greedy": {"alpha": 0.4, "gamma": 0.9, "epsilon": 0.1, "initial": 0.0, "epsilon_decay": 0.01},
        "q-count-bonus": {"alpha": 0.2, "gamma": 0.95, "epsilon": 0.0, "initial": 0.0, "bonus": 0.3},
    },
    "garnet-16": {
        "q-epsilon-greedy": {"alpha": 0.2, "gamma": 0.99, "epsilon": 0.02, "initial": 0.1, "epsilon_decay": 0.01},
        "q-count-bonus": {"alpha": 0.1, "gamma": 0.99, "epsilon": 0.0, "initial": 0.05, "bonus": 0.02},
    },
    "anymdp-1": {
        "q-epsilon-greedy": {"alpha": 0.4, "gamma": 0.95, "epsilon": 0.02, "initial": 0.1, "epsilon_decay": 0.01},
        "q-count-bonus": {"alpha": 0.1, "gamma": 0.9, "epsilon": 0.0, "initial": 0.0, "bonus": 1.0},
    },
    "anymdp-16": {
        "q-epsilon-greedy": {"alpha": 0.7, "gamma": 0.9, "epsilon": 0.05, "initial": 0.1, "epsilon_decay": 0.01},
        "q-count-bonus": {"alpha": 0.7, "gamma": 0.9, "epsilon": 0.0, "initial": 0.05, "bonus": 0.02},
    },
    "frozenlake": {
        "q-epsilon-greedy": {"alpha": 0.7, "gamma": 0.99, "epsilon": 0.02, "initial": 0.0, "epsilon_decay": 0.01},
        "q-count-bonus": {"alpha": 0.7, "gamma": 0.99, "epsilon": 0.0, "initial": 0.0, "bonus": 0.02},
    },
    "frozenlake-slippery": {
        "q-epsilon-greedy": {"alpha": 0.7, "gamma": 0.95, "epsilon": 0.05, "initial": 0.0, "epsilon_decay": 0.0},
        "q-count-bonus": {"alpha": 0.4, "gamma": 0.9, "epsilon": 0.0, "initial": 0.0, "bonus": 0.02},
    },
}
