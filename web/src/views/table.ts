// The table: one row per district, school or grade, the whole place on top. Roles are spelled out
// because on narrow screens the rows become cards, and the browser would then forget them.

import { html, nothing, type TemplateResult } from 'lit';
import { levelColors } from '../lib/colors.js';
import { filterCount } from '../lib/filters.js';
import { has, number, percent, tr } from '../lib/i18n.js';
import {
    aliases, cellOf, levelCount, lowerHalf, placeOf, summaryCellOf,
    type Alias, type Cell, type Level, type Report, type RowRecord
} from '../lib/model.js';
import type { SortKey, View } from '../lib/view.js';
import { childView, viewUrl } from '../lib/view.js';
import { t } from '../texts/report.js';
import { bar } from './bar.js';

export interface TableActions {
    sort(key: SortKey): void;
}

export function subjectName(report: Report, alias: Alias): string {
    const name = report.subjects[alias] ?? alias;
    return has(`subject.${name}`) ? tr(`subject.${name}`) : name;
}

export function gradeName(id: string): string {
    const n = Number(id);
    if (Number.isInteger(n) && n > 0) {
        return t('grade', { grade: String(n) });
    }
    return has(`grade.${id}`) ? tr(`grade.${id}`) : t('grade', { grade: id });
}

function firstUpper(report: Report, alias: Alias): number {
    return lowerHalf(levelCount(report, alias)) + 1;
}

export interface SortColumn {
    key: SortKey;
    subject: string | null;
    /** As it stands in the header, and in full. */
    short: string;
    long: string;
}

/** What rows can be ordered by. */
export function sortColumns(report: Report, level: Level): SortColumn[] {
    const name = tr(`col.${level}`);
    const columns: SortColumn[] = [{ key: 'name', subject: null, short: name, long: name }];
    for (const alias of aliases(report)) {
        const subject = subjectName(report, alias);
        const first = firstUpper(report, alias);
        columns.push(
            { key: `${alias}.upper`, subject, short: t('col.upper', { level: first }), long: t('col.upper.long', { level: first }) },
            { key: `${alias}.total`, subject, short: t('col.total'), long: t('col.total.long') }
        );
    }
    return columns;
}

function ariaSort(view: View, key: SortKey): 'ascending' | 'descending' | 'none' {
    return view.sort !== key ? 'none' : view.descending ? 'descending' : 'ascending';
}

function sortHeader(column: SortColumn, view: View, actions: TableActions, classes: string, span = 1): TemplateResult {
    const state = ariaSort(view, column.key);
    const what = column.subject ? `${column.subject}, ${column.long}` : column.long;
    return html`<th scope="col" role="columnheader" class=${classes} rowspan=${span} aria-sort=${state}>
        <button type="button" class="sort ${state}" data-sort=${column.key} title=${t('sort.by', { column: what })}
            @click=${() => actions.sort(column.key)}>
            <span>${column.short}</span>${column.short !== column.long
                ? html`<span class="vh"> (${what})</span>`
                : nothing}<svg class="arrow" viewBox="0 0 10 12" aria-hidden="true"><path class="up" d="M5 0 9 5H1z"/><path class="down" d="M5 12 1 7h8z"/></svg>
        </button>
    </th>`;
}

function head(report: Report, view: View, level: Level, actions: TableActions): TemplateResult {
    const columns = sortColumns(report, level);
    const subjects = aliases(report);
    return html`<thead role="rowgroup">
        <tr role="row">
            ${sortHeader(columns[0]!, view, actions, 'name', 2)}
            ${subjects.map((a) => html`<th scope="colgroup" role="columnheader" colspan="3" class="subject">${subjectName(report, a)}</th>`)}
        </tr>
        <tr role="row">
            ${subjects.map((a) => {
                const [upper, total] = columns.filter((c) => c.key.startsWith(`${a}.`));
                return html`
                    <th scope="col" role="columnheader" class="dist">${t('col.distribution')}</th>
                    ${sortHeader(upper!, view, actions, 'num')}
                    ${sortHeader(total!, view, actions, 'num last')}`;
            })}
        </tr>
    </thead>`;
}

