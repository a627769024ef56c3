"""What a mean over seeds says: t intervals, for the scripts beside this one. Standard library only."""
import math

# t quantiles at 0.975 by degrees of freedom. Beyond the table the quantile still falls, so that the last one gives too wide an
# interval and never too narrow a one.
T975 = [None, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262]


def t975(n):
    """The quantile for n values, at least two."""
    return T975[min(n - 1, len(T975) - 1)]


def interval(values):
    """Mean and 95 % interval; without bounds for fewer than two values."""
    n = len(values)
    mean = sum(values) / n
    if n < 2:
        return mean, -math.inf, math.inf
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1))
    half = t975(n) * deviation / math.sqrt(n)
    return mean, mean - half, mean + half
