"""Images from files, and what turns them into binary data."""

from jaxprune.data._cifar import load_cifar
from jaxprune.data._folder import load_folder, load_npz
from jaxprune.data._idx import load_idx, read_idx
from jaxprune.data._images import DataSet, LabelledImages, binarise, crop, disc, grey, inputs, patches
from jaxprune.data._load import load_images
from jaxprune.data._sklearn import digits, openml

__all__ = [
    "DataSet",
    "LabelledImages",
    "binarise",
    "crop",
    "digits",
    "disc",
    "grey",
    "inputs",
    "load_cifar",
    "load_folder",
    "load_idx",
    "load_images",
    "load_npz",
    "openml",
    "patches",
    "read_idx",
]