function emptyCells(kind: 'interim' | 'suppressed' | 'none', subject: string): TemplateResult {
    const long = kind === 'none' ? '' : tr(`cell.${kind}.long`);
    return html`
        <td role="cell" class="dist no ${kind}" colspan="2" aria-colspan="2" data-subject=${subject}>
            <span class="why" title=${long || nothing}>${kind === 'suppressed'
                ? html`<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M4 7V5a4 4 0 0 1 8 0v2h1v8H3V7zm2 0h4V5a2 2 0 0 0-4 0z"/></svg>`
                : nothing}${tr(`cell.${kind}`)}</span>
        </td>
        <td role="cell" class="num last"><span aria-hidden="true">–</span><span class="vh">${t('cell.na')}</span></td>`;
}

function subjectCells(report: Report, view: View, alias: Alias, cell: Cell): TemplateResult {
    const subject = subjectName(report, alias);
    if (cell.kind !== 'bar') {
        return emptyCells(cell.kind, subject);
    }
    const colors = levelColors(levelCount(report, alias), report.metadata[alias]?.colors);
    const filtered = filterCount(view.filters) > 0 && cell.of !== null;
    const of = cell.of ?? 0;
    return html`
        <td role="cell" class="dist" data-subject=${subject}>${bar(cell, { subject, colors, align: view.align, counts: view.counts })}</td>
        <td role="cell" class="num upper"><span class="small-label" aria-hidden="true">${t('col.upper', { level: firstUpper(report, alias) })}</span><b>${percent(cell.upper)}</b></td>
        <td role="cell" class="num last total"><span class="small-label" aria-hidden="true">${t('col.total')}</span>${filtered
            ? html`<span aria-hidden="true">${number(cell.total)}</span><span class="of" aria-hidden="true">${t('cell.of', { total: number(of) })}</span
                  ><span class="vh">${t('cell.of.long', { count: number(cell.total), total: number(of), share: percent((100 * cell.total) / of) })}</span>`
            : html`<span>${number(cell.total)}</span>`}</td>`;
}

function rowName(view: View, level: Level, record: RowRecord): TemplateResult {
    // Grades lead to the list of students, a page of its own; until it exists they are plain text.
    const child = level === 'school' ? null : childView(view, record.id);
    const name = level === 'school' ? gradeName(record.id) : record.name;
    return child ? html`<a href=${viewUrl(child)} data-nav>${name}</a>` : html`<span>${name}</span>`;
}

export function table(report: Report, view: View, rows: RowRecord[], busy: boolean, actions: TableActions): TemplateResult {
    const place = placeOf(report);
    const level = place?.level ?? 'state';
    const subjects = aliases(report);
    return html`
        <table class="report" role="table" aria-busy=${busy ? 'true' : 'false'} aria-labelledby="title" aria-describedby="notes">
            <colgroup><col class="c-name">${subjects.map(() => html`<col><col class="c-upper"><col class="c-total">`)}</colgroup>
            ${head(report, view, level, actions)}
            <tbody role="rowgroup" class="overall">
                <tr role="row">
                    <th scope="row" role="rowheader" class="name"><span class="reference">${t('row.reference')}</span>
                        <span>${place?.name ?? ''}</span></th>
                    ${subjects.map((a) => subjectCells(report, view, a, summaryCellOf(report, a)))}
                </tr>
            </tbody>
            <tbody role="rowgroup" class="rows">
                ${rows.map(
                    (r) => html`<tr role="row" data-id=${r.id}>
                        <th scope="row" role="rowheader" class="name">${rowName(view, level, r)}</th>
                        ${subjects.map((a) => subjectCells(report, view, a, cellOf(r.results[a])))}
                    </tr>`
                )}
            </tbody>
        </table>`;
}
