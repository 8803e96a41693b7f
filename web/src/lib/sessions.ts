// What the server says of one's own sessions.

export interface OwnSession {
    /** Names it, and opens nothing. */
    ref: string;
    since: string;
    /** Last used, up to a minute late; null: not known just now. */
    seen: string | null;
    /** However much it is used. */
    ends: string;
    /** null: unknown. */
    browser_name: string | null;
    system: string | null;
    /** Where one signed in; empty: not known. */
    service: string;
    this: boolean;
}

export interface SessionList {
    sessions: OwnSession[];
    /** There are more than are listed. */
    more: boolean;
}

/** This one, then those used last; of which that is not known come last. */
export function inOrder(sessions: readonly OwnSession[]): OwnSession[] {
    const used = (s: OwnSession) => (s.this ? Infinity : Date.parse(s.seen ?? '') || 0);
    return [...sessions].sort((a, b) => (used(b) > used(a) ? 1 : used(b) < used(a) ? -1 : 0));
}

/** Is it carried about? */
export function isHandheld(session: OwnSession): boolean {
    return ['Android', 'iPhone', 'iPad'].includes(session.system ?? '');
}
