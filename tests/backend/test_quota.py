"""Limits on the cores, in control groups written to files."""

import pytest

from atelier_onnxruntime.quota import core_quota


@pytest.fixture
def root(tmp_path):
    """Writes the control groups of a machine on which this process is in `a/b`."""

    def write(**limits):
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text("0::/a/b\n")
        for name, limit in limits.items():
            group = tmp_path / "sys/fs/cgroup" / name.replace("_", "/").removeprefix("top")
            group.mkdir(parents=True, exist_ok=True)
            (group / "cpu.max").write_text(f"{limit}\n")
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("limit", "cores"),
    [("200000 100000", 2), ("250000 100000", 2), ("50000 100000", 1), ("max 100000", None)],
)
def test_whole_cores_of_a_limit(root, limit, cores):
    assert core_quota(root(a_b=limit)) == cores


def test_the_tightest_of_the_groups_above_counts(root):
    assert core_quota(root(top="max 100000", a="300000 100000", a_b="400000 100000")) == 3


def test_other_groups_do_not_count(root):
    assert core_quota(root(c="100000 100000", a_b="max 100000")) is None


def test_a_machine_without_control_groups(tmp_path):
    assert core_quota(tmp_path) is None
