// The page "My downloads": a table of jobs that keeps itself up to date as often as the server says.

import { html, nothing, type PropertyDeclarations, type TemplateResult } from 'lit';
import { deleteJob, fetchJobs, safeRedirect } from '../lib/api.js';
import { locale, texts, tr } from '../lib/i18n.js';
import { ended, isOpen, listedBefore, sizeText, type Job, type JobFile } from '../lib/jobs.js';
import { ListPage } from './listpage.js';
import downloads from '../../locales/en/downloads.json';

const t = texts(downloads);

/** Of a request with more files than this only the first ones are shown at once. */
const MOST_FILES = 5;
const FIRST_FILES = 3;

class SbDownloads extends ListPage {
    static override properties: PropertyDeclarations = { jobs: { state: true } };

    /** null: not known yet. */
    declare jobs: Job[] | null;

    private readonly behind = listedBefore(location.search);
    private more = false;

    constructor() {
        super();
        this.jobs = null;
    }

    protected override titleText(): string {
        return t('downloads.title');
    }

    protected override introText(): string {
        return t('downloads.intro');
    }

    protected override questions(): [string, string][] {
        return [1, 2, 3, 4].map((n) => [tr(`downloads.help.q${n}`), tr(`downloads.help.a${n}`)]);
    }

    protected override get loaded(): boolean {
        return this.jobs !== null;
    }

    protected override async refresh(signal: AbortSignal, byItself: boolean): Promise<number> {
        const list = await fetchJobs(this.behind, signal, byItself);
        const news = ended(this.jobs ?? [], list.jobs);
        this.more = list.more;
        this.jobs = list.jobs;
        if (news.length) {
            this.said = news.map((j) => tr(`downloads.said.${j.state}`, { title: j.title })).join(' ');
        }
        return list.poll_seconds;
    }

    private askEnd(job: Job): void {
        const what = isOpen(job) ? 'cancel' : 'delete';
        this.ask({
            title: tr(`downloads.ask.${what}`),
            text: tr(`downloads.ask.${what}.text`, { title: job.title }),
            yes: tr(`downloads.ask.${what}.yes`),
            no: t('downloads.ask.no'),
            act: () => deleteJob(job.id),
            done: t(what === 'cancel' ? 'downloads.said.cancelled' : 'downloads.said.deleted', { title: job.title }),
            back: `#end-${job.id}`
        });
    }

    private state(job: Job): TemplateResult {
        const name = t(`downloads.state.${job.state}`);
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

    private files(job: Job): TemplateResult {
        const list = (files: JobFile[]) => html`<ul class="files">${files.map((f) => this.file(f))}</ul>`;
        if (job.files.length <= MOST_FILES) {
            return list(job.files);
        }
        return html`${list(job.files.slice(0, FIRST_FILES))}
            <details class="more-files"><summary>${t('downloads.files.more', { count: job.files.length - FIRST_FILES })}</summary>${list(job.files.slice(FIRST_FILES))}</details>`;
    }

    private row(job: Job): TemplateResult {
        const verb = isOpen(job) ? 'downloads.cancel' : 'downloads.delete';
        return html`<tr role="row" id="job-${job.id}">
            <th role="rowheader" scope="row"><span lang="en">${job.title}</span>
                <span class="asked">${t('downloads.asked', { date: this.date(job.created) })}</span></th>
            <td role="cell" data-label=${t('downloads.col.state')}>${this.state(job)}</td>
            <td role="cell" class=${job.files.length ? '' : 'none'} data-label=${t('downloads.col.files')}>${job.files.length ? this.files(job) : '–'}</td>
            <td role="cell" class=${job.expires ? '' : 'none'} data-label=${t('downloads.col.expires')}>${job.expires ? this.date(job.expires) : '–'}</td>
            <td role="cell" class="act"><button type="button" class="button" id="end-${job.id}" @click=${() => this.askEnd(job)}>${t(verb)}<span class="vh">: ${job.title}</span></button></td>
        </tr>`;
    }

    /** The server lists so many at once; the others by an address of their own. */
    private pages(jobs: Job[]): TemplateResult | typeof nothing {
        const last = this.more && jobs.at(-1);
        return last || this.behind
            ? html`<nav class="pages" aria-label=${t('downloads.pages')}>
                  ${this.behind ? html`<a class="button" id="newest" href=${location.pathname}>${t('downloads.newest')}</a>` : nothing}
                  ${last ? html`<a class="button" id="older" href="?before=${last.id}">${t('downloads.older')}</a>` : nothing}</nav>`
            : nothing;
    }

    protected override list(): TemplateResult {
        const jobs = this.jobs ?? [];
        const columns = [t('downloads.col.request'), t('downloads.col.state'), t('downloads.col.files'), t('downloads.col.expires')];
        return html`${jobs.length
            ? this.table('downloads', columns, jobs.map((j) => this.row(j)))
            : this.behind
              ? this.emptyBox(t('downloads.empty.older'), '')
              : this.emptyBox(t('downloads.empty'), t('downloads.empty.text'))}
            ${this.pages(jobs)}`;
    }
}

customElements.define('sb-downloads', SbDownloads);
