// The page: holds what is looked at (View, mirrored in the address) and what the server answered.

import { html, LitElement, nothing, type TemplateResult } from 'lit';
import { fetchReport, goToSignIn, Problem } from '../lib/api.js';
import { levelColors } from '../lib/colors.js';
import { filterCount, type Filters } from '../lib/filters.js';
import { academicYear, locale, tr, useLanguage } from '../lib/i18n.js';
import { aliases, levelCount, lowerHalf, placeOf, userOf, type Report, type User } from '../lib/model.js';
import { findRows, sortRows } from '../lib/sort.js';
import { ancestorView, dataQuery, levelOf, parseView, viewUrl, type SortKey, type View } from '../lib/view.js';
import { isUpgraded } from '../lib/upgrade.js';
import { t } from '../texts/report.js';
import { breadcrumb, header, helpDialog } from './chrome.js';
import { chips, filterPanel } from './filterpanel.js';
import { legend } from './legend.js';
import { gradeName, sortColumns, subjectName, table } from './table.js';
import { watchSession } from './timeout.js';
import { BarTip } from './tip.js';

/** Fewer rows than this are found by looking. */
const FIND_FROM = 8;

const QUESTIONS = [1, 2, 3, 4, 5, 6, 7];

/** Open pop-over, by the id of its button. */
type Panel = 'account' | 'legend' | null;

class SbComparing extends LitElement {
    static override properties = {
        view: { state: true },
        report: { state: true },
        shown: { state: true },
        problem: { state: true },
        loading: { state: true },
        panel: { state: true },
        filtersOpen: { state: true },
        said: { state: true },
        wanted: { state: true },
        noScript: { state: true }
    };

    declare view: View;
    declare report: Report | null;
    /** The view that the report on the screen answers; lags behind view while loading. */
    declare shown: View | null;
    declare problem: Problem | null;
    declare loading: boolean;
    declare panel: Panel;
    declare filtersOpen: boolean;
    /** Last words of the live region. */
    declare said: string;
    /** What names are searched for; belongs to the table, not to the view. */
    declare wanted: string;
    /** The download dialog could not be fetched. */
    declare noScript: boolean;

    private user: User | null = null;
    private request: AbortController | null = null;

    constructor() {
        super();
        this.view = parseView(location.search);
        this.report = null;
        this.shown = null;
        this.problem = null;
        this.loading = false;
        this.panel = null;
        this.filtersOpen = false;
        this.said = '';
        this.wanted = '';
        this.noScript = false;
    }

    /** Light DOM: one style sheet, and ids that labels can refer to. */
    protected override createRenderRoot(): HTMLElement {
        return this;
    }

    override connectedCallback(): void {
        super.connectedCallback();
        addEventListener('popstate', () => this.show(parseView(location.search), 'popped'));
        addEventListener('keydown', (e) => e.key === 'Escape' && this.escape());
        document.addEventListener('click', (e) => this.outside(e));
        // A page put aside by the browser may come back after the session ended elsewhere.
        addEventListener('pageshow', (e) => e.persisted && this.restored());
        this.addEventListener('click', (e) => this.follow(e));
        new BarTip(this, (subject) => this.colorsOf(subject));
        void this.load();
    }

    // ---- loading

    private async load(): Promise<void> {
        const view = this.view;
        if (!view.stateCode && !view.sid) {
            location.replace('/assets/html/index.html');
            return;
        }
        this.request?.abort();
        const request = (this.request = new AbortController());
        this.loading = true;
        this.said = t('status.loading');
        try {
            const report = await fetchReport(dataQuery(view), request.signal);
            const moved = this.shown !== null && (this.shown.districtId !== view.districtId || this.shown.schoolId !== view.schoolId);
            this.report = report;
            this.shown = view;
            this.problem = null;
            this.user = userOf(report.user_info) ?? this.user;
            if (this.user && !view.sid) {
                watchSession();
            }
            this.arrived(moved);
        } catch (e) {
            if (request.signal.aborted) {
                return;
            }
            const problem = e instanceof Problem ? e : new Problem('failed');
            if (problem.kind === 'signin' && goToSignIn(problem)) {
                return;
            }
            this.problem = problem;
            this.said = tr(`error.${problem.kind}.title`);
            document.title = t('title.page', { title: this.said, app: t('app.name') });
        } finally {
            if (this.request === request) {
                this.loading = false;
                this.request = null;
            }
        }
    }

    private restored(): void {
        this.report = null;
        this.shown = null;
        void this.load();
    }

    private arrived(moved: boolean): void {
        document.title = t('title.page', { title: this.titleText(), app: t('app.name') });
        const rows = this.report?.records.length ?? 0;
        this.said = t('status.loaded', {
            title: this.titleText(),
            year: academicYear(this.year()),
            rows: tr(`rows.${this.level()}`, { count: rows })
        });
        if (moved) {
            this.wanted = '';
            void this.updateComplete.then(() => {
                scrollTo(0, 0);
                this.querySelector<HTMLElement>('#title')?.focus({ preventScroll: true });
            });
        }
    }

