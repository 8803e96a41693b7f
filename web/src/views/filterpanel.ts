// The filter panel and the chips of what is applied.

import { html, nothing, type TemplateResult } from 'lit';
import { live } from 'lit/directives/live.js';
import { FILTERS, cleanFilters, filterCount, notStatedShare, valueKey, type FilterDef, type Filters } from '../lib/filters.js';
import { has, percent, tr } from '../lib/i18n.js';
import { t } from '../texts/report.js';

export interface FilterActions {
    apply(filters: Filters): void;
    close(): void;
}

/** Footnote marks belong to the panel, where the footnote stands. */
function plain(text: string): string {
    return text.replaceAll('*', '');
}

function group(def: FilterDef, chosen: string[], counts: Record<string, number>): TemplateResult {
    const share = notStatedShare(def, counts);
    return html`<fieldset class="group ${def.param}">
        <legend>${tr(`filter.${def.param}`)}</legend>
        <div class="choices">
            ${def.values.map(
                (v) => html`<label><input type="checkbox" name=${def.param} value=${v} .checked=${live(chosen.includes(v))}>
                    <span>${tr(valueKey(def.param, v))}</span></label>`
            )}
        </div>
        ${has(`filter.${def.param}.note`) ? html`<p class="note">${tr(`filter.${def.param}.note`)}</p>` : nothing}
        ${share !== null
            ? html`<p class="note">${t('filter.notstated', { share: share < 0.5 ? `< ${percent(1)}` : percent(Math.round(share)) })}</p>`
            : nothing}
    </fieldset>`;
}

export function filterPanel(filters: Filters, counts: Record<string, number>, actions: FilterActions): TemplateResult {
    const submit = (e: SubmitEvent) => {
        e.preventDefault();
        const data = new FormData(e.target as HTMLFormElement);
        actions.apply(cleanFilters(Object.fromEntries(FILTERS.map(({ param }) => [param, data.getAll(param).map(String)]))));
    };
    const clear = (e: Event) => {
        const form = (e.target as HTMLElement).closest('form')!;
        form.querySelectorAll<HTMLInputElement>('input:checked').forEach((i) => (i.checked = false));
    };
    return html`<form class="filters" id="filters" @submit=${submit} aria-labelledby="filters-title">
        <h2 id="filters-title" tabindex="-1">${t('filter.title')}</h2>
        <p class="note">${t('filter.hint')}</p>
        <div class="groups">${FILTERS.map((def) => group(def, filters[def.param] ?? [], counts))}</div>
        <div class="actions">
            <button type="submit" class="button primary">${t('filter.apply')}</button>
            <button type="button" class="button" @click=${actions.close}>${t('filter.cancel')}</button>
            <button type="button" class="button quiet" @click=${clear}>${t('filter.reset')}</button>
        </div>
    </form>`;
}

export function chips(filters: Filters, apply: (f: Filters) => void): TemplateResult | typeof nothing {
    if (!filterCount(filters)) {
        return nothing;
    }
    const without = (param: string) => Object.fromEntries(Object.entries(filters).filter(([p]) => p !== param));
    return html`<div class="chips" role="group" aria-label=${t('filter.by')}>
        <span class="chips-title" aria-hidden="true">${t('filter.by')}</span>
        <ul>
            ${Object.entries(filters).map(([param, values]) => {
                const name = tr(`filter.${param}`);
                const text = t('filter.chip', { name, values: values.map((v) => plain(tr(valueKey(param, v)))).join(', ') });
                return html`<li class="chip"><span>${text}</span><button type="button" aria-label=${t('filter.remove', { name })}
                    @click=${() => apply(without(param))}><svg viewBox="0 0 12 12" aria-hidden="true"><path d="m2 2 8 8m0-8-8 8"/></svg></button></li>`;
            })}
        </ul>
        <button type="button" class="button quiet" @click=${() => apply({})}>${t('filter.clear')}</button>
    </div>`;
}
