import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kindOfStatus, safeRedirect } from '../src/lib/api.js';
import { notStatedShare, FILTERS, valueKey } from '../src/lib/filters.js';
import { has } from '../src/lib/i18n.js';
import { findRows, sortRows } from '../src/lib/sort.js';
import { ancestorView, childView, dataQuery, parseView, viewUrl } from '../src/lib/view.js';
import '../src/texts/report.js';

const query = (url: string) => url.slice(url.indexOf('?'));

test('an address survives being read and written', () => {
    for (const q of [
        '?stateCode=NC',
        '?stateCode=NC&districtId=D1&schoolId=S-1&asmtYear=2015&grade=03&grade=11&dmgPrgIep=NS&sort=subject2.total&order=desc&align=on&counts=on'
    ]) {
        assert.equal(query(viewUrl(parseView(q))), q);
    }
});

test('nonsense in an address is dropped', () => {
    const view = parseView('?stateCode=NC&schoolId=S1&asmtYear=abc&grade=99&sex=robot&sort=__proto__&order=up&x=1');
    assert.equal(viewUrl(view), '/assets/html/comparingPopulations.html?stateCode=NC');
    assert.equal(view.schoolId, null, 'a school without its district is no place');
});

test('down and up keep year, filters and order', () => {
    const state = parseView('?stateCode=NC&asmtYear=2015&sex=male&sort=subject1.upper');
    const school = childView(childView(state, 'D 1')!, 'S&2')!;
    assert.equal(query(viewUrl(school)), '?stateCode=NC&districtId=D+1&schoolId=S%262&asmtYear=2015&sex=male&sort=subject1.upper');
    assert.equal(childView(school, '03'), null);
    assert.equal(viewUrl(ancestorView(school, 'state')), viewUrl(state));
    assert.equal(ancestorView(school, 'district').districtId, 'D 1');
});

test('the public report has no state code, and its addresses stay public', () => {
    const q = '?isPublic=true&sid=Y2BkYmZhZWPn4OTi5uHl4_cpvp8%3D&districtId=D1';
    const view = parseView(q + '&stateCode=NC');
    assert.equal(query(viewUrl(view)), q);
    assert.equal(view.stateCode, null);
    assert.equal(dataQuery(view).toString(), 'sid=Y2BkYmZhZWPn4OTi5uHl4_cpvp8%3D&districtId=D1');
    assert.match(viewUrl(ancestorView(view, 'state')), /isPublic=true&sid=/);
    assert.equal(parseView('?sid=abc&stateCode=NC').sid, null, 'an id alone makes no page public');
});

test('only what changes the data is asked for', () => {
    assert.equal(dataQuery(parseView('?stateCode=NC&align=on&sort=subject1.upper&sex=male')).toString(), 'stateCode=NC&sex=male');
});

test('rows: names as people count, values, nothing below everything', () => {
    const row = (name: string, total: number, upper = 0) => ({
        id: name, rowId: name, name, params: {},
        results: { subject1: total > 0
            ? { total, intervals: [{ level: 1, percentage: 100 - upper, count: 1 }, { level: 2, percentage: upper, count: 1 }] }
            : { total, intervals: [{ level: 1, percentage: total }] } }
    });
    const rows = [row('School 10', 50, 20), row('school 2', 70, 10), row('Hidden', -1), row('None', 0), row('Zero', 5, 0)];
    const names = (sort: string, descending: boolean) => sortRows(rows, { sort, descending }, 'en').map((r) => r.name);
    assert.deepEqual(names('name', false), ['Hidden', 'None', 'school 2', 'School 10', 'Zero']);
    assert.deepEqual(names('subject1.upper', true), ['School 10', 'school 2', 'Zero', 'None', 'Hidden']);
    assert.deepEqual(names('subject1.total', false), ['Hidden', 'None', 'Zero', 'School 10', 'school 2']);
});

test('finding names: any case, no accents, several words in any order', () => {
    const rows = ['Peñasco District', 'Cedar Falls', 'East Cedar'].map((name) => ({ name }));
    const found = (text: string) => findRows(rows, text).map((r) => r.name);
    assert.deepEqual(found('  penas '), ['Peñasco District']);
    assert.deepEqual(found('cedar'), ['Cedar Falls', 'East Cedar']);
    assert.deepEqual(found('CEDAR eas'), ['East Cedar']);
    assert.deepEqual(found(' '), rows.map((r) => r.name));
    assert.deepEqual(found('.*'), []);
});

test('every filter and value has a text', () => {
    for (const { param, values, note } of FILTERS) {
        assert.ok(has(`filter.${param}`), param);
        assert.equal(has(`filter.${param}.note`), note === true, param);
        values.forEach((v) => assert.ok(has(valueKey(param, v)), `${param}=${v}`));
    }
});

test('share of not stated', () => {
    const sex = FILTERS.find((f) => f.param === 'sex')!;
    assert.equal(notStatedShare(sex, { total: 200, sex: 5 }), 2.5);
    assert.equal(notStatedShare(sex, { total: 200, sex: 0 }), null);
    assert.equal(notStatedShare(sex, {}), null);
});

test('a redirect is followed only to the web', () => {
    assert.equal(safeRedirect('https://idp.example.org/x?y', 'https://a/'), 'https://idp.example.org/x?y');
    assert.equal(safeRedirect('/login', 'https://a/b'), 'https://a/login');
    assert.equal(safeRedirect('javascript:alert(1)', 'https://a/'), '');
    assert.equal(safeRedirect(7, 'https://a/'), '');
    assert.equal(safeRedirect('http://[', 'https://a/'), '');
});

test('what a status means to people', () => {
    assert.equal(kindOfStatus(401), 'signin');
    assert.equal(kindOfStatus(403), 'forbidden');
    assert.equal(kindOfStatus(412), 'invalid');
    assert.equal(kindOfStatus(503), 'busy');
    assert.equal(kindOfStatus(500), 'failed');
});
