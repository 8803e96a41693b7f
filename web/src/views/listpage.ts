// What the pages with a list of the user's own things share: loading it, saying what went wrong, asking before
// something is done for good, and what surrounds the list.

import { html, LitElement, nothing, type PropertyDeclarations, type TemplateResult } from 'lit';
import { fetchUserInfo, goToSignIn, Problem } from '../lib/api.js';
import { has, locale, texts, tr, useLanguage } from '../lib/i18n.js';
import { userOf, type User } from '../lib/model.js';
import { Poll } from '../lib/poll.js';
import { header, helpDialog, START } from './chrome.js';
import { sessionEnded, watchSession } from './timeout.js';
import lists from '../../locales/en/lists.json';

const t = texts(lists);

/** Is to be answered with yes before something is done. */
export interface Question {
    title: string;
    text: string;
    yes: string;
    no: string;
    act(): Promise<unknown>;
    /** What is said when it is done. */
    done: string;
    /** Where the focus is afterwards, if that is still there. */
    back: string;
}

export abstract class ListPage extends LitElement {
    static override properties: PropertyDeclarations = {
        problem: { state: true },
        stale: { state: true },
        menuOpen: { state: true },
        question: { state: true },
        trouble: { state: true },
        said: { state: true }
    };

    declare problem: Problem | null;
    /** What is shown may be old: the last question failed. */
    declare stale: boolean;
    declare menuOpen: boolean;
    declare question: Question | null;
    /** What was answered with yes could not be done. */
    declare trouble: boolean;
    /** Last words of the live region. */
    declare said: string;

    private user: User | null = null;
    /** What was answered with yes is being done: once. */
    private acting = false;
    private readonly poll = new Poll(
        (signal, byItself) => this.load(signal, byItself),
        (problem, byItself) => this.failed(problem, byItself)
    );
    private readonly escape = (e: KeyboardEvent) => e.key === 'Escape' && this.closeMenu();
    private readonly outside = (e: MouseEvent) => {
        if (this.menuOpen && !(e.target as HTMLElement).closest('[data-menu]')) {
            this.menuOpen = false;
        }
    };

    // In the language of the moment.
    protected abstract titleText(): string;
    protected abstract introText(): string;
    /** Questions about this page, with their answers. */
    protected abstract questions(): [string, string][];

    constructor() {
        super();
        this.problem = null;
        this.stale = false;
        this.menuOpen = false;
        this.question = null;
        this.trouble = false;
        this.said = '';
    }

    /** Is there a list already? */
    protected abstract get loaded(): boolean;

    /**
     * Get the list anew.
     * @param signal gives up: nobody wants the answer any more
     * @param byItself nobody did anything: no use of the session
     * @return seconds until it is worth asking again; 0: nothing changes by itself
     */
    protected abstract refresh(signal: AbortSignal, byItself: boolean): Promise<number>;

    /** The list, once it is there. */
    protected abstract list(): TemplateResult;

    /** Light DOM: one style sheet, and ids that labels can refer to. */
    protected override createRenderRoot(): HTMLElement {
        return this;
    }

    override connectedCallback(): void {
        super.connectedCallback();
        addEventListener('keydown', this.escape);
        document.addEventListener('click', this.outside);
        this.poll.start();
        this.setTitle();
        void this.begin();
    }

    override disconnectedCallback(): void {
        super.disconnectedCallback();
        removeEventListener('keydown', this.escape);
        document.removeEventListener('click', this.outside);
        this.poll.stop();
    }

    private async begin(): Promise<void> {
        try {
            this.user = userOf((await fetchUserInfo()).user_info);
            watchSession();
        } catch (e) {
            this.failed(e instanceof Problem ? e : new Problem('failed'), false);
            return;
        }
        await this.poll.now();
    }

    private async load(signal: AbortSignal, byItself: boolean): Promise<number> {
        const pause = await this.refresh(signal, byItself);
        this.problem = null;
        this.stale = false;
        return pause;
    }

    /** A list that is there stays, with a word that it may be old.
     *  @return whether it makes sense to go on asking */
    private failed(problem: Problem, byItself: boolean): boolean {
        if (problem.kind === 'signin') {
            // A page that nobody looks at must not begin a new session.
            if (byItself) {
                sessionEnded();
                return false;
            }
            if (goToSignIn(problem)) {
                return false;
            }
        }
        const passes = problem.kind === 'busy' || problem.kind === 'network' || problem.kind === 'failed';
        if (this.loaded && passes) {
            this.stale = true;
        } else {
            this.problem = problem;
        }
        return passes;
    }

