"""Loss curves of a training or an optimisation."""

from pathlib import Path


def plot_losses(history: list[dict[str, float]], path: Path) -> None:
    """Draws each term of the loss over the steps, on a logarithmic scale.

    Args:
        history: One entry per logged step: `step` and the terms, as means since the previous entry;
            an entry may lack a term.
        path: The image to write; the suffix chooses the format.
    """
    # `Figure`, unlike pyplot, has no global state and needs no display.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    terms = dict.fromkeys(name for entry in history for name in entry if name != "step")
    for term in terms:
        points = [(entry["step"], entry[term]) for entry in history if term in entry]
        axes.plot(*zip(*points, strict=True), label=term, linewidth=1)
    axes.set(xlabel="step", ylabel="distance", yscale="log")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    figure.savefig(path, dpi=120)
