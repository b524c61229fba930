"""Training on a dataset in a bucket is training on the same dataset in a folder, loader workers included."""

from pathlib import Path

from datagen.__main__ import main as datagen
from tests.trainer.runs import finish, losses, start


def test_a_bucket_gives_the_losses_of_a_folder(
    s3_url: str, data_recipe: Path, train_recipe: Path, tmp_path: Path
) -> None:
    folder = str(tmp_path / "data")
    for url in (folder, s3_url):
        assert datagen(["run", "--recipe", str(data_recipe), "--out", url, "--executor", "inline"]) == 0
    for name, data, ranks in (("folder", folder, 0), ("bucket", s3_url, 1)):
        sets = ["steps=4", *(["data.workers=1"] if ranks else [])]
        process = start(tmp_path / name, data, train_recipe, ranks=ranks, sets=sets)
        printed = finish(process)
        assert process.returncode == 0, printed
    assert len(losses(tmp_path / "bucket")) == 4 and losses(tmp_path / "bucket") == losses(tmp_path / "folder")
