// Asks again, for a list that changes by itself: as often as the server wishes, and no more.

import { Problem } from './api.js';

/** First pause after a failure; the next ones double, up to the longest. */
const FIRST_PAUSE_SECS = 5;
const LONGEST_PAUSE_SECS = 60;
/** Windows come and go in front of one another: what is younger than this is new enough. */
const FRESH_MS = 500;
/** An answer that takes longer does not come: the connection may have slept with its machine. */
const PATIENCE_MS = 30_000;

/**
 * Pause before the next question, in seconds. After failures it is longer each time; but not shorter than the server
 * has asked for, and not the same for everybody who failed at the same moment.
 * @param wished by the server; 0: nothing changes by itself
 * @param failures in a row
 * @param retryAfter what the last one asked for
 * @param chance 0 to 1
 */
export function pauseSecs(wished: number, failures: number, retryAfter: number, chance: number): number {
    if (!failures) {
        return wished;
    }
    const grown = Math.min(LONGEST_PAUSE_SECS, Math.max(wished, FIRST_PAUSE_SECS) * 2 ** (failures - 1));
    return Math.max(grown, retryAfter) * (1 + chance / 4);
}

/**
 * What asks.
 * @param signal gives up when too late, or when the page is gone
 * @param byItself nobody has done anything: it is no use of the session
 * @return seconds until it makes sense to ask again; 0: not by itself
 */
export type Question = (signal: AbortSignal, byItself: boolean) => Promise<number>;

export class Poll {
    private timer = 0;
    private open: AbortController | null = null;
    private askedAt = 0;
    /** The server wants no question before. */
    private notBefore = 0;
    private wished = 0;
    private failures = 0;
    private running = false;

    /** @param failed what went wrong; @return whether to go on asking */
    constructor(
        private readonly question: Question,
        private readonly failed: (problem: Problem, byItself: boolean) => boolean
    ) {}

    /** Begin to look after the list. Nothing is asked yet. */
    start(): void {
        document.addEventListener('visibilitychange', this.looked);
        addEventListener('pageshow', this.looked);
        addEventListener('online', this.looked);
    }

    /** The page goes, or it makes no sense any more. */
    stop(): void {
        document.removeEventListener('visibilitychange', this.looked);
        removeEventListener('pageshow', this.looked);
        removeEventListener('online', this.looked);
        this.running = false;
        clearTimeout(this.timer);
        this.open?.abort();
    }

    /** Ask now, because somebody wants to know; an older question is of no interest any more. */
    now(): Promise<void> {
        this.running = true;
        return this.ask(false);
    }

    /** Nobody looks: nobody asks. Who comes back, or has a connection again, sees what is true now. */
    private readonly looked = (): void => {
        clearTimeout(this.timer);
        if (!this.running || document.hidden || this.open) {
            return;
        }
        const age = Date.now() - this.askedAt; // a clock that counts while the machine sleeps, but may be set
        if (Date.now() < this.notBefore || (age >= 0 && age < FRESH_MS)) {
            this.later(Math.max(0, this.notBefore - Date.now()) / 1000);
        } else {
            void this.ask(true);
        }
    };

    private later(retryAfter: number): void {
        const secs = pauseSecs(this.wished, this.failures, retryAfter, Math.random());
        clearTimeout(this.timer);
        if (secs && this.running && !document.hidden) {
            this.timer = window.setTimeout(() => void this.ask(true), secs * 1000);
        }
    }

    private async ask(byItself: boolean): Promise<void> {
        this.open?.abort();
        clearTimeout(this.timer);
        const open = (this.open = new AbortController());
        let retryAfter = 0;
        let late = false;
        const patience = window.setTimeout(() => {
            late = true;
            open.abort();
        }, PATIENCE_MS);
        this.askedAt = Date.now();
        try {
            this.wished = await this.question(open.signal, byItself);
            this.failures = 0;
        } catch (e) {
            if (open.signal.aborted && !late) {
                return;
            }
            const problem = late ? new Problem('network') : e instanceof Problem ? e : new Problem('failed');
            retryAfter = problem.retryAfter;
            this.notBefore = Date.now() + retryAfter * 1000;
            this.failures++;
            this.running = this.failed(problem, byItself);
        } finally {
            clearTimeout(patience);
            if (this.open === open) {
                this.open = null;
            }
        }
        this.later(retryAfter);
    }
}
