// The end of the session: warned of in time, put off by a word, and nothing left on the screen after it. How long it
// lasts is the server's word; only that answer is made shorter here.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, OPEN_TO_AXE, shot } from './look.mjs';
import { giveCredentials, newPage, noComplaints, REPORT, settled, signIn, SIGN_IN, STATE, title, URL_BASE } from './stack.mjs';

const VIEW = `${REPORT}?stateCode=${STATE}&sex=male&align=on`;
const page = await newPage(OPEN_TO_AXE);
await signIn(page, 'district', VIEW);
const where = page.url();

/** From now on the server says so, until real() */
async function says(answer) {
    await page.unroute('**/services/session');
    await page.route('**/services/session', (r) => r.fulfill({ contentType: 'application/json', body: JSON.stringify({ warn_before: 180, ...answer }) }));
}
const real = () => page.unroute('**/services/session');
/** The page looks again when somebody looks at it. */
const lookAgain = () => page.evaluate(() => { document.dispatchEvent(new Event('visibilitychange')); });
const shown = () => page.waitForSelector('dialog.timeout[open]');
const gone = () => page.waitForSelector('dialog.timeout[open]', { state: 'detached' });
const focused = () => page.evaluate(() => document.activeElement?.id);
const picture = (name) => shot(page, `timeout-${name}`);

test('while there is time nothing is in the way', async () => {
    const left = await page.evaluate(async () => (await fetch('/services/session')).json());
    assert.ok(left.ends_in > left.warn_before, JSON.stringify(left));
    assert.equal(await page.$('dialog.timeout[open]'), null);
    assert.equal(await page.$$eval('sb-timeout', (all) => all.length), 1);
});

test('some minutes before the end one is asked', async () => {
    await says({ ends_in: 125, ends_at_latest_in: 7000 });
    await lookAgain();
    await shown();
    assert.equal(await page.getAttribute('dialog.timeout', 'role'), 'alertdialog');
    assert.equal(await page.textContent('#timeout-title'), 'You are about to be signed out');
    assert.match(await page.textContent('.timeout-left'), /2 minutes, \d seconds? left/);
    await page.waitForFunction(() => document.activeElement?.id === 'timeout-stay');
    await accessible(page, 'dialog', 'dialog.timeout');
    await picture('warning');
    await page.waitForFunction(() => /^2 minutes, 0 seconds left$/.test(document.getElementById('timeout-said').textContent));
    const before = await page.textContent('.timeout-left');
    await page.waitForFunction((b) => document.querySelector('.timeout-left').textContent !== b, before);
    assert.equal(await page.textContent('#timeout-said'), '2 minutes, 0 seconds left', 'it is not said each second');
    await page.keyboard.press('Tab');
    assert.equal(await focused(), 'timeout-signout');
    await page.keyboard.press('Shift+Tab');
    assert.equal(await focused(), 'timeout-stay');
});

test('staying is one key, and nothing is lost', async () => {
    await real();
    const touched = page.waitForResponse((r) => r.url().endsWith('/services/session/touch'));
    await page.keyboard.press('Enter');
    const answer = await touched;
    assert.equal(answer.status(), 200);
    const { ends_in, warn_before } = await answer.json();
    assert.ok(ends_in > warn_before);
    await gone();
    assert.equal(page.url(), where);
    assert.ok(await page.$('table.report'));
    assert.match(await page.textContent('#timeout-stayed'), /still signed in/);
    assert.ok(await page.isVisible('#timeout-stayed'), 'where it is heard: not in the dialog that is closed');
    noComplaints(page);
});

test('so is Escape; and what another window did is noticed', async () => {
    await says({ ends_in: 100, ends_at_latest_in: 7000 });
    await lookAgain();
    await shown();
    await real();
    await page.keyboard.press('Escape');
    await gone();
    await says({ ends_in: 100, ends_at_latest_in: 7000 });
    await lookAgain();
    await shown();
    await real();
    await lookAgain();
    await gone();
    noComplaints(page);
});

test('before the end that cannot be put off: a new session, and back to the same view', async () => {
    const id = async () => (await page.context().cookies(URL_BASE)).find((c) => c.name.startsWith('__Host-smarter')).value;
    const before = await id();
    await says({ ends_in: 60, ends_at_latest_in: 60 });
    await lookAgain();
    await shown();
    assert.match(await page.textContent('#timeout-text'), /sign in again after some time/);
    await picture('latest');
    await real();
    await page.click('#timeout-stay');
    await page.waitForFunction(() => !document.querySelector('dialog.timeout[open]') && document.querySelector('table.report'));
    await settled(page);
    assert.equal(page.url(), where);
    assert.notEqual(await id(), before);
    noComplaints(page, ...SIGN_IN);
});

test('another language, a small screen', async () => {
    await page.setViewportSize({ width: 360, height: 640 });
    await page.click('#account');
    await page.check('input[name=lang][value=es]');
    await says({ ends_in: 100, ends_at_latest_in: 7000 });
    await lookAgain();
    await shown();
    assert.equal(await page.textContent('#timeout-title'), 'Su sesión está a punto de cerrarse');
    assert.ok(await page.evaluate(() => document.querySelector('dialog.timeout').getBoundingClientRect().right <= innerWidth));
    await picture('narrow');
    await real();
    await page.click('#timeout-stay');
    await gone();
    await page.click('#account');
    await page.check('input[name=lang][value=en]');
    await page.setViewportSize({ width: 1280, height: 900 });
    noComplaints(page);
});

test('nor is it when the server cannot be asked', async () => {
    const alone = await newPage();
    await signIn(alone, 'district', VIEW);
    const shift = (ms) => alone.evaluate((by) => {
        window.realNow ??= Date.now;
        Date.now = () => window.realNow() + by;
        document.dispatchEvent(new Event('visibilitychange'));
    }, ms);
    const { ends_in } = await alone.evaluate(async () => (await fetch('/services/session')).json());
    await alone.route('**/services/session', (r) => r.abort('internetdisconnected'));
    await Promise.all([alone.waitForRequest('**/services/session'), shift((ends_in + 10) * 1000)]);
    assert.ok(await alone.$('table.report'), 'somebody else may have put it off');
    await shift((ends_in + 60) * 1000);
    await alone.waitForSelector('dialog.timeout.over[open]');
    assert.equal(await alone.$('sb-comparing'), null);
    assert.equal(new URL(await alone.getAttribute('#timeout-signin', 'href'), URL_BASE).searchParams.get('target'), VIEW);
    alone.complaints.length = 0; // the browser has many words for it
});

test('after the end nothing is left to read, and signing in leads back', async () => {
    const names = await page.$$eval('.rows tr th', (all) => all.map((th) => th.textContent.trim()));
    await page.context().clearCookies();
    await lookAgain();
    await shown();
    assert.equal(await page.textContent('#timeout-title'), 'You have been signed out');
    await page.waitForFunction(() => document.activeElement?.id === 'timeout-signin');
    const text = await page.textContent('body');
    assert.equal(names.filter((n) => text.includes(n)).length, 0);
    await page.keyboard.press('Escape');
    assert.ok(await page.$('dialog.timeout[open]'), 'it cannot be put away');
    await accessible(page, 'dialog', 'dialog.timeout');
    await picture('over');
    await page.click('#timeout-signin');
    await giveCredentials(page, 'district');
    await settled(page);
    assert.equal(page.url(), where);
    assert.match(await title(page), /./);
    noComplaints(page, ...SIGN_IN);
});
