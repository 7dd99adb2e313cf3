"""Cell-line embeddings: the bottleneck of an autoencoder on untreated expression (PAPER, Features)."""

import numpy as np
import torch
from torch import nn

WIDTHS_OF_BOTTLENECK = 4


def embed_cell_lines(
    expression: np.ndarray, *, dim: int, epochs: int, learning_rate: float, seed: int
) -> np.ndarray:
    """Train an autoencoder with mean squared error and return its bottleneck.

    Every epoch is one step on all cell lines: there are few, and each is one row.

    Parameters
    ----------
    expression
        float32 [cell lines, genes], log2; each gene is standardised over the cell lines here.

    Returns
    -------
    numpy.ndarray
        Embeddings float32 [cell lines, dim].
    """
    # Sums depend on the layout in memory by rounding, which training magnifies.
    expression = np.ascontiguousarray(expression)
    spread = expression.std(axis=0)
    standard = (expression - expression.mean(axis=0)) / np.where(spread > 0, spread, 1)
    inputs = torch.from_numpy(standard.astype(np.float32))
    genes, middle = inputs.shape[1], WIDTHS_OF_BOTTLENECK * dim
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = nn.Sequential(nn.Linear(genes, middle), nn.LeakyReLU(), nn.Linear(middle, dim))
        decoder = nn.Sequential(
            nn.LeakyReLU(), nn.Linear(dim, middle), nn.LeakyReLU(), nn.Linear(middle, genes)
        )
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=learning_rate, fused=True)
    for _ in range(epochs):
        loss = nn.functional.mse_loss(decoder(encoder(inputs)), inputs)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return encoder(inputs).numpy()
