import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse, TYPE, type MessageFormatElement } from '@formatjs/icu-messageformat-parser';
import en from '../locales/en.json';
import es from '../locales/es.json';
import { academicYear, number, percent, preferred, setMessages, t } from '../src/lib/i18n.js';

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
        const have = [...new Set(names(parse((es as Record<string, string>)[key]!, { ignoreTag: true })))].sort();
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

test('the language: asked for, else what the browser wants, else English', () => {
    assert.equal(preferred('?lang=es', ['en-US']), 'es');
    assert.equal(preferred('', ['de-DE', 'es-MX', 'en']), 'es');
    assert.equal(preferred('?lang=xx', ['fr']), 'en');
});
