// Everything by keyboard alone, and always visible where one is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newPage, noComplaints, settled, signIn } from './stack.mjs';

const page = await newPage();
await signIn(page, 'school');
const press = (key) => page.keyboard.press(key);

/** What has the focus: an id or text, and whether it can be seen that it has. */
const focused = () => page.evaluate(() => {
    const el = document.activeElement;
    const style = getComputedStyle(el);
    const box = el.getBoundingClientRect();
    const at = document.elementFromPoint(box.left + box.width / 2, box.top + Math.min(box.height / 2, 10));
    return {
        name: el.id || el.dataset.sort || el.getAttribute('aria-label') || el.textContent.trim(),
        tag: el.tagName, row: Boolean(el.closest('.rows th')), ring: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
        uncovered: Boolean(at && (el.contains(at) || at.contains(el))), height: box.height, width: box.width
    };
});

async function tabTo(name, limit = 60) {
    for (let i = 0; i < limit; i++) {
        await press('Tab');
        const now = await focused();
        if (name.test(now.name)) {
            return now;
        }
    }
    throw new Error(`${name} is not reached by Tab`);
}

test('Tab visits every control once, in reading order, with a visible ring', async () => {
    await page.evaluate(() => document.activeElement?.blur());
    const seen = [];
    for (let i = 0; i < 150; i++) {
        await press('Tab');
        const now = await focused();
        if (now.tag === 'BODY' || (i > 0 && now.name === seen[0].name)) {
            break;
        }
        seen.push(now);
    }
    assert.match(seen[0].name, /Skip to the results/);
    const wanted = ['help-button', 'account', 'year', 'filter-button', 'align', 'counts', 'legend', 'print', 'name', 'subject1.upper', 'subject1.total', 'subject2.upper', 'subject2.total'];
    assert.deepEqual(seen.map((s) => s.name).filter((n) => wanted.includes(n)), wanted);
    assert.equal(seen.filter((s) => s.row).length, await page.$$eval('.rows a', (a) => a.length));
    assert.deepEqual(seen.filter((s) => !s.ring).map((s) => s.name), [], 'all have a ring');
    assert.deepEqual(seen.filter((s) => !s.uncovered).map((s) => s.name), [], 'none hides behind the fixed header');
    assert.deepEqual(seen.filter((s) => s.tag !== 'A' && (s.height < 24 || s.width < 24)).map((s) => s.name), [], 'none is too small to hit');
});

test('the skip link leads to the results', async () => {
    await page.evaluate(() => { scrollTo(0, 0); document.activeElement?.blur(); });
    await page.focus('.skip');
    await press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
});

test('menus and dialog: open by Enter, close by Escape, back where one was', async () => {
    for (const [button, panel] of [['#account', '#account-menu'], ['#legend', '#legend-panel'], ['#help-button', '#help[open]']]) {
        await page.focus(button);
        await press('Enter');
        assert.ok(await page.isVisible(panel), panel);
        await press('Escape');
        assert.ok(!(await page.isVisible(panel)), panel);
        assert.equal('#' + (await page.evaluate(() => document.activeElement.id)), button);
    }
    noComplaints(page);
});

test('filters by keyboard', async () => {
    await page.focus('#filter-button');
    await press('Enter');
    await page.waitForFunction(() => document.activeElement.id === 'filters-title');
    await press('Tab');
    await press('Space');
    await press('Enter');
    await settled(page);
    assert.match(page.url(), /grade=03/);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'filter-button');
    await tabTo(/^Remove filter/);
    await press('Enter');
    await settled(page);
    await page.waitForSelector('.chips', { state: 'detached' });
    noComplaints(page);
});

test('sorting keeps the focus and is announced', async () => {
    await page.focus('[data-sort="subject2.upper"]');
    await press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.dataset.sort), 'subject2.upper');
    await page.waitForFunction(() => /sorted by ELA\/Literacy, .* descending/.test(document.querySelector('#status').textContent));
    noComplaints(page);
});

test('the numbers behind a bar, on focus; Escape puts them away', async () => {
    await page.focus('.overall .popbar');
    assert.ok(await page.isVisible('.tip'));
    const rows = await page.$$eval('.tip tbody tr', (r) => r.length);
    assert.ok(rows >= 3);
    await press('Escape');
    assert.ok(!(await page.isVisible('.tip')));
    await page.hover('.overall .popbar');
    await page.hover('.tip');
    assert.ok(await page.isVisible('.tip'), 'can be pointed at');
    await page.mouse.move(2, 2);
    await page.waitForSelector('.tip', { state: 'hidden' });
});

test('down to the grades and back up', async () => {
    await page.focus('.rows a');
    await press('Enter');
    await page.waitForFunction(() => document.querySelector('h1')?.textContent.startsWith('Schools in'));
    await page.waitForFunction(() => document.activeElement.id === 'title');
    await page.focus('.rows a');
    await press('Enter');
    await page.waitForFunction(() => document.querySelector('h1')?.textContent.startsWith('Grades in'));
    await page.focus('.crumbs a');
    await press('Enter');
    await page.waitForFunction(() => document.querySelector('h1')?.textContent.startsWith('Districts in'));
    noComplaints(page);
});
