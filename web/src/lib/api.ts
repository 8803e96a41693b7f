// Requests to the reporting server. Every failure becomes a Problem that the page can explain.

import type { JobList } from './jobs.js';
import type { Report } from './model.js';
import type { SessionList } from './sessions.js';

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
        readonly redirect = '',
        /** Seconds before which it makes no sense to ask again; 0: the server does not say. */
        readonly retryAfter = 0
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

/** Longest wait a server can ask for. */
const LONGEST_WAIT_SECS = 3600;

/** Retry-After in seconds; the other form of it, a date, is none our servers use. */
export function secondsOf(header: string | null): number {
    return /^\d{1,9}$/.test(header ?? '') ? Math.min(Number(header), LONGEST_WAIT_SECS) : 0;
}

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
        safeRedirect(body['redirect'], location.href),
        secondsOf(response.headers.get('Retry-After'))
    );
}

/** An answer that is good; else a Problem. */
async function answerOf(url: string, init: RequestInit): Promise<Response> {
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
    return response;
}

async function request<T>(url: string, init: RequestInit): Promise<T> {
    const response = await answerOf(url, init);
    try {
        return (await response.json()) as T;
    } catch (e) {
        if (e instanceof DOMException && e.name === 'AbortError') {
            throw e;
        }
        throw new Problem('failed', response.status);
    }
}

function bodyOf(query: URLSearchParams): Record<string, unknown> {
    const body: Record<string, unknown> = {};
    for (const key of new Set(query.keys())) {
        const values = query.getAll(key);
        body[key] = /^(stateCode|sid|districtId|schoolId)$/.test(key) ? values[0] : key === 'asmtYear' ? Number(values[0]) : values;
    }
    return body;
}

function reportPath(query: URLSearchParams): string {
    return `${query.has('sid') ? '/public_data' : '/data'}/comparing_populations`;
}

/** Asks by its address, or by a body where that would be too long. */
export function fetchReport(query: URLSearchParams, signal: AbortSignal): Promise<Report> {
    const url = `${reportPath(query)}?${query}`;
    return location.origin.length + url.length <= LONGEST_URL
        ? request<Report>(url, { signal })
        : post<Report>(reportPath(query), bodyOf(query), signal);
}

export interface NamedFile {
    name: string;
    data: Blob;
}

/** What the screen has made of a report: the ids of the rows it shows, and what they are ordered by. */
export interface Shown {
    rows: string[];
    sort: string;
    order: 'asc' | 'desc';
}

/** More of them, or a larger body, are refused by the server. */
const MOST_ROWS = 1800;
const LARGEST_BODY = 60_000;

/** What is on the screen; of more rows than can be named all, in the server's order. */
export function tableBody(query: URLSearchParams, view: Shown): string {
    const whole = JSON.stringify({ ...bodyOf(query), view });
    return view.rows.length > MOST_ROWS || whole.length > LARGEST_BODY ? JSON.stringify(bodyOf(query)) : whole;
}

/** The same report as a table for spreadsheets, under the name the server gives it. */
export async function fetchTable(query: URLSearchParams, view: Shown): Promise<NamedFile> {
    const response = await answerOf(reportPath(query), {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Accept: 'text/csv' },
        body: tableBody(query, view)
    });
    const name = /filename="([\w.-]+)"/.exec(response.headers.get('Content-Disposition') ?? '')?.[1];
    return { name: name ?? 'comparing_populations.csv', data: await response.blob() };
}

/** Give a file to the person, as if it had been a link to it. */
export function saveFile(file: NamedFile): void {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(file.data);
    link.download = file.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export function fetchUserInfo(): Promise<{ user_info?: unknown }> {
    return request('/services/userinfo', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: '{}'
    });
}

/** Of a list. @param byItself asked for by nobody, as by a clock or when a window is looked at again: no use of the session */
function again<T>(url: string, signal: AbortSignal, byItself: boolean): Promise<T> {
    return request<T>(url, { signal, headers: byItself ? { 'X-Smarter-Background': '1' } : {} });
}

/** The browser keeps the list with its tag, so an unchanged one is not sent again. @param before id of the one it begins behind; '' */
export function fetchJobs(before: string, signal: AbortSignal, byItself: boolean): Promise<JobList> {
    return again(`/services/jobs${before && `?before=${before}`}`, signal, byItself);
}

/** End a job that is not over; take one that is out of the list. */
export function deleteJob(id: string): Promise<unknown> {
    return request(`/services/jobs/${encodeURIComponent(id)}`, { method: 'DELETE' });
}

export function fetchSessions(signal: AbortSignal, byItself: boolean): Promise<SessionList> {
    return again('/services/sessions', signal, byItself);
}

export function endSession(ref: string): Promise<unknown> {
    return request(`/services/sessions/${encodeURIComponent(ref)}`, { method: 'DELETE' });
}

/** All of one's sessions but this one. */
export function endOtherSessions(): Promise<unknown> {
    return request('/services/sessions', { method: 'DELETE' });
}

/** Files of a whole state; last segment of their address. */
export type StateFile = 'student_registration_statistics' | 'student_assessment_completion' | 'raw_data' | 'assessment_item_level';

export interface FilesAsked {
    tasks: { status: string; message?: string }[];
    files?: { fileName: string; web_download_url: string }[];
}

function post<T>(url: string, body: unknown, signal: AbortSignal | null = null): Promise<T> {
    return request<T>(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body), signal });
}

/** Ask for files to be made. @param what '' the results of students */
export function askForFiles(what: StateFile | '', body: unknown): Promise<FilesAsked> {
    return post(`/services/extract${what && '/'}${what}`, body);
}

/** Years with registrations, newest first. */
export async function registrationYears(stateCode: string): Promise<number[]> {
    const answer = await post<{ studentRegAcademicYear?: number[] }>('/data/academic_year', { stateCode });
    return answer.studentRegAcademicYear ?? [];
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
