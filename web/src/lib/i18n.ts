// Texts: ICU MessageFormat catalogues. English is built in and is the fallback; another language is
// fetched when chosen.

import { IntlMessageFormat } from 'intl-messageformat';
import en from '../../locales/en.json';

declare const LOCALE_FILES: Record<string, string>;

export type Key = keyof typeof en;

/** Regions give numbers their form: US states write 12,345 in either language. */
const REGIONS: Record<string, string> = { en: 'en-US', es: 'es-US' };
const STORE = 'smarter.lang';

let messages: Record<string, string> = en;
let lang = 'en';
const formats = new Map<string, IntlMessageFormat>();

/** Names of the languages in themselves. */
export const LANGUAGES: Record<string, string> = { en: 'English', es: 'Español' };

export function language(): string {
    return lang;
}

export function locale(): string {
    return REGIONS[lang] ?? 'en-US';
}

function remembered(): string | null {
    try {
        return localStorage.getItem(STORE);
    } catch {
        return null;
    }
}

/** ?lang=, then what was chosen before, then what the browser asks for. */
export function preferred(search: string, wishes: readonly string[]): string {
    const all = [new URLSearchParams(search).get('lang'), remembered(), ...wishes];
    for (const wish of all) {
        const short = wish?.slice(0, 2).toLowerCase();
        if (short && short in LANGUAGES) {
            return short;
        }
    }
    return 'en';
}

export async function useLanguage(wanted: string, remember = false): Promise<void> {
    if (remember) {
        try {
            localStorage.setItem(STORE, wanted);
        } catch {
            /* private browsing: the choice lasts as long as the page */
        }
    }
    const file = LOCALE_FILES[wanted];
    if (wanted === 'en' || !file) {
        messages = en;
        lang = 'en';
    } else {
        const response = await fetch(file).catch(() => null);
        if (response?.ok) {
            messages = { ...en, ...((await response.json()) as Record<string, string>) };
            lang = wanted;
        }
    }
    formats.clear();
    document.documentElement.lang = lang;
}

export function setMessages(catalogue: Record<string, string>, name: string): void {
    messages = catalogue;
    lang = name;
    formats.clear();
}

/** The text of a key with its values put in. */
export function t(key: Key, values?: Record<string, string | number>): string {
    const text = messages[key] ?? en[key] ?? key;
    let format = formats.get(key);
    if (!format) {
        format = new IntlMessageFormat(text, locale(), undefined, { ignoreTag: true });
        formats.set(key, format);
    }
    return String(format.format(values));
}

/** For keys made of parts, such as filter values. */
export function tr(key: string, values?: Record<string, string | number>): string {
    return t(key as Key, values);
}

export function has(key: string): boolean {
    return key in en;
}

export function number(n: number): string {
    return new Intl.NumberFormat(locale()).format(n);
}

/** A percentage given as 0 to 100. */
export function percent(n: number, digits = 0): string {
    return new Intl.NumberFormat(locale(), { style: 'percent', maximumFractionDigits: digits }).format(n / 100);
}

/** An academic year carries the year it ends in: 2016 is 2015–2016. */
export function academicYear(year: number): string {
    return `${year - 1}–${year}`;
}
