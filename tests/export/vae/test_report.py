"""The table of `.atl` files beside JPEG and WebP."""

from atelier_export.vae.report import compression_table


def codec(size: float, psnr: float, ssim: float, too_large: int = 0) -> dict[str, float]:
    return {"bytes": size, "psnr": psnr, "ssim": ssim, "too_large": too_large}


FIGURES = {
    "images": 200,
    "steps": [
        {
            "step": 0.25,
            "vae": codec(1234.4, 24.0, 0.7),
            "jpeg": codec(1200, 25.0, 0.6),
            "webp": codec(1210, 26.0, 0.8),
        },
        {
            "step": 1.0,
            "vae": codec(400, 22.0, 0.6),
            "jpeg": codec(700, 20.0, 0.5, too_large=200),
            "webp": codec(390, 23.0, 0.5, too_large=3),
        },
    ],
}


def test_each_row_is_a_step_and_names_what_is_too_large():
    table = compression_table(FIGURES)
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("|")]
    assert rows[0] == ["step", "autoencoder", "JPEG", "WebP"]
    assert rows[2][:2] == ["0.25", "1,234 bytes: 24.00 dB, 0.700"]
    assert rows[3][2:] == [
        "700 bytes: 20.00 dB, 0.500 (200 of 200 too large)",
        "390 bytes: 23.00 dB, 0.500 (3 of 200 too large)",
    ]


def test_where_the_autoencoder_loses_is_said():
    table = compression_table(FIGURES)
    for name, losses in (
        ("JPEG", "0.25 in PSNR, none in SSIM. Steps at which some of its files are larger: 1."),
        ("WebP", "0.25, 1 in PSNR, 0.25 in SSIM. Steps at which some of its files are larger: 1."),
    ):
        assert f"Steps at which {name} is better than the autoencoder: {losses}" in table
    same_size = {**FIGURES, "steps": FIGURES["steps"][:1]}
    assert compression_table(same_size).endswith("some of its files are larger: none.")
