// Looking at a page: for faults that a machine can see, and pictures for people.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { require } from './stack.mjs';

const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** Of a page whose script may be added to: axe is injected, which our security policy would refuse. Every other test runs with the policy. */
export const OPEN_TO_AXE = { bypassCSP: true };

/** Nothing is wrong with it as far as axe knows. @param part of the page, a selector; without it all of it */
export async function accessible(page, what, part = 'html') {
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(([where, runOnly]) => axe.run(where, { runOnly }), [part, TAGS]);
    assert.deepEqual(violations.map((v) => `${what}: ${v.id}: ${v.nodes.map((n) => n.html).slice(0, 3).join(' | ')}`), []);
}

/** A picture of it, where SMARTER_SHOTS names a directory for them. */
export async function shot(page, name, options = {}) {
    if (process.env.SMARTER_SHOTS) {
        mkdirSync(process.env.SMARTER_SHOTS, { recursive: true });
        await page.screenshot({ path: `${process.env.SMARTER_SHOTS}/${name}.png`, ...options });
    }
}

/** Nothing lies beyond the right edge of the window. */
export async function fits(page, what = page.url()) {
    const [has, wants] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
    assert.ok(wants <= has, `${what} wants ${wants} pixels of ${has}`);
}
