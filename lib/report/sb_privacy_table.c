/**
 * Hiding in one table: rules of sums, bridges, circles.
 */

#include "report/sb_privacy_table.h"

#include <stdlib.h>
#include <string.h>
#include <apr_tables.h>

#define ROUNDS 200 /* far more than it ever takes; marks only grow, so it ends anyway */
#define NONE (-1)

/* The network: edges are cells, by number; vertices see below. */
typedef struct {
    sb_table_t *t;
    apr_pool_t *p;
    int nvertices, nedges;
    int *top, *bottom;     /* vertices of an edge */
    int *first, *edge;     /* edges of a vertex: edge[first[v]] .. edge[first[v + 1] - 1] */
    unsigned char *bridge; /* of an edge: hidden, and with one solution only */
    unsigned char *closed; /* of an edge: put on a circle in this round */
    int *child, *next;     /* children of a place as lists */
    unsigned char *depth;  /* of a place: 0 the top, at most 3 */
    /* of the search for bridges */
    int *seen, *low, *at, *via, *stack;
    /* of the search for a path */
    apr_uint64_t *dist;
    int *stamp, *back, *heap, *place;
    int run, nheap;
    apr_int32_t *least, *most; /* bounds of an edge that whoever sees the rest can work out */
} net_t;

static int is_hidden(const net_t *n, int e)
{
    return n->t->mark[e] & SB_MARK_HIDDEN;
}

/* ---- the network ----------------------------------------------------------------------------- */

static void *zeroed(net_t *n, int count, apr_size_t size)
{
    return apr_pcalloc(n->p, (apr_size_t)(count + 1) * size);
}

/* Vertices: (place, value) for places with children; one for each of the lowest, where all values meet;
 * one above the top, where they meet too. */
static void make_vertices(net_t *n)
{
    const sb_table_t *t = n->t;
    int *of_place = zeroed(n, t->n, sizeof(int));
    int v = 0;

    for (int i = 0; i < t->n; i++) {
        of_place[i] = v;
        v += t->lowest[i] ? 1 : t->nvalues;
    }
    n->nvertices = v + 1;
    for (int i = 0; i < t->n; i++) {
        for (int a = 0; a < t->nvalues; a++) {
            int e = i * t->nvalues + a;

            n->top[e] = t->parent[i] < 0 ? v : of_place[t->parent[i]] + a;
            n->bottom[e] = t->lowest[i] ? of_place[i] : of_place[i] + a;
        }
    }
}

/* Which edges a vertex has: those with somebody in them. */
static void make_incidence(net_t *n)
{
    const sb_table_t *t = n->t;

    n->first = zeroed(n, n->nvertices + 1, sizeof(int));
    n->edge = zeroed(n, 2 * n->nedges, sizeof(int));
    for (int e = 0; e < n->nedges; e++) {
        if (t->cell[e].total) {
            n->first[n->top[e] + 1]++;
            n->first[n->bottom[e] + 1]++;
        }
    }
    for (int v = 0; v < n->nvertices; v++) {
        n->first[v + 1] += n->first[v];
    }
    memcpy(n->at, n->first, (apr_size_t)n->nvertices * sizeof(int));
    for (int e = 0; e < n->nedges; e++) {
        if (t->cell[e].total) {
            n->edge[n->at[n->top[e]]++] = e;
            n->edge[n->at[n->bottom[e]]++] = e;
        }
    }
}

static void make_children(net_t *n)
{
    const sb_table_t *t = n->t;

    n->child = zeroed(n, t->n, sizeof(int));
    n->next = zeroed(n, t->n, sizeof(int));
    for (int i = 0; i < t->n; i++) {
        n->child[i] = n->next[i] = NONE;
    }
    n->depth = zeroed(n, t->n, 1);
    for (int i = 1; i < t->n; i++) {
        int depth = n->depth[t->parent[i]] + 1;

        n->depth[i] = (unsigned char)(depth < 3 ? depth : 3);
    }
    for (int i = t->n - 1; i > 0; i--) {
        n->next[i] = n->child[t->parent[i]];
        n->child[t->parent[i]] = i;
    }
}

