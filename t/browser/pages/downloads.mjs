// My downloads: found from the menu, keeps itself up to date, ends and removes after asking, for everybody.
// downloads.t has put a running, a ready, a failed and an expired job there.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, fits, OPEN_TO_AXE, shot } from './look.mjs';
import { newPage, noComplaints, REPORT, settled, signIn, STATE, URL_BASE } from './stack.mjs';

const PAGE = `${URL_BASE}/assets/html/downloads.html`;
const page = await newPage(OPEN_TO_AXE);
await signIn(page, 'school');

async function open(path = PAGE) {
    await page.goto(path);
    await page.waitForSelector('table.downloads, #empty, #problem');
}

const picture = (name) => shot(page, `downloads-${name}`, { fullPage: true });
const states = () => page.$$eval('.state', (s) => s.map((e) => e.textContent));
const job = (more) => ({
    id: '0d7f6a52-1c5e-4a38-9a0e-1f3b7c5d9e01', kind: 'extract', title: 'Grade 03', state: 'running', percent: 10, missing_parts: 0, reason: null, notice: null,
    created: new Date().toISOString(), ended: null, expires: null, files: [{ name: 'a.zip', size: null, download_url: null, web_download_url: null }], ...more
});

test('the menu of every page leads here', async () => {
    await page.goto(`${URL_BASE}${REPORT}?stateCode=${STATE}`);
    await settled(page);
    await page.click('#account');
    await page.click('#downloads');
    await page.waitForSelector('table.downloads');
    assert.equal(await page.title(), 'My downloads – Smarter Reporting');
    noComplaints(page);
});

test('each request with its state, files, time and reason', async () => {
    await open();
    assert.deepEqual(await states(), ['In progress', 'Ready', 'Failed', 'Expired'], 'the newest first');
    const rows = await page.$$eval('.downloads tbody tr', (r) => r.map((e) => e.innerText));
    assert.match(rows[1], /Results <b>grade 03<\/b>/, 'a title is text');
    assert.match(rows[1], /4\.7 MB[^]*part2\.zip\s+800 bytes[^]*Apr 10, 2116/);
    assert.match(rows[1], /Results were added meanwhile/);
    assert.match(rows[2], /The pickup zone could not be reached\./);
    assert.deepEqual(await page.$$eval('.files a', (a) => a.map((e) => e.getAttribute('href'))),
        ['https://pickup.example.org/download/0', 'https://pickup.example.org/download/1'], 'links where there is a file, and nowhere else');
    await picture('list');
    noComplaints(page);
});

test('for everybody: axe, 320 pixels, another language', async () => {
    await open();
    await accessible(page, 'list');
    await page.click(await page.$eval('.act button', (b) => `#${b.id}`));
    await page.waitForSelector('#ask[open]');
    await accessible(page, 'question');
    await picture('question');
    await page.keyboard.press('Escape');
    await page.setViewportSize({ width: 320, height: 800 });
    await open();
    await fits(page);
    await accessible(page, 'list at 320 px');
    await picture('narrow');
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.evaluate(() => (document.documentElement.style.fontSize = '200%'));
    await fits(page, 'larger text');
    assert.deepEqual(await page.$$eval('.listing thead th, .state', (all) => all.flatMap((e) => {
        const text = document.createTreeWalker(e, NodeFilter.SHOW_TEXT).nextNode();
        return [...text.data.matchAll(/\S+/g)].filter(({ 0: word, index }) => {
            const range = document.createRange();
            range.setStart(text, index);
            range.setEnd(text, index + word.length);
            return range.getClientRects().length > 1;
        }).map(String);
    })), [], 'no word of ours is broken');
    await picture('larger');
    await open(`${PAGE}?lang=es`);
    assert.equal(await page.textContent('h1'), 'Mis descargas');
    await picture('spanish');
    noComplaints(page);
});

