// How to read the bars of a report.

import { html, nothing, type TemplateResult } from 'lit';
import { levelColors } from '../lib/colors.js';
import { lowerHalf, type Report } from '../lib/model.js';
import { t } from '../texts/report.js';
import { segments, swatch } from './bar.js';

const SAMPLE = [
    { level: 1, percentage: 22, count: 0, coded: null },
    { level: 2, percentage: 26, count: 0, coded: null },
    { level: 3, percentage: 25, count: 0, coded: null },
    { level: 4, percentage: 27, count: 0, coded: null }
];

/** The legend uses the colours of the report, whatever they are. */
export function legend(report: Report, levels: number, alias: string): TemplateResult {
    const colors = levelColors(levels, report.metadata[alias]?.colors);
    const lower = lowerHalf(levels);
    return html`
        <h2 id="legend-title">${t('legend.title')}</h2>
        <p>${t('legend.bar')}</p>
        <ul class="levels">
            ${Array.from({ length: levels }, (_, i) => html`<li>${swatch(colors, i + 1)} <span><b>${t('level', { level: i + 1 })}</b>
                <span class="note">${t(i < lower ? 'level.below' : 'level.at')}</span></span></li>`)}
        </ul>
        ${levels === 4
            ? html`<div class="sample" role="img" aria-label=${t('legend.sample')}>${segments({ levels: SAMPLE }, { colors, align: false })}</div>
                  <p class="note">${t('legend.sample')}</p>`
            : nothing}
        <p>${t('legend.line', { lower, upper: lower + 1 })}</p>
        <p>${t('legend.counts')}</p>`;
}
