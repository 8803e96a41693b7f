// The download dialog of a report: what is on the page as a table, results of its students, reports and
// files of the whole state. What the server makes in the background ends up in "My downloads". Fetched
// when first opened: see the report page.

import { html, LitElement, nothing, type TemplateResult } from 'lit';
import { askForFiles, fetchTable, goToSignIn, Problem, registrationYears, saveFile, type FilesAsked, type StateFile } from '../lib/api.js';
import { academicYear, has, texts, tr } from '../lib/i18n.js';
import { aliases, cellOf, placeOf, type Report } from '../lib/model.js';
import { dataQuery, type View } from '../lib/view.js';
import { gradeName, subjectName } from './table.js';
import download from '../../locales/en/download.json';
import report from '../../locales/en/report.json';

const t = texts(report, download);

const MY_DOWNLOADS = '/assets/html/downloads.html';
const GRADES = ['03', '04', '05', '06', '07', '08', '11'];

/** Files of the whole state, by what one must be allowed to ask for them. */
const STATE_FILES: { file: StateFile; right: string; form: 'year' | 'test' }[] = [
    { file: 'student_registration_statistics', right: 'srs_extracts', form: 'year' },
    { file: 'student_assessment_completion', right: 'src_extracts', form: 'year' },
    { file: 'raw_data', right: 'audit_xml_extracts', form: 'test' },
    { file: 'assessment_item_level', right: 'item_extracts', form: 'test' }
];

type Choice = 'view' | 'results' | StateFile;

function holdsAll(report: Report, right: string): boolean {
    const p = report.context.permissions?.[right];
    return !!p && p.all;
}

/** Is there a bar on the page at all? */
function hasResults(report: Report): boolean {
    return report.records.some((r) => aliases(report).some((a) => cellOf(r.results[a]).kind === 'bar'));
}

class SbDownloadDialog extends LitElement {
    static override properties = {
        report: { attribute: false },
        view: { attribute: false },
        year: { attribute: false },
        rows: { attribute: false },
        choice: { state: true },
        sending: { state: true },
        asked: { state: true },
        problem: { state: true },
        years: { state: true }
    };

    declare report: Report;
    /** What the page shows. */
    declare view: View;
    declare year: number;
    /** Ids of the rows the page shows, in its order. */
    declare rows: string[];
    declare choice: Choice;
    declare sending: boolean;
    declare asked: FilesAsked | null;
    declare problem: Problem | null;
    /** Years with registrations; null: not known. */
    declare years: number[] | null;

    /** Counts how often it was opened: an answer to an earlier time is of no interest. */
    private opened = 0;

    constructor() {
        super();
        this.reset();
        this.years = null;
    }

    private reset(): void {
        this.choice = 'view';
        this.sending = false;
        this.asked = null;
        this.problem = null;
    }

    protected override createRenderRoot(): HTMLElement {
        return this;
    }

    private box(): HTMLDialogElement {
        return this.querySelector<HTMLDialogElement>('dialog')!;
    }

    open(): void {
        this.opened++;
        this.reset();
        this.choice = (['view', ...this.stateFiles().map((f) => f.file)] as Choice[]).find((c) => this.allows(c)) ?? 'view';
        void this.updateComplete.then(() => {
            this.box().showModal();
            this.querySelector<HTMLInputElement>('input[name=download]:checked')?.focus();
        });
        if (this.years === null && this.stateFiles().some((f) => f.form === 'year')) {
            registrationYears(this.view.stateCode ?? '').then(
                (years) => (this.years = years),
                () => undefined // then those of the report are offered
            );
        }
    }

    private stateFiles() {
        return this.view.sid ? [] : STATE_FILES.filter((f) => holdsAll(this.report, f.right));
    }