    /**
     * Look at something else. Data are asked for only when they differ.
     * @param how pushed: a new step for Back; replaced: the same step; popped: Back was used
     */
    private show(view: View, how: 'pushed' | 'replaced' | 'popped'): void {
        const same = dataQuery(view).toString() === dataQuery(this.view).toString() && !this.problem;
        this.view = view;
        if (how !== 'popped') {
            history[how === 'pushed' ? 'pushState' : 'replaceState'](null, '', viewUrl(view));
        }
        if (!same) {
            this.panel = null;
            this.filtersOpen = false;
            void this.load();
        } else if (this.shown) {
            this.shown = { ...this.shown, sort: view.sort, descending: view.descending, align: view.align, counts: view.counts };
        }
    }

    // ---- what the page is about

    private level(): 'state' | 'district' | 'school' {
        return (this.report && placeOf(this.report)?.level) ?? levelOf(this.view);
    }

    private year(): number {
        return this.shown?.year ?? this.report?.asmt_period_year[0] ?? new Date().getFullYear();
    }

    private titleText(): string {
        const place = this.report && placeOf(this.report);
        return place ? tr(`title.${place.level}`, { name: place.name }) : t('title.report');
    }

    private colorsOf(subject: string) {
        const report = this.report!;
        const alias = aliases(report).find((a) => subjectName(report, a) === subject) ?? 'subject1';
        return levelColors(levelCount(report, alias), report.metadata[alias]?.colors);
    }

    // ---- events

    private follow(e: MouseEvent): void {
        const link = (e.target as HTMLElement).closest<HTMLAnchorElement>('a[data-nav]');
        if (!link || e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) {
            return;
        }
        e.preventDefault();
        this.show(parseView(new URL(link.href).search), 'pushed');
    }

    private escape(): void {
        if (this.panel) {
            const opener = this.panel;
            this.panel = null;
            this.querySelector<HTMLElement>(`#${opener}`)?.focus();
        } else if (this.filtersOpen) {
            this.closeFilters();
        }
    }

    private outside(e: MouseEvent): void {
        if (this.panel && !(e.target as HTMLElement).closest('[data-menu]')) {
            this.panel = null;
        }
    }

    private togglePanel(panel: Panel): void {
        this.panel = this.panel === panel ? null : panel;
    }

    private readonly sort = (key: SortKey): void => {
        // A first look at numbers wants the largest on top; names begin with A.
        const descending = this.view.sort === key ? !this.view.descending : key !== 'name';
        this.sortBy(key, descending);
    };

    private sortBy(key: SortKey, descending: boolean): void {
        this.show({ ...this.view, sort: key, descending }, 'replaced');
        const report = this.report!;
        const column = sortColumns(report, this.level()).find((c) => c.key === key);
        this.said = t('rows.sorted', {
            rows: tr(`rows.${this.level()}`, { count: report.records.length }),
            column: [column?.subject, column?.long].filter(Boolean).join(', '),
            direction: t(descending ? 'sort.desc' : 'sort.asc')
        });
    }

    /** The dialog's script comes with its first use. */
    private async openDownload(): Promise<void> {
        this.noScript = false;
        try {
            await import('./download.js');
        } catch {
            this.noScript = !(await isUpgraded('download'));
            return;
        }
        this.querySelector('sb-download-dialog')?.open();
    }

    private openFilters(): void {
        this.filtersOpen = !this.filtersOpen;
        if (this.filtersOpen) {
            void this.updateComplete.then(() => this.querySelector<HTMLElement>('#filters-title')?.focus());
        }
    }

    private closeFilters(): void {
        this.filtersOpen = false;
        this.querySelector<HTMLElement>('#filter-button')?.focus();
    }

    private applyFilters(filters: Filters): void {
        this.filtersOpen = false;
        this.show({ ...this.view, filters }, 'pushed');
        this.querySelector<HTMLElement>('#filter-button')?.focus();
    }

    private async changeLanguage(code: string): Promise<void> {
        await useLanguage(code, true);
        this.requestUpdate();
        if (this.report) {
            document.title = t('title.page', { title: this.titleText(), app: t('app.name') });
        }
    }

    private helpBox(): HTMLDialogElement {
        return this.querySelector<HTMLDialogElement>('#help')!;
    }

    // ---- rendering

