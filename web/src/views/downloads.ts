// The page "My downloads": a table of jobs that keeps itself up to date as often as the server says.

import { html, LitElement, nothing, type TemplateResult } from 'lit';
import { deleteJob, fetchJobs, fetchUserInfo, goToSignIn, Problem, safeRedirect } from '../lib/api.js';
import { locale, t, tr, useLanguage, type Key } from '../lib/i18n.js';
import { ended, isOpen, pauseMs, sizeText, type Job, type JobFile } from '../lib/jobs.js';
import { userOf, type User } from '../lib/model.js';
import { header, helpDialog } from './chrome.js';
import { watchSession } from './timeout.js';

class SbDownloads extends LitElement {
    static override properties = {
        jobs: { state: true },
        problem: { state: true },
        stale: { state: true },
        menuOpen: { state: true },
        asking: { state: true },
        said: { state: true }
    };

    /** null: not known yet. */
    declare jobs: Job[] | null;
    declare problem: Problem | null;
    /** What is shown may be old: the last question failed. */
    declare stale: boolean;
    declare menuOpen: boolean;
    /** The job whose end was asked for and is to be confirmed. */
    declare asking: Job | null;
    /** Last words of the live region. */
    declare said: string;

    private user: User | null = null;
    private timer = 0;
    private failures = 0;
    private pollSeconds = 0;

    constructor() {
        super();
        this.jobs = null;
        this.problem = null;
        this.stale = false;
        this.menuOpen = false;
        this.asking = null;
        this.said = '';
    }

    /** Light DOM: one style sheet, and ids that labels can refer to. */
    protected override createRenderRoot(): HTMLElement {
        return this;
    }

    override connectedCallback(): void {
        super.connectedCallback();
        addEventListener('keydown', (e) => e.key === 'Escape' && this.closeMenu());
        document.addEventListener('click', (e) => {
            if (this.menuOpen && !(e.target as HTMLElement).closest('[data-menu]')) {
                this.menuOpen = false;
            }
        });
        // Nobody looks: nobody asks. Who comes back sees what is true now.
        document.addEventListener('visibilitychange', () => {
            clearTimeout(this.timer);
            if (!document.hidden && this.jobs) {
                void this.load();
            }
        });
        addEventListener('pageshow', (e) => e.persisted && void this.load());
        this.setTitle();
        void this.begin();
    }

    // ---- loading

    private async begin(): Promise<void> {
        try {
            this.user = userOf((await fetchUserInfo()).user_info);
            watchSession();
            await this.load();
        } catch (e) {
            this.failed(e);
        }
    }

    private async load(): Promise<void> {
        clearTimeout(this.timer);
        try {
            const list = await fetchJobs();
            const news = ended(this.jobs ?? [], list.jobs);
            this.jobs = list.jobs;
            this.problem = null;
            this.stale = false;
            this.failures = 0;
            this.pollSeconds = list.poll_seconds;
            if (news.length) {
                this.said = news.map((j) => tr(`downloads.said.${j.state}`, { title: j.title })).join(' ');
            }
        } catch (e) {
            this.failed(e);
        }
        const pause = pauseMs(this.pollSeconds, this.failures);
        if (pause && !document.hidden && !this.problem) {
            clearTimeout(this.timer);
            this.timer = window.setTimeout(() => void this.load(), pause);
        }
    }

    /** The first look must succeed; of later ones the list stays, with a word that it may be old. */
    private failed(e: unknown): void {
        const problem = e instanceof Problem ? e : new Problem('failed');
        if (problem.kind === 'signin' && goToSignIn(problem)) {
            return;
        }
        this.failures++;
        if (this.jobs && (problem.kind === 'busy' || problem.kind === 'network' || problem.kind === 'failed')) {
            this.stale = true;
        } else {
            this.problem = problem;
        }
    }

    // ---- ending one

    private ask(job: Job): void {
        this.asking = job;
        void this.updateComplete.then(() => this.querySelector<HTMLDialogElement>('#ask')?.showModal());
    }

    private closeAsk(): void {
        const id = this.asking?.id;
        this.querySelector<HTMLDialogElement>('#ask')?.close();
        this.asking = null;
        void this.updateComplete.then(() =>
            (this.querySelector<HTMLElement>(`#end-${id}`) ?? this.querySelector<HTMLElement>('#title'))?.focus()
        );
    }

    private async end(): Promise<void> {
        const job = this.asking!;
        try {
            await deleteJob(job.id);
            this.said = t(isOpen(job) ? 'downloads.said.cancelled' : 'downloads.said.deleted', { title: job.title });
        } catch (e) {
            // It may have ended, or gone, in the meantime: the list says.
            const problem = e instanceof Problem ? e : new Problem('failed');
            this.said = problem.status === 409 || problem.kind === 'notfound' ? t('downloads.said.changed') : tr(`error.${problem.kind}.title`);
        }
        await this.load();
        this.closeAsk();
    }

    // ---- rendering

    private closeMenu(): void {
        if (this.menuOpen) {
            this.menuOpen = false;
            this.querySelector<HTMLElement>('#account')?.focus();
        }
    }

    private async changeLanguage(code: string): Promise<void> {
        await useLanguage(code, true);
        this.setTitle();
        this.requestUpdate();
    }

    private setTitle(): void {
        document.title = t('downloads.page', { title: t('downloads.title'), app: t('app.name') });
    }

