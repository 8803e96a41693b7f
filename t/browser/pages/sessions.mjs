// Where you are signed in: found from the menu, this browser first, signs others out after asking, for everybody.
// sessions.t has signed in the same person by curl.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, fits, OPEN_TO_AXE, shot } from './look.mjs';
import { newPage, noComplaints, REPORT, settled, signIn, STATE, URL_BASE } from './stack.mjs';

const PAGE = `${URL_BASE}/assets/html/sessions.html`;
const LIST = '**/services/sessions';
const IPHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1';
const page = await newPage(OPEN_TO_AXE);
await signIn(page, 'school');
const phone = await newPage({ userAgent: IPHONE });
await signIn(phone, 'school');

async function open(path = PAGE) {
    await page.goto(path);
    await page.waitForSelector('table.sessions, #problem');
}

const picture = (name) => shot(page, `sessions-${name}`, { fullPage: true });
const rows = () => page.$$eval('.sessions tbody tr', (r) => r.map((e) => e.innerText.replace(/\s+/g, ' ')));
const buttonOf = (what) => page.$$eval('.sessions tbody tr', (r, w) => `#${r.find((e) => e.innerText.includes(w)).querySelector('button').id}`, what);
const answer = (sessions, more = false) => (r) => r.fulfill({ contentType: 'application/json', body: JSON.stringify({ sessions, more }) });
const invented = (n) => Array.from({ length: n }, (_, i) => ({
    ref: (i + 0xabc0000000).toString(16).padStart(12, '0'), since: new Date(Date.now() - i * 9e5).toISOString(), seen: i === 3 ? null : new Date(Date.now() - i * 4e5).toISOString(),
    ends: new Date(Date.now() + 72e5).toISOString(), browser: '', browser_name: i === 4 ? '<b>Browser</b>' : i % 5 ? 'Chrome' : null, system: i % 3 ? 'Android' : i === 6 ? null : 'Windows',
    service: i === 2 ? 'pickup' : 'reports', this: i === n - 1
}));

test('the menu of every page leads here', async () => {
    await page.goto(`${URL_BASE}${REPORT}?stateCode=${STATE}`);
    await settled(page);
    await page.click('#account');
    await page.click('#sessions');
    await page.waitForSelector('table.sessions');
    assert.equal(await page.title(), 'Where you are signed in – Smarter Reporting');
    noComplaints(page);
});

test('each browser, this one first', async () => {
    await open();
    const all = await rows();
    assert.equal(all.length, 3);
    assert.match(all[0], /^Chrome on Linux This browser Now /);
    assert.equal(await page.$eval('.sessions tbody tr .act a', (a) => a.getAttribute('href')), '/logout', 'this one is left as always');
    assert.ok(all.slice(1).some((r) => r.startsWith('Safari on iPhone ')) && all.slice(1).some((r) => r.startsWith('curl ')), all.join('\n'));
    await picture('three');
    noComplaints(page);
});

test('signing one out asks first, by the keyboard, too', async () => {
    await open();
    const button = await buttonOf('Safari on iPhone');
    assert.match(await page.textContent(button), /^Sign out: Safari on iPhone, /, 'whoever only hears it knows which');
    await page.focus(button);
    await page.keyboard.press('Enter');
    await page.waitForSelector('#ask[open]');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'ask-no', 'the harmless answer is the first');
    await accessible(page, 'question');
    await picture('question');
    await page.keyboard.press('Escape');
    await page.waitForFunction((b) => document.activeElement.matches(b), button);
    assert.equal((await rows()).length, 3, 'nothing happened, the focus is back');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#ask[open]');
    await page.click('#ask-yes');
    await page.waitForFunction(() => document.querySelectorAll('.sessions tbody tr').length === 2);
    await page.waitForFunction(() => document.activeElement.id === 'title');
    assert.equal(await page.textContent('#said'), 'Safari on iPhone is signed out.');
    assert.equal(await phone.evaluate(async () => (await fetch('/services/userinfo')).status), 401, 'it is');
    noComplaints(page);
});

test('everywhere else', async () => {
    await open();
    await page.evaluate(() => {
        window.heard = [];
        new MutationObserver(() => window.heard.push(document.querySelector('#ask').open)).observe(document.querySelector('#said'), { childList: true, characterData: true, subtree: true });
    });
    await page.click('#end-others');
    assert.match(await page.textContent('#ask'), /Every browser but this one/);
    await page.click('#ask-yes');
    await page.waitForFunction(() => document.querySelectorAll('.sessions tbody tr').length === 1);
    assert.equal(await page.textContent('#said'), 'You are signed out everywhere else.');
    assert.deepEqual(await page.evaluate(() => window.heard), [false], 'said when no dialog lies before it');
    assert.equal(await page.$('#end-others'), null, 'nothing is left to sign out');
    assert.match(await page.textContent('.above'), /nowhere else/);
    await picture('one');
    await page.reload();
    await page.waitForSelector('table.sessions');
    assert.equal((await rows()).length, 1, 'the server knows');
    noComplaints(page);
});

