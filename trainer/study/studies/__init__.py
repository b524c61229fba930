"""The studies there are, by name; a new one is a file here and a line below."""

from trainer.study.arm import Study
from trainer.study.studies.ablation import ABLATION
from trainer.study.studies.backbone import BACKBONE

STUDIES: dict[str, Study] = {study.name: study for study in (ABLATION, BACKBONE)}
"""By name."""
