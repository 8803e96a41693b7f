// The page "Where you are signed in": one's sessions, this one first, and ending the others.

import { html, nothing, svg, type PropertyDeclarations, type TemplateResult } from 'lit';
import { endOtherSessions, endSession, fetchSessions } from '../lib/api.js';
import { texts } from '../lib/i18n.js';
import { inOrder, isHandheld, type OwnSession } from '../lib/sessions.js';
import { ListPage } from './listpage.js';
import sessions from '../../locales/en/sessions.json';

const t = texts(sessions);

const HANDHELD = svg`<path fill-rule="evenodd" d="M6 1h8a2 2 0 0 1 2 2v14a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2V3a2 2 0 0 1 2-2zm0 2v12h8V3zm3 13v1h2v-1z"/>`;
const COMPUTER = svg`<path fill-rule="evenodd" d="M3 3h14a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1zm1 2v8h12V5zM0 16h20v2H0z"/>`;

class SbSessions extends ListPage {
    static override properties: PropertyDeclarations = { sessions: { state: true } };

    /** null: not known yet. */
    declare sessions: OwnSession[] | null;

    private more = false;

    constructor() {
        super();
        this.sessions = null;
    }

    protected override titleText(): string {
        return t('sessions.title');
    }

    protected override introText(): string {
        return t('sessions.intro');
    }

    protected override questions(): [string, string][] {
        return [[t('sessions.help.q1'), t('sessions.help.a1')]];
    }

    protected override get loaded(): boolean {
        return this.sessions !== null;
    }

    protected override async refresh(signal: AbortSignal, byItself: boolean): Promise<number> {
        const list = await fetchSessions(signal, byItself);
        this.more = list.more;
        this.sessions = inOrder(list.sessions);
        return 0;
    }

    private askEnd(session: OwnSession): void {
        const browser = this.browser(session);
        this.ask({
            title: t('sessions.ask.one', { browser }),
            text: t('sessions.ask.one.text', { date: this.date(session.since) }),
            yes: t('sessions.end'),
            no: t('sessions.ask.no'),
            act: () => endSession(session.ref),
            done: t('sessions.said.one', { browser }),
            back: `#end-${session.ref}`
        });
    }

    private askEndOthers(): void {
        this.ask({
            title: t('sessions.ask.others'),
            text: t('sessions.ask.others.text'),
            yes: t('sessions.others'),
            no: t('sessions.ask.no'),
            act: () => endOtherSessions(),
            done: t('sessions.said.others'),
            back: '#end-others'
        });
    }

    /** What can be said of a browser, in the language of the page. */
    private browser({ browser_name, system }: OwnSession): string {
        const name = browser_name ?? t('sessions.unknown');
        return system ? t('sessions.on', { name, system }) : name;
    }

    private row(session: OwnSession): TemplateResult {
        const browser = this.browser(session);
        const seen = session.this ? t('sessions.now') : session.seen ? this.date(session.seen) : t('sessions.unseen');
        const service = session.service === 'pickup' ? t('sessions.pickup') : '';
        return html`<tr role="row">
            <th role="rowheader" scope="row"><span class="device"><svg viewBox="0 0 20 20" aria-hidden="true">${isHandheld(session) ? HANDHELD : COMPUTER}</svg>
                <span>${browser}${service ? html`<span class="asked">${service}</span>` : nothing}</span>
                ${session.this ? html`<span class="state ready">${t('sessions.this')}</span>` : nothing}</span></th>
            <td role="cell" data-label=${t('sessions.col.seen')}>${seen}</td>
            <td role="cell" data-label=${t('sessions.col.since')}>${this.date(session.since)}</td>
            <td role="cell" data-label=${t('sessions.col.ends')}>${this.date(session.ends)}</td>
            <td role="cell" class="act">${session.this
                ? html`<a class="button" href="/logout">${t('sessions.end')}<span class="vh">: ${t('sessions.this')}</span></a>`
                : html`<button type="button" class="button" id="end-${session.ref}" @click=${() => this.askEnd(session)}>${t('sessions.end')}<span class="vh">: ${browser}, ${this.date(session.since)}</span></button>`}</td>
        </tr>`;
    }

    protected override list(): TemplateResult {
        const sessions = this.sessions ?? [];
        const others = this.more || sessions.some((s) => !s.this);
        return html`
            <p class="above">${others
                ? html`<button type="button" class="button primary" id="end-others" @click=${this.askEndOthers}>${t('sessions.others')}</button>`
                : t('sessions.alone')}</p>
            ${this.more ? html`<p class="notice">${t('sessions.more')}</p>` : nothing}
            ${this.table('sessions', [t('sessions.col.browser'), t('sessions.col.seen'), t('sessions.col.since'), t('sessions.col.ends')], sessions.map((s) => this.row(s)))}`;
    }
}

customElements.define('sb-sessions', SbSessions);
