import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse, TYPE, type MessageFormatElement } from '@formatjs/icu-messageformat-parser';
import { readdirSync, readFileSync } from 'node:fs';
import { academicYear, number, percent, preferred, setMessages, t as common } from '../src/lib/i18n.js';
import { t } from '../src/texts/report.js';

/** All catalogues of a language. */
function catalogue(locale: string): Record<string, string> {
    const files = readdirSync(`locales/${locale}`).map((f) => readFileSync(`locales/${locale}/${f}`, 'utf8'));
    return Object.assign({}, ...files.map((f) => JSON.parse(f) as object)) as Record<string, string>;
}
const en = catalogue('en');
const es = catalogue('es');

/** Names of the values a text needs, inside plurals and choices too. */
function names(elements: MessageFormatElement[]): string[] {
    return elements.flatMap((e) => [
        ...('value' in e && e.type !== TYPE.literal ? [String(e.value)] : []),
        ...('options' in e ? Object.values(e.options).flatMap((o) => names(o.value)) : [])
    ]);
}

test('every text is well formed and the languages agree on its values', () => {
    for (const [key, text] of Object.entries(en)) {
        const want = [...new Set(names(parse(text, { ignoreTag: true })))].sort();
        const have = [...new Set(names(parse(es[key]!, { ignoreTag: true })))].sort();
        assert.deepEqual(have, want, key);
    }
});

test('numbers, percentages, plurals, years', () => {
    assert.equal(number(12345), '12,345');
    assert.equal(percent(7), '7%');
    assert.equal(academicYear(2016), '2015–2016');
    assert.equal(t('rows.state', { count: 1 }), '1 district');
    assert.equal(t('rows.state', { count: 1200 }), '1,200 districts');
    setMessages(es, 'es');
    assert.equal(t('rows.state', { count: 2 }), '2 distritos');
    setMessages(en, 'en');
});

test('a script says what it brings along, and what every page says', () => {
    assert.equal(common('help.close'), 'Close');
    assert.equal(t('help.close'), 'Close');
    setMessages({}, 'es');
    assert.equal(t('tool.print'), 'Print', 'English stands in for a text that is missing');
    // @ts-expect-error: of another page, which this one does not carry
    assert.equal(t('landing.title'), 'landing.title');
    setMessages(en, 'en');
});

test('the language: asked for, else what the browser wants, else English', () => {
    assert.equal(preferred('?lang=es', ['en-US']), 'es');
    assert.equal(preferred('', ['de-DE', 'es-MX', 'en']), 'es');
    assert.equal(preferred('?lang=xx', ['fr']), 'en');
});
