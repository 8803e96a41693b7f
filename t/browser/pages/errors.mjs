// When something is wrong, the page says what, and how to go on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { giveCredentials, newPage, noComplaints, REPORT, settled, signIn, SIGN_IN, STATE, title, URL_BASE } from './stack.mjs';

const page = await newPage();
await signIn(page, 'district');
const state = `${URL_BASE}${REPORT}?stateCode=${STATE}`;

test('a name with signs of HTML in it is a name', async () => {
    assert.match(await page.textContent('.who'), /^Dana O'Brien & Sön <x>$/);
});

test('no such page: true status, a page of ours, a way on', async () => {
    const answer = await page.goto(`${URL_BASE}/no/such/page`);
    assert.equal(answer.status(), 404);
    assert.equal(await title(page), 'Page not found');
    noComplaints(page, /404/);
    await page.click('main a.button');
    await page.waitForURL((u) => u.pathname === REPORT);
    await settled(page);
    noComplaints(page);
});

test('an unknown district', async () => {
    await page.goto(`${state}&districtId=nowhere`);
    await settled(page);
    assert.match(await page.textContent('#empty'), /not known/);
    await page.click('#empty a');
    await page.waitForFunction(() => document.querySelector('h1')?.textContent.startsWith('Districts in'));
    noComplaints(page);
});

test('an address that makes no sense', async () => {
    await page.goto(`${URL_BASE}${REPORT}?stateCode=North`);
    await settled(page);
    assert.equal(await title(page), 'This address is not complete');
    noComplaints(page, /412/);
});

test('the state of somebody else', async () => {
    await page.goto(`${URL_BASE}${REPORT}?stateCode=CA`);
    await settled(page);
    assert.equal(await title(page), 'No access to these results');
    noComplaints(page, /403/);
});

test('the server is busy, or gone: try again, nothing lost', async () => {
    const view = `${state}&sex=male&sort=subject1.total`;
    for (const [how, want] of [['busy', 'The service is busy'], ['broken', 'The results could not be loaded'], ['gone', 'No connection']]) {
        await page.route('**/data/**', (r) => how === 'gone'
            ? r.abort('connectionrefused')
            : r.fulfill({ status: how === 'busy' ? 503 : 500, contentType: 'application/problem+json', body: '{"title":"x","request_id":"abc-123"}' }));
        await page.goto(view);
        await settled(page);
        assert.equal(await title(page), want);
        if (how !== 'gone') {
            assert.match(await page.textContent('#problem'), /abc-123/);
        }
        await page.unroute('**/data/**');
        await page.click('#retry');
        await page.waitForSelector('table.report');
        assert.equal(page.url(), view);
    }
    noComplaints(page, /503|500|ERR_CONNECTION_REFUSED/);
});

test('the session has ended: sign in, and be back at the same view', async () => {
    await page.goto(`${state}&sex=male&align=on`);
    await settled(page);
    await page.context().clearCookies();
    await page.click('.rows a');
    await giveCredentials(page, 'district');
    await settled(page);
    const here = new URL(page.url());
    assert.ok(here.searchParams.get('districtId'), 'where the click was leading');
    assert.equal(here.searchParams.get('sex'), 'male');
    assert.equal(here.searchParams.get('align'), 'on');
    noComplaints(page, ...SIGN_IN);
});

test('an account of another state, and one without any right', async () => {
    for (const kind of ['otherstate', 'norole']) {
        const other = await newPage();
        await other.goto(state);
        await giveCredentials(other, kind);
        await settled(other);
        assert.equal(await title(other), 'No access to these results', kind);
        assert.equal(await other.$('table.report'), null);
        noComplaints(other, ...SIGN_IN, /403/);
        await other.context().close();
    }
});

test('a page whose script cannot be had says so', async () => {
    await page.route(/\/app-\w+\.js$/, (r) => r.abort());
    await page.goto(state);
    await page.waitForSelector('main[role=alert]');
    assert.equal(await title(page), 'No connection');
    await page.unroute(/\/app-\w+\.js$/);
    await page.click('main a');
    await settled(page);
    noComplaints(page, /ERR_FAILED/);
});
