// Warns before the session ends, and says so when it has ended. Results do not stay on a screen that nobody is
// signed in at.

import { html, LitElement, nothing, type TemplateResult } from 'lit';
import { t } from '../lib/i18n.js';
import { askSession, canBeUsed, isClose, nextQuestion, signInUrl, spoken, touchSession, type Answer, type Left } from '../lib/session.js';

/** After a question that got no answer. */
const RETRY_MS = 30_000;
/** After the end, as far as it is known: somebody else may have put it off, if only the server could be asked. */
const DOUBT_MS = 30_000;
const DOUBT_RETRY_MS = 5_000;

class SbTimeout extends LitElement {
    static override properties = {
        state: { state: true },
        seconds: { state: true },
        said: { state: true },
        stayed: { state: true },
        failed: { state: true }
    };

    declare state: 'quiet' | 'warning' | 'over';
    /** Until the end, as the dialog shows it. */
    declare seconds: number;
    /** Last words of the live region in the dialog. */
    declare said: string;
    /** The dialog has gone: what is in it nobody hears any more. */
    declare stayed: boolean;
    /** Staying was asked for in vain. */
    declare failed: boolean;

    private left: Left | null = null;
    private endsAt = 0;
    private question = 0;
    private clock = 0;
    private readonly seen = () => document.visibilityState === 'visible' && void this.ask();

    constructor() {
        super();
        this.state = 'quiet';
        this.seconds = 0;
        this.said = '';
        this.stayed = false;
        this.failed = false;
    }

    protected override createRenderRoot(): HTMLElement {
        return this;
    }

    override connectedCallback(): void {
        super.connectedCallback();
        // A machine that slept, a window nobody looked at: timers were late.
        document.addEventListener('visibilitychange', this.seen);
        addEventListener('pageshow', this.seen);
        void this.ask();
    }

    override disconnectedCallback(): void {
        super.disconnectedCallback();
        document.removeEventListener('visibilitychange', this.seen);
        removeEventListener('pageshow', this.seen);
        clearTimeout(this.question);
        clearInterval(this.clock);
    }

    private async ask(): Promise<void> {
        if (this.state === 'over') {
            return;
        }
        try {
            this.take(await askSession());
        } catch {
            const over = this.endsAt ? Date.now() - this.endsAt : -1;
            if (over >= DOUBT_MS) {
                this.end();
            } else {
                this.askIn(over >= 0 ? DOUBT_RETRY_MS : RETRY_MS);
            }
        }
    }

    private askIn(ms: number): void {
        clearTimeout(this.question);
        this.question = window.setTimeout(() => void this.ask(), ms);
    }

    private take(answer: Answer): void {
        if (!answer) {
            this.end();
            return;
        }
        this.left = answer;
        this.endsAt = Date.now() + answer.ends_in * 1000;
        this.askIn(nextQuestion(answer));
        if (isClose(answer)) {
            this.warn();
        } else if (this.state === 'warning') {
            this.dismiss();
        }
    }

    private warn(): void {
        if (this.state === 'warning') {
            return;
        }
        this.state = 'warning';
        this.failed = false;
        this.said = '';
        this.stayed = false;
        this.seconds = this.remaining();
        this.clock = window.setInterval(() => this.tick(), 1000);
        void this.show('#timeout-stay');
    }

    private remaining(): number {
        return Math.max(0, Math.round((this.endsAt - Date.now()) / 1000));
    }

    private tick(): void {
        const before = this.seconds;
        this.seconds = this.remaining();
        const mark = spoken(before, this.seconds);
        if (mark !== null) {
            this.said = t('timeout.left', this.parts(mark));
        }
        if (this.seconds === 0 && before > 0) {
            void this.ask();
        }
    }

    private dismiss(): void {
        this.state = 'quiet';
        clearInterval(this.clock);
        this.box()?.close();
        this.stayed = true;
    }

    /** The page is taken away, so that nobody who comes by reads it; its address stays. */
    end(): void {
        const was = this.state;
        this.state = 'over';
        clearTimeout(this.question);
        clearInterval(this.clock);
        for (const other of [...document.body.children]) {
            if (other !== this && other.tagName !== 'SCRIPT') {
                other.remove();
            }
        }
        document.title = t('page.title', { title: t('timeout.over.title'), app: t('app.name') });
        if (was !== 'over') {
            void this.show('#timeout-signin');
        }
    }

    private box(): HTMLDialogElement | null {
        return this.querySelector('dialog');
    }

    private async show(focus: string): Promise<void> {
        await this.updateComplete;
        const box = this.box();
        if (box && !box.open) {
            box.showModal();
        }
        this.querySelector<HTMLElement>(focus)?.focus();
    }

    private readonly stay = async (): Promise<void> => {
        if (!this.left || !canBeUsed(this.left)) {
            location.assign(signInUrl(this.here(), true));
            return;
        }
        try {
            this.failed = false;
            this.take(await touchSession());
        } catch {
            this.failed = true;
        }
    };

    /** Escape is no answer: it neither signs out nor leaves the page. */
    private readonly cancelled = (e: Event): void => {
        e.preventDefault();
        if (this.state === 'warning' && this.left && canBeUsed(this.left)) {
            void this.stay();
        }
    };

    private here(): string {
        return location.pathname + location.search;
    }

    private parts(seconds: number): { minutes: number; seconds: number } {
        return { minutes: Math.floor(seconds / 60), seconds: seconds % 60 };
    }

    private warning(): TemplateResult {
        const staying = this.left && canBeUsed(this.left);
        return html`<h2 id="timeout-title">${t('timeout.title')}</h2>
            <p id="timeout-text">${t(staying ? 'timeout.text' : 'timeout.text.latest')}</p>
            <p class="timeout-left" role="timer" aria-live="off">${t('timeout.left', this.parts(this.seconds))}</p>
            ${this.failed ? html`<p class="timeout-failed" role="alert">${t('timeout.failed')}</p>` : nothing}
            <p class="actions">
                <button type="button" class="button primary" id="timeout-stay" @click=${this.stay}>${t('timeout.stay')}</button>
                <a class="button" id="timeout-signout" href="/logout">${t('header.signout')}</a>
            </p>`;
    }

    private over(): TemplateResult {
        return html`<h2 id="timeout-title">${t('timeout.over.title')}</h2>
            <p id="timeout-text">${t('timeout.over.text')}</p>
            <p class="actions"><a class="button primary" id="timeout-signin" href=${signInUrl(this.here(), false)}>${t('timeout.signin')}</a></p>`;
    }

    protected override render(): TemplateResult {
        return html`<dialog class="timeout ${this.state === 'over' ? 'over' : ''}" role="alertdialog" aria-labelledby="timeout-title" aria-describedby="timeout-text"
                @cancel=${this.cancelled}>${this.state === 'warning' ? this.warning() : this.state === 'over' ? this.over() : nothing}
                <p class="vh" aria-live="polite" id="timeout-said">${this.said}</p></dialog>
            <p class="vh" role="status" id="timeout-stayed">${this.stayed ? t('timeout.stayed') : ''}</p>`;
    }
}

customElements.define('sb-timeout', SbTimeout);

/** From now on: once somebody is known to be signed in. */
export function watchSession(): void {
    if (!document.querySelector('sb-timeout')) {
        document.body.append(document.createElement('sb-timeout'));
    }
}

/** Something the page asked by itself was refused: nobody is signed in any more. */
export function sessionEnded(): void {
    watchSession();
    document.querySelector<SbTimeout>('sb-timeout')!.end();
}
