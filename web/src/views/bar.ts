// A population bar: 100 % of the assessed students, cut by achievement level.

import { html, nothing, type TemplateResult } from 'lit';
import { classMap } from 'lit/directives/class-map.js';
import type { LevelColor } from '../lib/colors.js';
import { number, percent } from '../lib/i18n.js';
import { lowerHalf, type BarLevel, type Cell } from '../lib/model.js';
import { styled } from '../lib/styled.js';
import { t } from '../texts/report.js';

export type BarCell = Extract<Cell, { kind: 'bar' }>;

export interface BarContext {
    subject: string;
    colors: LevelColor[];
    align: boolean;
    counts: boolean;
}

/** Below this share the number would not fit into its segment. */
const SMALLEST_LABEL = 10;
/** An aligned bar takes this share of the cell, so that it fits wherever its border lies. */
const ALIGNED = 0.5;

export function colorOf(colors: LevelColor[], level: number): LevelColor {
    return colors[level - 1] ?? { background: '#d0d5da', text: '#14202b' };
}

/** "34 %", or "< 5 %" where the state tells no more. */
export function share(level: BarLevel): string {
    const sign = level.coded === 'below' ? '< ' : level.coded === 'above' ? '> ' : '';
    return sign + percent(level.percentage);
}

/** The whole bar in words, for those who do not see it. */
export function barLabel(cell: BarCell, subject: string): string {
    const levels = cell.levels
        .map((l) =>
            l.count === null
                ? t('bar.levelShare', { level: l.level, percent: share(l) })
                : t('bar.level', { level: l.level, percent: share(l), count: l.count })
        )
        .join('; ');
    return t('bar.label', { subject, levels, total: cell.total });
}

function segment(level: BarLevel, ctx: Pick<BarContext, 'colors' | 'align'>): TemplateResult | typeof nothing {
    if (level.percentage <= 0) {
        return nothing;
    }
    const color = colorOf(ctx.colors, level.level);
    const labelled = level.percentage >= SMALLEST_LABEL && !ctx.align;
    return html`<span class="seg lv${level.level} ${color.text === '#ffffff' ? 'dark' : 'light'}"
        ${styled({ 'flex-grow': String(level.percentage), 'background-color': color.background, color: color.text })}
        >${labelled ? html`<span>${share(level)}</span>` : nothing}</span>`;
}

/** Swatch of a level, as legend and tooltip show it. */
export function swatch(colors: LevelColor[], level: number): TemplateResult {
    const color = colorOf(colors, level);
    return html`<span class="swatch lv${level} ${color.text === '#ffffff' ? 'dark' : 'light'}"
        ${styled({ 'background-color': color.background })}></span>`;
}

export function segments(cell: Pick<BarCell, 'levels'>, ctx: Pick<BarContext, 'colors' | 'align'>): TemplateResult {
    return html`<span class="segs" aria-hidden="true">${cell.levels.map((l) => segment(l, ctx))}</span>`;
}

/** Counts are withheld from all levels or from none. */
function hasCounts(cell: Pick<BarCell, 'levels'>): boolean {
    return cell.levels.every((l) => l.count !== null);
}

export function bar(cell: BarCell, ctx: BarContext): TemplateResult {
    const below = 100 - cell.upper;
    const told = cell.levels.every((l) => !l.coded); // else the sum would be one of limits
    const left = 50 - below * ALIGNED;
    const shift = ctx.align ? { 'margin-left': `${left}%`, width: `${100 * ALIGNED}%` } : {};
    return html`
        <div class=${classMap({ popbar: true, aligned: ctx.align })}
            role="img" tabindex="0" aria-label=${barLabel(cell, ctx.subject)} .cell=${cell} data-subject=${ctx.subject}>
            <span class="track" ${styled(shift as Record<string, string>)}>
                ${ctx.align && told && below > 0 ? html`<span class="side before" aria-hidden="true">${percent(below)}</span>` : nothing}
                ${segments(cell, ctx)}
                ${ctx.align && told && cell.upper > 0 ? html`<span class="side after" aria-hidden="true">${percent(cell.upper)}</span>` : nothing}
            </span>
        </div>
        ${ctx.counts && hasCounts(cell)
            ? html`<div class="counts" aria-hidden="true">
                  ${cell.levels.map((l) => html`<span>${swatch(ctx.colors, l.level)}${number(l.count ?? 0)}</span>`)}
              </div>`
            : nothing}
    `;
}

/** The numbers behind a bar, as the tooltip shows them. */
export function barTable(cell: BarCell, subject: string, colors: LevelColor[]): TemplateResult {
    const first = lowerHalf(cell.levels.length) + 1;
    const counted = hasCounts(cell);
    return html`
        <p class="tip-title">${subject}</p>
        <table>
            <thead><tr><th scope="col">${t('tip.level')}</th>${counted ? html`<th scope="col">${t('tip.students')}</th>` : nothing}<th scope="col">${t('tip.share')}</th></tr></thead>
            <tbody>
                ${cell.levels.map(
                    (l) => html`<tr class=${l.level === first ? 'border' : ''}>
                        <th scope="row">${swatch(colors, l.level)} ${l.level}</th>
                        ${counted ? html`<td>${number(l.count ?? 0)}</td>` : nothing}<td>${share(l)}</td>
                    </tr>`
                )}
            </tbody>
        </table>
        <p class="tip-total">${t('bar.students', { count: cell.total })}</p>
    `;
}
