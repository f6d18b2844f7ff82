"""Images in the binary format of CIFAR-10."""

from pathlib import Path

import numpy as np

from jaxprune._checks import InputError
from jaxprune.data._images import DataSet, LabelledImages, data_set

SIDE, CHANNELS = 32, 3
RECORD = 1 + CHANNELS * SIDE**2
BATCHES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST = "test_batch.bin"


def load_cifar(folder: str | Path) -> DataSet:
    """Read CIFAR-10 from its binary files: a label, then 1,024 bytes of red, of green and of blue, for every image.

    Args:
      folder: with data_batch_1.bin to data_batch_5.bin and test_batch.bin, or one that holds `cifar-10-batches-bin`.

    Returns:
      Images (image, row, column, channel) of 32 x 32 pixels.

    Raises:
      InputError: a file that is missing (where to get it) or cut off.

    Reference: Krizhevsky2009.
    """
    folder = Path(folder)
    inner = folder / "cifar-10-batches-bin"
    folder = inner if inner.is_dir() else folder
    train = [_read(folder / name) for name in BATCHES]
    images, labels = (np.concatenate(part) for part in zip(*train, strict=True))
    return data_set(LabelledImages(images, labels), _read(folder / TEST), str(folder))


def _read(path):
    if not path.is_file():
        raise InputError(
            f"{path.parent} has no {path.name}: download cifar-10-binary.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html "
            "and unpack it there."
        )
    content = np.fromfile(path, np.uint8)
    if not len(content) or len(content) % RECORD:
        raise InputError(f"{path} has {len(content)} bytes, which are no whole images of {RECORD}. Download it again.")
    records = content.reshape(-1, RECORD)
    images = records[:, 1:].reshape(-1, CHANNELS, SIDE, SIDE).transpose(0, 2, 3, 1)
    return LabelledImages(images, records[:, 0].astype(np.int64))
