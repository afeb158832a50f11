"""What MLPerf's LoadGen found."""

from atelier._loadtest.mlperf_summary import sentences
from atelier._loadtest.report.markup import element, joined
from atelier._loadtest.report.section import Report, Section


def mlperf(report: Report) -> Section | None:
    """The result in words, and LoadGen's own summary; None where it did not run."""
    found = report.get("mlperf")
    if found is None:
        return None
    words = (element("p", each) for each in sentences(found))
    summary = element("pre", element("code", found["summary"]))
    return Section("mlperf", "MLPerf's LoadGen", joined((*words, summary)))
