"""The metrics of a server, as Prometheus would read them."""

import re
import urllib.request

_LINE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')

Labels = frozenset[tuple[str, str]]


def scrape(metrics_url: str) -> str:
    """The text of the metrics at `address:port`."""
    with urllib.request.urlopen(f"http://{metrics_url}/metrics") as answer:
        text: str = answer.read().decode()
    return text


def series(text: str) -> dict[tuple[str, Labels], float]:
    """The values by the metric's name and labels."""
    values = {}
    for line in text.splitlines():
        if match := _LINE.fullmatch(line):
            name, labels, value = match.groups()
            values[name, frozenset(_LABEL.findall(labels or ""))] = float(value)
    return values


class Metrics:
    """What has been added to the metrics of a server since this was made."""

    def __init__(self, metrics_url: str) -> None:
        """Takes note of the counts of the server at `address:port`."""
        self._url = metrics_url
        self._before = series(scrape(metrics_url))

    def added(self, name: str, **labels: str) -> float:
        """The sum over all series of this name that have these labels."""
        return sum(
            value - self._before.get(key, 0)
            for key, value in series(scrape(self._url)).items()
            if key[0] == name and labels.items() <= dict(key[1]).items()
        )
