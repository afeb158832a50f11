"""What `bench/int8.py` prints, of one network in one round."""

import importlib.util
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_each_network_in_8_bits_has_a_row_for_one_thread_and_for_all_cores(
    tmp_path, monkeypatch, capsys
):
    spec = importlib.util.spec_from_file_location("int8_bench", ROOT / "bench" / "int8.py")
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    for model in ("decode", "vae_encoder"):
        (tmp_path / model).symlink_to(ROOT / "model_repository" / model)
    monkeypatch.setattr(bench, "ROUNDS", 1)
    monkeypatch.setattr(bench.os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(sys, "argv", ["int8.py", str(tmp_path)])
    bench.main()
    printed = capsys.readouterr().out
    assert re.search(r"avx512_vnni (yes|no); 2 cores", printed)
    row = r"^\| `(\w+)` \| (\d+) \|(?: [\d.]+ ms \|){2} [\d.]+ \| [\d.]+ ms \|$"
    rows = re.findall(row, printed, re.MULTILINE)
    assert rows == [("vae_encoder", "1"), ("vae_encoder", "2")]
