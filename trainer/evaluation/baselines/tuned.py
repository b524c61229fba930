"""Settings of the learning baselines per suite: Q-learners on 256 worlds, planners on 128, PPO and DQN on 6; 512 steps.

Chosen on other worlds by ``python -m trainer.evaluation.baselines.tune``.
"""

Tuned = dict[str, float]

TUNED: dict[str, dict[str, Tuned]] = {
    "small": {
        "q-epsilon-greedy": {"alpha": 0.4, "gamma": 0.9, "epsilon": 0.1, "initial": 0.0, "epsilon_decay": 0.01},
        "q-count-bonus": {"alpha": 0.2, "gamma": 0.95, "epsilon": 0.0, "initial": 0.0, "bonus": 0.3},
        "q-ucb": {"alpha": 0.4, "gamma": 0.9, "bonus": 0.05},
        "ucb-value-iteration": {"gamma": 0.95, "bonus": 0.2, "every": 2, "restart": 1.0},
        "posterior-sampling": {"gamma": 0.9, "prior": 0.1, "deviation": 0.1, "hope": 0.0, "every": 2, "restart": 1.0},
        "conservative-q": {"gamma": 0.9, "weight": 0.01, "epsilon": 0.0, "restart": 1.0},
        "ppo": {"learning_rate": 0.003, "gamma": 0.9, "n_steps": 32, "ent_coef": 0.0},
        "dqn": {
            "learning_rate": 0.003,
            "gamma": 0.99,
            "target_update_interval": 100,
            "exploration_fraction": 0.2,
        },
    },
    "garnet-16": {
        "q-epsilon-greedy": {"alpha": 0.2, "gamma": 0.99, "epsilon": 0.02, "initial": 0.1, "epsilon_decay": 0.01},
        "q-count-bonus": {"alpha": 0.1, "gamma": 0.99, "epsilon": 0.0, "initial": 0.05, "bonus": 0.02},
        "q-ucb": {"alpha": 0.4, "gamma": 0.9, "bonus": 0.2},
        "ucb-value-iteration": {"gamma": 0.9, "bonus": 0.01, "every": 2, "restart": 0.0},
        "posterior-sampling": {"gamma": 0.9, "prior": 0.03, "deviation": 0.1, "hope": 0.0, "every": 2, "restart": 0.0},
        "conservative-q": {"gamma": 0.9, "weight": 0.01, "epsilon": 0.0, "restart": 0.0},
    },
    "anymdp-1": {
        "q-epsilon-greedy": {"alpha": 0.4, "gamma": 0.95, "epsilon": 0.02, "initial": 0.1, "epsilon_decay": 0.01},
        "q-count-bonus": {"alpha": 0.1, "gamma": 0.9, "epsilon": 0.0, "initial": 0.0, "bonus": 1.0},
        "q-ucb": {"alpha": 0.1, "gamma": 0.9, "bonus": 0.002},
        "ucb-value-iteration": {"gamma": 0.9, "bonus": 0.1, "every": 2, "restart": 0.0},
        "posterior-sampling": {"gamma": 0.9, "prior": 0.1, "deviation": 0.1, "hope": 0.3, "every": 2, "restart": 1.0},
        "conservative-q": {"gamma": 0.9, "weight": 0.01, "epsilon": 0.0, "restart": 0.0},
    },
    "anymdp-16": {
        "q-epsilon-greedy": {"alpha": 0.7, "gamma": 0.9, "epsilon": 0.05, "initial": 0.1, "epsilon_decay": 0.01},
        "q-count-bonus": {"alpha": 0.7, "gamma": 0.9, "epsilon": 0.0, "initial": 0.05, "bonus": 0.02},
        "q-ucb": {"alpha": 0.1, "gamma": 0.9, "bonus": 0.002},
        "ucb-value-iteration": {"gamma": 0.95, "bonus": 0.1, "every": 2, "restart": 1.0},
        "posterior-sampling": {"gamma": 0.9, "prior": 0.03, "deviation": 0.1, "hope": 0.3, "every": 2, "restart": 1.0},
        "conservative-q": {"gamma": 0.9, "weight": 0.01, "epsilon": 0.03, "restart": 1.0},
    },
    "frozenlake": {
        "q-epsilon-greedy": {"alpha": 0.7, "gamma": 0.99, "epsilon": 0.02, "initial": 0.0, "epsilon_decay": 0.01},
        "q-count-bonus": {"alpha": 0.7, "gamma": 0.99, "epsilon": 0.0, "initial": 0.0, "bonus": 0.02},
        "q-ucb": {"alpha": 0.1, "gamma": 0.99, "bonus": 0.002},
        "ucb-value-iteration": {"gamma": 0.9, "bonus": 0.01, "every": 2, "restart": 0.0},
        "posterior-sampling": {"gamma": 0.9, "prior": 0.03, "deviation": 0.1, "hope": 0.3, "every": 2, "restart": 1.0},
        "conservative-q": {"gamma": 0.9, "weight": 0.01, "epsilon": 0.0, "restart": 0.0},
    },
    "frozenlake-slippery": {
        "q-epsilon-greedy": {"alpha": 0.7, "gamma": 0.95, "epsilon": 0.05, "initial": 0.0, "epsilon_decay": 0.0},
        "q-count-bonus": {"alpha": 0.4, "gamma": 0.9, "epsilon": 0.0, "initial": 0.0, "bonus": 0.02},
        "q-ucb": {"alpha": 0.1, "gamma": 0.9, "bonus": 0.01},
        "ucb-value-iteration": {"gamma": 0.95, "bonus": 0.05, "every": 2, "restart": 1.0},
        "posterior-sampling": {"gamma": 0.9, "prior": 0.03, "deviation": 0.1, "hope": 0.3, "every": 2, "restart": 0.0},
        "conservative-q": {"gamma": 0.9, "weight": 0.2, "epsilon": 0.03, "restart": 1.0},
    },
}
