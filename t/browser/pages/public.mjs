// The public report, without anybody being signed in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newPage, noComplaints, REPORT, rowNames, settled, STATE, title, URL_BASE } from './stack.mjs';

const page = await newPage();
const asked = [];
page.on('request', (r) => asked.push(new URL(r.url()).pathname));

test('the short address leads to the districts', async () => {
    await page.goto(`${URL_BASE}/public/${process.env.SMARTER_SID}`);
    await settled(page);
    assert.equal(new URL(page.url()).pathname, REPORT);
    assert.match(await title(page), /^Districts in/);
    assert.equal((await rowNames(page)).length, 4);
    assert.equal(await page.$('#signout'), null, 'nobody can sign out');
    noComplaints(page);
});

test('down to the grades and back, always in public', async () => {
    for (const level of ['Schools in', 'Grades']) {
        const was = await title(page);
        await page.click('.rows tr th a');
        await page.waitForFunction((text) => document.querySelector('h1').textContent !== text, was);
        await settled(page);
        const query = new URL(page.url()).searchParams;
        assert.equal(query.get('isPublic'), 'true', level);
        assert.equal(query.get('stateCode'), null);
    }
    assert.equal(await page.$('.rows tr th a'), null, 'grades lead nowhere');
    assert.ok(!(await page.content()).includes(`stateCode=${STATE}`));
    await page.click('.crumbs a');
    await page.waitForFunction(() => document.querySelector('h1').textContent.startsWith('Districts in'));
    await page.click('#account');
    await page.click('#account-menu label[lang=es]');
    await page.waitForFunction(() => document.documentElement.lang === 'es');
    assert.deepEqual(asked.filter((path) => /^\/(data|services|login)\b/.test(path)), [], 'nothing private is asked for');
    noComplaints(page);
});

test('an id that nobody made', async () => {
    await page.goto(`${URL_BASE}${REPORT}?isPublic=true&sid=AAAAAAAAAAAAAAAAAAAAAAAA`);
    await settled(page);
    assert.ok(await page.$('#problem'));
    noComplaints(page, /404/);
});
