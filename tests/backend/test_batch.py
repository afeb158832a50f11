import numpy as np
import pytest

from atelier_onnxruntime.batch import Job, run_jobs


class Model:
    """Doubles `x`, adds up `x`, and fails on 13; keeps what it was given."""

    def __init__(self):
        self.runs = []

    def __call__(self, names, inputs):
        self.runs.append((names, inputs))
        x = inputs["x"]
        if 13 in x:
            raise RuntimeError("13 is out of range")
        outputs = {"double": 2 * x, "total": x.reshape(len(x), -1).sum(axis=1)}
        return [outputs[name] for name in names]


@pytest.fixture
def model():
    return Model()


def job(*rows, outputs=("double",)):
    return Job({"x": np.array(rows)}, outputs)


def test_one_job_is_run_on_its_own_arrays(model):
    alone = job([1, 2])
    (answer,) = run_jobs(model, [alone], batches=True)
    assert model.runs[0][1]["x"] is alone.inputs["x"]
    np.testing.assert_array_equal(answer["double"], [[2, 4]])


def test_jobs_of_one_shape_share_a_run(model):
    answers = run_jobs(model, [job([1]), job([2], [3]), job([4])], batches=True)
    assert len(model.runs) == 1
    assert [answer["double"].tolist() for answer in answers] == [[[2]], [[4], [6]], [[8]]]


def test_answers_of_a_shared_run_are_views(model):
    first, second = run_jobs(model, [job([1]), job([2])], batches=True)
    assert first["double"].base is second["double"].base
    assert first["double"].flags.c_contiguous


def test_jobs_of_differing_shapes_or_types_run_apart(model):
    jobs = [job([1]), job([1, 2]), job([3]), job([0.5])]
    answers = run_jobs(model, jobs, batches=True)
    assert len(model.runs) == 3
    assert [answer["double"].tolist() for answer in answers] == [[[2]], [[2, 4]], [[6]], [[1.0]]]


def test_each_job_gets_what_it_asked_for(model):
    jobs = [job([1, 2], outputs=("total",)), job([3, 4], outputs=("double", "total"))]
    first, second = run_jobs(model, jobs, batches=True)
    assert sorted(model.runs[0][0]) == ["double", "total"]
    assert list(first) == ["total"]
    assert sorted(second) == ["double", "total"]
    assert second["total"].tolist() == [7]


def test_outputs_that_nobody_asked_for_are_not_fetched(model):
    run_jobs(model, [job([1], outputs=("total",))], batches=True)
    assert model.runs[0][0] == ["total"]


def test_only_the_guilty_job_fails(model):
    answers = run_jobs(model, [job([1]), job([13]), job([2])], batches=True)
    assert answers[0]["double"].tolist() == [[2]]
    assert str(answers[1]) == "13 is out of range"
    assert answers[2]["double"].tolist() == [[4]]


def test_without_batching_every_job_runs_by_itself(model):
    answers = run_jobs(model, [job(1, 13), job(2), job(2)], batches=False)
    assert len(model.runs) == 3
    assert isinstance(answers[0], RuntimeError)
    assert [answer["double"].tolist() for answer in answers[1:]] == [[4], [4]]


@pytest.mark.parametrize("jobs", [[job([1, 5])], [job([1, 5]), job([2, 6])]])
def test_an_output_that_is_not_a_batch_is_an_error(jobs):
    answers = run_jobs(lambda names, inputs: [np.zeros(7)], jobs, batches=True)
    assert len(answers) == len(jobs)
    for answer in answers:
        assert "shape [7]" in str(answer)
        assert "batch size 1" in str(answer)