static void make_net(net_t *n, sb_table_t *t, apr_pool_t *p)
{
    int most;

    memset(n, 0, sizeof(*n));
    n->t = t;
    n->p = p;
    n->nedges = t->n * t->nvalues;
    n->top = zeroed(n, n->nedges, sizeof(int));
    n->bottom = zeroed(n, n->nedges, sizeof(int));
    n->bridge = zeroed(n, n->nedges, 1);
    n->closed = zeroed(n, n->nedges, 1);
    n->least = zeroed(n, n->nedges, sizeof(*n->least));
    n->most = zeroed(n, n->nedges, sizeof(*n->most));
    make_vertices(n);
    most = n->nvertices;
    n->seen = zeroed(n, most, sizeof(int));
    n->low = zeroed(n, most, sizeof(int));
    n->at = zeroed(n, most, sizeof(int));
    n->via = zeroed(n, most, sizeof(int));
    n->stack = zeroed(n, most, sizeof(int));
    n->dist = zeroed(n, most, sizeof(*n->dist));
    n->stamp = zeroed(n, most, sizeof(int));
    n->back = zeroed(n, most, sizeof(int));
    n->heap = zeroed(n, most, sizeof(int));
    n->place = zeroed(n, most, sizeof(int));
    make_incidence(n);
    make_children(n);
}

/* ---- bridges --------------------------------------------------------------------------------- */

/* The next hidden edge of v that has not been walked yet; NONE: all are. */
static int next_edge(net_t *n, int v)
{
    while (n->at[v] < n->first[v + 1]) {
        int e = n->edge[n->at[v]++];

        if (is_hidden(n, e) && e != n->via[v]) {
            return e;
        }
    }
    return NONE;
}

/* Depth first from a vertex; low is the earliest vertex that can be reached without the edge by which a
 * vertex was reached first. */
static void walk(net_t *n, int root, int *pclock)
{
    int depth = 0;

    n->stack[0] = root;
    n->via[root] = NONE;
    n->seen[root] = n->low[root] = ++*pclock;
    while (depth >= 0) {
        int v = n->stack[depth], e = next_edge(n, v), u;

        if (e == NONE) {
            depth--;
            if (depth >= 0) {
                u = n->stack[depth];
                if (n->low[v] < n->low[u]) {
                    n->low[u] = n->low[v];
                }
                n->bridge[n->via[v]] = n->low[v] > n->seen[u];
            }
            continue;
        }
        u = n->top[e] == v ? n->bottom[e] : n->top[e];
        if (!n->seen[u]) {
            n->seen[u] = n->low[u] = ++*pclock;
            n->via[u] = e;
            n->stack[++depth] = u;
        }
        else if (n->seen[u] < n->low[v]) {
            n->low[v] = n->seen[u];
        }
    }
}

static void find_bridges(net_t *n)
{
    int clock = 0;

    memset(n->bridge, 0, (apr_size_t)n->nedges);
    memset(n->seen, 0, (apr_size_t)n->nvertices * sizeof(int));
    memcpy(n->at, n->first, (apr_size_t)n->nvertices * sizeof(int));
    for (int v = 0; v < n->nvertices; v++) {
        if (!n->seen[v]) {
            walk(n, v, &clock);
        }
    }
}

/* ---- circles --------------------------------------------------------------------------------- */

/* Hiding costs as much as it hides, and more on the pages that more people read; what is hidden already
 * costs next to nothing. */
static apr_uint64_t cost(const net_t *n, int e)
{
    static const apr_uint64_t weight[] = {64, 8, 2, 1};

    return is_hidden(n, e) ? 1 : 64 + n->t->cell[e].total * weight[n->depth[e / n->t->nvalues]];
}

static void heap_swap(net_t *n, int i, int k)
{
    int v = n->heap[i];

    n->heap[i] = n->heap[k];
    n->heap[k] = v;
    n->place[n->heap[i]] = i;
    n->place[n->heap[k]] = k;
}

