// What is looked at, kept in the page's address so that it can be shared and Back works. No names
// of people ever appear here.

import { cleanFilters, FILTERS, type Filters } from './filters.js';
import type { Level } from './model.js';

/** name; or "subject1.upper" (achievement), "subject1.total" (students assessed). */
export type SortKey = string;

export interface View {
    stateCode: string | null;
    /** The public report, which needs no sign-in: what stands for the state. Then there is no stateCode. */
    sid: string | null;
    districtId: string | null;
    schoolId: string | null;
    year: number | null;
    filters: Filters;
    sort: SortKey;
    descending: boolean;
    align: boolean;
    counts: boolean;
}

const PAGE = '/assets/html/comparingPopulations.html';
const SORT = /^(name|subject\d\.(upper|total))$/;

export function parseView(search: string): View {
    const q = new URLSearchParams(search);
    const year = Number(q.get('asmtYear'));
    const sort = q.get('sort') ?? 'name';
    const sid = q.get('isPublic') === 'true' ? q.get('sid') : null;
    const filters: Filters = {};
    for (const { param } of FILTERS) {
        filters[param] = q.getAll(param);
    }
    return {
        stateCode: sid ? null : q.get('stateCode') || null,
        sid: sid || null,
        districtId: q.get('districtId') || null,
        schoolId: (q.get('districtId') && q.get('schoolId')) || null,
        year: Number.isInteger(year) && year >= 1000 && year <= 9999 ? year : null,
        filters: cleanFilters(filters),
        sort: SORT.test(sort) ? sort : 'name',
        descending: q.get('order') === 'desc',
        align: q.get('align') === 'on',
        counts: q.get('counts') === 'on'
    };
}

function placeAndFilters(view: View): URLSearchParams {
    const q = new URLSearchParams();
    for (const key of ['stateCode', 'sid', 'districtId', 'schoolId'] as const) {
        if (view[key]) {
            q.set(key, view[key]);
        }
    }
    if (view.year !== null) {
        q.set('asmtYear', String(view.year));
    }
    for (const [param, values] of Object.entries(view.filters)) {
        values.forEach((v) => q.append(param, v));
    }
    return q;
}

/** The page's address for a view; what is at its default is left out. */
export function viewUrl(view: View): string {
    const q = new URLSearchParams(view.sid ? { isPublic: 'true' } : {});
    placeAndFilters(view).forEach((value, key) => q.append(key, value));
    if (view.sort !== 'name') {
        q.set('sort', view.sort);
    }
    if (view.descending) {
        q.set('order', 'desc');
    }
    if (view.align) {
        q.set('align', 'on');
    }
    if (view.counts) {
        q.set('counts', 'on');
    }
    return `${PAGE}?${q}`;
}

/** Query of the report request: the part of a view that changes the data. */
export function dataQuery(view: View): URLSearchParams {
    return placeAndFilters(view);
}

export function levelOf(view: View): Level {
    return view.schoolId ? 'school' : view.districtId ? 'district' : 'state';
}

/** The same view one level down; null where there is no aggregate below. */
export function childView(view: View, id: string): View | null {
    switch (levelOf(view)) {
        case 'state':
            return { ...view, districtId: id, schoolId: null };
        case 'district':
            return { ...view, schoolId: id };
        default:
            return null;
    }
}

export function ancestorView(view: View, level: Level): View {
    return {
        ...view,
        districtId: level === 'state' ? null : view.districtId,
        schoolId: level === 'school' ? view.schoolId : null
    };
}
