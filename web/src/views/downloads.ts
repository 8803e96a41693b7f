// The page "My downloads": a table of jobs that keeps itself up to date as often as the server says.

import { html, nothing, type PropertyDeclarations, type TemplateResult } from 'lit';
import { deleteJob, fetchJobs, safeRedirect } from '../lib/api.js';
import { locale, texts, tr } from '../lib/i18n.js';
import { ended, isOpen, sizeText, type Job, type JobFile } from '../lib/jobs.js';
import { ListPage } from './listpage.js';
import downloads from '../../locales/en/downloads.json';

const t = texts(downloads);

class SbDownloads extends ListPage {
    static override properties: PropertyDeclarations = { jobs: { state: true } };

    /** null: not known yet. */
    declare jobs: Job[] | null;

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
        const list = await fetchJobs(signal, byItself);
        const news = ended(this.jobs ?? [], list.jobs);
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

    private row(job: Job): TemplateResult {
        const verb = isOpen(job) ? 'downloads.cancel' : 'downloads.delete';
        return html`<tr role="row" id="job-${job.id}">
            <th role="rowheader" scope="row"><span lang="en">${job.title}</span>
                <span class="asked">${t('downloads.asked', { date: this.date(job.created) })}</span></th>
            <td role="cell" data-label=${t('downloads.col.state')}>${this.state(job)}</td>
            <td role="cell" class=${job.files.length ? '' : 'none'} data-label=${t('downloads.col.files')}>${job.files.length ? html`<ul class="files">${job.files.map((f) => this.file(f))}</ul>` : '–'}</td>
            <td role="cell" class=${job.expires ? '' : 'none'} data-label=${t('downloads.col.expires')}>${job.expires ? this.date(job.expires) : '–'}</td>
            <td role="cell" class="act"><button type="button" class="button" id="end-${job.id}" @click=${() => this.askEnd(job)}>${t(verb)}<span class="vh">: ${job.title}</span></button></td>
        </tr>`;
    }

    protected override list(): TemplateResult {
        const jobs = this.jobs ?? [];
        return jobs.length
            ? this.table('downloads', [t('downloads.col.request'), t('downloads.col.state'), t('downloads.col.files'), t('downloads.col.expires')], jobs.map((j) => this.row(j)))
            : this.emptyBox(t('downloads.empty'), t('downloads.empty.text'));
    }
}

customElements.define('sb-downloads', SbDownloads);
