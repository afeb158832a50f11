import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup

from atelier_tuning.arrangement import Arrangement, candidates

CONFIG = """
name: "style"
max_batch_size: 4
dynamic_batching { max_queue_delay_microseconds: 500 }
instance_group [ { kind: KIND_CPU count: 3 } ]
parameters { key: "intra_op_thread_count" value { string_value: "3" } }
parameters { key: "styles" value { string_value: "udnie" } }
"""


def test_a_configuration_says_the_arrangement_and_keeps_all_else():
    config = text_format.Parse(CONFIG, ModelConfig())
    Arrangement(instances=2, threads=1, batch=8, delay=2000).apply(config)
    [group] = config.instance_group
    assert (group.count, group.kind) == (2, ModelInstanceGroup.KIND_CPU)
    assert config.max_batch_size == 8
    assert config.dynamic_batching.max_queue_delay_microseconds == 2000
    parameters = {name: value.string_value for name, value in config.parameters.items()}
    assert parameters == {"intra_op_thread_count": "1", "styles": "udnie"}


def test_free_threads_and_no_batches_leave_nothing_behind():
    config = text_format.Parse(CONFIG, ModelConfig())
    Arrangement(instances=1, threads=None, batch=1, delay=0).apply(config)
    assert not config.HasField("dynamic_batching")
    assert set(config.parameters) == {"styles"}
    # The model's own batches are still allowed: a request may bring several images.
    assert config.max_batch_size == 4


def test_the_text_can_be_put_into_a_configuration():
    arrangement = Arrangement(instances=2, threads=1, batch=8, delay=2000)
    said = text_format.Parse(arrangement.text(), ModelConfig())
    expected = ModelConfig()
    arrangement.apply(expected)
    assert said == expected


@pytest.mark.parametrize("cores", [1, 2, 3, 8, 12])
def test_no_candidate_has_more_threads_than_cores_and_none_comes_twice(cores):
    found = candidates(cores, batch=4, delays=[0, 2000], threads=True)
    assert len(set(found)) == len(found)
    assert all(each.instances * (each.threads or 1) <= cores for each in found)
    assert found[0] == Arrangement(1, None, 1, 0)
    assert {each.instances for each in found} >= {1, cores}


def test_what_a_model_cannot_have_is_not_tried():
    found = candidates(2, batch=0, delays=[0, 2000], threads=False)
    assert {(each.threads, each.batch) for each in found} == {(None, 1)}
