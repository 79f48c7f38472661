"""How reports write a number: the one place where it is rounded, so that no zero has a sign."""

from __future__ import annotations


def rounded(value: float, digits: int) -> float:
    """The number to so many decimals; what rounds to zero is 0.0, never -0.0."""
    return round(value, digits) + 0.0


def plain(value: float, digits: int = 1) -> str:
    """``80.9``, ``-0.6``, ``0.0``."""
    return f"{rounded(value, digits):.{digits}f}"


def signed(value: float, digits: int = 1) -> str:
    """A difference: ``+0.4``, ``-0.6``; without a sign where it rounds to zero, ``0.0``."""
    number = rounded(value, digits)
    return f"{number:+.{digits}f}" if number else f"{number:.{digits}f}"


def grouped(value: float, digits: int = 0) -> str:
    """``74,740``: thousands apart."""
    return f"{rounded(value, digits):,.{digits}f}"


def times(ratio: float) -> str:
    """A ratio with two digits at least: ``0.017``, ``1.3``, ``26``."""
    if ratio < 1:
        return f"{ratio:.2g}"
    return grouped(ratio, 1 if ratio < 9.95 else 0)


def carried(value: float) -> float:
    """What a file for machines holds of a number: four decimals, below 1 four digits.

    One image of 20,000 moves the mean of eleven data sets by 0.0005 points: four decimals hold every
    accuracy. A standard error or a p value has no more than four digits that mean anything.
    """
    if abs(value) >= 1:
        return rounded(value, 4)
    return float(f"{value:.4g}") + 0.0
