"""With what it was measured, so that somebody else can do it again."""

from collections.abc import Mapping

from atelier._loadtest.report.markup import Markup, element, joined
from atelier._loadtest.report.section import Report, Section


def about(report: Report) -> Section:
    """The command, the machine, the versions, the models and every setting."""
    found = report["about"]
    machine = dict(found["machine"])
    machine["memory"] = f"{machine.pop('memory_bytes') / 2**30:.1f} GiB"
    models = {name: ", ".join(versions) for name, versions in found["models"].items()}
    settings = {
        name: value
        for name, value in found["settings"].items()
        if value is not None and value is not False
    }
    run = report["run"]
    client = {"cores used by the client": f"{run['client_cores']:.2f}"} if run else {}
    body = joined(
        (
            element("pre", element("code", report.get("command", ""))),
            element("p", f"{found['time']}, server {found['url']}"),
            *_block("The client's machine", {**machine, **client}),
            *_block("Packages", found["packages"]),
            *_block("Models and versions", models),
            *_block("Settings", settings),
        )
    )
    return Section("about", "How it was measured", body)


def _block(title: str, pairs: Mapping[str, object]) -> tuple[Markup, Markup]:
    entries = [
        element(each, text)
        for name, value in pairs.items()
        for each, text in (("dt", name), ("dd", value))
    ]
    return element("h3", title), element("dl", *entries)