test('for everybody: axe, one and thirty, 320 pixels, another language', async () => {
    await accessible(page, 'one');
    await page.setViewportSize({ width: 320, height: 800 });
    await open();
    await accessible(page, 'one at 320 px');
    await picture('one-narrow');
    await page.route(LIST, answer(invented(30)));
    await open();
    await fits(page);
    assert.equal(await page.$eval('table.sessions', (t) => t.getAttribute('role')), 'table', 'cards are still a table to screen readers');
    await accessible(page, 'thirty at 320 px');
    await picture('thirty-narrow');
    await page.setViewportSize({ width: 1280, height: 900 });
    await open();
    const all = await rows();
    assert.equal(all.length, 30);
    assert.match(all[0], /This browser/, 'wherever the server lists it');
    assert.ok(all.some((r) => r.includes('<b>Browser</b> on Android')), 'a name is text');
    assert.ok(all.some((r) => r.includes('For fetching files')));
    assert.match(all.at(-1), /Not known/);
    await accessible(page, 'thirty');
    await picture('thirty');
    await open(`${PAGE}?lang=es`);
    assert.equal(await page.textContent('h1'), 'Dónde tiene la sesión iniciada');
    assert.match((await rows())[0], /en Android/);
    await picture('spanish');
    await page.unroute(LIST);
    noComplaints(page);
});

test('while it is loading', async () => {
    let go;
    await page.route(LIST, async (r) => { await new Promise((done) => (go = done)); return r.continue(); });
    await page.goto(`${PAGE}?lang=en`);
    await page.waitForSelector('.skeleton');
    assert.equal(await page.getAttribute('main', 'aria-busy'), 'true');
    await accessible(page, 'loading');
    while (!go) {
        await page.waitForTimeout(20);
    }
    go();
    await page.waitForSelector('table.sessions');
    assert.equal(await page.getAttribute('main', 'aria-busy'), 'false');
    await page.unroute(LIST);
    noComplaints(page);
});

test('it cannot be told, and can later', async () => {
    await page.route(LIST, (r) => r.fulfill({ status: 503, contentType: 'application/problem+json', body: '{"title":"x","request_id":"abc-123"}' }));
    await open();
    assert.match(await page.textContent('#problem'), /busy[^]*abc-123/);
    await accessible(page, 'problem');
    await page.unroute(LIST);
    await page.click('#retry');
    await page.waitForSelector('table.sessions');
    noComplaints(page, /503/);
});

test('it was over already, or could not be ended: one is told, and sees it', async () => {
    const two = invented(2);
    let status = 404;
    await page.route(LIST, answer(two));
    await page.route(`${LIST}/*`, (r) => r.fulfill({ status, contentType: 'application/problem+json', body: '{"title":"x"}' }));
    const end = async () => {
        await page.click(`#end-${two[0].ref}`);
        await page.click('#ask-yes');
        await page.waitForFunction(() => !document.querySelector('#ask').open);
    };
    await open();
    await end();
    assert.match(await page.textContent('#said'), /changed in the meantime/);
    assert.equal(await page.$('#trouble'), null);
    status = 503;
    await end();
    assert.match(await page.textContent('#trouble'), /did not work/);
    assert.equal(await page.textContent('#said'), '', 'it is not said to be done');
    await page.unroute(`${LIST}/*`);
    await page.unroute(LIST);
    noComplaints(page, /404/, /503/);
});

test('looked at again: it is asked for anew, which is no use of the session', async () => {
    const lookAgain = async () => {
        await page.waitForTimeout(600); // what is younger is new enough
        await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
    };
    await open();
    const [asked] = await Promise.all([page.waitForRequest(LIST), lookAgain()]);
    assert.equal(asked.headers()['x-smarter-background'], '1');
    await page.route(LIST, (r) => r.fulfill({ status: 503, contentType: 'application/problem+json', body: '{"title":"x"}' }));
    await lookAgain();
    await page.waitForSelector('.notice');
    assert.equal((await rows()).length, 1, 'what was there stays');
    await page.unroute(LIST);
    noComplaints(page, /503/);
});
