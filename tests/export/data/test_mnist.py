import gzip
import struct

import numpy as np
import pytest

from atelier_export.data.mnist import read_digits


def _write_idx(path, array):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes(), 1))


def test_digits_are_read_from_idx_files(tmp_path):
    random = np.random.default_rng(0)
    for name, count in (("train", 5003), ("t10k", 4)):
        pixels = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        _write_idx(tmp_path / f"{name}-images-idx3-ubyte.gz", pixels)
        labels = np.arange(count, dtype=np.uint8) % 10
        _write_idx(tmp_path / f"{name}-labels-idx1-ubyte.gz", labels)
    digits = read_digits(tmp_path)
    assert digits.indices("training").tolist() == [0, 1, 2]
    assert len(digits.indices("validation")) == 5000
    assert digits.labels[digits.indices("test")].tolist() == [0, 1, 2, 3]
    assert digits.fingerprint == read_digits(tmp_path).fingerprint
    test_image = digits.images[-1]
    assert (test_image.permute(1, 2, 0).numpy() == pixels[-1][:, :, None]).all()


def test_a_file_that_is_not_idx_is_refused(tmp_path):
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"digits"))
    with pytest.raises(ValueError, match="no idx file"):
        read_digits(tmp_path)
