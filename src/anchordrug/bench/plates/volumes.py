"""Volumes that bring a well to its concentration, and the DMSO that comes with them."""

import math

from anchordrug.bench.settings import Plates

# A dispenser for source plates of 384 wells (384PP) transfers multiples of this.
ECHO_STEP_NL = 2.5
# Beyond a cap by so much (relative) is within the error of floating-point numbers.
_SLACK = 1e-9


def exact_nl(concentration_um: float, stock_mm: float, plates: Plates) -> float:
    """Return the volume of stock (nL) that brings a well to a concentration."""
    return concentration_um * plates.well_volume_ul / stock_mm


def transfer_nl(concentration_um: float, stock_mm: float, plates: Plates) -> float:
    """Return the same, rounded to a volume that an acoustic dispenser transfers."""
    return math.floor(exact_nl(concentration_um, stock_mm, plates) / ECHO_STEP_NL + 0.5) * ECHO_STEP_NL


def reached_um(volume_nl: float, stock_mm: float, plates: Plates) -> float:
    """Return the concentration (uM) to which a volume of stock brings a well."""
    return volume_nl * stock_mm / plates.well_volume_ul


def dmso_percent(volume_nl: float, plates: Plates) -> float:
    """Return the share of DMSO (%) in a well that has received a volume of stocks in DMSO."""
    return 0.1 * volume_nl / plates.well_volume_ul


def problem_with(concentration_um: float, stock_mm: float, plates: Plates) -> str | None:
    """Return why a stock cannot bring a well to a concentration, and the remedy; None if it can."""
    exact, volume = (
        exact_nl(concentration_um, stock_mm, plates),
        transfer_nl(concentration_um, stock_mm, plates),
    )
    asked = f"{concentration_um:g} uM in {plates.well_volume_ul:g} uL from a stock of {stock_mm:g} mM"
    if volume == 0:
        return (
            f"{asked} needs {exact:.3g} nL, but the Echo transfers steps of {ECHO_STEP_NL} nL; dilute the "
            "stock (plates.stock_mm, or the library's column of stocks)"
        )
    if volume >= 1000 * plates.well_volume_ul:
        return (
            f"{asked} needs {volume:g} nL, more than the well holds; correct plates.stock_mm (mM), "
            "concentration_um (uM) or well_volume_ul (uL)"
        )
    percent = dmso_percent(volume, plates)
    if percent > plates.dmso_percent_max * (1 + _SLACK):
        least = stock_mm * percent / plates.dmso_percent_max
        return (
            f"{asked} brings {percent:.3g}% of DMSO, more than plates.dmso_percent_max "
            f"({plates.dmso_percent_max:g}%); use a stock of at least {least:.3g} mM, or change "
            "concentration_um or dmso_percent_max"
        )
    return None
