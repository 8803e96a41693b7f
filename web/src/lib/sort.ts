// Order of the rows, and finding one by name. Rows without a value come first when ascending, as a value below all others.

import { cellOf, type RowRecord } from './model.js';
import type { View } from './view.js';

function valueOf(record: RowRecord, alias: string, what: string): number {
    const cell = cellOf(record.results[alias]);
    if (cell.kind !== 'bar') {
        return cell.kind === 'none' ? -1 : -2;
    }
    return what === 'upper' ? cell.upper : cell.total;
}

export function compareNames(a: RowRecord, b: RowRecord, locale: string): number {
    return a.name.localeCompare(b.name, locale, { numeric: true, sensitivity: 'base' });
}

export function sortRows(records: RowRecord[], view: Pick<View, 'sort' | 'descending'>, locale: string): RowRecord[] {
    const sign = view.descending ? -1 : 1;
    const [alias, what] = view.sort.split('.') as [string, string | undefined];
    return [...records].sort((a, b) => {
        const byName = compareNames(a, b, locale);
        if (!what) {
            return sign * byName;
        }
        return sign * (valueOf(a, alias, what) - valueOf(b, alias, what)) || byName;
    });
}

/** Letters as people type them: case and accents do not matter. */
function folded(text: string): string {
    return text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
}

/** Rows whose name contains every word of the text. */
export function findRows<R extends { name: string }>(rows: R[], text: string): R[] {
    const words = folded(text).split(/\s+/).filter(Boolean);
    return words.length ? rows.filter((r) => words.every((w) => folded(r.name).includes(w))) : rows;
}
