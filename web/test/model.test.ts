import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cellOf, levelCount, placeOf, summaryCellOf, userOf, type Report, type SubjectResult } from '../src/lib/model.js';

const bar = (...counts: number[]): SubjectResult => {
    const total = counts.reduce((a, b) => a + b, 0);
    return { total, intervals: counts.map((count, i) => ({ level: i + 1, count, percentage: Math.round((100 * count) / total) })) };
};
const flat = (v: number, more: Partial<SubjectResult> = {}): SubjectResult => ({
    total: v, intervals: [1, 2, 3, 4].map((level) => ({ level, percentage: v })), ...more
});

function report(summary: SubjectResult, ...rows: SubjectResult[]): Report {
    return {
        metadata: {}, summary: [{ results: { subject1: summary } }],
        records: rows.map((r, i) => ({ id: `${i}`, rowId: `${i}`, name: `Row ${i}`, params: {}, results: { subject1: r } })),
        subjects: { subject1: 'Math' }, context: { items: [{ type: 'home', name: 'Home' }] }, asmt_period_year: [2016], not_stated: {}
    };
}

test('a bar has its levels in order and the share of the upper half', () => {
    const cell = cellOf({ total: 100, intervals: [{ level: 4, count: 10, percentage: 10 }, { level: 1, count: 40, percentage: 40 }, { level: 3, count: 20, percentage: 20 }, { level: 2, count: 30, percentage: 30 }] });
    assert.equal(cell.kind, 'bar');
    assert.ok(cell.kind === 'bar');
    assert.deepEqual(cell.levels.map((l) => l.level), [1, 2, 3, 4]);
    assert.equal(cell.upper, 30);
    assert.equal(cell.of, null);
});

test('a bar of limits has no counts, and its upper half is no more than all', () => {
    const cell = cellOf({ total: 100, intervals: [{ level: 1, percentage: 5, coded: 'below' }, { level: 2, percentage: 5, coded: 'below' }, { level: 3, percentage: 95, coded: 'above' }, { level: 4, percentage: 5, coded: 'below' }] });
    assert.ok(cell.kind === 'bar');
    assert.deepEqual(cell.levels.map((l) => [l.count, l.coded]), [[null, 'below'], [null, 'below'], [null, 'above'], [null, 'below']]);
    assert.equal(cell.upper, 100);
});

test('the upper half of five levels starts at level 3', () => {
    const cell = cellOf(bar(20, 20, 20, 20, 20));
    assert.ok(cell.kind === 'bar');
    assert.equal(cell.upper, 60);
});

test('what stands instead of a bar, by priority', () => {
    assert.equal(cellOf(undefined).kind, 'none');
    assert.equal(cellOf(flat(0)).kind, 'none');
    assert.equal(cellOf(flat(-1)).kind, 'suppressed');
    assert.equal(cellOf(flat(-1, { hasInterim: true })).kind, 'interim');
    assert.equal(cellOf(flat(0, { hasInterim: true })).kind, 'interim');
    assert.equal(cellOf(flat(0, { hasInterim: false })).kind, 'none');
});

test('a withheld number of all students is not shown beside a filtered one', () => {
    for (const [unfilteredTotal, want] of [[200, 200], [-1, null], [0, null]] as const) {
        const cell = cellOf({ ...bar(5, 5, 5, 5), unfilteredTotal });
        assert.ok(cell.kind === 'bar');
        assert.equal(cell.of, want);
    }
});

test('the summary is interim only when it is empty and some row is', () => {
    assert.equal(summaryCellOf(report(flat(0), flat(-1, { hasInterim: true })), 'subject1').kind, 'interim');
    assert.equal(summaryCellOf(report(flat(0), flat(0)), 'subject1').kind, 'none');
    assert.equal(summaryCellOf(report(flat(-1), flat(-1, { hasInterim: true })), 'subject1').kind, 'suppressed');
});

test('number of levels: colours, else data, else four', () => {
    const r = report(bar(1, 2, 3, 4, 5));
    assert.equal(levelCount(r, 'subject1'), 5);
    r.metadata = { subject1: { colors: [{}, {}, {}] } };
    assert.equal(levelCount(r, 'subject1'), 3);
    assert.equal(levelCount(report({ total: 0, intervals: [] }), 'subject1'), 4);
});

test('an unknown place has no name', () => {
    assert.equal(placeOf(report(flat(0))), null);
});

test('the user, nested as on the wire or flat', () => {
    const want = { name: 'Ana Torres', stateCodes: ['NC'], displayHome: true };
    const info = { name: { firstName: 'Ana', lastName: 'Torres' }, stateCode: ['NC'], displayHome: true, uid: 'a' };
    assert.deepEqual(userOf({ _User__info: info }), want);
    assert.deepEqual(userOf(info), want);
    assert.equal(userOf(undefined), null);
    assert.equal(userOf({ uid: 'x' })?.name, 'x');
});
