"""What a mean over seeds says: t intervals, for the scripts beside this one. Standard library only."""
import math

# t quantiles at 0.975 by degrees of freedom.
T975 = [None, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262]


def t975(n):
    """The quantile for n values, at least two."""
    if n <= len(T975):
        return T975[n - 1]
    # Beyond the table, three terms of its expansion in 1/v: within 0.001 from 10 degrees of freedom on (Abramowitz and Stegun 26.7.5).
    z, v = 1.959964, n - 1
    return z + (z**3 + z) / (4 * v) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2) + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)


def interval(values):
    """Mean and 95 % interval; without bounds for fewer than two values."""
    n = len(values)
    mean = sum(values) / n
    if n < 2:
        return mean, -math.inf, math.inf
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1))
    half = t975(n) * deviation / math.sqrt(n)
    return mean, mean - half, mean + half


def wilson(x, n, z=1.959964):
    """The interval of x of n, as crates/stats/src/wilson.rs has it."""
    centre, half = (x + z * z / 2) / (n + z * z), z / (n + z * z) * math.sqrt(x * (n - x) / n + z * z / 4)
    return max(centre - half, 0), min(centre + half, 1)
