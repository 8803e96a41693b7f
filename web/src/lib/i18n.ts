// Texts: ICU MessageFormat catalogues, one of what every page says and one for each page's own, so that no page carries
// another's. English is built in and is the fallback; another language is fetched when chosen, whole.

import { IntlMessageFormat } from 'intl-messageformat';
import common from '../../locales/en/common.json';

declare const LOCALE_FILES: Record<string, string>;

type Catalogue = Record<string, string>;
type Values = Record<string, string | number>;
/** Of each of them, not only those that all of them have. */
type KeyOf<C> = C extends unknown ? keyof C & string : never;

/** Regions give numbers their form: US states write 12,345 in either language. */
const REGIONS: Record<string, string> = { en: 'en-US', es: 'es-US' };
const STORE = 'smarter.lang';

/** What this page can say. */
const english: Catalogue = { ...common };
let messages: Catalogue = english;
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
        messages = english;
        lang = 'en';
    } else {
        const response = await fetch(file).catch(() => null);
        if (response?.ok) {
            messages = (await response.json()) as Catalogue;
            lang = wanted;
        }
    }
    formats.clear();
    document.documentElement.lang = lang;
}

export function setMessages(catalogue: Catalogue, name: string): void {
    messages = catalogue;
    lang = name;
    formats.clear();
}

/** The text of a key with its values put in: for keys made of parts, such as filter values. */
export function tr(key: string, values?: Values): string {
    const text = messages[key] ?? english[key] ?? key;
    let format = formats.get(key);
    if (!format) {
        format = new IntlMessageFormat(text, locale(), undefined, { ignoreTag: true });
        formats.set(key, format);
    }
    return String(format.format(values));
}

/**
 * Take in what a page says.
 * @param parts catalogues besides the common one
 * @return the text of a key with its values put in: of these catalogues, so that no script says what it did not bring
 */
export function texts<C extends Catalogue[]>(...parts: C): (key: KeyOf<C[number]> | keyof typeof common, values?: Values) => string {
    Object.assign(english, ...parts);
    return tr;
}

/** What every page says. */
export const t = texts();

export function has(key: string): boolean {
    return key in english;
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
