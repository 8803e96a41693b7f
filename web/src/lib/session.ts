// How long the session still lasts. The server says it in seconds from now, since clocks of browsers are wrong, and
// asking does not put the end off: only what a person does is a use of the session.

export interface Left {
    /** Seconds until it ends if nothing more is done. */
    ends_in: number;
    /** Seconds until it ends in any case. */
    ends_at_latest_in: number;
    /** So long before the end one is to be warned. */
    warn_before: number;
}

/** null: it is over. */
export type Answer = Left | null;

/** Longest wait between two questions: a timer may sleep with its machine. */
const LONGEST_MS = 5 * 60_000;
/** In the last minutes others may end it or go on with it: another window of this browser. */
const CLOSE_MS = 15_000;
/** The two ends are one if they are so close. */
const SAME_SECS = 5;

function isLeft(body: unknown): body is Left {
    const left = body as Left;
    return typeof left?.ends_in === 'number' && typeof left.ends_at_latest_in === 'number' && typeof left.warn_before === 'number';
}

async function ask(path: string, init: RequestInit): Promise<Answer> {
    const response = await fetch(path, {
        credentials: 'same-origin',
        cache: 'no-store',
        ...init,
        headers: { Accept: 'application/json', 'X-Requested-With': 'XMLHttpRequest', ...init.headers }
    });
    if (response.status === 401) {
        return null;
    }
    const body: unknown = response.ok ? await response.json() : null;
    if (!isLeft(body)) {
        throw new Error(`session: ${response.status}`);
    }
    return body;
}

export function askSession(): Promise<Answer> {
    return ask('/services/session', { headers: { 'X-Smarter-Background': '1' } });
}

export function touchSession(): Promise<Answer> {
    return ask('/services/session/touch', { method: 'POST' });
}

/** Time to warn? */
export function isClose(left: Left): boolean {
    return left.ends_in <= left.warn_before;
}

/** Would using it put the end off? If not, staying takes a new session. */
export function canBeUsed(left: Left): boolean {
    return left.ends_at_latest_in - left.ends_in > SAME_SECS;
}

/** When to ask again, in milliseconds. */
export function nextQuestion(left: Left): number {
    const quiet = (left.ends_in - left.warn_before) * 1000;
    return quiet > 0 ? Math.min(quiet + 500, LONGEST_MS) : Math.min(CLOSE_MS, Math.max(1000, left.ends_in * 1000 + 500));
}

/** What is said aloud as the end comes closer: each minute once, then half a minute. null: nothing new */
export function spoken(secondsBefore: number, secondsNow: number): number | null {
    for (const mark of [30, 60, 120, 180, 240, 300]) {
        if (secondsNow <= mark && secondsBefore > mark) {
            return mark;
        }
    }
    return null;
}

/** The way to sign in and back to this very view. @param renew also if the session is not over yet */
export function signInUrl(path: string, renew: boolean): string {
    return `/login?${renew ? 'renew=1&' : ''}target=${encodeURIComponent(path)}`;
}
