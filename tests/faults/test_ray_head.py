"""A head that is killed and comes back; a link between two nodes that is cut; a store that fails for half a minute."""

import os
import subprocess
import time

import pytest

from common.dataset import open_dataset
from tests.faults.heads import QUICK, RAY, Head, wait_until
from tests.faults.ray_runs import Run, Undisturbed, check, committed, events

pytestmark = pytest.mark.slow


@pytest.fixture
def head():
    made = Head()
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    made = Head()
    made.start()
    try:
        out = tmp_path_factory.mktemp("undisturbed") / "d"
        seconds = Run(out, made.address).end()
    finally:
        made.close()
    return Undisturbed(open_dataset(str(out)).digest(), seconds)


def test_the_head_killed_and_started_again(tmp_path, head, undisturbed):
    run = Run(tmp_path / "d", head.address)
    run.until(5)
    killed = time.monotonic()
    head.kill()
    run.wait_for(lambda: "head does not answer" in run.text(), "the loss", 90.0)
    head.start()
    outage = time.monotonic() - killed
    check(run.out, undisturbed, run.end(), extra=outage + undisturbed.seconds)  # it connects and starts actors anew
    assert "are committed already" in run.text()


def test_a_store_that_fails_for_half_a_minute(tmp_path, head, undisturbed):
    folder = tmp_path / "mount"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512m", "omnirl", str(folder)], capture_output=True
    ).returncode:
        pytest.skip("mounting a file system is not permitted here")
    try:
        run = Run(folder / "d", head.address, log=tmp_path / "log")
        run.until(5)
        remount(folder, "ro")
        begin = time.monotonic()
        run.wait_for(lambda: "the store is down" in run.text(), "the outage", 30.0)
        time.sleep(max(0.0, 30.0 - (time.monotonic() - begin)))
        remount(folder, "rw")
        outage = time.monotonic() - begin
        check(run.out, undisturbed, run.end(), extra=outage + 6.0)
        kinds = [event.kind for event in events(run.out, "store-down", "store-up", "failed", "set-aside")]
        assert kinds == ["store-down", "store-up"]
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder, how):
    """Change how a file system is mounted; a writer at work may keep it busy for a moment."""
    command = ["mount", "-o", f"remount,{how}", str(folder)]
    wait_until(lambda: not subprocess.run(command, capture_output=True).returncode, 60, "it never could be remounted")


def shell(command: str) -> int:
    return subprocess.run(command.split(), capture_output=True).returncode


@pytest.fixture
def namespaces():
    """Two network namespaces joined by a veth pair; yields their names and addresses."""
    names = [f"omnirl-{os.getpid()}-{side}" for side in "ab"]
    if os.geteuid() != 0 or any(shell(f"ip netns add {name}") for name in names):
        for name in names:
            shell(f"ip netns del {name}")
        pytest.skip("making network namespaces is not permitted here")
    links = [f"om{os.getpid() % 100000}{side}" for side in "ab"]
    try:
        assert not shell(f"ip link add {links[0]} type veth peer name {links[1]}")
        for number, (name, link) in enumerate(zip(names, links, strict=True), 1):
            assert not shell(f"ip link set {link} netns {name}")
            for command in (f"addr add 10.213.77.{number}/24 dev {link}", f"link set {link} up", "link set lo up"):
                assert not shell(f"ip -n {name} {command}")
        yield names, links
    finally:
        for name in names:
            shell(f"ip netns del {name}")


def test_a_link_that_is_cut(tmp_path, namespaces, undisturbed):
    (here, there), (link, _) = namespaces
    enter = ("ip", "netns", "exec")
    head = Head(cores=1, prefix=(*enter, here), address="10.213.77.1", environment=QUICK)
    head.start()
    command = [*enter, there, RAY, "start", "--block", f"--address={head.address}", "--num-cpus=1"]
    command += ["--node-ip-address=10.213.77.2", "--object-store-memory=100000000"]
    with open(tmp_path / "node.log", "w") as log:
        node = subprocess.Popen(command, env=head.environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        run = Run(tmp_path / "d", head.address, prefix=(*enter, here), environment=QUICK)
        run.wait_for(lambda: len(events(run.out, "joined")) == 2, "two actors")
        run.until(len(committed(run.out)) + 2)
        assert not shell(f"ip -n {here} link set {link} down")
        cut = time.time()
        run.wait_for(lambda: events(run.out, "lost"), "the loss", 90.0)
        noticed = events(run.out, "lost")[0].time - cut
        check(run.out, undisturbed, run.end(), extra=noticed, swept=False)  # the cut-off actor lives on for a while
        assert noticed < 30.0
        assert {event.cause for event in events(run.out, "lost")} <= {"node lost", "unreachable", "process died"}
    finally:
        node.terminate()
        head.close()
        node.kill()
        node.wait()