static void heap_up(net_t *n, int i)
{
    while (i > 0 && n->dist[n->heap[i]] < n->dist[n->heap[(i - 1) / 2]]) {
        heap_swap(n, i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
}

static int heap_pop(net_t *n)
{
    int v = n->heap[0], i = 0;

    heap_swap(n, 0, --n->nheap);
    n->place[v] = NONE;
    for (;;) {
        int k = 2 * i + 1;

        if (k + 1 < n->nheap && n->dist[n->heap[k + 1]] < n->dist[n->heap[k]]) {
            k++;
        }
        if (k >= n->nheap || n->dist[n->heap[i]] <= n->dist[n->heap[k]]) {
            return v;
        }
        heap_swap(n, i, k);
        i = k;
    }
}

static void reach(net_t *n, int v, apr_uint64_t dist, int by)
{
    if (n->stamp[v] != n->run) {
        n->stamp[v] = n->run;
        n->place[v] = n->nheap;
        n->heap[n->nheap++] = v;
    }
    else if (n->place[v] == NONE || dist >= n->dist[v]) {
        return;
    }
    n->dist[v] = dist;
    n->back[v] = by;
    heap_up(n, n->place[v]);
}

/* The cheapest way from one end of an edge to the other without it. @return 0 there is none */
static int find_circle(net_t *n, int without)
{
    int from = n->bottom[without], to = n->top[without];

    n->run++;
    n->nheap = 0;
    reach(n, from, 0, NONE);
    while (n->nheap) {
        int v = heap_pop(n);

        if (v == to) {
            return 1;
        }
        for (int i = n->first[v]; i < n->first[v + 1]; i++) {
            int e = n->edge[i];

            if (e != without) {
                reach(n, n->top[e] == v ? n->bottom[e] : n->top[e], n->dist[v] + cost(n, e), e);
            }
        }
    }
    return 0;
}

/* Hide the circle that was found. */
static void close_circle(net_t *n, int without)
{
    int v = n->top[without];

    n->closed[without] = 1;
    while (v != n->bottom[without]) {
        int e = n->back[v];

        n->t->mark[e] |= SB_MARK_HIDDEN;
        n->closed[e] = 1;
        v = n->top[e] == v ? n->bottom[e] : n->top[e];
    }
}

/* @return how many circles were closed */
static int close_circles(net_t *n)
{
    int closed = 0;

    memset(n->closed, 0, (apr_size_t)n->nedges);
    for (int e = n->nedges - 1; e >= 0; e--) { /* low places first: their circles are small */
        if (!n->bridge[e] || !(n->t->mark[e] & SB_MARK_GUARD) || n->closed[e]) {
            continue;
        }
        if (find_circle(n, e)) { /* else it depends on a place that is hidden as a whole */
            close_circle(n, e);
            closed++;
        }
    }
    return closed;
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* The parts of one sum, walked in one of two ways. */
typedef struct {
    int first, count; /* a row: cells one after the other */
    int place, value; /* a column: this value of the children of a place; place NONE: a row */
} parts_t;

static int parts_begin(const net_t *n, const parts_t *s, int *pstate)
{
    *pstate = s->place == NONE ? 0 : n->child[s->place];
    return s->place == NONE  ? (s->count ? s->first : NONE)
           : *pstate == NONE ? NONE
                             : *pstate * n->t->nvalues + s->value;
}

static int parts_next(const net_t *n, const parts_t *s, int *pstate)
{
    if (s->place == NONE) {
        return ++*pstate < s->count ? s->first + *pstate : NONE;
    }
    *pstate = n->next[*pstate];
    return *pstate == NONE ? NONE : *pstate * n->t->nvalues + s->value;
}

/* What is hidden in a sum whose result is shown, and the best part to hide next. */
typedef struct {
    int count;
    apr_uint32_t total, lower;
    int best; /* the smallest with which the hidden could be shown together */
    int smallest;
} hidden_t;

/* Hidden, and not to be computed: a bridge that needs no protection has none. */
static int is_unknown(const net_t *n, int e)
{
    return is_hidden(n, e) && (!n->bridge[e] || (n->t->mark[e] & (SB_MARK_FORCED | SB_MARK_GUARD)));
}

static int smaller(const net_t *n, int e, int than)
{
    return than == NONE || n->t->cell[e].total < n->t->cell[than].total;
}

/* Could so many parts be shown as one? Whoever sees the sum knows that each of them has somebody in it. */
static int together(const net_t *n, int count, apr_uint32_t total, apr_uint32_t lower)
{
    return count >= 2 && (apr_int64_t)total - count > n->t->min_cell && total != lower;
}

static void look(hidden_t *h, const net_t *n, const parts_t *s)
{
    int state;

    memset(h, 0, sizeof(*h));
    h->best = h->smallest = NONE;
    for (int e = parts_begin(n, s, &state); e != NONE; e = parts_next(n, s, &state)) {
        if (n->t->cell[e].total && is_unknown(n, e)) {
            h->count++;
            h->total += n->t->cell[e].total;
            h->lower += n->t->cell[e].lower;
        }
    }
    if (!h->total) {
        return;
    }
    for (int e = parts_begin(n, s, &state); e != NONE; e = parts_next(n, s, &state)) {
        const sb_bar_cell_t *c = &n->t->cell[e];

        if (is_hidden(n, e) || !c->total) {
            continue;
        }
        if (smaller(n, e, h->smallest)) {
            h->smallest = e;
        }
        if (smaller(n, e, h->best) &&
            together(n, h->count + 1, h->total + c->total, h->lower + c->lower)) {
            h->best = e;
        }
    }
}

static int safe(const hidden_t *h, const net_t *n)
{
    return !h->total || together(n, h->count, h->total, h->lower);
}

/* Hide more of a sum until what is hidden is two parts that could be shown together.
 * @param result the sum's cell; NONE: it is not in the table, and shown
 * @return how many were hidden */
static int keep_sum(net_t *n, const parts_t *s, int result)
{
    hidden_t h;
    int more = 0;

    if (result != NONE && (is_unknown(n, result) || !n->t->cell[result].total)) {
        return 0;
    }
    for (look(&h, n, s); !safe(&h, n); look(&h, n, s)) {
        int e = h.best != NONE ? h.best : h.smallest != NONE ? h.smallest : result;

        if (e == NONE || (e == result && n->t->mark[e] & SB_MARK_GUARD)) {
            break; /* everything of a place that is shown as a whole */
        }
        n->t->mark[e] |= SB_MARK_HIDDEN | SB_MARK_GUARD;
        more++;
        if (e == result) {
            break;
        }
    }
    return more;
}

static int keep_row(net_t *n, int i)
{
    const sb_table_t *t = n->t;
    parts_t all = {.first = i * t->nvalues, .count = t->nvalues, .place = NONE};
    parts_t but_first = {.first = i * t->nvalues + 1, .count = t->nvalues - 1, .place = NONE};

    if (!t->row_hidden) {
        return keep_sum(n, &but_first, i * t->nvalues);
    }
    return t->row_hidden[i] ? 0 : keep_sum(n, &all, NONE);
}

static int keep_sums(net_t *n)
{
    const sb_table_t *t = n->t;
    int more = 0;

    for (int i = t->n - 1; i >= 0; i--) {
        for (int a = 0; a < t->nvalues && !t->lowest[i]; a++) {
            parts_t column = {.place = i, .value = a};

            more += keep_sum(n, &column, i * t->nvalues + a);
        }
        more += keep_row(n, i);
    }
    return more;
}

/* ---- bounds ---------------------------------------------------------------------------------- */

#define PASSES 50
#define UNBOUNDED 1000000000

/* What is known of a cell before anything is summed: a place that is shown says where it has nobody. */
static void begin_bounds(net_t *n)
{
    const sb_table_t *t = n->t;

    for (int e = 0; e < n->nedges; e++) {
        int vague = t->mark[e] & (SB_MARK_FORCED | SB_MARK_NEVER);

        n->least[e] = n->most[e] = (apr_int32_t)t->cell[e].total;
        if (is_hidden(n, e)) {
            n->least[e] = t->cell[e].total && !vague ? 1 : 0;
            n->most[e] = !t->cell[e].total && !vague ? 0
                         : t->most                   ? (apr_int32_t)t->most[e]
                                                     : UNBOUNDED;
        }
    }
}

static int raise_least(net_t *n, int e, apr_int64_t least)
{
    if (least <= n->least[e]) {
        return 0;
    }
    n->least[e] = (apr_int32_t)least;
    return 1;
}

static int lower_most(net_t *n, int e, apr_int64_t most)
{
    if (most >= n->most[e]) {
        return 0;
    }
    n->most[e] = (apr_int32_t)most;
    return 1;
}

/* What one sum says about its parts and its result.
 * @param result NONE: known, total */
static int narrow_sum(net_t *n, const parts_t *s, int result, apr_int64_t total)
{
    apr_int64_t least = 0, most = 0, to_least, to_most;
    int state, moved = 0;

    for (int e = parts_begin(n, s, &state); e != NONE; e = parts_next(n, s, &state)) {
        least += n->least[e];
        most += n->most[e];
    }
    if (result != NONE) {
        moved += raise_least(n, result, least);
        moved += lower_most(n, result, most);
    }
    to_least = result == NONE ? total : n->least[result];
    to_most = result == NONE ? total : n->most[result];
    for (int e = parts_begin(n, s, &state); e != NONE; e = parts_next(n, s, &state)) {
        if (n->least[e] < n->most[e]) {
            moved += raise_least(n, e, to_least - (most - n->most[e]));
            moved += lower_most(n, e, to_most - (least - n->least[e]));
        }
    }
    return moved;
}

static int narrow(net_t *n)
{
    const sb_table_t *t = n->t;
    int moved = 0;

    for (int i = t->n - 1; i >= 0; i--) {
        parts_t all = {.first = i * t->nvalues, .count = t->nvalues, .place = NONE};
        parts_t but_first = {.first = i * t->nvalues + 1, .count = t->nvalues - 1, .place = NONE};
        apr_int64_t total = 0;

        for (int a = 0; a < t->nvalues && !t->lowest[i]; a++) {
            parts_t column = {.place = i, .value = a};

            moved += narrow_sum(n, &column, i * t->nvalues + a, 0);
        }
        if (!t->row_hidden) {
            moved += narrow_sum(n, &but_first, i * t->nvalues, 0);
        }
        else if (!t->row_hidden[i]) {
            for (int a = 0; a < t->nvalues; a++) {
                total += t->cell[i * t->nvalues + a].total;
            }
            moved += narrow_sum(n, &all, NONE, total);
        }
    }
    return moved;
}

/* The smallest shown cell of the sums that a cell is in; with deeper, of the sums that hidden cells of
 * those are in. */
static void find_beside(int *pbest, const net_t *n, int e, int deeper);

static void consider(int *pbest, const net_t *n, int e, int deeper)
{
    if (!n->t->cell[e].total) {
        return;
    }
    if (!is_hidden(n, e)) {
        *pbest = smaller(n, e, *pbest) ? e : *pbest;
    }
    else if (deeper) {
        find_beside(pbest, n, e, 0);
    }
}

static void consider_parts(int *pbest, const net_t *n, const parts_t *s, int deeper)
{
    int state;

    for (int e = parts_begin(n, s, &state); e != NONE; e = parts_next(n, s, &state)) {
        consider(pbest, n, e, deeper);
    }
}

static void find_beside(int *pbest, const net_t *n, int e, int deeper)
{
    const sb_table_t *t = n->t;
    int i = e / t->nvalues, a = e % t->nvalues;
    parts_t row = {.first = i * t->nvalues, .count = t->nvalues, .place = NONE};
    parts_t column = {.place = t->parent[i], .value = a}, below = {.place = i, .value = a};

    consider_parts(pbest, n, &row, deeper);
    if (t->parent[i] >= 0) {
        consider_parts(pbest, n, &column, deeper);
        consider(pbest, n, t->parent[i] * t->nvalues + a, deeper);
    }
    if (!t->lowest[i]) {
        consider_parts(pbest, n, &below, deeper);
    }
}

/* One cell more that has to do with this one. */
static int hide_beside(net_t *n, int e)
{
    int best = NONE;

    for (int deeper = 0; best == NONE && deeper < 2; deeper++) {
        find_beside(&best, n, e, deeper);
    }
    if (best == NONE) {
        return 0;
    }
    n->t->mark[best] |= SB_MARK_HIDDEN | SB_MARK_GUARD;
    return 1;
}

/* Hidden cells that can have one value only, since none is negative. */
static int loosen(net_t *n)
{
    const sb_table_t *t = n->t;
    int more = 0, pass = 0;

    begin_bounds(n);
    while (narrow(n) && ++pass < PASSES) {
        ;
    }
    for (int e = 0; e < n->nedges; e++) {
        if (t->mark[e] & SB_MARK_GUARD && t->cell[e].total && n->least[e] == n->most[e]) {
            more += hide_beside(n, e);
        }
    }
    return more;
}

/* ---- the table ------------------------------------------------------------------------------- */

static void hide_small(sb_table_t *t)
{
    for (int e = 0; e < t->n * t->nvalues; e++) {
        const sb_bar_cell_t *c = &t->cell[e];

        if (t->mark[e] & SB_MARK_NEVER) {
            t->mark[e] |= SB_MARK_HIDDEN;
        }
        if (c->total && !sb_cell_showable(c->total, c->lower, t->min_cell) &&
            !(t->mark[e] & SB_MARK_FORCED)) {
            t->mark[e] |= SB_MARK_HIDDEN | SB_MARK_GUARD;
        }
    }
}

void sb_privacy_table(sb_table_t *t, apr_pool_t *parent)
{
    apr_pool_t *p;
    net_t n;
    int more, round = 0;

    apr_pool_create(&p, parent);
    make_net(&n, t, p);
    hide_small(t);
    do {
        find_bridges(&n);
        more = close_circles(&n);
        more += keep_sums(&n);
        if (!more) {
            more = loosen(&n);
        }
    } while (more && ++round < ROUNDS);
    apr_pool_destroy(p);
}
