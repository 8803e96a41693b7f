// Requests to the reporting server. Every failure becomes a Problem that the page can explain.

import type { JobList } from './jobs.js';
import type { Report } from './model.js';

export type ProblemKind = 'signin' | 'forbidden' | 'notfound' | 'invalid' | 'busy' | 'failed' | 'network';

export class Problem extends Error {
    constructor(
        readonly kind: ProblemKind,
        readonly status = 0,
        /** What the server says about it, for people; may be empty. */
        readonly detail = '',
        /** Number under which operators find it in the log. */
        readonly incident = '',
        /** Where to sign in. */
        readonly redirect = ''
    ) {
        super(`${kind} ${status} ${detail}`);
    }
}

/** Longer addresses are refused by the server; such requests go as POST. */
const LONGEST_URL = 1800;

export function kindOfStatus(status: number): ProblemKind {
    switch (status) {
        case 401:
            return 'signin';
        case 403:
            return 'forbidden';
        case 404:
        case 410:
            return 'notfound';
        case 400:
        case 412:
        case 414:
        case 415:
            return 'invalid';
        case 429:
        case 503:
            return 'busy';
        default:
            return 'failed';
    }
}

/** Only web addresses: a script address in an answer must never be followed. */
export function safeRedirect(url: unknown, base: string): string {
    if (typeof url !== 'string' || !url) {
        return '';
    }
    try {
        const u = new URL(url, base);
        return u.protocol === 'https:' || u.protocol === 'http:' ? u.href : '';
    } catch {
        return '';
    }
}

/** When we last left for the sign-in; forgotten as soon as an answer shows that it worked. */
const GUARD = 'smarter.signin';
const GUARD_MS = 4000;

async function problemOf(response: Response): Promise<Problem> {
    let body: Record<string, unknown> = {};
    try {
        body = (await response.json()) as Record<string, unknown>;
    } catch {
        /* not JSON: the status alone must do */
    }
    const text = (key: string) => (typeof body[key] === 'string' ? (body[key] as string) : '');
    return new Problem(
        kindOfStatus(response.status),
        response.status,
        text('detail') || text('error') || text('title'),
        text('instance') || text('request_id') || response.headers.get('X-Request-Id') || '',
        safeRedirect(body['redirect'], location.href)
    );
}

async function request<T>(url: string, init: RequestInit): Promise<T> {
    let response: Response;
    try {
        response = await fetch(url, {
            credentials: 'same-origin',
            ...init,
            headers: { Accept: 'application/json', 'X-Requested-With': 'XMLHttpRequest', ...init.headers }
        });
    } catch (e) {
        if (e instanceof DOMException && e.name === 'AbortError') {
            throw e;
        }
        throw new Problem('network');
    }
    if (!response.ok) {
        throw await problemOf(response);
    }
    sessionStorage.removeItem(GUARD);
    try {
        return (await response.json()) as T;
    } catch (e) {
        if (e instanceof DOMException && e.name === 'AbortError') {
            throw e;
        }
        throw new Problem('failed', response.status);
    }
}

function bodyOf(query: URLSearchParams): string {
    const body: Record<string, unknown> = {};
    for (const key of new Set(query.keys())) {
        const values = query.getAll(key);
        body[key] = /^(stateCode|sid|districtId|schoolId)$/.test(key) ? values[0] : key === 'asmtYear' ? Number(values[0]) : values;
    }
    return JSON.stringify(body);
}

export function fetchReport(query: URLSearchParams, signal: AbortSignal): Promise<Report> {
    const path = `${query.has('sid') ? '/public_data' : '/data'}/comparing_populations`;
    const url = `${path}?${query}`;
    if (location.origin.length + url.length <= LONGEST_URL) {
        return request<Report>(url, { signal });
    }
    return request<Report>(path, {
        signal,
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: bodyOf(query)
    });
}

export function fetchUserInfo(): Promise<{ user_info?: unknown }> {
    return request('/services/userinfo', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: '{}'
    });
}

/** The browser keeps the list with its tag, so an unchanged one is not sent again. */
export function fetchJobs(): Promise<JobList> {
    return request('/services/jobs', {});
}

/** End a job that is not over; take one that is out of the list. */
export function deleteJob(id: string): Promise<unknown> {
    return request(`/services/jobs/${encodeURIComponent(id)}`, { method: 'DELETE' });
}

/**
 * Leave for the sign-in. Comes back to this very address, because the server remembers it.
 * @return false when we have just been there: going again would only turn in circles
 */
export function goToSignIn(problem: Problem): boolean {
    const target = problem.redirect || '/login';
    const now = Date.now();
    const last = Number(sessionStorage.getItem(GUARD) ?? 0);
    if (now - last < GUARD_MS) {
        return false;
    }
    sessionStorage.setItem(GUARD, String(now));
    location.assign(target);
    return true;
}
