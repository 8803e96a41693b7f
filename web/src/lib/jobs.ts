// What the server says of jobs.

export type JobState = 'queued' | 'running' | 'ready' | 'failed' | 'cancelled' | 'expired';

export interface JobFile {
    name: string;
    /** Bytes; null: not made yet. */
    size: number | null;
    download_url: string | null;
    web_download_url: string | null;
}

export interface Job {
    id: string;
    kind: string;
    title: string;
    state: JobState;
    percent: number;
    missing_parts: number;
    reason: string | null;
    notice: string | null;
    created: string;
    ended: string | null;
    expires: string | null;
    files: JobFile[];
}

export interface JobList {
    jobs: Job[];
    /** There are older ones than are listed. */
    more: boolean;
    /** When to ask again; 0: nothing changes by itself. */
    poll_seconds: number;
}

/** Behind which one the list begins, as the page's address says; '': with the newest. */
export function listedBefore(search: string): string {
    const before = new URLSearchParams(search).get('before') ?? '';
    return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(before) ? before : '';
}

export function isOpen(job: Job): boolean {
    return job.state === 'queued' || job.state === 'running';
}

/** Jobs that were open before and are over now: worth a word. */
export function ended(before: readonly Job[], now: readonly Job[]): Job[] {
    const open = new Set(before.filter(isOpen).map((j) => j.id));
    return now.filter((j) => open.has(j.id) && !isOpen(j));
}

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'];

/** A size for people, in the units of their system: powers of 1000. */
export function sizeText(bytes: number, locale: string): string {
    let n = bytes;
    let unit = 0;
    while (n >= 999.5 && unit < UNITS.length - 1) {
        n /= 1000;
        unit++;
    }
    return new Intl.NumberFormat(locale, {
        style: 'unit',
        unit: UNITS[unit]!,
        unitDisplay: unit === 0 ? 'long' : 'short',
        maximumFractionDigits: unit === 0 || n >= 100 ? 0 : 1
    }).format(n);
}