    /** Is there anything that could be made of it? */
    private allows(choice: Choice): boolean {
        if (choice === 'view') {
            return this.rows.length > 0;
        }
        return choice === 'results'
            ? holdsAll(this.report, 'sar_extracts') && hasResults(this.report)
            : this.years?.length !== 0 || STATE_FILES.some((f) => f.file === choice && f.form === 'test');
    }

    // ---- asking

    private value(name: string): string {
        return this.querySelector<HTMLSelectElement | HTMLInputElement>(`[name=${name}]`)?.value ?? '';
    }

    private results(): Record<string, unknown> {
        const { stateCode, districtId, schoolId, filters } = this.view;
        const subjects = aliases(this.report).map((a) => this.report.subjects[a]);
        return {
            extractType: ['studentAssessment'],
            asmtSubject: subjects,
            asmtType: ['SUMMATIVE'],
            asmtYear: [String(this.year)],
            stateCode: [stateCode],
            ...(districtId ? { districtId: [districtId] } : {}),
            ...(schoolId ? { schoolId: [schoolId] } : {}),
            ...filters,
            async: 'true'
        };
    }

    private stateFile(form: 'year' | 'test'): Record<string, unknown> {
        const stateCode = this.view.stateCode;
        return form === 'year'
            ? { stateCode, academicYear: Number(this.value('dl-academic-year')) }
            : {
                  stateCode,
                  asmtYear: this.value('dl-year'),
                  asmtGrade: this.value('dl-grade'),
                  asmtSubject: this.value('dl-subject'),
                  asmtType: this.value('dl-type')
              };
    }

    private async ask(): Promise<FilesAsked | null> {
        if (this.choice === 'view') {
            const { sort, descending } = this.view;
            const file = await fetchTable(dataQuery(this.view), { rows: this.rows, sort, order: descending ? 'desc' : 'asc' });
            saveFile(file);
            return null;
        }
        const file = STATE_FILES.find((f) => f.file === this.choice);
        return file ? askForFiles(file.file, this.stateFile(file.form)) : askForFiles('', this.results());
    }

    private async send(e: Event): Promise<void> {
        e.preventDefault();
        const time = this.opened;
        this.sending = true;
        this.problem = null;
        try {
            const asked = await this.ask();
            if (time !== this.opened) {
                return;
            }
            this.asked = asked;
            if (asked) {
                void this.updateComplete.then(() => this.querySelector<HTMLElement>('#download-answer')?.focus());
            } else {
                this.box().close();
            }
        } catch (e) {
            const problem = e instanceof Problem ? e : new Problem('failed');
            if (time === this.opened && (problem.kind !== 'signin' || !goToSignIn(problem))) {
                this.problem = problem;
            }
        } finally {
            if (time === this.opened) {
                this.sending = false;
            }
        }
    }

    // ---- rendering

    private option(choice: Choice, text: string, note: string | null): TemplateResult {
        const enabled = this.allows(choice);
        return html`<label class="download-option ${enabled ? '' : 'disabled'}">
            <input type="radio" name="download" value=${choice} ?disabled=${!enabled || this.sending} .checked=${this.choice === choice}
                @change=${() => (this.choice = choice)}>
            <span><b>${text}</b>${note ? html`<span class="note">${note}</span>` : nothing}</span></label>`;
    }

    private resultsOption(): TemplateResult {
        const level = placeOf(this.report)?.level ?? 'state';
        const may = holdsAll(this.report, 'sar_extracts');
        const note = !may ? 'download.results.forbidden' : this.allows('results') ? `download.results.${level}` : 'download.results.none';
        return this.option('results', t('download.results'), tr(note));
    }

    private select(name: string, label: string, options: [string, string][]): TemplateResult {
        return html`<label class="field"><span>${label}</span>
            <select name=${name} required ?disabled=${this.sending}>${options.map(([v, text]) => html`<option value=${v}>${text}</option>`)}</select></label>`;
    }

