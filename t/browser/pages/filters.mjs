// Filters: choose, see, keep, remove.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newPage, noComplaints, report, REPORT, rowNames, settled, signIn, STATE, URL_BASE } from './stack.mjs';

const page = await newPage();
await signIn(page, 'district');
// -1: hidden
const total = async () => {
    const shown = await page.$('.overall td.total > span:not(.small-label)');
    return shown ? Number((await shown.textContent()).replace(/\D/g, '')) : -1;
};
const chips = () => page.$$eval('.chip > span', (c) => c.map((s) => s.textContent));

async function apply(...values) {
    await page.click('#filter-button');
    for (const [name, value] of values) {
        await page.check(`.filters input[name=${name}][value="${value}"]`);
    }
    await page.click('.filters button[type=submit]');
    await settled(page);
}

test('a filter narrows, and all students stay in sight', async () => {
    const all = await total();
    await apply(['sex', 'female']);
    const some = await total();
    assert.ok(some > 0 && some < all, `${some} of ${all}`);
    assert.equal(await page.$eval('.overall .of', (o) => o.textContent), `of ${new Intl.NumberFormat('en-US').format(all)}`);
    assert.deepEqual(await chips(), ['Gender: Female']);
    assert.equal(new URL(page.url()).searchParams.get('sex'), 'female');
    assert.equal((await page.textContent('#filter-button')).trim(), 'Filters (1)');
    noComplaints(page);
});

test('values of one group add up, groups narrow', async () => {
    const girls = await total();
    await apply(['sex', 'male']);
    const both = await total();
    assert.ok(both > girls);
    assert.deepEqual(await chips(), ['Gender: Female, Male']);
    await apply(['grade', '03'], ['grade', '05']);
    assert.ok((await total()) < both);
    assert.deepEqual(await chips(), ['Grade: 3, 5', 'Gender: Female, Male']);
    const data = await report(page);
    assert.equal(await total(), data.summary[0].results.subject1.total);
    noComplaints(page);
});

test('filters go along to the district and survive a reload', async () => {
    await page.click('.rows th a');
    await page.waitForFunction(() => document.querySelector('h1')?.textContent.startsWith('Schools in'));
    await settled(page);
    assert.deepEqual(await chips(), ['Grade: 3, 5', 'Gender: Female, Male']);
    await page.reload();
    await settled(page);
    assert.deepEqual(await chips(), ['Grade: 3, 5', 'Gender: Female, Male']);
    await page.click('#filter-button');
    assert.ok(await page.isChecked('input[name=grade][value="05"]'), 'the panel shows what is applied');
    await page.keyboard.press('Escape');
    assert.equal(await page.$('.filters'), null);
    noComplaints(page);
});

test('one chip removed, then all', async () => {
    await page.click('.chip:has-text("Gender") button');
    await settled(page);
    assert.deepEqual(await chips(), ['Grade: 3, 5']);
    await page.click('.chips > button');
    await settled(page);
    await page.waitForSelector('.chips', { state: 'detached' });
    assert.equal(new URL(page.url()).searchParams.get('grade'), null);
    assert.equal(await page.$('.overall .of'), null);
    noComplaints(page);
});

test('a selection without students says so', async () => {
    const nobody = 'ethnicity=5&dmgPrgLep=NS&dmgPrg504=NS&dmgPrgIep=NS&dmgStsMig=NS&sex=not_stated&complete=N';
    // (a page without a place that is hidden as a whole: those stay, whatever the filters)
    await page.goto(`${URL_BASE}${REPORT}?stateCode=${STATE}&districtId=D001&${nobody}`);
    await settled(page);
    assert.match(await page.textContent('#empty'), /No student matches/);
    assert.equal((await chips()).length, 7);
    await page.click('.chips > button');
    await page.waitForSelector('table.report');
    assert.ok((await rowNames(page)).length > 0);
    noComplaints(page);
});
