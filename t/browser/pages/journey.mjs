// The main way: entry page, sign-in, state, district, school, years, sign-out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { giveCredentials, newPage, noComplaints, report, REPORT, rowCells, rowNames, settled, SIGN_IN, STATE, title, URL_BASE } from './stack.mjs';

const page = await newPage();
const number = (n) => new Intl.NumberFormat('en-US').format(n);

test('the entry page leads to the sign-in and from there to the state', async () => {
    await page.goto(URL_BASE + '/');
    assert.equal(new URL(page.url()).pathname, '/assets/public/landing.html');
    assert.match(await title(page), /students/);
    noComplaints(page);
    await page.click('#signin');
    await giveCredentials(page, 'state');
    await page.waitForURL((u) => u.pathname === REPORT);
    await settled(page);
    assert.equal(new URL(page.url()).search, `?stateCode=${STATE}`);
    assert.equal(await title(page), 'Districts in North Carolina');
    assert.match(await page.textContent('#account'), /Sam State/);
    noComplaints(page, ...SIGN_IN);
});

test('every district has its row, with the bars and numbers the server counted', async () => {
    const data = await report(page);
    assert.ok(data.records.length >= 2, 'the sample state has districts');
    assert.deepEqual((await rowNames(page)).sort(), data.records.map((r) => r.name).sort());
    let bars = 0;
    for (const record of data.records) {
        const cells = await rowCells(page, record.id);
        assert.equal(cells.length, 2, 'two subjects');
        for (const [i, alias] of ['subject1', 'subject2'].entries()) {
            const want = record.results[alias];
            if (want.total > 0) {
                bars++;
                assert.deepEqual(cells[i].segments, want.intervals.map((v) => v.percentage).filter(Boolean), record.name);
                assert.match(cells[i].label, new RegExp(`${number(want.total)} students? assessed`));
            } else {
                assert.match(cells[i].text, /Hidden|No data|Interim/);
            }
        }
    }
    assert.ok(bars > 0, 'there are bars');
    assert.equal(await page.$$eval('.overall .popbar', (b) => b.length), 2, 'and the whole state has one per subject');
});

test('from a district to its schools, from a school to its grades', async () => {
    const [district] = await rowNames(page);
    await page.click('.rows tr:first-child th a');
    await page.waitForFunction((d) => document.querySelector('h1')?.textContent === `Schools in ${d}`, district);
    assert.ok(new URL(page.url()).searchParams.get('districtId'));
    assert.equal(await page.evaluate(() => document.activeElement.id), 'title', 'reading starts at the title');
    assert.deepEqual(await page.$$eval('.crumbs li', (l) => l.map((i) => i.textContent.trim())), ['North Carolina', district]);
    const [school] = await rowNames(page);
    await page.click('.rows tr:first-child th a');
    await page.waitForFunction((s) => document.querySelector('h1')?.textContent === `Grades in ${s}`, school);
    for (const name of await rowNames(page)) {
        assert.match(name, /^Grade \d+$/);
    }
    assert.equal(await page.$$eval('.rows a', (a) => a.length), 0, 'the list of students does not exist yet: no dead links');
    assert.match(await page.title(), /^Grades in /);
    noComplaints(page);
});

test('an address shows the same view again, Back and Forward move through the views', async () => {
    const there = page.url();
    const names = await rowNames(page);
    await page.reload();
    await settled(page);
    assert.equal(page.url(), there);
    assert.deepEqual(await rowNames(page), names);
    await page.goBack();
    await page.waitForFunction(() => document.querySelector('h1')?.textContent.startsWith('Schools in'));
    await page.goBack();
    await page.waitForFunction(() => document.querySelector('h1')?.textContent.startsWith('Districts in'));
    await page.goForward();
    await page.waitForFunction(() => document.querySelector('h1')?.textContent.startsWith('Schools in'));
    await page.click('.crumbs a');
    await page.waitForFunction(() => document.querySelector('h1')?.textContent.startsWith('Districts in'));
    noComplaints(page);
});