    private date(text: string): string {
        return new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(text));
    }

    private state(job: Job): TemplateResult {
        const name = t(`downloads.state.${job.state}` as Key);
        return html`<span class="state ${job.state}">${name}</span>
            ${job.state === 'running'
                ? html`<span class="meter"><progress max="100" .value=${job.percent} aria-label=${t('downloads.progress', { title: job.title })}></progress>
                      <span aria-hidden="true">${job.percent}%</span></span>`
                : nothing}
            ${job.state === 'failed' && job.reason ? html`<span class="why-not" lang="en">${job.reason}</span>` : nothing}
            ${job.missing_parts ? html`<span class="why-not">${t('downloads.missing', { count: job.missing_parts })}</span>` : nothing}
            ${job.state === 'ready' && job.notice ? html`<span class="why-not" lang="en">${job.notice}</span>` : nothing}`;
    }

    private file(file: JobFile): TemplateResult {
        const url = safeRedirect(file.web_download_url ?? file.download_url, location.href);
        const size = file.size === null ? nothing : html` <span class="size">${sizeText(file.size, locale())}</span>`;
        return html`<li>${url ? html`<a href=${url}>${file.name}</a>` : html`<span>${file.name}</span>`}${size}</li>`;
    }

    private row(job: Job): TemplateResult {
        const verb = isOpen(job) ? 'downloads.cancel' : 'downloads.delete';
        return html`<tr role="row" id="job-${job.id}">
            <th role="rowheader" scope="row"><span lang="en">${job.title}</span>
                <span class="asked">${t('downloads.asked', { date: this.date(job.created) })}</span></th>
            <td role="cell" data-label=${t('downloads.col.state')}>${this.state(job)}</td>
            <td role="cell" class=${job.files.length ? '' : 'none'} data-label=${t('downloads.col.files')}>${job.files.length ? html`<ul class="files">${job.files.map((f) => this.file(f))}</ul>` : '–'}</td>
            <td role="cell" class=${job.expires ? '' : 'none'} data-label=${t('downloads.col.expires')}>${job.expires ? this.date(job.expires) : '–'}</td>
            <td role="cell" class="act"><button type="button" class="button" id="end-${job.id}" @click=${() => this.ask(job)}>${t(verb)}<span class="vh">: ${job.title}</span></button></td>
        </tr>`;
    }

    private table(jobs: Job[]): TemplateResult {
        const columns: Key[] = ['downloads.col.request', 'downloads.col.state', 'downloads.col.files', 'downloads.col.expires'];
        // Roles by name: as cards, on narrow screens, the elements lose theirs.
        return html`<table class="downloads" role="table" aria-labelledby="title">
            <thead role="rowgroup"><tr role="row">${columns.map((c) => html`<th role="columnheader" scope="col">${t(c)}</th>`)}<th role="columnheader" scope="col"><span class="vh">${t('downloads.col.actions')}</span></th></tr></thead>
            <tbody role="rowgroup">${jobs.map((j) => this.row(j))}</tbody></table>`;
    }

    private problemBox(problem: Problem): TemplateResult {
        return html`<div class="message-box problem" id="problem" role="alert">
            <h2>${t(`error.${problem.kind}.title` as Key)}</h2>
            ${problem.incident ? html`<p class="note">${t('error.incident', { id: problem.incident })}</p>` : nothing}
            <p class="actions">${problem.kind === 'signin'
                ? html`<a class="button primary" href=${problem.redirect || '/login'}>${t('error.again')}</a>`
                : html`<button type="button" class="button primary" id="retry" @click=${() => void this.begin()}>${t('error.retry')}</button>`}</p></div>`;
    }

    private askDialog(): TemplateResult {
        const job = this.asking;
        const what = job && isOpen(job) ? 'cancel' : 'delete';
        return html`<dialog id="ask" class="help ask" aria-labelledby="ask-title" @cancel=${(e: Event) => { e.preventDefault(); this.closeAsk(); }}>
            ${job
                ? html`<div class="help-body"><h2 id="ask-title">${tr(`downloads.ask.${what}`)}</h2>
                      <p>${tr(`downloads.ask.${what}.text`, { title: job.title })}</p>
                      <p class="actions"><button type="button" class="button primary" id="ask-yes" @click=${() => void this.end()}>${tr(`downloads.ask.${what}.yes`)}</button>
                          <button type="button" class="button" id="ask-no" autofocus @click=${this.closeAsk}>${t('downloads.ask.no')}</button></p></div>`
                : nothing}</dialog>`;
    }

    protected override render(): TemplateResult {
        const jobs = this.jobs;
        return html`
            <a class="skip" href="#main">${t('skip')}</a>
            ${header(null, this.user, null, this.menuOpen, {
                toggleMenu: () => (this.menuOpen = !this.menuOpen),
                language: (code) => void this.changeLanguage(code),
                help: () => this.querySelector<HTMLDialogElement>('#help')!.showModal(),
                closeHelp: () => this.querySelector<HTMLDialogElement>('#help')!.close()
            })}
            <main id="main" class="wrap" tabindex="-1">
                <div class="titles"><h1 id="title" tabindex="-1">${t('downloads.title')}</h1>
                    <p class="subtitle">${t('downloads.intro')}</p></div>
                ${this.stale ? html`<p class="notice">${t('downloads.stale')}</p>` : nothing}
                ${this.problem
                    ? this.problemBox(this.problem)
                    : jobs === null
                      ? nothing
                      : jobs.length
                        ? this.table(jobs)
                        : html`<div class="message-box" id="empty"><h2>${t('downloads.empty')}</h2><p>${t('downloads.empty.text')}</p></div>`}
                <p class="vh" role="status" id="said">${this.said}</p>
            </main>
            ${this.askDialog()}
            ${helpDialog({
                toggleMenu: () => undefined,
                language: () => undefined,
                help: () => undefined,
                closeHelp: () => this.querySelector<HTMLDialogElement>('#help')!.close()
            })}`;
    }
}

customElements.define('sb-downloads', SbDownloads);