test('deleting and cancelling ask first', async () => {
    await open(`${PAGE}?lang=en`);
    const button = await page.$$eval('.downloads tbody tr', (r) => `#${r.find((e) => /Failed/.test(e.innerText)).querySelector('button').id}`);
    assert.match(await page.textContent(button), /^Delete: Raw XML, math$/, 'whoever only hears it knows which');
    await page.click(button);
    await page.waitForSelector('#ask[open]');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'ask-no', 'the harmless answer is the first');
    await page.keyboard.press('Escape');
    await page.waitForFunction((b) => document.activeElement.matches(b), button);
    assert.equal((await states()).length, 4, 'nothing happened, the focus is back');
    await page.click(button);
    await page.click('#ask-yes');
    await page.waitForFunction(() => document.querySelectorAll('.state').length === 3);
    assert.match(await page.textContent('#said'), /“Raw XML, math” is deleted/);
    await page.click(await page.$$eval('.downloads tbody tr', (r) => `#${r.find((e) => /In progress/.test(e.innerText)).querySelector('button').id}`));
    assert.match(await page.textContent('#ask'), /not ready yet/);
    await page.click('#ask-yes');
    await page.waitForFunction(() => document.querySelector('.state').textContent === 'Cancelled');
    await page.reload();
    await page.waitForSelector('table.downloads');
    assert.deepEqual(await states(), ['Cancelled', 'Ready', 'Expired'], 'the server knows');
    noComplaints(page);
});

test('what does not work is said', async () => {
    await page.route('**/services/jobs/*', (r) => r.fulfill({ status: 503, contentType: 'application/problem+json', body: '{"title":"x"}' }));
    await page.click('.act button');
    await page.click('#ask-yes');
    await page.waitForSelector('#trouble');
    assert.equal((await states()).length, 3, 'nothing happened');
    await page.unroute('**/services/jobs/*');
    noComplaints(page, /503/);
});

test('the help is about this page', async () => {
    await page.click('#help-button');
    assert.match(await page.textContent('#help[open]'), /Available until/);
    await page.click('#help button');
    noComplaints(page);
});

test('progress is seen and the end is said, without a storm of questions', async () => {
    let asked = 0;
    let percent = 10;
    const byItself = [];
    await page.route('**/services/jobs', (r) => {
        asked++;
        byItself.push('x-smarter-background' in r.request().headers());
        percent += 30;
        const now = asked === 1 ? job({ percent: 0, state: 'queued' }) : percent < 100 ? job({ percent }) : job({ percent: 100, state: 'ready', files: [{ name: 'a.zip', size: 17, download_url: 'https://x.example/f', web_download_url: null }] });
        return r.fulfill({ contentType: 'application/json', body: JSON.stringify({ jobs: [now], poll_seconds: percent < 100 ? 1 : 0 }) });
    });
    await open();
    assert.deepEqual(await states(), ['Waiting']);
    await page.waitForFunction(() => document.querySelector('progress')?.value === 70);
    assert.match(await page.textContent('.meter'), /70%/);
    await page.waitForFunction(() => document.querySelector('.state').textContent === 'Ready');
    assert.equal(await page.textContent('#said'), '“Grade 03” is ready.');
    assert.equal(await page.$eval('.files a', (a) => a.getAttribute('href')), 'https://x.example/f');
    await page.waitForTimeout(1500);
    assert.equal(asked, 3, 'when nothing changes any more nobody asks');
    assert.deepEqual(byItself, [false, true, true], 'what the page asks by itself keeps no session alive');
    await page.unroute('**/services/jobs');
    noComplaints(page);
});

test('the server is busy: what was there stays, and is asked for again', async () => {
    let asked = 0;
    await page.route('**/services/jobs', (r) => ++asked === 2
        ? r.fulfill({ status: 503, contentType: 'application/problem+json', body: '{"title":"x"}' })
        : r.fulfill({ contentType: 'application/json', body: JSON.stringify({ jobs: [job({ percent: 20 + asked })], poll_seconds: 1 }) }));
    await open();
    await page.waitForSelector('.notice');
    assert.equal(await page.$eval('progress', (p) => p.value), 21, 'still there');
    await page.waitForTimeout(600); // then the connection is back: what is younger is new enough
    await page.evaluate(() => { dispatchEvent(new Event('online')); });
    await page.waitForFunction(() => !document.querySelector('.notice') && document.querySelector('progress').value === 23);
    await page.unroute('**/services/jobs');
    noComplaints(page, /503/);
});

