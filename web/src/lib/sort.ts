// Order of the rows. Rows without a value come first when ascending, as a value below all others.

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
