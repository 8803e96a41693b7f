// What is shown for answers the sample state does not give: the real answer, changed on its way.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fits } from './look.mjs';
import { newPage, noComplaints, REPORT, settled, signIn, STATE, URL_BASE } from './stack.mjs';

const page = await newPage();
await signIn(page, 'state');

/** Show the state's view with its answer changed. */
async function changed(change) {
    await page.route('**/data/comparing_populations?*', async (route) => {
        const response = await route.fetch();
        const report = await response.json();
        change(report);
        await route.fulfill({ response, json: report });
    });
    await page.goto(`${URL_BASE}${REPORT}?stateCode=${STATE}`);
    await settled(page);
    await page.unrouteAll();
}

const flat = (v, more = {}) => ({ asmt_subject: 'Math', total: v, intervals: [1, 2, 3, 4].map((level) => ({ level, percentage: v })), ...more });

test('hidden, interim only, no data: each in words, with no number beside', async () => {
    await changed((report) => {
        const [a, b] = report.records;
        a.results = { subject1: flat(-1), subject2: flat(-1, { hasInterim: true }) };
        b.results = { subject1: flat(0, { hasInterim: true }), subject2: flat(0) };
        report.records = [a, b];
    });
    const cells = await page.$$eval('.rows td', (tds) => tds.map((t) => t.textContent.trim()));
    const none = '–not available';
    assert.deepEqual(cells, [
        'Hidden to protect student privacy', none, 'Interim results only', none,
        'Interim results only', none, 'No data available', none
    ]);
    noComplaints(page);
});

test('an empty summary above interim results says so; one above nothing does not', async () => {
    await changed((report) => {
        report.summary[0].results = { subject1: flat(0), subject2: flat(0) };
        report.records = report.records.slice(0, 1);
        report.records[0].results = { subject1: flat(-1, { hasInterim: true }), subject2: flat(0) };
    });
    assert.deepEqual(await page.$$eval('.overall td.dist', (t) => t.map((c) => c.textContent.trim())), ['Interim results only', 'No data available']);
});

test('five levels in colours of the state, made readable', async () => {
    await changed((report) => {
        report.metadata.subject1 = { min_cell_size: 10, colors: ['#eeeeee', '#6aa506', '#237ccb', '#fff000', '#000'].map((bg_color) => ({ bg_color, text_color: '#ffffff' })) };
        const five = { total: 1000, intervals: [10, 20, 30, 25, 15].map((percentage, i) => ({ level: i + 1, count: percentage * 10, percentage })) };
        report.summary[0].results.subject1 = five;
        report.records.forEach((r) => (r.results.subject1 = five));
    });
    assert.equal(await page.textContent('.overall td.upper b'), '70%', 'the upper half of five starts at level 3');
    const colours = await page.$$eval('.overall td:nth-of-type(1) .seg', (s) => s.map((x) => [getComputedStyle(x).backgroundColor, getComputedStyle(x).color]));
    assert.deepEqual(colours.map((c) => c[0]), ['rgb(238, 238, 238)', 'rgb(106, 165, 6)', 'rgb(35, 124, 203)', 'rgb(255, 240, 0)', 'rgb(0, 0, 0)']);
    assert.notEqual(colours[0][1], 'rgb(255, 255, 255)');
    assert.equal(colours[4][1], 'rgb(255, 255, 255)');
    await page.focus('.overall .popbar');
    assert.equal(await page.$$eval('.tip tbody tr', (r) => r.length), 5);
    await page.keyboard.press('Escape');
    noComplaints(page);
});

test('names with HTML in them, and very long ones, are only names', async () => {
    const evil = '<img src=x onerror="document.title=1"> & ' + 'Averylongname'.repeat(20);
    await changed((report) => {
        report.records[0].name = evil;
        report.records[0].id = '"><script>1</script>&x=1#';
        report.context.items.at(-1).name = evil;
        report.metadata.branding = { image: '//evil.example/x.png', display: evil };
    });
    assert.ok((await page.$$eval('.rows th', (t) => t.map((x) => x.textContent.trim()))).includes(evil));
    assert.equal(await page.$$eval('main img, main script, header img', (i) => i.length), 0);
    await fits(page);
    const href = await page.$eval('.rows a:has-text("<img")', (a) => a.href);
    assert.equal(new URL(href).searchParams.get('districtId'), '"><script>1</script>&x=1#');
    noComplaints(page);
});

test('while it takes long, one sees that it does, and the old numbers are marked as such', async () => {
    await page.goto(`${URL_BASE}${REPORT}?stateCode=${STATE}`);
    await settled(page);
    let go;
    const gate = new Promise((r) => (go = r));
    await page.route('**/data/**', async (route) => { await gate; await route.continue(); });
    await page.selectOption('#year', { index: 1 });
    await page.waitForSelector('main.loading table[aria-busy=true]');
    assert.match(await page.textContent('#status'), /Loading/);
    go();
    await settled(page);
    assert.equal(await page.getAttribute('table.report', 'aria-busy'), 'false');
    assert.match(await page.textContent('#status'), /Districts in .*: \d+ districts/);
    await page.unrouteAll();
    noComplaints(page);
});

test('clicking on before the answer is there: the last click counts', async () => {
    await page.goto(`${URL_BASE}${REPORT}?stateCode=${STATE}`);
    await settled(page);
    let first = true;
    await page.route('**/data/**', async (route) => {
        if (first) {
            first = false;
            await new Promise((r) => setTimeout(r, 600));
        }
        await route.continue().catch(() => undefined);
    });
    const names = await page.$$eval('.rows a', (a) => a.map((x) => x.textContent));
    await page.click('.rows a >> nth=0');
    await page.click('.rows a >> nth=1');
    await page.waitForFunction((n) => document.querySelector('h1').textContent === `Schools in ${n}`, names[1]);
    await page.waitForTimeout(800);
    assert.equal(await page.textContent('h1'), `Schools in ${names[1]}`);
    await page.unrouteAll({ behavior: 'ignoreErrors' });
});

test('finding a row by its name', async () => {
    await changed((report) => {
        const [first] = report.records;
        report.records = ['Cedar Falls', 'East Cedar', 'Elm', 'Oak', 'Pine', 'Fir', 'Ash', 'Birch', 'Peñasco'].map((name, i) => ({ ...first, id: `d${i}`, name }));
    });
    const shown = () => page.$$eval('.rows th', (t) => t.map((x) => x.textContent.trim()));
    await page.fill('#find', 'cedar');
    assert.deepEqual(await shown(), ['Cedar Falls', 'East Cedar']);
    assert.equal(await page.textContent('#status'), '2 of 9 districts');
    await page.fill('#find', 'penas');
    assert.deepEqual(await shown(), ['Peñasco']);
    await page.fill('#find', 'nowhere');
    assert.deepEqual(await shown(), []);
    assert.match(await page.textContent('.none-found'), /nowhere/);
    await page.fill('#find', '');
    assert.equal((await shown()).length, 9);
    noComplaints(page);
});
