"""Pruning of deep networks: while they learn, and after."""

from jaxprune.deep._after import LayerReport, PrunedLayers, prune_layers
from jaxprune.deep._compact import compact
from jaxprune.deep._cost import LayerCost, Times, cost, inference_times
from jaxprune.deep._export import save_model, state_dict
from jaxprune.deep._fit import fit
from jaxprune.deep._importance import SCORES, Score, importance
from jaxprune.deep._layers import density, masked, names, ones, weights, with_weights
from jaxprune.deep._matrices import SparseLinear, sparse_layers, sparse_weights
from jaxprune.deep._methods import METHODS, named_method
from jaxprune.deep._networks import VGG, Dense, LeNet5, ResNet
from jaxprune.deep._optimiser import MaskedState, keep_pruned, set_masks
from jaxprune.deep._recalibrate import recalibrate
from jaxprune.deep._rules import Constants, Counter, CounterState, Survival, SurvivalState
from jaxprune.deep._run import accuracy, predict
from jaxprune.deep._schedule import Schedule, random_masks
from jaxprune.deep._sparse import Sparse, SparseState
from jaxprune.deep._train import (
    EpochInfo,
    TrainCode,
    Training,
    TrainState,
    cross_entropy,
    init_training,
    train_epoch,
    train_epoch_by_steps,
)
from jaxprune.deep._watch import Heard, Pairs, activity, value_and_gradient, watch

__all__ = [
    "METHODS",
    "SCORES",
    "VGG",
    "Constants",
    "Counter",
    "CounterState",
    "Dense",
    "EpochInfo",
    "Heard",
    "LayerCost",
    "LayerReport",
    "LeNet5",
    "MaskedState",
    "Pairs",
    "PrunedLayers",
    "ResNet",
    "Schedule",
    "Score",
    "Sparse",
    "SparseLinear",
    "SparseState",
    "Survival",
    "SurvivalState",
    "Times",
    "TrainCode",
    "TrainState",
    "Training",
    "accuracy",
    "activity",
    "compact",
    "cost",
    "cross_entropy",
    "density",
    "fit",
    "importance",
    "inference_times",
    "init_training",
    "keep_pruned",
    "masked",
    "named_method",
    "names",
    "ones",
    "predict",
    "prune_layers",
    "random_masks",
    "recalibrate",
    "save_model",
    "set_masks",
    "sparse_layers",
    "sparse_weights",
    "state_dict",
    "train_epoch",
    "train_epoch_by_steps",
    "value_and_gradient",
    "watch",
    "weights",
    "with_weights",
]
