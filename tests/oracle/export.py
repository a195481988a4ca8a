#!/usr/bin/env python3
"""Makes up usage and judges it by the formulas of the rules on money, written down a second time: whole series at once,
in numpy. `cargo test -p keyward-tests --test anomaly` compares, bucket by bucket. Whole micro-dollars on both sides, so
nothing is rounded differently.

usage: export.py > tests/fixtures/anomaly/series.txt        (needs numpy)
"""
import sys

import numpy as np

HOUR, DAY = 12, 288
DOLLAR = 1_000_000
UNIT = 1_000  # costs are whole thousandths of a dollar, to keep the file small
SPANS = (12, 72, 288)
KILL = dict(ratio=20, record=(300, 200, 150), share=(50, 75, 100), floor=25, days=3)
ALERT = dict(ratio=15, record=(200, 150, 115), share=(25, 35, 50), floor=10, days=2)
CEILING = 250 * DOLLAR


# ---------- the rules ----------
def ending(x, span):
    """Sums over the span that ends with each bucket."""
    total = np.concatenate([[0], np.cumsum(x)])
    end = np.arange(1, len(x) + 1)
    return total[end] - total[np.maximum(end - span, 0)]


def earlier(x, by):
    """What it was `by` buckets before; -1: nothing yet."""
    return np.concatenate([np.full(min(by, len(x)), -1, np.int64), x[: max(len(x) - by, 0)]])


def largest(x, span):
    """The largest over the span that ends with each bucket."""
    padded = np.concatenate([np.full(span - 1, -1, np.int64), x])
    return np.lib.stride_tricks.sliding_window_view(padded, span).max(1)


def mean(cost, known):
    """Sum and number of known buckets over the seven days that ended a day ago, days known to 80 % or more."""
    there = ending(np.ones(len(cost), np.int64), DAY)
    sums, numbers = np.zeros(len(cost), np.int64), np.zeros(len(cost), np.int64)
    for day in range(1, 8):
        s, k, h = (np.maximum(earlier(x, day * DAY), 0) for x in (ending(cost, DAY), ending(known, DAY), there))
        counts = k * 5 >= h * 4
        sums, numbers = sums + s * counts, numbers + k * counts
    return sums, numbers