test('nothing yet, and no way to know', async () => {
    await page.route('**/services/jobs', (r) => r.fulfill({ contentType: 'application/json', body: '{"jobs":[],"poll_seconds":0}' }));
    await open();
    assert.match(await page.textContent('#empty'), /nothing here yet/);
    await accessible(page, 'empty');
    await page.unroute('**/services/jobs');
    await page.route('**/services/jobs', (r) => r.fulfill({ status: 500, contentType: 'application/problem+json', body: '{"title":"x","request_id":"abc-123"}' }));
    await open();
    assert.match(await page.textContent('#problem'), /abc-123/);
    await page.unroute('**/services/jobs');
    await page.click('#retry');
    await page.waitForSelector('table.downloads');
    noComplaints(page, /500/);
});

test('very many: older requests are a page of their own, files wait behind a word', async () => {
    const id = (i) => `0d7f6a52-1c5e-4a38-9a0e-${String(i).padStart(12, '0')}`;
    const files = Array.from({ length: 7 }, (_, i) => ({ name: `part${i}.zip`, size: 1, download_url: `https://x.example/${i}`, web_download_url: null }));
    const all = Array.from({ length: 8 }, (_, i) => job({ id: id(i), title: `Number ${i}`, state: 'ready', files: i ? [] : files }));
    await page.route('**/services/jobs*', (r) => {
        const before = new URL(r.request().url()).searchParams.get('before');
        const from = before ? all.findIndex((j) => j.id === before) + 1 : 0;
        return r.fulfill({ contentType: 'application/json', body: JSON.stringify({ jobs: all.slice(from, from + 5), more: from + 5 < all.length, poll_seconds: 0 }) });
    });
    const seen = () => page.$$eval('.files a', (a) => a.filter((e) => e.checkVisibility()).length);
    const first = () => page.textContent('.downloads tbody th');
    await open();
    assert.equal(await seen(), 3);
    await page.focus('.more-files summary');
    await page.keyboard.press('Enter');
    assert.equal(await seen(), 7);
    await accessible(page, 'very many');
    await picture('many');
    await page.click('#older');
    await page.waitForSelector('#newest');
    assert.match(await first(), /^Number 5\b/);
    assert.equal(await page.$('#older'), null, 'that is all');
    await open(`${PAGE}?before=${id(7)}`);
    assert.match(await page.textContent('#empty'), /nothing older/);
    await page.click('#newest');
    await page.waitForSelector('#older');
    assert.match(await first(), /^Number 0\b/);
    await open(`${PAGE}?before=%22%3E%3Cx`);
    assert.match(await first(), /^Number 0\b/, 'what is no id is not asked for');
    await page.unroute('**/services/jobs*');
    await open();
    assert.equal(await page.$('.pages'), null, 'few requests are one page');
    noComplaints(page);
});

test('an address in an answer that is no web address is no link', async () => {
    await page.route('**/services/jobs', (r) => r.fulfill({ contentType: 'application/json', body: JSON.stringify({ poll_seconds: 0,
        jobs: [job({ state: 'ready', files: [{ name: 'a.zip', size: 1, download_url: null, web_download_url: 'javascript:alert(1)' }] })] }) }));
    await open();
    assert.equal(await page.$('.files a'), null);
    await page.unroute('**/services/jobs');
    noComplaints(page);
});

test('a question by itself that finds nobody signed in does not sign anybody in', async () => {
    let asked = 0;
    await page.route('**/services/jobs', (r) => ++asked > 1
        ? r.fulfill({ status: 401, contentType: 'application/problem+json', body: '{"title":"x","redirect":"/login"}' })
        : r.fulfill({ contentType: 'application/json', body: JSON.stringify({ jobs: [job({ percent: 20 })], poll_seconds: 1 }) }));
    await open();
    await page.waitForSelector('dialog.timeout[open]');
    assert.match(await page.textContent('dialog.timeout'), /You have been signed out/);
    assert.equal(await page.$('sb-downloads'), null, 'nothing stays on the screen');
    await page.waitForTimeout(1500);
    assert.equal(asked, 2, 'and nobody asks any more');
    assert.equal(page.url(), PAGE);
    await page.unroute('**/services/jobs');
    await page.click('#timeout-signin');
    await page.waitForSelector('table.downloads');
    noComplaints(page, /401/);
});