    private form(): TemplateResult | typeof nothing {
        const file = STATE_FILES.find((f) => f.file === this.choice);
        if (!file || !this.allows(file.file)) {
            return nothing;
        }
        if (file.form === 'year') {
            const years = this.years?.length ? this.years : this.report.asmt_period_year;
            return html`<div class="download-form">${this.select('dl-academic-year', t('year.label'), years.map((y) => [String(y), academicYear(y)]))}</div>`;
        }
        const subjects = aliases(this.report).map((a): [string, string] => [this.report.subjects[a] ?? a, subjectName(this.report, a)]);
        return html`<div class="download-form">
            ${this.select('dl-year', t('year.label'), this.report.asmt_period_year.map((y) => [String(y), academicYear(y)]))}
            ${this.select('dl-grade', t('download.grade'), [['', t('download.choose')], ...GRADES.map((g): [string, string] => [g, gradeName(g)])])}
            ${this.select('dl-subject', t('download.subject'), subjects)}
            ${this.select('dl-type', t('download.type'), [['SUMMATIVE', t('download.type.summative')], ['INTERIM COMPREHENSIVE', t('download.type.interim')]])}
        </div>`;
    }

    private answer(asked: FilesAsked): TemplateResult {
        const found = asked.files?.length ?? 0;
        return html`<div id="download-answer" tabindex="-1" role="status">
            <h3>${t(found ? 'download.asked' : 'download.nothing')}</h3>
            <p>${found ? tr('download.asked.text', { count: found }) : t('download.nothing.text')}</p>
            ${found ? html`<p class="actions"><a class="button primary" href=${MY_DOWNLOADS}>${t('downloads.title')}</a></p>` : nothing}
        </div>`;
    }

    /** Words about files, where those about the results on the page would not do. */
    private words(problem: Problem): string {
        const key = `download.error.${problem.kind}`;
        return tr(has(key) ? key : `error.${problem.kind}.text`);
    }

    private choices(): TemplateResult {
        const state = this.stateFiles();
        const problem = this.problem;
        return html`<form id="download-form" @submit=${(e: Event) => void this.send(e)}>
            <fieldset><legend class="vh">${t('download.title')}</legend>
                ${this.option('view', t('download.view'), t(this.allows('view') ? 'download.view.note' : 'download.results.none'))}
                ${this.view.sid ? nothing : this.resultsOption()}
            </fieldset>
            ${state.length
                ? html`<fieldset><legend>${t('download.state')}</legend>
                      ${state.map((f) => this.option(f.file, t(`download.${f.file}`), this.allows(f.file) ? null : t('download.registrations.none')))}</fieldset>`
                : nothing}
            ${this.form()}
            ${problem
                ? html`<p class="download-problem" role="alert">${this.words(problem)}
                      ${problem.detail ? html`<span class="note" lang="en">${problem.detail}</span>` : nothing}</p>`
                : nothing}
            <p class="actions"><button type="submit" id="download-go" class="button primary" ?disabled=${this.sending || !this.allows(this.choice)}>${t(this.sending ? 'download.sending' : this.choice === 'view' ? 'download.go' : 'download.request')}</button>
                ${this.view.sid ? nothing : html`<a class="button" href=${MY_DOWNLOADS}>${t('downloads.title')}</a>`}</p>
        </form>`;
    }

    protected override render(): TemplateResult {
        const backdrop = (e: Event) => e.target === e.currentTarget && this.box().close();
        return html`<dialog id="download" class="help" aria-labelledby="download-title" @click=${backdrop}>
            <div class="help-body">
                <div class="help-head"><h2 id="download-title">${t('download.title')}</h2>
                    <button type="button" class="button" id="download-close" @click=${() => this.box().close()}>${t('help.close')}</button></div>
                ${this.asked ? this.answer(this.asked) : this.choices()}
            </div>
        </dialog>`;
    }
}

customElements.define('sb-download-dialog', SbDownloadDialog);

declare global {
    interface HTMLElementTagNameMap {
        'sb-download-dialog': SbDownloadDialog;
    }
}
