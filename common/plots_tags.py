"""One colour for each tag, in every picture of data: blues know the optimal actions, greys know nothing."""

from matplotlib.colors import ListedColormap

TAG_COLOURS = {
    "oracle_0": "#CFE3F5",
    "oracle_05": "#8FC1E8",
    "oracle_093": "#3F8FCE",
    "oracle_0994": "#0B4F8A",
    "model_based": "#009E73",
    "q_learning": "#E69F00",
    "random": "#B3B3B3",
    "unknown": "#E6D5E0",
    "terminated": "#D55E00",
    "truncated": "#F0B48A",
}
"""By tag, in the order of ``common.dataset.schema.Tag``."""
TAG_MAP = ListedColormap(list(TAG_COLOURS.values()))


def tag_label(name: str) -> str:
    """Return a tag's name as people read it."""
    discounts = {
        "oracle_0": "oracle 0",
        "oracle_05": "oracle .5",
        "oracle_093": "oracle .93",
        "oracle_0994": "oracle .994",
    }
    return discounts.get(name, name.replace("_", " "))
