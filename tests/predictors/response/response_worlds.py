"""Small random atlases for the predictors that start from prior responses, and such predictors, quickly made.

A drug acts much the same in every line, with a deviation of the line and noise on top, and drugs with the
same bits act alike. Everything follows from the seed.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.atlas.splits import sources_of
from anchordrug.predictors.response.gp import KernelWeights
from anchordrug.predictors.response.net import NetSettings, prior_basis
from anchordrug.predictors.response.net_training import pretrain_net
from anchordrug.predictors.response.packed_bits import PackedBits
from anchordrug.predictors.response.predictor import EnsemblePredictor, NetStart
from anchordrug.predictors.response.prior import mechanism_codes, prior_from
from anchordrug.predictors.response.pseudo_targets import (
    fit_to_pseudo_targets,
    gene_rates,
    mean_square,
    pseudo_targets,
)

THRESHOLD = 1.5
TARGET = "L0"
# The last line has too few drugs to play the target.
LINES = (TARGET, "L1", "L2", "L3", "L4")
SIZES = (33, 26, 24, 20, 6)
# No source line has measured the last drugs, the target has half of them; one drug has no bit, two are twins.
UNSEEN, NO_BITS, TWINS = 6, 5, (7, 8)
MECHANISMS = ["HDAC inhibitor", "EGFR inhibitor", "EGFR inhibitor|HER2 inhibitor", None]
SHARES = (0, 0.4, 1)
NET = NetSettings(
    hidden=(12, 10),
    dropout=0.2,
    epochs=6,
    learning_rate=1e-2,
    finetune_epochs=4,
    finetune_learning_rate=3e-3,
    batch=16,
    finetune_batch=4,
)


@dataclass(frozen=True)
class SmallAtlas:
    """An atlas with the features of its drugs (0/1 bits) and cell lines (unit rows)."""

    atlas: ResponseAtlas
    bits: np.ndarray
    mechanisms: list[str | None]
    cells: np.ndarray

    @property
    def sources(self):
        return sources_of(self.atlas, TARGET)

    @property
    def mechanism(self):
        return mechanism_codes(self.mechanisms)

    @property
    def target(self):
        return self.atlas.of(TARGET)

    @property
    def everything(self):
        """Rows of all drugs, measured or not."""
        return np.arange(len(self.atlas.drugs))

    def anchors(self, count, seed=0):
        """Drugs of the target, seen in source lines or not, and their z."""
        drugs = np.random.default_rng(seed).permutation(self.target.drug)[:count]
        return drugs, self.target.responses_of(drugs)

    def with_other_z(self, experiments, seed=99):
        """The world in which `experiments` (positions or mask) gave something else altogether."""
        z = self.atlas.z.copy()
        z[experiments] = np.random.default_rng(seed).normal(scale=5, size=z[experiments].shape)
        return replace(self, atlas=replace(self.atlas, z=z))

    def pseudo_targets(self, hiding=None):
        return list(pseudo_targets(self.sources, PackedBits.of(self.bits), self.mechanism, THRESHOLD, hiding))

    def hidden(self, seed=0):
        """The pseudo-targets that play again with hidden drugs."""
        return self.pseudo_targets(np.random.default_rng([seed, 1]))

    def calibration(self, seed=0):
        rates, hidden = gene_rates(self.sources, THRESHOLD), self.hidden(seed)
        return fit_to_pseudo_targets(self.pseudo_targets(), hidden, KernelWeights(), rates, THRESHOLD, seed)

    def prior(self):
        return prior_from(self.sources, PackedBits.of(self.bits), self.mechanism, THRESHOLD)

    def basis(self):
        return prior_basis(self.prior().evidence_of(self.everything).prior)

    def pretrained(self, seed=0, settings=NET):
        """Network and losses."""
        return pretrain_net(self.pseudo_targets(), self.basis(), self.cells, THRESHOLD, settings, seed)

    def predictor(self, net_share):
        """All that the stages do before anchors are chosen."""
        prior, start = self.prior(), None
        if net_share:
            network, _ = self.pretrained()
            start = NetStart(network, self.basis(), self.cells[self.atlas.cell_lines.index(TARGET)], NET)
        scale = mean_square(prior.evidence_of(self.everything).prior)
        return EnsemblePredictor(self.sources, prior, scale, self.calibration(), THRESHOLD, start, net_share)


def random_world(seed=0, drugs=40, genes=8, width=32, bits=None, inchikeys=None):
    """A world of its own; `bits` [drugs, width] and `inchikeys` where the structures are to be real ones."""
    rng = np.random.default_rng(seed)
    if bits is None:
        bits = (rng.random((drugs, width)) < 0.3).astype(np.uint8)
        bits[NO_BITS] = 0
        bits[TWINS[1]] = bits[TWINS[0]]
    shared = 0.5 * bits @ rng.normal(size=(bits.shape[1], genes)) + rng.normal(size=(drugs, genes))
    z, drug, line = [], [], []
    for number, size in enumerate(SIZES):
        own = rng.permutation(drugs - UNSEEN)[:size]
        if number == 0:
            own[: UNSEEN // 2] = np.arange(drugs - UNSEEN // 2, drugs)
        deviation = 0.4 * shared @ rng.normal(size=(genes, genes)) / np.sqrt(genes)
        z.append((shared + deviation + 0.6 * rng.normal(size=(drugs, genes)))[own])
        drug.append(own)
        line.append(np.full(len(own), number))
    # Experiments lie in no order.
    order = rng.permutation(sum(map(len, drug)))
    atlas = ResponseAtlas(
        np.concatenate(z).astype(np.float32)[order],
        np.concatenate(drug)[order].astype(np.int64),
        np.concatenate(line)[order].astype(np.int64),
        pd.DataFrame(
            {
                "drug_id": [f"D{i}" for i in range(drugs)],
                "inchikey": inchikeys or [f"KEY{i:05d}" for i in range(drugs)],
            }
        ),
        list(LINES),
        [f"G{i}" for i in range(genes)],
    )
    cells = rng.normal(size=(len(LINES), 4))
    cells = (cells / np.linalg.norm(cells, axis=1, keepdims=True)).astype(np.float32)
    return SmallAtlas(atlas, bits, [MECHANISMS[i] for i in rng.integers(0, 4, drugs)], cells)


@cache
def fixed_world():
    """The world that most tests look at; they must leave it as it is."""
    return random_world()


@cache
def fixed_predictor(net_share):
    """Its predictor; all shares have one calibration and one network."""
    if net_share != 0.4:
        whole = fixed_predictor(0.4)
        return replace(whole, net=whole.net if net_share else None, net_share=net_share)
    return fixed_world().predictor(net_share)


def same_arrays(one, other):
    """Whether two dataclasses of arrays (and numbers) hold exactly the same."""
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in vars(one))
