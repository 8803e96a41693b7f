// What the browser tests share: a browser, signing in through the identity provider, and a watch
// over everything a page does that it should not.
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { createRequire } from 'node:module';

export const require = createRequire(new URL('../../../web/package.json', import.meta.url));
const { chromium } = require('playwright-core');

export const URL_BASE = process.env.SMARTER_URL;
export const STATE = process.env.SMARTER_STATE;
const IDP = new URL(process.env.SMARTER_IDP_URL).origin;
export const REPORT = '/assets/html/comparingPopulations.html';
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'];
const PATIENCE_MS = 15000;

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: FLAGS });
after(() => browser.close());

export function user(kind) {
    const [name, password] = process.env.SMARTER_USERS.split(' ').map((u) => u.split(':')).find((u) => u[2] === kind);
    return { name, password };
}

/**
 * A new browser profile with one page. page.complaints collects what no page of ours may do: errors
 * on the console, exceptions, requests to other hosts, answers of 400 and above.
 */
export async function newPage(options = {}) {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 900 }, locale: 'en-US', ...options });
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    const allowed = new Set([new URL(URL_BASE).origin, IDP]);
    page.complaints = [];
    const ours = (url) => (url || page.url()).startsWith(URL_BASE);
    page.on('console', (m) => ['error', 'warning'].includes(m.type()) && ours(m.location().url) && page.complaints.push(`console: ${m.text()} ${m.location().url}`));
    page.on('pageerror', (e) => page.complaints.push(`exception: ${e.message}`));
    page.on('request', (r) => {
        const { origin, protocol } = new URL(r.url());
        if (protocol !== 'data:' && !allowed.has(origin)) {
            page.complaints.push(`request to ${origin}`);
        }
    });
    page.on('response', (r) => r.status() >= 400 && r.url().startsWith(URL_BASE) && page.complaints.push(`${r.status()} ${r.url()}`));
    return page;
}

/** Nothing but what the test provoked on purpose. */
export function noComplaints(page, ...expected) {
    assert.deepEqual(page.complaints.filter((c) => !expected.some((e) => e.test(c))), []);
    page.complaints.length = 0;
}

/** What asking without a session looks like; part of every sign-in. */
export const SIGN_IN = [/^401 /, /^console: Failed to load resource: .* 401 /];

/** Fill in the form of the identity provider. */
export async function giveCredentials(page, kind) {
    const { name, password } = user(kind);
    await page.waitForURL((u) => u.origin === IDP);
    await page.fill('input[name=username]', name);
    await page.fill('input[name=password]', password);
    await page.press('input[name=password]', 'Enter');
    await page.waitForURL((u) => u.href.startsWith(URL_BASE) && u.pathname.startsWith('/assets/html/'));
}

/** Sign in at the state's view (or another address) and wait until results are there. */
export async function signIn(page, kind, path = `${REPORT}?stateCode=${STATE}`) {
    await page.goto(URL_BASE + path);
    await giveCredentials(page, kind);
    await settled(page);
    noComplaints(page, ...SIGN_IN);
}

/** The page has its answer: a table, a message or a problem, and nothing is loading. */
export async function settled(page) {
    await page.waitForSelector('sb-comparing main:not(.loading) :is(table.report, #empty, #problem)');
}

/** The report behind the page, asked for by the page itself. */
export function report(page, query = '') {
    return page.evaluate(async (q) => (await fetch(`/data/comparing_populations?${q}`)).json(), query || new URL(page.url()).searchParams.toString());
}

export const rowNames = (page) => page.$$eval('.rows tr th', (rows) => rows.map((r) => r.textContent.trim()));
export const title = (page) => page.textContent('h1');

/** Everything that is looked at, of one table row: texts and widths of the bars. */
export function rowCells(page, id) {
    return page.$eval(`.rows tr[data-id="${id}"]`, (row) =>
        [...row.querySelectorAll('td.dist')].map((td) => ({
            text: td.textContent.trim(),
            label: td.querySelector('[role=img]')?.getAttribute('aria-label') ?? null,
            segments: [...td.querySelectorAll('.seg')].map((s) => Number(s.style.flexGrow)),
            total: td.closest('tr').querySelectorAll('td.total')[0]?.textContent ?? null
        }))
    );
}
