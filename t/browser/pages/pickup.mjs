// The page behind a download link: gives the file, or says why not.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { newPage, user } from './stack.mjs';

const { PICKUP_URL: BASE, PICKUP_ID, PICKUP_WAITING, PICKUP_SHA256, SMARTER_IDP_URL } = process.env;
const link = (id) => `${BASE}/download/${id}`;

/** A new browser, signed in as somebody by following a link. */
async function follow(kind, id) {
    const page = await newPage({ acceptDownloads: true });
    const errors = [];
    page.on('console', (m) => m.type() === 'error' && !/ 40[14] /.test(m.text()) && errors.push(m.text()));
    page.on('pageerror', (e) => errors.push(e.message));
    const came = page.waitForEvent('download', { timeout: 15000 }).catch(() => null);
    await page.goto(link(id));
    await page.waitForURL((u) => u.origin === new URL(SMARTER_IDP_URL).origin);
    const { name, password } = user(kind);
    await page.fill('input[name=username]', name);
    await page.fill('input[name=password]', password);
    await page.press('input[name=password]', 'Enter');
    return { page, came, errors };
}

const owner = await follow('state', PICKUP_ID);

test('the owner signs in, comes back to the link and gets the file', async () => {
    const download = await owner.came;
    assert.ok(download, 'a download began');
    assert.equal(download.suggestedFilename(), 'Résultats.zip');
    assert.equal(createHash('sha256').update(readFileSync(await download.path())).digest('hex'), PICKUP_SHA256);
    assert.equal(owner.page.url(), link(PICKUP_ID));
    assert.match(await owner.page.textContent('main:not([hidden])'), /Your download begins/);
    assert.deepEqual(await owner.page.$$eval('main:not([hidden])', (all) => all.map((m) => m.id)), ['start'], 'and nothing else is said');
    assert.deepEqual(owner.errors, [], 'nothing that the content security policy forbids');
});

test('signed in, the link gives the file at once', async () => {
    const came = owner.page.waitForEvent('download');
    await owner.page.goto(link(PICKUP_ID)).catch(() => {}); // a download ends the navigation
    assert.equal((await came).suggestedFilename(), 'Résultats.zip');
});

test('one that is still being made: the message, and how long files are kept', async () => {
    await owner.page.goto(link(PICKUP_WAITING));
    await owner.page.waitForSelector('#message', { state: 'visible' });
    assert.match(await owner.page.textContent('#message'), /still being made.*more than 7 days/s);
});

test('somebody else sees the same message', async () => {
    const other = await follow('district', PICKUP_ID);
    await other.page.waitForSelector('#message', { state: 'visible' });
    const said = await other.page.textContent('#message');
    await owner.page.goto(link(PICKUP_WAITING));
    await owner.page.waitForSelector('#message', { state: 'visible' });
    assert.equal(said, await owner.page.textContent('#message'));
    assert.deepEqual(other.errors, []);
});

test('a server that has too much to do is not a file that is gone', async () => {
    for (const answer of [(r) => r.fulfill({ status: 503, contentType: 'application/problem+json', body: '{}' }), (r) => r.abort()]) {
        await owner.page.route('**/validate/*', answer);
        await owner.page.goto(link(PICKUP_ID));
        await owner.page.waitForSelector('#later', { state: 'visible' });
        assert.equal(await owner.page.isVisible('#message'), false);
        await owner.page.unroute('**/validate/*');
    }
    const came = owner.page.waitForEvent('download');
    await owner.page.click('#later a');
    assert.equal((await came).suggestedFilename(), 'Résultats.zip');
});
