"""The drugs whose labels change after the smallest push of their features."""

import numpy as np

from anchordrug.acquisition.reasons import alike
from anchordrug.acquisition.registry import Selection, register
from anchordrug.acquisition.view import PoolView

STEP = 1e-3
KEPT = 0.9
MOST_STEPS = 200


@register("adversarial_bim")
def adversarial_bim(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:  # noqa: ARG001
    """Smallest perturbation of a drug's features that turns a tenth of its genes (PAPER, Active learning).

    The features of a drug move against its own predicted labels, step by step along the gradient of the
    mean loss over genes: one perturbation for all genes, and only in the drug's block of the input. It ends
    where less than 90% of the genes keep their label, interpolated within the last step. The score is minus
    the perturbation's length; drugs that have not ended after 200 steps come last. (The basic iterative
    method of Kurakin et al. 2017 takes the gradient's sign; 1e-3 in each of 1,024 bits turns a tenth of the
    genes of most drugs in one step, which ranks coarsely.)

    All drugs move in step. As soon as `batch` of them have ended, those whose perturbation is already
    longer than these are let go; they would only grow.
    """
    drugs = view.drugs
    labels = view.probabilities.argmax(axis=2)
    length = np.full(len(drugs), np.inf)
    held_out = np.zeros(len(drugs), bool)
    active = np.arange(len(drugs))
    kept_before = np.ones(len(drugs))
    shift, move = np.zeros((len(drugs), 0), np.float32), np.zeros((len(drugs), 1), np.float32)
    for step in range(MOST_STEPS + 1):
        predicted, gradient = view.network.loss_gradient(drugs[active], shift, labels[active])
        kept = (predicted == labels[active]).mean(axis=1)
        ended = kept < KEPT
        # How far beyond the end the last step went, as a share of that step.
        excess = np.where(ended, (KEPT - kept) / np.where(ended, kept_before - kept, 1), 0)
        reached = np.linalg.norm(shift - excess[:, None] * move, axis=1)
        length[active[ended]] = reached[ended]
        bound = np.partition(length, batch - 1)[batch - 1]
        current = np.linalg.norm(shift, axis=1)
        keep = ~ended & (current < bound)
        if step == MOST_STEPS:
            held_out[active[keep]] = True
            length[active[keep]] = current[keep] + length[np.isfinite(length)].max(initial=0)
        if step == MOST_STEPS or not keep.any():
            break
        active, kept_before, move = active[keep], kept[keep], STEP * gradient[keep]
        shift = shift[keep] + move if shift.size else move
    positions = np.lexsort((length, held_out))[:batch]
    reasons = alike("A change of its features by {} turns a tenth of its labels.", length[positions])
    firm = ["No small change of its features turns a tenth of its labels."] * batch
    reasons = tuple(np.where(held_out[positions], firm, reasons).tolist())
    return Selection(positions, -length[positions], reasons)
