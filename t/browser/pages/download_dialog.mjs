// The download dialog of a report: the table on the page, results made in the background, files of the state.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { accessible, OPEN_TO_AXE, shot } from './look.mjs';
import { newPage, noComplaints, REPORT, rowNames, settled, signIn, STATE, URL_BASE } from './stack.mjs';


async function start(kind, query = '') {
    const page = await newPage({ ...OPEN_TO_AXE, acceptDownloads: true });
    await signIn(page, kind);
    await page.goto(`${URL_BASE}${REPORT}?stateCode=${STATE}${query}`);
    await settled(page);
    return page;
}

async function open(page) {
    await page.click('#download-button');
    await page.waitForSelector('#download[open]');
}

const page = await start('state');
const options = (p) => p.$$eval('#download input[name=download]', (all) => all.map((i) => [i.value, !i.disabled]));

test('what may be downloaded, and what may be asked for of the whole state', async () => {
    await open(page);
    assert.deepEqual(await options(page), [['view', true], ['results', true], ['student_registration_statistics', true]]);
    assert.equal(await page.$eval('#download input[name=download]:checked', (i) => i.value), 'view');
    await accessible(page, 'choices', '#download');
    await shot(page, 'download-choices');
    noComplaints(page);
});

/** The table as downloaded: lines of fields. */
async function table() {
    await open(page);
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#download-go')]);
    assert.match(download.suggestedFilename(), /^comparing_populations_.*\.csv$/);
    assert.equal(await page.$('#download[open]'), null, 'the dialog is done');
    const lines = readFileSync(await download.path(), 'utf8').split('\r\n').slice(0, -1);
    return lines.map((l) => [...l.matchAll(/"((?:[^"]|"")*)"/g)].map((m) => m[1].replaceAll('""', '"')));
}
const told = (lines) => Object.fromEntries(lines.slice(0, 10).filter((l) => l.length).map(([label, value]) => [label, value]));

test('the table on the page, as the server tells it', async () => {
    await page.keyboard.press('Escape');
    const lines = await table();
    assert.deepEqual(lines.slice(12).map((l) => l[0]), await rowNames(page), 'the rows of the page');
    const { 'Sort By': order, Compare: compare, 'Report Name': name } = told(lines);
    assert.deepEqual([name, order, compare], [await page.textContent('h1'), 'District Name', 'Off']);
    noComplaints(page);
});

test('in the order of the page', async () => {
    await page.click('[data-sort="subject2.total"]');
    const lines = await table();
    const names = await rowNames(page);
    assert.deepEqual(lines.slice(12).map((l) => l[0]), names);
    assert.equal(told(lines)['Sort By'], 'ELA/Literacy Total Assessed (descending)');
    noComplaints(page);
});

test('only the rows that were found', async () => {
    // Few rows have no box to find them by: some are invented, which the server knows nothing of.
    await page.route('**/data/comparing_populations?*', async (r) => {
        const response = await r.fetch();
        const body = await response.json();
        const more = Array.from({ length: 8 }, (_, i) => ({ ...body.records[0], id: `invented-${i}`, rowId: `invented-${i}`, name: `Invented ${i}` }));
        await r.fulfill({ response, json: { ...body, records: [...body.records, ...more] } });
    });
    await page.goto(`${URL_BASE}${REPORT}?stateCode=${STATE}`);
    await settled(page);
    const wanted = (await rowNames(page)).find((name) => !/Invented/.test(name));
    await page.fill('#find', wanted);
    const lines = await table();
    assert.deepEqual(lines.slice(12).map((l) => l[0]), [wanted]);
    assert.deepEqual([told(lines).Compare, told(lines)['Total Count']], ['On', '1']);
    await page.fill('#find', 'no such name');
    await open(page);
    assert.deepEqual((await options(page))[0], ['view', false], 'an empty table is not downloaded');
    assert.equal(await page.$eval('#download input[name=download]:checked', (i) => i.value), 'student_registration_statistics');
    await page.keyboard.press('Escape');
    await page.unroute('**/data/comparing_populations?*');
    noComplaints(page);
});

test('results are made in the background and wait under My downloads', async () => {
    await open(page);
    await page.check('#download input[value=results]');
    await page.click('#download-go');
    await page.waitForSelector('#download-answer');
    assert.match(await page.textContent('#download-answer'), /It is being made/);
    await shot(page, 'download-asked');
    await page.click('#download-answer a');
    await page.waitForSelector('table.downloads');
    noComplaints(page);
});

test('what cannot be asked for is said in words about files, with those of the server', async () => {
    await page.goto(`${URL_BASE}${REPORT}?stateCode=${STATE}`);
    await settled(page);
    await open(page);
    await page.check('#download input[value=results]');
    for (const [status, words] of [[412, /Choose something else/], [403, /may not ask for these files/], [429, /asked for much already/], [500, /nothing has been asked for/]]) {
        await page.route('**/services/extract', (r) => r.fulfill({ status, contentType: 'application/problem+json', body: '{"title":"x","detail":"Words of the server"}' }));
        await page.click('#download-go');
        await page.waitForFunction((w) => new RegExp(w).test(document.querySelector('.download-problem')?.textContent ?? ''), words.source);
        assert.match(await page.textContent('.download-problem [lang=en]'), /Words of the server/);
        await page.unroute('**/services/extract');
    }
    assert.ok(await page.isEnabled('#download-go'), 'one may try again');
    noComplaints(page, /412/, /403/, /429/, /500/);
});