    private yearSelect(report: Report): TemplateResult {
        const years = report.asmt_period_year;
        const selected = this.view.year ?? years[0];
        const all = selected !== undefined && !years.includes(selected) ? [selected, ...years] : years;
        const choose = (e: Event) => {
            const year = Number((e.target as HTMLSelectElement).value);
            this.show({ ...this.view, year: year === years[0] ? null : year }, 'pushed');
        };
        return html`<label class="field"><span>${t('year.label')}</span>
            <select id="year" @change=${choose} .value=${String(selected)}>
                ${all.map((y) => html`<option value=${y} ?selected=${y === selected}>${y === years[0] ? t('year.newest', { year: academicYear(y) }) : academicYear(y)}</option>`)}
            </select></label>`;
    }

    private sortSelect(report: Report): TemplateResult {
        const columns = sortColumns(report, this.level());
        const choose = (e: Event) => {
            const [key, order] = (e.target as HTMLSelectElement).value.split('/');
            this.sortBy(key!, order === 'desc');
        };
        const current = `${this.view.sort}/${this.view.descending ? 'desc' : 'asc'}`;
        return html`<label class="field narrow-only"><span>${t('tool.sort')}</span>
            <select id="sort" @change=${choose}>
                ${columns.flatMap((c) =>
                    (['asc', 'desc'] as const).map((order) => {
                        const direction = t(`sort.${order}`);
                        const text = c.subject
                            ? t('sort.option.subject', { subject: c.subject, column: c.long, direction })
                            : t('sort.option', { column: c.long, direction });
                        return html`<option value="${c.key}/${order}" ?selected=${current === `${c.key}/${order}`}>${text}</option>`;
                    })
                )}
            </select></label>`;
    }

    private findBox(report: Report): TemplateResult | typeof nothing {
        const level = this.level();
        if (level === 'school' || (report.records.length < FIND_FROM && !this.wanted)) {
            return nothing;
        }
        const find = (e: Event) => {
            this.wanted = (e.target as HTMLInputElement).value;
            const count = findRows(report.records, this.wanted).length;
            this.said = count
                ? t('find.count', { count, rows: tr(`rows.${level}`, { count: report.records.length }) })
                : t('find.none', { text: this.wanted });
        };
        return html`<label class="field find"><span>${t(`tool.find.${level}`)}</span>
            <input type="search" id="find" autocomplete="off" spellcheck="false" .value=${this.wanted} @input=${find}></label>`;
    }

    private toolbar(report: Report): TemplateResult {
        const count = filterCount(this.view.filters);
        const levels = aliases(report).map((a) => levelCount(report, a));
        const alignText = new Set(levels).size === 1 ? t('tool.align', { level: lowerHalf(levels[0]!) + 1 }) : t('tool.align.plain');
        const toggle = (key: 'align' | 'counts') => () => this.show({ ...this.view, [key]: !this.view[key] }, 'replaced');
        return html`<div class="tools" role="group" aria-label=${t('tools')}>
            ${this.yearSelect(report)}
            <button type="button" id="filter-button" class="button ${count ? 'active' : ''}" aria-expanded=${this.filtersOpen ? 'true' : 'false'} aria-controls="filter-area"
                @click=${this.openFilters}>
                <svg viewBox="0 0 16 16" aria-hidden="true"><path d="M1 2h14L9.500 8.500V14l-3-1.500v-4z"/></svg>${t('tool.filter.count', { count })}</button>
            ${this.findBox(report)}
            ${this.sortSelect(report)}
            <span class="spring"></span>
            <button type="button" class="button toggle" aria-pressed=${this.view.align ? 'true' : 'false'} id="align" @click=${toggle('align')}>${alignText}</button>
            <button type="button" class="button toggle" aria-pressed=${this.view.counts ? 'true' : 'false'} id="counts" @click=${toggle('counts')}>${t('tool.counts')}</button>
            <div class="menu" data-menu>
                <button type="button" id="legend" class="button" aria-expanded=${this.panel === 'legend' ? 'true' : 'false'} aria-controls="legend-panel"
                    @click=${() => this.togglePanel('legend')}>${t('tool.legend')}</button>
                <div id="legend-panel" class="menu-panel legend" role="region" aria-labelledby="legend-title" ?hidden=${this.panel !== 'legend'}>
                    ${this.panel === 'legend' ? legend(report, levels[0] ?? 4, aliases(report)[0] ?? 'subject1') : nothing}
                </div>
            </div>
            <button type="button" class="button" id="download-button" aria-haspopup="dialog" @click=${this.openDownload}>${t('tool.download')}</button>
            <button type="button" class="button" id="print" @click=${() => print()}>${t('tool.print')}</button>
        </div>`;
    }

    private yearNotice(report: Report): TemplateResult | typeof nothing {
        const newest = report.asmt_period_year[0];
        if (newest === undefined || this.year() === newest) {
            return nothing;
        }
        return html`<p class="notice"><span>${t('year.previous')}</span>
            <a data-nav href=${viewUrl({ ...this.view, year: null })}>${t('year.back', { year: academicYear(newest) })}</a></p>`;
    }

