import json
from datetime import UTC, datetime

import pytest

from atelier_serving.json_log import as_json


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (
            'E1129 09:05:14.123456 1234 model.py:99] "[request id: 7f3a] stylize: ValueError()"',
            {
                "level": "error",
                "source": "model.py:99",
                "request_id": "7f3a",
                "message": "stylize: ValueError()",
            },
        ),
        (
            'W1129 09:05:14.123456 1 a.cc:7] "[request id: <id_unknown>] Timeout"',
            {"level": "warning", "source": "a.cc:7", "message": "Timeout"},
        ),
        (
            "I1129 09:05:14.123456 1 a.cc:7] plain",
            {"level": "info", "source": "a.cc:7", "message": "plain"},
        ),
        ("warning: --http opens it", {"level": "warning", "message": "--http opens it"}),
        ('a "line" of ours', {"level": "info", "message": 'a "line" of ours'}),
    ],
)
def test_a_line_becomes_an_object(line, fields):
    found = json.loads(as_json(line))
    at = datetime.fromisoformat(found.pop("time"))
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60
    assert found == fields
