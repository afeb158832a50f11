"""The figures of an autoencoder's evaluation as Markdown, ready for a model card."""

from typing import Any

from atelier_export.reports.markdown import plural, table
from atelier_export.vae.int8 import VAEQuality

_NOISE = {
    "noisy": "as it is",
    "vae": "autoencoder",
    "median": "median filter, 3×3",
    "non_local_means": "non-local means, told σ",
}
_HOLES = {
    "grey": "as it is",
    "vae": "autoencoder, from grey",
    "smooth": "pull-push",
    "vae_from_smooth": "autoencoder, from pull-push, as `fill` does",
    "biharmonic": "biharmonic inpainting",
}

_CODECS = {"vae": "autoencoder", "jpeg": "JPEG", "webp": "WebP"}


def evaluation_tables(result: dict[str, Any]) -> dict[str, str]:
    """Tables of what `evaluate_vae` returned."""
    tables = {
        "reconstruction": _reconstruction(result["reconstruction"]),
        "noise": _noise(result["noise"]),
        "holes": table(
            ["", "PSNR in the holes"],
            [[name, f"{result['holes'][key]:.2f} dB"] for key, name in _HOLES.items()],
        ),
        "morph": _morph(result["morph"]),
        "variation": table(
            ["deviation", *(f"× {strength}" for strength in result["variation"])],
            [["PSNR", *(f"{each:.1f} dB" for each in result["variation"].values())]],
        ),
        "cost": "One image in ONNX Runtime with one thread: "
        + ", ".join(f"`{name}` {each:.1f} ms" for name, each in result["milliseconds"].items())
        + ".",
    }
    if "digits" in result:
        tables["digits"] = _digits(result["digits"])
    if "compression" in result:
        tables["compression"] = compression_table(result["compression"])
    return tables


def int8_table(quality: VAEQuality) -> str:
    """What 8 bits change, with a caption."""
    rows = [
        [name, f"{figures['psnr']:.2f} dB", f"{figures['ssim']:.4f}",
         *(f"{each[key]:.1f} ms" for each in quality.milliseconds.values())]
        for name, key, figures in (
            ("float32", "float32", quality.float32), ("8 bits", "int8", quality.int8)
        )
    ]  # fmt: skip
    return (
        f"Rebuilt from {plural(quality.paintings, 'test painting')}, and the time of one image "
        "with one thread. The decoders' pixels of one latent differ by "
        f"{quality.mean_difference:.2f} levels of 255 on average, {quality.largest_difference:.0f} "
        "at most.\n\n"
        + table(["", "PSNR", "SSIM", *map("`{}`".format, quality.milliseconds)], rows)
    )


def compression_table(figures: dict[str, Any]) -> str:
    """`.atl` files beside others of at most the same size, and where those are better."""
    images = figures["images"]
    rows = [
        [f"{row['step']:g}", *(_codec(row[codec], images) for codec in _CODECS)]
        for row in figures["steps"]
    ]
    lines = [
        f"Means over {plural(images, 'test painting')}. JPEG and WebP have, for each image, the "
        "quality whose file is nearest to the `.atl` file's size from below; an image that has "
        "none counts with its smallest file, which is larger.",
        table(["step", *_CODECS.values()], rows),
        *(_losses(figures["steps"], codec) for codec in ("jpeg", "webp")),
    ]
    return "\n\n".join(lines)


def _codec(figures: dict[str, Any], images: int) -> str:
    quality = f"{figures['bytes']:,.0f} bytes: {figures['psnr']:.2f} dB, {figures['ssim']:.3f}"
    too_large = figures["too_large"]
    return quality + (f" ({too_large} of {images} too large)" if too_large else "")


def _losses(steps: list[dict[str, Any]], codec: str) -> str:
    """At which steps a codec is better than the autoencoder, and at which its files are larger."""

    def where(measure: str) -> str:
        better = [row for row in steps if row[codec][measure] > row["vae"][measure]]
        return ", ".join(f"{row['step']:g}" for row in better) or "none"

    larger = ", ".join(f"{row['step']:g}" for row in steps if row[codec]["too_large"]) or "none"
    return (
        f"Steps at which {_CODECS[codec]} is better than the autoencoder: {where('psnr')} in PSNR, "
        f"{where('ssim')} in SSIM. Steps at which some of its files are larger: {larger}."
    )


def _reconstruction(figures: dict[str, Any]) -> str:
    headings = ["test paintings", "PSNR", "SSIM", "KL divergence", "bits a dimension"]
    row = [
        f"{figures['images']:,}",
        f"{figures['psnr']:.2f} dB",
        f"{figures['ssim']:.3f}",
        f"{figures['kl']:,.0f} nats",
        f"{figures['bits_per_dimension']:.2f}",
    ]
    return table(headings, [row])


def _noise(noise: dict[str, Any]) -> str:
    headings = ["PSNR, SSIM", *(f"σ = {sigma}" for sigma in noise)]
    rows = []
    for key, name in _NOISE.items():
        cells = [f"{each[key]['psnr']:.2f} dB, {each[key]['ssim']:.3f}" for each in noise.values()]
        rows.append([name, *cells])
    return table(headings, rows)


def _morph(figures: dict[str, Any]) -> str:
    headings = ["morphs", "largest step", "half way", "cross-fade half way"]
    row = [
        f"{figures['pairs']:,}",
        f"{figures['largest_step']:.2f} × the mean",
        f"{figures['midpoint']:.2f} dB",
        f"{figures['cross_fade']:.2f} dB",
    ]
    return table(headings, [row])


def _digits(figures: dict[str, Any]) -> str:
    samples = figures["importance_samples"]
    headings = ["test digits", "ELBO", "reconstruction", "KL divergence", f"L with K = {samples}"]
    names = ("elbo", "reconstruction", "kl", "importance_weighted")
    row = [f"{figures['images']:,}", *(f"{figures[name]:.2f} nats" for name in names)]
    return f"After {plural(figures['steps'], 'step')}:\n\n{table(headings, [row])}"