    private empty(report: Report): TemplateResult {
        const unknown = !placeOf(report);
        const text = unknown
            ? t('empty.place')
            : filterCount(this.view.filters)
              ? t('empty.filtered')
              : t('empty.unfiltered', { year: academicYear(this.year()) });
        return html`<div class="message-box" id="empty"><h2>${t('empty.title')}</h2><p>${text}</p>
            ${unknown && (this.view.districtId || this.view.schoolId)
                ? html`<p><a class="button" data-nav href=${viewUrl({ ...this.view, districtId: null, schoolId: null })}>${t('empty.toState')}</a></p>`
                : nothing}</div>`;
    }

    private problemBox(problem: Problem): TemplateResult {
        const retry = ['busy', 'failed', 'network'].includes(problem.kind);
        return html`<div class="message-box problem" id="problem" role="alert">
            <h1 id="title" tabindex="-1">${tr(`error.${problem.kind}.title`)}</h1>
            <p>${tr(`error.${problem.kind}.text`)}</p>
            ${problem.incident ? html`<p class="note">${t('error.incident', { id: problem.incident })}</p>` : nothing}
            <p class="actions">
                ${retry ? html`<button type="button" class="button primary" id="retry" @click=${() => void this.load()}>${t('error.retry')}</button>` : nothing}
                ${problem.kind === 'signin'
                    ? html`<a class="button primary" href=${problem.redirect || '/login'}>${t('error.again')}</a>`
                    : html`<a class="button" href="/assets/html/index.html">${t('error.home')}</a>`}
            </p></div>`;
    }

    private skeleton(): TemplateResult {
        return html`<div class="skeleton" aria-hidden="true">${Array.from({ length: 6 }, () => html`<div><i></i><b></b><b></b></div>`)}</div>`;
    }

    private notes(): TemplateResult {
        return html`<div id="notes" class="notes"><h2 class="vh">${t('notes')}</h2>
            <p>${t('note.population')} ${t('note.suppressed')} ${t('note.rounding')}</p></div>`;
    }

    private results(report: Report): TemplateResult {
        const shown = this.shown ?? this.view;
        const rows = this.level() === 'school'
            ? report.records.map((r) => ({ ...r, name: gradeName(r.id) }))
            : report.records;
        const found = sortRows(findRows(rows, this.wanted), shown, locale());
        return html`
            ${breadcrumb(report, shown, this.user)}
            <div class="titles">
                <h1 id="title" tabindex="-1">${this.titleText()}</h1>
                <p class="subtitle">${t('sub.summative', { year: academicYear(this.year()) })}${report.records.length
                    ? html` <span class="dot" aria-hidden="true">·</span> ${tr(`rows.${this.level()}`, { count: report.records.length })}`
                    : nothing}</p>
            </div>
            ${this.toolbar(report)}
            <div id="filter-area">
                ${this.filtersOpen
                    ? filterPanel(this.view.filters, report.not_stated, { apply: (f) => this.applyFilters(f), close: () => this.closeFilters() })
                    : nothing}
            </div>
            ${this.noScript ? html`<p class="notice" id="no-script" role="alert">${t('tool.download.noscript')}</p>` : nothing}
            <sb-download-dialog .report=${report} .view=${shown} .year=${this.year()} .rows=${found.map((r) => r.id)}></sb-download-dialog>
            ${chips(this.view.filters, (f) => this.applyFilters(f))}
            ${this.yearNotice(report)}
            ${report.records.length
                ? html`${table(report, shown, found, this.loading, { sort: this.sort })}
                      ${found.length ? nothing : html`<p class="none-found">${t('find.none', { text: this.wanted })}</p>`}${this.notes()}`
                : this.empty(report)}`;
    }

    protected override render(): TemplateResult {
        const body = this.problem ? this.problemBox(this.problem) : this.report ? this.results(this.report) : this.skeleton();
        return html`
            <a class="skip" href="#main">${t('skip')}</a>
            ${header(this.report, this.user, this.view.sid ? ancestorView(this.view, 'state') : null, this.panel === 'account', {
                toggleMenu: () => this.togglePanel('account'),
                language: (code) => void this.changeLanguage(code),
                help: () => this.helpBox().showModal()
            })}
            <div class="progress ${this.loading ? 'on' : ''}" aria-hidden="true"></div>
            <main id="main" class="wrap ${this.loading ? 'loading' : ''}" tabindex="-1">${body}</main>
            <footer class="foot"><div class="wrap">${t('app.name')} · ${t('app.footer')}</div></footer>
            ${helpDialog(() => this.helpBox().close(), QUESTIONS.map((n) => [tr(`help.q${n}`), tr(`help.a${n}`)]))}
            <div class="vh" role="status" aria-live="polite" id="status">${this.said}</div>`;
    }
}

customElements.define('sb-comparing', SbComparing);
