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

function bodyOf(query: URLSearchParams): string {
    const body: Record<string, unknown> = {};
    for (const key of new Set(query.keys())) {
        const values = query.getAll(key);
        body[key] = /^(stateCode|sid|districtId|schoolId)$/.test(key) ? values[0] : key === 'asmtYear' ? Number(values[0]) : values;
    }
    return JSON.stringify(body);
}

/** How the report is asked for: by its address, or by a body where that would be too long. */
function asked(query: URLSearchParams): [string, RequestInit] {
    const path = `${query.has('sid') ? '/public_data' : '/data'}/comparing_populations`;
    const url = `${path}?${query}`;
    return location.origin.length + url.length <= LONGEST_URL
        ? [url, {}]
        : [path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: bodyOf(query) }];
}

export function fetchReport(query: URLSearchParams, signal: AbortSignal): Promise<Report> {
    const [url, init] = asked(query);
    return request<Report>(url, { ...init, signal });
}

export interface NamedFile {
    name: string;
    data: Blob;
}

/** The same report as a table for spreadsheets, under the name the server gives it. */
export async function fetchTable(query: URLSearchParams): Promise<NamedFile> {
    const [url, init] = asked(query);
    const response = await answerOf(url, { ...init, headers: { ...init.headers, Accept: 'text/csv' } });
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

/** The browser keeps the list with its tag, so an unchanged one is not sent again. */
export function fetchJobs(): Promise<JobList> {
    return request('/services/jobs', {});
}

/** End a job that is not over; take one that is out of the list. */
export function deleteJob(id: string): Promise<unknown> {
    return request(`/services/jobs/${encodeURIComponent(id)}`, { method: 'DELETE' });
}

/** Asked for by nobody, as when a window is looked at again: no use of the session. */
const BY_ITSELF = { 'X-Smarter-Background': '1' };

export function fetchSessions(byItself: boolean): Promise<SessionList> {
    return request('/services/sessions', byItself ? { headers: BY_ITSELF } : {});
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

function post<T>(url: string, body: unknown): Promise<T> {
    return request<T>(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
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
