"""Random source experiments, and the similarity and the kernel of their drugs by plain loops."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.predictors.response.packed_bits import PackedBits
from anchordrug.predictors.response.prior import ResponsePrior, mechanism_codes, prior_from

LINES = ["SIM-S1", "SIM-S2", "SIM-S3", "SIM-S4"]
MECHANISMS = ["EGFR inhibitor", "HDAC inhibitor", "EGFR inhibitor|HER2 inhibitor", None, None]
THRESHOLD = 1.5


@dataclass(frozen=True)
class Sources:
    """Experiments of source lines and what is known of their drugs.

    Drug 0 has no bits. Drugs 1 and 2 have equal fingerprints. The last three are in no source line, and the
    last two of them are twins: nothing tells them apart.
    """

    atlas: ResponseAtlas
    fingerprints: np.ndarray
    mechanisms: list[str | None]

    @cached_property
    def prior(self) -> ResponsePrior:
        codes = mechanism_codes(self.mechanisms)
        return prior_from(self.atlas, PackedBits.of(self.fingerprints), codes, THRESHOLD)

    @property
    def drugs(self) -> int:
        return len(self.mechanisms)

    def permuted(self, order: np.ndarray) -> "Sources":
        """The same drugs in another order of the table: row k is what row order[k] was."""
        atlas = self.atlas
        moved = replace(atlas, drug=np.argsort(order)[atlas.drug], drugs=atlas.drugs.iloc[order])
        return Sources(moved, self.fingerprints[order], [self.mechanisms[k] for k in order])


def random_sources(seed, drugs=25, genes=8, bits=12):
    """Responses with a part that a drug shares between lines; some z are cut, two are at the threshold."""
    rng = np.random.default_rng(seed)
    measured = rng.random((drugs, len(LINES))) < 0.6
    measured[:3, seed % len(LINES)] = True
    measured[-3:] = False
    pairs = rng.permutation(np.argwhere(measured))
    z = rng.normal(scale=1.5, size=(drugs, genes))[pairs[:, 0]] + rng.normal(size=(len(pairs), genes))
    z[0, :2] = THRESHOLD, -THRESHOLD
    # One value for all set bits, as in the features: only which bits are set may count.
    fingerprints = np.float32(0.3) * (rng.random((drugs, bits)) < 0.4)
    fingerprints[:, 0] = 0.3
    fingerprints[0] = 0
    fingerprints[2], fingerprints[-1] = fingerprints[1], fingerprints[-2]
    mechanisms = [MECHANISMS[k] for k in rng.integers(0, len(MECHANISMS), drugs)]
    mechanisms[-1] = mechanisms[-2]
    table = pd.DataFrame({"drug_id": [f"D{k}" for k in range(drugs)], "moa": mechanisms})
    names = [f"G{k}" for k in range(genes)]
    atlas = ResponseAtlas(z.astype(np.float32), pairs[:, 0], pairs[:, 1], table, LINES, names)
    return Sources(atlas, fingerprints, mechanisms)


def bits_of(sources, drug):
    return {bit for bit, value in enumerate(sources.fingerprints[drug]) if value > 0}


def similarity_by_loop(bits, mechanism, other_bits, other_mechanism):
    """Tanimoto, and 0.1 more for equal mechanisms; float32, as ties between neighbours hang on it."""
    either = len(bits | other_bits)
    tanimoto = np.float32(len(bits & other_bits)) / np.float32(either) if either else np.float32(0)
    same = mechanism is not None and mechanism == other_mechanism
    return tanimoto + np.float32(0.1) if same else tanimoto


def kernel_by_loop(sources, weights, scale):
    """float64 [drugs, drugs], from prior responses (which must not be 0) and structures."""
    evidence = sources.prior.evidence_of(np.arange(sources.drugs))
    prior = evidence.prior.astype(float)
    lines, nearest = evidence.lines[:, 0], evidence.nearest[:, 0]
    unknown = [max(0, 1 - float(near)) / (1 + count) for near, count in zip(nearest, lines, strict=True)]
    bits = [bits_of(sources, drug) for drug in range(sources.drugs)]
    result = np.empty((sources.drugs, sources.drugs))
    for i, one in enumerate(prior):
        for j, other in enumerate(prior):
            inner = sum(a * b for a, b in zip(one, other, strict=True))
            cosine = inner / (sum(a * a for a in one) * sum(b * b for b in other)) ** 0.5
            structure = similarity_by_loop(bits[i], sources.mechanisms[i], bits[j], sources.mechanisms[j])
            result[i, j] = (
                weights.linear * inner / len(one) / scale
                + weights.cosine * (1 + cosine) / 2
                + weights.structure * float(structure)
                + weights.unknown * float(structure) * unknown[i] * unknown[j]
                + weights.constant
            )
    return result
