#ifndef ADVERSARY_H
#define ADVERSARY_H

/**
 * Somebody who has every page and knows which numbers add up to which: he solves the system of all sums, and
 * narrows what is left by bounds. Numbers are variables, counted from 0. SUM_PARTS_MAX, defined before this is
 * included, says how many parts a sum has at most.
 */

#include <string.h>
#include <apr_pools.h>

#define PRIME 2147483647LL /* he calculates modulo it: what is solved there is solved */

typedef struct {
    int result;
    int n, part[SUM_PARTS_MAX];
} sum_t;

static unsigned long long seed;

/* 0 to below - 1, the same after the same seed. */
static unsigned draw(unsigned below)
{
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(seed >> 33) % below;
}

static long long inverse(long long a)
{
    long long r = 1, e = PRIME - 2;

    for (a %= PRIME; e; e >>= 1, a = a * a % PRIME) {
        r = e & 1 ? r * a % PRIME : r;
    }
    return r;
}

static void take_away(int *row, const int *from, long long times, int n)
{
    for (int k = 0; k < n; k++) {
        if (from[k]) {
            row[k] = (int)((row[k] + (PRIME - times) * from[k]) % PRIME);
        }
    }
}

/* The sums in which there is something unknown. @return how many */
static int rows_of(int **row, const sum_t *sums, int m, const int *unknown, int n, apr_pool_t *p)
{
    int nrows = 0;

    for (int i = 0; i < m; i++) {
        int any = 0;

        row[nrows] = apr_pcalloc(p, (apr_size_t)(n + 1) * sizeof(int));
        for (int k = 0; k < sums[i].n; k++) {
            if (unknown[sums[i].part[k]] >= 0) {
                row[nrows][unknown[sums[i].part[k]]] += 1;
                any = 1;
            }
        }
        if (unknown[sums[i].result] >= 0) {
            row[nrows][unknown[sums[i].result]] = (int)(PRIME - 1);
            any = 1;
        }
        nrows += any;
    }
    return nrows;
}

/**
 * Which unknowns have one solution: Gauss and Jordan.
 * @param solved  n of them, zeroed
 * @param unknown of each variable: its number, 0 to n - 1, or -1: he knows it
 */
static void solve(unsigned char *solved, const sum_t *sums, int m, const int *unknown, int n,
                  apr_pool_t *p)
{
    int **row = apr_palloc(p, (apr_size_t)(m + 1) * sizeof(*row));
    int *pivot = apr_pcalloc(p, (apr_size_t)(m + 1) * sizeof(int));
    int rank = 0, nrows = rows_of(row, sums, m, unknown, n, p);

    for (int c = 0; c < n && rank < nrows; c++) {
        int r = rank, *t;
        long long by;

        while (r < nrows && !row[r][c]) {
            r++;
        }
        if (r == nrows) {
            continue;
        }
        t = row[r];
        row[r] = row[rank];
        row[rank] = t;
        by = inverse(t[c]);
        for (int k = c; k < n; k++) {
            t[k] = (int)(t[k] * by % PRIME);
        }
        for (int i = 0; i < nrows; i++) {
            if (i != rank && row[i][c]) {
                take_away(row[i], t, row[i][c], n);
            }
        }
        pivot[rank++] = c;
    }
    for (int r = 0; r < rank; r++) {
        int others = 0;

        for (int k = 0; k < n; k++) {
            others += k != pivot[r] && row[r][k];
        }
        solved[pivot[r]] = !others;
    }
}

static int raise_low(long long *low, long long to)
{
    return to > *low ? (*low = to, 1) : 0;
}

static int drop_high(long long *high, long long to)
{
    return to < *high ? (*high = to, 1) : 0;
}

/* Bounds that sums give to what is not negative, until nothing moves. */
static void narrow(long long *low, long long *high, const sum_t *sums, int m)
{
    int moved = 1;

    for (int round = 0; moved && round < 200; round++) {
        moved = 0;
        for (int i = 0; i < m; i++) {
            const sum_t *s = &sums[i];
            long long lows = 0, highs = 0;

            for (int k = 0; k < s->n; k++) {
                lows += low[s->part[k]];
                highs += high[s->part[k]];
            }
            moved += raise_low(&low[s->result], lows) + drop_high(&high[s->result], highs);
            for (int k = 0; k < s->n; k++) {
                int v = s->part[k];
                long long others_low = lows - low[v], others_high = highs - high[v];

                moved += drop_high(&high[v], high[s->result] - others_low);
                moved += raise_low(&low[v], low[s->result] - others_high);
                lows = others_low + low[v];
                highs = others_high + high[v];
            }
        }
    }
}

#endif
