// WCAG 2.2 AA as far as a machine can tell: axe on every page and state of a page, reflow, contrast
// of the bars, motion, print.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, fits, OPEN_TO_AXE } from './look.mjs';
import { newPage, noComplaints, REPORT, settled, signIn, SIGN_IN, STATE, URL_BASE } from './stack.mjs';

const page = await newPage(OPEN_TO_AXE);
await signIn(page, 'state');
const state = `${REPORT}?stateCode=${STATE}`;

async function open(path) {
    await page.goto(URL_BASE + path);
    if (path.startsWith(REPORT)) {
        await settled(page);
    }
}

test('the three levels', async () => {
    await open(state);
    await accessible(page, 'state');
    await page.click('.rows a');
    await page.waitForFunction(() => document.querySelector('h1')?.textContent.startsWith('Schools in'));
    await settled(page);
    await accessible(page, 'district');
    await page.click('.rows a');
    await page.waitForFunction(() => document.querySelector('h1')?.textContent.startsWith('Grades in'));
    await settled(page);
    await accessible(page, 'school');
    noComplaints(page);
});

test('open panels, dialog, filters, counts', async () => {
    for (const [what, selector] of [['menu', '#account'], ['legend', '#legend'], ['filters', '#filter-button'], ['help', '#help-button']]) {
        await open(`${state}&align=on&counts=on&sex=male`);
        await page.click(selector);
        await accessible(page, what);
    }
    await open(`${state}&lang=es&asmtYear=2015`);
    await accessible(page, 'Spanish, earlier year');
    await open(state);
    noComplaints(page);
});

test('entry, error and message pages', async () => {
    await open('/assets/public/landing.html');
    await accessible(page, 'landing');
    await open('/no/such/page');
    await accessible(page, 'not found');
    await open(`${state}&districtId=nowhere`);
    await accessible(page, 'unknown place');
    noComplaints(page, /404/);
});

test('nothing is wider than a window of 320 pixels (400 % zoom)', async () => {
    await page.setViewportSize({ width: 320, height: 800 });
    for (const path of [state, `${state}&align=on&counts=on&sex=female`, '/assets/public/landing.html', '/no/such/page']) {
        await open(path);
        await fits(page, path);
        await accessible(page, `${path} at 320 px`);
    }
    await open(state);
    await page.click('#filter-button');
    await fits(page, 'filters');
    assert.equal(await page.$eval('table.report', (t) => t.getAttribute('role')), 'table', 'cards are still a table to screen readers');
    noComplaints(page, /404/);
});

test('larger text only (200 %) cuts nothing off', async () => {
    await page.setViewportSize({ width: 1280, height: 900 });
    await open(state);
    await page.evaluate(() => (document.documentElement.style.fontSize = '200%'));
    await fits(page);
    const cut = await page.$$eval('.button, h1, .rows th, .sort', (els) => els.filter((e) => e.scrollWidth > e.clientWidth + 2 && e.clientWidth > 0).map((e) => e.textContent));
    assert.deepEqual(cut, []);
});

test('percentages on the bars have a contrast of 4.5 and more', async () => {
    await open(state);
    const worst = await page.$$eval('.seg', (segs) => {
        const lum = (rgb) => {
            const [r, g, b] = rgb.match(/[\d.]+/g).map(Number).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        return Math.min(...segs.map((s) => {
            const { color, backgroundColor } = getComputedStyle(s);
            const [a, b] = [lum(color), lum(backgroundColor)];
            return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        }));
    });
    assert.ok(worst >= 4.5, `worst is ${worst}`);
});

test('no motion for those who do not want it; print leaves out the tools', async () => {
    await page.emulateMedia({ reducedMotion: 'reduce' });
    const seconds = await page.$eval('.button', (b) => parseFloat(getComputedStyle(b).transitionDuration));
    assert.ok(seconds < 0.001);
    await page.emulateMedia({ media: 'print' });
    assert.ok(!(await page.isVisible('.tools')) && !(await page.isVisible('header')));
    assert.ok((await page.isVisible('h1')) && (await page.isVisible('.rows .seg')));
    await page.emulateMedia({ media: 'screen' });
    noComplaints(page, ...SIGN_IN);
});
