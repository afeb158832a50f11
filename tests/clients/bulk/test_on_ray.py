"""`run_on_ray` on a local cluster of two nodes, against the scripted server."""

import csv

import pytest

from atelier import Unreachable
from atelier.bulk import BulkUsageError, Classify, Stylize, run, run_on_ray

ray = pytest.importorskip("ray", reason="needs Ray: pip install '.[ray]'")
cluster_utils = pytest.importorskip("ray.cluster_utils", reason="needs Ray: pip install '.[ray]'")

# Ray's own.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def cluster():
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    cluster.wait_for_nodes()
    assert len([node for node in ray.nodes() if node["Alive"]]) == 2
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.mark.usefixtures("cluster")
def test_the_same_bytes_as_on_one_machine(server, photos, tmp_path, files_of, picture):
    for number in range(150):
        (photos / f"more-{number}.jpg").write_bytes(picture("jpeg", (30 + number, 40)))
    (photos / "broken.jpg").write_bytes(b"no image")
    alone = run(Stylize("udnie"), photos, tmp_path / "alone", url=server.url)
    shared = run_on_ray(Stylize("udnie"), photos, tmp_path / "shared", url=server.url)
    assert files_of(tmp_path / "shared") == files_of(tmp_path / "alone")
    for summary in (alone, shared):
        assert (summary.computed, summary.failed) == (156, 1)
    errors = "_atelier/errors.jsonl"
    assert (tmp_path / "shared" / errors).read_text() == (tmp_path / "alone" / errors).read_text()
    # Either goes on where the other was.
    (photos / "new.jpg").write_bytes(picture("jpeg", (300, 40)))
    for summary in (
        run(Stylize("udnie"), photos, tmp_path / "shared", url=server.url),
        run_on_ray(Stylize("udnie"), photos, tmp_path / "alone", url=server.url),
    ):
        assert (summary.computed, summary.skipped, summary.failed) == (1, 156, 1)


@pytest.mark.usefixtures("cluster")
def test_a_table(server, photos, tmp_path):
    server.classes = {"probabilities": [b"0.75:4:ukiyo_e"], "era_probabilities": [b"0.5:2:modern"]}
    run_on_ray(Classify(top=1), photos, tmp_path / "out.csv", url=server.url)
    with (tmp_path / "out.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 6


@pytest.mark.usefixtures("cluster")
def test_it_gives_up_on_a_server_that_workers_do_not_reach(server, photos, tmp_path):
    with pytest.raises(Unreachable, match="cannot reach the server"):
        run_on_ray(
            Stylize("udnie"), photos, tmp_path / "out", url=server.url, worker_url="127.0.0.1:1",
            patience=0,
        )  # fmt: skip
    with pytest.raises(BulkUsageError, match="a tar has one writer"):
        run_on_ray(Stylize("udnie"), photos, tmp_path / "out.tar", url=server.url)
