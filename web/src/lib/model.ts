// The comparing-populations answer as the server sends it, and what a reader sees in each cell.

import type { TenantColor } from './colors.js';

export interface Interval {
    level: number;
    count?: number;
    percentage: number;
    /** The share is not told: it is below this percentage, or above it. Then no level has a count. */
    coded?: 'below' | 'above';
}

export interface SubjectResult {
    asmt_subject?: string;
    intervals: Interval[];
    total: number;
    unfilteredTotal?: number;
    hasInterim?: boolean;
}

/** Alias of a subject in the answer: subject1, subject2. */
export type Alias = string;

export interface RowRecord {
    id: string;
    rowId: string;
    name: string;
    params: Record<string, unknown>;
    results: Record<Alias, SubjectResult>;
}

export interface ContextItem {
    type: 'home' | 'state' | 'district' | 'school' | string;
    id?: string;
    name?: string;
    stateCode?: string;
}

export interface Permission {
    all: boolean;
    guid?: string[];
}

export interface Report {
    metadata: {
        branding?: { image?: string; display?: string } | null;
    } & Record<Alias, { colors?: TenantColor[] | null; min_cell_size?: number | null } | null | undefined>;
    summary: { results: Record<Alias, SubjectResult> }[];
    records: RowRecord[];
    subjects: Record<Alias, string>;
    context: { items: ContextItem[]; permissions?: Record<string, Permission | false> };
    asmt_period_year: number[];
    not_stated: Record<string, number>;
    user_info?: unknown;
}

export interface User {
    name: string;
    stateCodes: string[];
    displayHome: boolean;
}

/** user_info comes nested under private names of long ago; a flat form is understood as well. */
export function userOf(info: unknown): User | null {
    if (!info || typeof info !== 'object') {
        return null;
    }
    const flat = ((info as Record<string, unknown>)['_User__info'] ?? info) as Record<string, unknown>;
    const name = (flat['name'] ?? {}) as Record<string, string>;
    const full = [name['firstName'], name['lastName']].filter(Boolean).join(' ') || name['fullName'] || String(flat['uid'] ?? '');
    return {
        name: full,
        stateCodes: Array.isArray(flat['stateCode']) ? (flat['stateCode'] as string[]) : [],
        displayHome: flat['displayHome'] === true
    };
}

/** A level of a bar; count is null where it is withheld. */
export interface BarLevel {
    level: number;
    count: number | null;
    percentage: number;
    coded: 'below' | 'above' | null;
}

export type Cell =
    | {
          kind: 'bar';
          levels: BarLevel[];
          total: number;
          /** Students without any filter; null when no filter is set or the number is withheld. */
          of: number | null;
          /** Percentage in the upper half of the levels. */
          upper: number;
      }
    | { kind: 'interim' | 'suppressed' | 'none' };

/** Levels 1..lowerHalf(n) count as "below"; the rule of the server (floor of the half). */
export function lowerHalf(levels: number): number {
    return Math.floor(levels / 2);
}

export function cellOf(result: SubjectResult | undefined): Cell {
    if (!result) {
        return { kind: 'none' };
    }
    if (result.total > 0 && result.intervals.every((i) => i.percentage >= 0)) {
        const levels = [...result.intervals]
            .sort((a, b) => a.level - b.level)
            .map((i) => ({ level: i.level, count: i.count ?? null, percentage: i.percentage, coded: i.coded ?? null }));
        // Limits instead of shares may add up to more.
        const upper = Math.min(100, levels.slice(lowerHalf(levels.length)).reduce((sum, l) => sum + l.percentage, 0));
        const of = result.unfilteredTotal;
        return { kind: 'bar', levels, total: result.total, of: of !== undefined && of > 0 ? of : null, upper };
    }
    if (result.hasInterim) {
        return { kind: 'interim' };
    }
    return { kind: result.total < 0 ? 'suppressed' : 'none' };
}

/** The summary says "interim only" when it has nothing and some row below it is interim only. */
export function summaryCellOf(report: Report, alias: Alias): Cell {
    const cell = cellOf(report.summary[0]?.results[alias]);
    if (cell.kind === 'none' && report.records.some((r) => cellOf(r.results[alias]).kind === 'interim')) {
        return { kind: 'interim' };
    }
    return cell;
}

/** How many levels a subject has: the state's colours say so, else the data, else four. */
export function levelCount(report: Report, alias: Alias): number {
    const colors = report.metadata[alias]?.colors;
    if (colors?.length) {
        return colors.length;
    }
    const widest = [report.summary[0], ...report.records].map((r) => r?.results[alias]?.intervals.length ?? 0);
    return Math.max(0, ...widest) || 4;
}

export type Level = 'state' | 'district' | 'school';

/** What the place in the answer's breadcrumb is; null when the server does not know the place. */
export function placeOf(report: Report): { level: Level; name: string; item: ContextItem } | null {
    const item = report.context.items.at(-1);
    if (!item || !['state', 'district', 'school'].includes(item.type)) {
        return null;
    }
    return { level: item.type as Level, name: item.name ?? item.id ?? '', item };
}

/** Aliases in their order: Math first. */
export function aliases(report: Report): Alias[] {
    return Object.keys(report.subjects).sort();
}