test('files of the state ask for a year', async () => {
    await page.goto(`${URL_BASE}${REPORT}?stateCode=${STATE}`);
    await settled(page);
    await open(page);
    await page.check('#download input[value=student_registration_statistics]');
    await page.waitForSelector('#download select[name=dl-academic-year]');
    const years = await page.evaluate(async (s) => (await (await fetch(`/data/academic_year?stateCode=${s}`)).json()).studentRegAcademicYear, STATE);
    assert.ok(years.includes(2016), 'download_dialog.t has put one there');
    await page.waitForFunction((all) => [...document.querySelectorAll('#download select[name=dl-academic-year] option')].map((e) => e.value).join() === all, years.join());
    await shot(page, 'download-state');
    await page.click('#download-go');
    await page.waitForSelector('#download-answer');
    noComplaints(page);
});

test('statistics of students want students', async () => {
    await page.route('**/data/academic_year', (r) => r.fulfill({ contentType: 'application/json', body: '{"studentRegAcademicYear":[],"asmt_period_year":[2016]}' }));
    await page.goto(`${URL_BASE}${REPORT}?stateCode=${STATE}`);
    await settled(page);
    await Promise.all([page.waitForResponse('**/data/academic_year'), open(page)]);
    await page.waitForFunction(() => /No registrations/.test(document.querySelector('#download').textContent));
    assert.deepEqual(await options(page), [['view', true], ['results', true], ['student_registration_statistics', false]]);
    await page.unroute('**/data/academic_year');
    noComplaints(page);
});

test('files of one test of the state ask for all that names it', async () => {
    const all = await start('files');
    await open(all);
    const files = ['student_registration_statistics', 'student_assessment_completion', 'raw_data', 'assessment_item_level'];
    assert.deepEqual((await options(all)).slice(2), files.map((f) => [f, true]));
    for (const file of files.slice(2)) {
        await all.check(`#download input[value=${file}]`);
        await all.selectOption('#download select[name=dl-grade]', '');
        await all.click('#download-go');
        assert.equal(await all.evaluate(() => document.activeElement.name), 'dl-grade', 'a grade must be chosen');
        await accessible(all, 'form', '#download');
        await shot(all, `download-${file}`);
        await all.selectOption('#download select[name=dl-grade]', '05');
        await all.selectOption('#download select[name=dl-subject]', 'ELA');
        await all.selectOption('#download select[name=dl-type]', 'INTERIM COMPREHENSIVE'); // the sample has none
        const [asked] = await Promise.all([all.waitForRequest(`**/services/extract/${file}`), all.click('#download-go')]);
        const { asmtYear, ...rest } = asked.postDataJSON();
        assert.match(asmtYear, /^20\d\d$/);
        assert.deepEqual(rest, { stateCode: STATE, asmtGrade: '05', asmtSubject: 'ELA', asmtType: 'INTERIM COMPREHENSIVE' });
        assert.equal((await asked.response()).status(), 200, 'the server understands');
        await all.waitForSelector('#download-answer');
        assert.match(await all.textContent('#download-answer'), /nothing to download/);
        await all.click('#download-close');
        await open(all);
    }
    noComplaints(all);
});

test('who may not have all results of a place is told so', async () => {
    const district = await start('general');
    await open(district);
    assert.deepEqual(await options(district), [['view', true], ['results', false]]);
    assert.match(await district.textContent('#download'), /no permission/);
    await district.keyboard.press('Escape');
    assert.equal(await district.$('#download[open]'), null);
    noComplaints(district);
});

test('after an upgrade the page begins again, but only once', async () => {
    const late = await start('general');
    let begun = 0;
    late.on('load', () => begun++);
    await late.route(/\/download-\w+\.js$/, (r) => r.fulfill({ status: 404, body: 'gone' }));
    await Promise.all([late.waitForEvent('load'), late.click('#download-button')]);
    await settled(late);
    assert.equal(await late.$('#no-script'), null);
    await late.click('#download-button');
    await late.waitForSelector('#no-script');
    await late.waitForTimeout(500);
    assert.equal(begun, 1);
    assert.equal(await late.$('#download[open]'), null);
    noComplaints(late, /404/, /dynamically imported module/);
});

test('without a connection the page stays, and says so', async () => {
    const alone = await start('general');
    await alone.route('**', (r) => r.abort('internetdisconnected'));
    await alone.click('#download-button');
    await alone.waitForSelector('#no-script');
    assert.ok((await rowNames(alone)).length, 'the results are still there');
    alone.complaints.length = 0; // the browser has many words for it
});
