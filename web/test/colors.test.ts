import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contrast, levelColors, readableText } from '../src/lib/colors.js';

test('contrast as WCAG computes it', () => {
    assert.equal(contrast('#000', '#ffffff'), 21);
    assert.equal(contrast('#fff', '#fff'), 1);
    assert.ok(Math.abs(contrast('#6aa506', '#ffffff') - 3.0) < 0.05);
});

test('text can be read on every default colour', () => {
    for (const n of [2, 3, 4, 5, 6]) {
        for (const { background, text } of levelColors(n)) {
            assert.ok(contrast(background, text) >= 4.5, `${n} levels: ${text} on ${background} is ${contrast(background, text)}`);
        }
    }
});

test("a state's colours stay, its text colour only where it can be read", () => {
    const [one, two, three] = levelColors(3, [
        { bg_color: '#BB231C', text_color: '#ffffff' },
        { bg_color: '#6aa506', text_color: '#fff' },
        { bg_color: 'url(x)', text_color: 'red' }
    ]);
    assert.deepEqual(one, { background: '#bb231c', text: '#ffffff' });
    assert.equal(two!.background, '#6aa506');
    assert.ok(contrast(two!.background, two!.text) >= 4.5);
    assert.match(three!.background, /^#[0-9a-f]{6}$/, 'what is no colour is replaced');
});

test('some text colour is readable on any background', () => {
    for (let g = 0; g < 256; g++) {
        const grey = '#' + g.toString(16).padStart(2, '0').repeat(3);
        assert.ok(contrast(grey, readableText(grey)) >= 4.5, grey);
    }
});