    protected date(text: string): string {
        return new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(text));
    }

    // ---- a question

    protected ask(question: Question): void {
        this.question = question;
        this.trouble = false;
        this.said = '';
        void this.updateComplete.then(() => this.querySelector<HTMLDialogElement>('#ask')?.showModal());
    }

    private closeAsk(): void {
        if (!this.question) {
            return;
        }
        const { back } = this.question;
        this.querySelector<HTMLDialogElement>('#ask')?.close();
        this.question = null;
        void this.updateComplete.then(() =>
            (this.querySelector<HTMLElement>(back) ?? this.querySelector<HTMLElement>('#title'))?.focus()
        );
    }

    /** What became of it is said when the dialog is closed: what lies behind an open one nobody hears. */
    private async answerYes(): Promise<void> {
        const question = this.question;
        if (!question || this.acting) {
            return;
        }
        this.acting = true;
        let said = question.done;
        let trouble = false;
        try {
            await question.act();
        } catch (e) {
            const problem = e instanceof Problem ? e : new Problem('failed');
            if (problem.kind === 'signin' && goToSignIn(problem)) {
                return;
            }
            // It may have ended, or gone, in the meantime: the list says.
            trouble = problem.status !== 409 && problem.kind !== 'notfound';
            said = trouble ? '' : t('list.said.changed');
        }
        await this.poll.now();
        this.acting = false;
        this.closeAsk();
        await this.updateComplete;
        this.said = said;
        this.trouble = trouble;
    }

    private askDialog(): TemplateResult {
        const q = this.question;
        return html`<dialog id="ask" class="help ask" aria-labelledby="ask-title" @cancel=${(e: Event) => { e.preventDefault(); this.closeAsk(); }}>
            ${q
                ? html`<div class="help-body"><h2 id="ask-title">${q.title}</h2>
                      <p>${q.text}</p>
                      <p class="actions"><button type="button" class="button primary" id="ask-yes" @click=${() => void this.answerYes()}>${q.yes}</button>
                          <button type="button" class="button" id="ask-no" autofocus @click=${this.closeAsk}>${q.no}</button></p></div>`
                : nothing}</dialog>`;
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
        document.title = t('page.title', { title: this.titleText(), app: t('app.name') });
    }

    /** Words about lists, where those about results would not do. */
    private words(problem: Problem, what: 'title' | 'text'): string {
        const key = `list.error.${problem.kind}.${what}`;
        return has(key) ? tr(key) : tr(`error.${problem.kind}.${what}`);
    }

    private problemBox(problem: Problem): TemplateResult {
        return html`<div class="message-box problem" id="problem" role="alert">
            <h2>${this.words(problem, 'title')}</h2>
            <p>${this.words(problem, 'text')}</p>
            ${problem.incident ? html`<p class="note">${t('error.incident', { id: problem.incident })}</p>` : nothing}
            <p class="actions">${problem.kind === 'signin'
                ? html`<a class="button primary" href=${problem.redirect || '/login'}>${t('error.again')}</a>`
                : html`<button type="button" class="button primary" id="retry" @click=${() => void this.begin()}>${t('error.retry')}</button>`}</p></div>`;
    }

    private waiting(): TemplateResult {
        return html`<p class="vh">${t('list.loading')}</p>
            <div class="skeleton" aria-hidden="true">${[1, 2, 3].map(() => html`<div><i></i><b></b><b></b></div>`)}</div>`;
    }

    protected table(name: string, columns: string[], rows: TemplateResult[]): TemplateResult {
        // Roles by name: as cards, on narrow screens, the elements lose theirs.
        return html`<table class="listing ${name}" role="table" aria-labelledby="title">
            <thead role="rowgroup"><tr role="row">${columns.map((c) => html`<th role="columnheader" scope="col">${c}</th>`)}<th role="columnheader" scope="col"><span class="vh">${t('list.col.actions')}</span></th></tr></thead>
            <tbody role="rowgroup">${rows}</tbody></table>`;
    }

    /** Where there is nothing to list. @param text may be empty */
    protected emptyBox(title: string, text: string): TemplateResult {
        return html`<div class="message-box" id="empty"><h2>${title}</h2>${text ? html`<p>${text}</p>` : nothing}</div>`;
    }

    protected override render(): TemplateResult {
        const help = () => this.querySelector<HTMLDialogElement>('#help')!;
        const actions = {
            toggleMenu: () => (this.menuOpen = !this.menuOpen),
            language: (code: string) => void this.changeLanguage(code),
            help: () => help().showModal()
        };
        return html`
            <a class="skip" href="#main">${t('list.skip')}</a>
            ${header(null, this.user, null, this.menuOpen, actions)}
            <main id="main" class="wrap" tabindex="-1" aria-busy=${this.loaded || this.problem ? 'false' : 'true'}>
                <nav class="crumbs" aria-label=${t('crumb.label')}><ol>
                    <li><a href=${START}>${t('list.reports')}</a></li><li><span aria-current="page">${this.titleText()}</span></li></ol></nav>
                <div class="titles"><h1 id="title" tabindex="-1">${this.titleText()}</h1>
                    <p class="subtitle">${this.introText()}</p></div>
                ${this.trouble ? html`<p class="notice" id="trouble" role="alert">${t('timeout.failed')}</p>` : nothing}
                ${this.stale ? html`<p class="notice">${t('list.stale')}</p>` : nothing}
                ${this.problem ? this.problemBox(this.problem) : this.loaded ? this.list() : this.waiting()}
                <p class="vh" role="status" id="said">${this.said}</p>
            </main>
            <footer class="foot"><div class="wrap">${t('app.name')} · ${t('app.footer')}</div></footer>
            ${this.askDialog()}
            ${helpDialog(() => help().close(), this.questions())}`;
    }
}
