// The demographic filters: their parameters, values and texts. Values within one filter are joined
// by OR, filters by AND; the server does the counting.

export type Filters = Record<string, string[]>;

export interface FilterDef {
    /** Parameter of the request and of the page's address. */
    param: string;
    values: string[];
    /** A footnote stands in the catalogue under filter.<param>.note. */
    note?: boolean;
    /** The answer tells how many students have no value. */
    notStated?: boolean;
}

const YES_NO_NS = ['Y', 'N', 'NS'];

export const FILTERS: FilterDef[] = [
    { param: 'grade', values: ['03', '04', '05', '06', '07', '08', '11'] },
    { param: 'ethnicity', values: ['3', '4', '2', '1', '5', '6', '7', '0'], note: true, notStated: true },
    { param: 'sex', values: ['female', 'male', 'not_stated'], notStated: true },
    { param: 'dmgPrgLep', values: YES_NO_NS, note: true, notStated: true },
    { param: 'dmgPrgIep', values: YES_NO_NS, note: true, notStated: true },
    { param: 'dmgPrg504', values: YES_NO_NS, notStated: true },
    { param: 'dmgStsEcd', values: ['Y', 'N'] },
    { param: 'dmgStsMig', values: YES_NO_NS, notStated: true },
    { param: 'complete', values: ['Y', 'N'] }
];

/** Catalogue key of one value. */
export function valueKey(param: string, value: string): string {
    const def = FILTERS.find((f) => f.param === param);
    return def && def.values.includes('Y') && param !== 'complete' ? `filter.value.${value}` : `filter.${param}.${value}`;
}

/** Known parameters and values only, in their order, each once. */
export function cleanFilters(wanted: Filters): Filters {
    const out: Filters = {};
    for (const { param, values } of FILTERS) {
        const chosen = values.filter((v) => wanted[param]?.includes(v));
        if (chosen.length) {
            out[param] = chosen;
        }
    }
    return out;
}

export function filterCount(filters: Filters): number {
    return Object.keys(filters).length;
}

/** Share of students without a value, as a percentage; null when there is nothing to tell. */
export function notStatedShare(def: FilterDef, counts: Record<string, number>): number | null {
    const total = counts['total'] ?? 0;
    const missing = counts[def.param] ?? 0;
    return def.notStated && total > 0 && missing > 0 ? (100 * missing) / total : null;
}