test('an earlier academic year, with the way back to the latest', async () => {
    const now = await report(page);
    const [newest, earlier] = now.asmt_period_year;
    assert.ok(earlier < newest, 'the sample state has two years');
    await page.selectOption('#year', String(earlier));
    await page.waitForSelector('.notice');
    await settled(page);
    assert.equal(new URL(page.url()).searchParams.get('asmtYear'), String(earlier));
    assert.match(await page.textContent('.subtitle'), new RegExp(`${earlier - 1}–${earlier}`));
    const then = await report(page);
    assert.notDeepEqual(then.summary, now.summary, 'other numbers');
    const shown = await page.$eval('.overall td.total', (t) => t.textContent);
    assert.match(shown, new RegExp(number(then.summary[0].results.subject1.total)));
    await page.click('.notice a');
    await page.waitForSelector('.notice', { state: 'detached' });
    await settled(page);
    assert.equal(new URL(page.url()).searchParams.get('asmtYear'), null);
    noComplaints(page);
});

test('rows in another order', async () => {
    const totals = () => page.$$eval('.rows tr', (rows) => rows.map((r) => Number((r.querySelector('td.last > span:not(.small-label)')?.textContent ?? '').replace(/\D/g, '')) || -1));
    await page.click('[data-sort="subject1.total"]');
    const falling = await totals();
    assert.deepEqual(falling, [...falling].sort((a, b) => b - a));
    assert.equal(await page.getAttribute('th:has([data-sort="subject1.total"])', 'aria-sort'), 'descending');
    await page.click('[data-sort="subject1.total"]');
    assert.deepEqual(await totals(), [...falling].sort((a, b) => a - b));
    assert.match(page.url(), /sort=subject1\.total/);
    await page.click('[data-sort="name"]');
    noComplaints(page);
});

test('bars aligned at the standard, and students counted', async () => {
    await page.click('#align');
    const edges = await page.$$eval('.popbar.aligned', (bars) => bars.map((b) => {
        const box = b.getBoundingClientRect();
        const segments = [...b.querySelectorAll('.seg')];
        const border = segments.find((s) => s.classList.contains('lv3') || s.classList.contains('lv4'));
        return border ? Math.abs(border.getBoundingClientRect().left - (box.left + box.width / 2)) : 0;
    }));
    assert.ok(edges.length > 0 && Math.max(...edges) < 5, `level 3 starts in the middle: off by ${edges} px`);
    await page.click('#counts');
    const data = await report(page, `stateCode=${STATE}`);
    const numbers = await page.$$eval('.overall .counts', (c) => [...c[0].children].map((n) => n.textContent.trim()));
    assert.deepEqual(numbers, data.summary[0].results.subject1.intervals.map((i) => number(i.count)));
    assert.match(page.url(), /align=on&counts=on/);
    await page.click('#align');
    await page.click('#counts');
    noComplaints(page);
});

test('another language, remembered', async () => {
    await page.click('#account');
    await page.check('input[name=lang][value=es]');
    await page.waitForFunction(() => document.documentElement.lang === 'es');
    assert.equal(await title(page), 'Distritos de North Carolina');
    await page.reload();
    await settled(page);
    assert.equal(await title(page), 'Distritos de North Carolina');
    await page.click('#account');
    await page.check('input[name=lang][value=en]');
    await page.waitForFunction(() => document.documentElement.lang === 'en');
    noComplaints(page);
});

test('after signing out nothing can be seen any more', async () => {
    if (!(await page.isVisible('#signout'))) {
        await page.click('#account');
    }
    await page.click('#signout');
    await page.waitForLoadState('networkidle');
    const status = await page.request.post(`${URL_BASE}/services/userinfo`, { data: {} });
    assert.equal(status.status(), 401);
    await page.goto(`${URL_BASE}${REPORT}?stateCode=${STATE}`);
    await page.waitForSelector('input[name=password]');
    noComplaints(page, ...SIGN_IN);
});