def learned(cost, sums, numbers):
    days = -(-len(cost) // DAY)
    used = np.add.reduceat(cost, np.arange(0, len(cost), DAY)) > 0
    before = np.array([used[max(0, d - 14) : d].sum() for d in range(days)])
    enough = np.repeat(before >= 5, DAY)[: len(cost)]
    return enough & (numbers > 0) & (sums * DAY >= 10_000 * numbers)


def usual_sizes(requests, tokens):
    """For each bucket: what 99 in 100 requests of the 14 days that ended a day ago did not exceed, in classes of an eighth;
    -1: no request yet."""
    def most(size):  # the largest of its class
        step = 1 << max(size.bit_length() - 4, 0)
        return size // step * step + step - 1

    days, usual = {}, np.full(len(requests), -1, np.int64)
    for at in range(DAY, len(requests)):
        r, day = int(requests[at - DAY]), (at - DAY) // DAY
        if r:
            days = {d: of for d, of in days.items() if d + 14 > day}
            today = days.setdefault(day, {})
            size = most(int(tokens[at - DAY]) // r)
            today[size] = today.get(size, 0) + r
        counted, seen = {}, 0
        for of in days.values():
            for size, n in of.items():
                counted[size] = counted.get(size, 0) + n
        for size in sorted(counted):
            seen += counted[size]
            if seen * 100 >= sum(counted.values()) * 99:
                usual[at] = size
                break
    return usual


def large_requests(requests, tokens):
    """Whether the last hour's requests are far larger than nearly all before."""
    usual, r, t = usual_sizes(requests, tokens), ending(requests, HOUR), ending(tokens, HOUR)
    return (usual >= 0) & (r >= 20) & (t > 3 * usual * r)


def judge(cost, known, requests, tokens, expected, record_days, level):
    times = np.where(large_requests(requests, tokens), 2, 1)  # half of the factors: all else counts double
    sums, numbers = mean(cost, known)
    floor = level['floor'] * DOLLAR
    hot = ending(cost, 3)
    fires = np.zeros(len(cost), bool)
    for span, record, share in zip(SPANS, level['record'], level['share']):
        spent = ending(cost, span)
        peak = earlier(largest(spent, record_days * DAY), DAY)
        normal = sums * span
        fires |= (
            (peak >= 0)
            & (spent * numbers * 10 > level['ratio'] * normal)
            & (spent * 100 * times > np.minimum(record * peak, 100 * times * (peak + CEILING)))
            & ((spent * numbers - normal) * 100 * times
               > np.maximum(100 * times * floor * numbers, share * np.maximum(sums * DAY, expected * numbers)))
        )
    fires &= hot * numbers * 10 > level['ratio'] * sums * 3
    limit = max(floor, min(level['days'] * expected, expected + CEILING))
    unlearned = (ending(cost, DAY) > limit) & (hot > 0)
    return np.where(learned(cost, sums, numbers), fires, unlearned)


# ---------- made-up usage ----------
def shape(rng, kind, days):
    t = np.arange(days * DAY)
    clock, weekday = t % DAY / DAY, t // DAY % 7
    noise = rng.gamma(2.0, 0.5, len(t))
    if kind == 'steady':
        return noise
    if kind == 'office':
        return noise * (np.clip(np.sin((clock - 0.25) * 2 * np.pi), 0, 1) * (weekday < 5) + 0.02)
    if kind == 'bursts':
        return noise * np.repeat(rng.random(len(t) // 6) < 0.08, 6) * np.repeat(rng.pareto(1.5, len(t) // 6) + 1, 6)
    if kind == 'nightly':
        return noise * ((clock >= 0.08) & (clock < 0.13))
    if kind == 'growing':
        return noise * 1.02 ** (t / DAY)
    if kind == 'rare':
        return noise * (rng.random(len(t)) < 0.01) * (t // DAY % 5 == 0)
    if kind == 'late start':
        return noise * (t > 9 * DAY)
    if kind == 'asleep':
        return noise * ((t < 8 * DAY) | (t > (days - 3) * DAY))
    raise ValueError(kind)


KINDS = 'steady', 'office', 'bursts', 'nightly', 'growing', 'rare', 'late start', 'asleep'
THEFTS = (0, 0), (2, 72), (9, 48), (49, 24)  # times the mean, on top; hours


def series(seed):
    rng = np.random.default_rng(seed)
    kind = KINDS[seed % len(KINDS)]
    days = (16, 19, 23, 40)[seed // len(KINDS) % 4] if seed < 32 else 17
    x = shape(rng, kind, days)
    daily = 0.5 * 400 ** rng.random() if seed % 13 else 0.004  # one in thirteen is below a cent
    cost = x / x.mean() * daily / DAY
    times, hours = THEFTS[(seed + seed // len(KINDS)) % len(THEFTS)]
    start = int(rng.integers(9 * DAY, (days - 2) * DAY))
    cost[start : start + hours * HOUR] += times * daily / DAY
    if seed % 5 == 0:  # by the hour, for two hours
        start = int(rng.integers(3 * DAY, (days - 1) * DAY))
        cost[start : start + 2 * HOUR] += float(rng.choice([20, 200, 400])) / HOUR
    known = np.ones(len(cost), np.int64)
    if seed % 3 == 0:  # an outage of hours, one of days, and single buckets
        for longest in (9 * HOUR, 3 * DAY):
            start = int(rng.integers(0, len(cost)))
            known[start : start + int(rng.integers(1, longest))] = 0
        known[rng.random(len(cost)) < 0.01] = 0
    whole = np.round(cost * DOLLAR / UNIT).astype(np.int64) * UNIT * known
    expected = int(daily * np.exp(rng.uniform(-0.5, 0.5)) * DOLLAR)
    none = np.zeros(len(cost), np.int64)
    return f'{kind}-{seed}'.replace(' ', '-'), whole, known, none, none, expected, 14 if seed % 2 else 35


def sized_series(seed):
    """Three requests of about a thousand tokens in each bucket with use; a theft's may be larger."""
    rng = np.random.default_rng(seed)
    kind, days = ('steady', 'office', 'growing')[seed % 3], 17
    x = shape(rng, kind, days)
    daily = 200 * rng.random() + 40
    cost = x / x.mean() * daily / DAY
    start = int(rng.integers(9 * DAY, (days - 1) * DAY))
    stolen = slice(start, start + 12 * HOUR)
    cost[stolen] += (2, 4, 9)[seed // 3 % 3] * daily / DAY
    whole = np.round(cost * DOLLAR / UNIT).astype(np.int64) * UNIT
    size = np.repeat(rng.integers(700, 1_400, days * 24), HOUR)
    requests = np.where(whole > 0, 3, 0)
    tokens = requests * size
    requests[stolen] += 2
    tokens[stolen] += 2 * (350_000, 20_000, 4_000, 1_000)[seed % 4]
    known = np.ones(len(cost), np.int64)
    expected = int(daily * np.exp(rng.uniform(-0.5, 0.5)) * DOLLAR)
    return f'{kind}-sized-{seed}', whole, known, requests, tokens, expected, 35


# ---------- the file ----------
def base36(n):
    digits = ''
    while n or not digits:
        n, digit = divmod(n, 36)
        digits = '0123456789abcdefghijklmnopqrstuvwxyz'[digit] + digits
    return digits


def runs(values):
    """Equal neighbours as one: (first, last, value)."""
    edges = [0, *(np.flatnonzero(np.diff(values)) + 1), len(values)]
    return [(a, b - 1, values[a]) for a, b in zip(edges, edges[1:])]


def written(cost, known):
    values = np.where(known == 1, cost // UNIT, -1)
    words = ((base36(int(v)) if v >= 0 else '?', b - a + 1) for a, b, v in runs(values))
    return ' '.join(word if n == 1 else f'{word}*{n}' for word, n in words)


def main():
    out = sys.stdout
    print('# Made by tests/oracle/export.py. Costs: thousandths of a dollar, base 36; `?` is not known; `*n` repeats. Requests and tokens likewise.', file=out)
    for seed in range(44):
        name, cost, known, requests, tokens, expected, record_days = series(seed) if seed < 36 else sized_series(seed)
        print(f'series {name} {expected} {record_days}', file=out)
        print('costs', written(cost, known), file=out)
        every = np.ones(len(cost), np.int64)
        print('requests', written(requests * UNIT, every), file=out)
        print('tokens', written(tokens * UNIT, every), file=out)
        for word, level in ('kill', KILL), ('alert', ALERT):
            fires = judge(cost, known, requests, tokens, expected, record_days, level)
            print(word, *(f'{a}-{b}' for a, b, v in runs(fires) if v), file=out)


if __name__ == '__main__':
    main()
