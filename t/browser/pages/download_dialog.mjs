// The download dialog of a report: the table on the page, results made in the background, files of the state.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { newPage, noComplaints, REPORT, require, settled, signIn, STATE, URL_BASE } from './stack.mjs';

const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

async function start(kind, query = '') {
    const page = await newPage({ bypassCSP: true, acceptDownloads: true });
    await signIn(page, kind);
    await page.goto(`${URL_BASE}${REPORT}?stateCode=${STATE}${query}`);
    await settled(page);
    return page;
}

async function open(page) {
    await page.click('#download-button');
    await page.waitForSelector('#download[open]');
}

async function shot(page, name) {
    if (process.env.SMARTER_SHOTS) {
        mkdirSync(process.env.SMARTER_SHOTS, { recursive: true });
        await page.screenshot({ path: `${process.env.SMARTER_SHOTS}/download-${name}.png` });
    }
}

const page = await start('state');
const options = (p) => p.$$eval('#download input[name=download]', (all) => all.map((i) => [i.value, !i.disabled]));

test('what may be downloaded, and what may be asked for of the whole state', async () => {
    await open(page);
    assert.deepEqual(await options(page), [['view', true], ['results', true], ['student_registration_statistics', true]]);
    assert.equal(await page.$eval('#download input[name=download]:checked', (i) => i.value), 'view');
    await page.evaluate(axe);
    const { violations } = await page.evaluate((tags) => axe.run(document.querySelector('#download'), { runOnly: tags }), TAGS);
    assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).slice(0, 2).join(' | ')}`), []);
    await shot(page, 'choices');
    noComplaints(page);
});

test('the table on the page, as the server tells it', async () => {
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#download-go')]);
    assert.match(download.suggestedFilename(), /^comparing_populations_.*\.csv$/);
    const text = readFileSync(await download.path(), 'utf8');
    const name = (await page.$eval('.rows th', (th) => th.textContent)).trim();
    assert.ok(text.includes(name), 'the first row of the page is in it');
    assert.equal(await page.$('#download[open]'), null, 'the dialog is done');
    noComplaints(page);
});

test('results are made in the background and wait under My downloads', async () => {
    await open(page);
    await page.check('#download input[value=results]');
    await page.click('#download-go');
    await page.waitForSelector('#download-answer');
    assert.match(await page.textContent('#download-answer'), /It is being made/);
    await shot(page, 'asked');
    await page.click('#download-answer a');
    await page.waitForSelector('table.downloads');
    noComplaints(page);
});

test('files of the state ask for a year', async () => {
    await page.goto(`${URL_BASE}${REPORT}?stateCode=${STATE}`);
    await settled(page);
    await open(page);
    await page.check('#download input[value=student_registration_statistics]');
    await page.waitForSelector('#download select[name=dl-academic-year]');
    await shot(page, 'state');
    await page.click('#download-go');
    await page.waitForSelector('#download-answer');
    noComplaints(page);
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
