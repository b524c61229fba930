"""The studies there are, by name; a new one is a file here and a line below."""

from trainer.study.arm import Study
from trainer.study.studies.ablation import ABLATION
from trainer.study.studies.backbone import BACKBONE
from trainer.study.studies.context import CONTEXT
from trainer.study.studies.layout import LAYOUT
from trainer.study.studies.mixture import MIXTURE
from trainer.study.studies.reward import REWARD
from trainer.study.studies.tasks import TASKS

STUDIES: dict[str, Study] = {
    study.name: study for study in (ABLATION, TASKS, CONTEXT, LAYOUT, BACKBONE, MIXTURE, REWARD)
}
"""By name."""
