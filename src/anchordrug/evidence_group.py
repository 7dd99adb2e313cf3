"""The evidence group of a drug: the evidence on it before it is measured in the target."""

import numpy as np

SEEN, NEAR, FAR = GROUPS = ("seen", "near", "far")
# Tanimoto similarity to the nearest known drug from which an unseen drug is near.
NEAR_SIMILARITY = 0.4


def evidence_groups(seen: np.ndarray, similarity: np.ndarray) -> np.ndarray:
    """Return the group of each drug, object [drugs]: "seen", "near" or "far".

    Parameters
    ----------
    seen
        bool [drugs]: whether some source line has measured it, or it is an anchor.
    similarity
        [drugs], Tanimoto similarity to the nearest drug that was learned from.
    """
    unseen = np.where(similarity >= NEAR_SIMILARITY, NEAR, FAR).astype(object)
    return np.where(seen, SEEN, unseen).astype(object)
