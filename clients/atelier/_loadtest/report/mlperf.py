"""What MLPerf's LoadGen found."""

from atelier._loadtest.mlperf_summary import sentences
from atelier._loadtest.report.markup import element, joined, table
from atelier._loadtest.report.section import Report, Section


def mlperf(report: Report) -> Section | None:
    """LoadGen's verdict, its own summary and its figures; None where it did not measure."""
    found = report.get("mlperf")
    if found is None:
        return None
    body = joined(
        (
            *(element("p", each) for each in sentences(found)),
            element("h3", "LoadGen's summary"),
            element("pre", element("code", found["summary"])),
            element("h3", "LoadGen's figures"),
            table(["", "value"], sorted(found["result"].items())),
        )
    )
    return Section("mlperf", "MLPerf", body)
