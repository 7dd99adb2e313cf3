"""The figures by which people choose between runs."""

import numpy as np
import pandas as pd

from anchordrug.evaluation.summary import key_figures


def scores(rows):
    columns = ["target", "seed", "predictor", "drugs", "macro_f1", "macro_f1_unseen", "ece"]
    return pd.DataFrame(rows, columns=columns)


def test_every_target_counts_the_same_however_many_seeds_it_has():
    table = scores(
        [
            ("A", 0, "all_none", 0, 0.2, 0.2, np.nan),
            ("A", 0, "pretrained", 0, 0.5, 0.4, 0.1),
            ("A", 0, "drugs-10", 10, 0.5, 0.3, 0.3),
            ("A", 0, "drugs-30", 30, 0.6, np.nan, 0.01),
            ("A", 1, "drugs-30", 30, 0.7, np.nan, 0.03),
            ("B", 0, "drugs-30", 30, 0.25, 0.2, 0.04),
        ]
    )
    assert key_figures(table) == {
        "macro_f1": {"pretrained": 0.5, "drugs-10": 0.5, "drugs-30": 0.45},
        "macro_f1_unseen": 0.2,
        "ece": 0.03,
    }


def test_a_score_that_no_target_has_is_left_out():
    assert key_figures(scores([("A", 0, "drugs-9", 9, 0.5, np.nan, 0.1)])) == {
        "macro_f1": {"drugs-9": 0.5},
        "ece": 0.1,
    }
