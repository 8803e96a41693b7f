// A stand-in for the reporting server, for work on the pages alone: `npm run dev`, then
// `node dev/server.mjs [PORT]`. Invented data, always the same; holds one of each odd case.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const dist = join(dirname(fileURLToPath(import.meta.url)), '../dist');
const port = Number(process.argv[2] ?? 8080);
const YEARS = [2016, 2015];
const SUBJECTS = { subject1: 'Math', subject2: 'ELA' };
const NAMES = ['Alder Ridge', 'Birchwood', 'Cedar Falls', 'Dogwood County', 'Elm Grove', 'Fern Hollow', 'Granite Bay',
    'Hawthorn', 'Ironwood Public', 'Juniper Hills', 'Kestrel Valley', 'Laurel Springs'];
const SCHOOLS = ['Elementary School', 'Middle School', 'High School', 'Academy', 'Charter School'];
const GRADES = ['03', '04', '05', '06', '07', '08', '11'];
const RIGHTS = ['pii', 'sar_extracts', 'srs_extracts', 'src_extracts', 'audit_xml_extracts', 'item_extracts'];
const FILTERS = ['grade', 'ethnicity', 'sex', 'dmgPrgLep', 'dmgPrgIep', 'dmgPrg504', 'dmgStsEcd', 'dmgStsMig', 'complete'];

function random(seed) {
    let h = 2166136261;
    for (const c of seed) {
        h = Math.imul(h ^ c.charCodeAt(0), 16777619);
    }
    return () => {
        h = Math.imul(h ^ (h >>> 15), h | 1);
        h ^= h + Math.imul(h ^ (h >>> 7), h | 61);
        return ((h ^ (h >>> 14)) >>> 0) / 4294967296;
    };
}

function percentages(counts) {
    const total = counts.reduce((a, b) => a + b, 0);
    const raw = counts.map((c) => (c / total) * 100);
    const out = raw.map(Math.floor);
    const order = raw.map((r, i) => [r - Math.floor(r), i]).sort((a, b) => a[0] - b[0]);
    const missing = 100 - out.reduce((a, b) => a + b, 0);
    order.slice(order.length - missing).forEach(([, i]) => out[i]++);
    return out;
}

function result(subject, counts) {
    const total = counts.reduce((a, b) => a + b, 0);
    if (total <= 10 || total === counts[0] + counts[1]) {
        const v = total ? -1 : 0;
        return { asmt_subject: subject, intervals: [1, 2, 3, 4].map((level) => ({ percentage: v, level })), total: v };
    }
    const p = percentages(counts);
    return { asmt_subject: subject, intervals: counts.map((count, i) => ({ level: i + 1, count, percentage: p[i] })), total };
}

function report(q) {
    const year = Number(q.get('asmtYear')) || YEARS[0];
    const [district, school] = [q.get('districtId'), q.get('schoolId')];
    const filters = FILTERS.flatMap((f) => q.getAll(f).map((v) => f + v));
    const unknown = Boolean(district) && !NAMES[Number(district) - 1];
    const children = unknown ? [] : school
        ? GRADES.map((g) => [g, g])
        : district
          ? SCHOOLS.map((s, i) => [`${district}-${i + 1}`, `${NAMES[Number(district) - 1]} ${s}`])
          : NAMES.map((n, i) => [String(i + 1), `${n} School District`]);
    const sums = { subject1: [0, 0, 0, 0], subject2: [0, 0, 0, 0] };
    const counted = children.map(([id, name], row) => {
        const counts = {};
        for (const alias of Object.keys(SUBJECTS)) {
            const r = random(`${id}/${district}/${school}/${year}/${alias}`);
            const size = Math.round((school ? 90 : district ? 380 : 1700) * (0.4 + r()));
            const share = filters.length ? 0.12 + 0.2 * random(filters.join())() : 1;
            const weights = [0.5 + r(), 0.7 + r(), 0.9 + r(), 0.4 + r()];
            const sum = weights.reduce((a, b) => a + b, 0);
            counts[alias] = weights.map((w) => Math.round((share * size * w) / sum));
            if (row === 5 && alias === 'subject1') {
                counts[alias] = [2, 3, 1, 1];
            }
            if (row === 8 || (row === 6 && alias === 'subject2')) {
                counts[alias] = [0, 0, 0, 0];
            }
            counts[alias].forEach((c, i) => (sums[alias][i] += c));
        }
        return { id, name, counts };
    });
    const records = counted.map(({ id, name, counts }, row) => {
        const results = {};
        for (const [alias, subject] of Object.entries(SUBJECTS)) {
            results[alias] = result(subject, counts[alias]);
            if (filters.length) {
                results[alias].unfilteredTotal = results[alias].total > 0 ? results[alias].total * 5 : 0;
            } else if (row === 6 && alias === 'subject2') {
                results[alias].hasInterim = true;
            }
        }
        const params = { stateCode: 'NC', id, ...(district && { districtId: district }), ...(school && { schoolId: school }) };
        return { rowId: id, id, name, results, params };
    });
    const summary = Object.fromEntries(Object.entries(SUBJECTS).map(([a, s]) => [a, result(s, sums[a])]));
    if (filters.length) {
        Object.values(summary).forEach((s) => (s.unfilteredTotal = s.total * 5));
    }
    const items = [{ type: 'home', name: 'Home' }, { type: 'state', id: 'NC', name: 'North Carolina', stateCode: 'NC' }];
    if (district && !unknown) {
        items.push({ type: 'district', id: district, name: `${NAMES[Number(district) - 1]} School District` });
    }
    if (school && !unknown) {
        items.push({ type: 'school', id: school, name: `${NAMES[Number(district) - 1]} ${SCHOOLS[Number(school.split('-')[1]) - 1]}` });
    }
    const empty = filters.includes('grade11') && filters.includes('sexnot_stated');
    return {
        metadata: { branding: null, subject1: { colors: null, min_cell_size: 10 }, subject2: { colors: null, min_cell_size: 10 } },
        summary: [{ results: summary }], records: empty ? [] : records, subjects: SUBJECTS,
        context: { items: unknown ? items.slice(0, 1) : items, permissions: Object.fromEntries(RIGHTS.map((r) => [r, { all: true }])) },
        asmt_period_year: YEARS,
        not_stated: { total: 20000, ethnicity: 240, sex: 60, dmgPrg504: 0, dmgPrgIep: 310, dmgPrgLep: 1250, dmgStsMig: 90 },
        user_info: { _User__info: { name: { fullName: 'Ana Torres', firstName: 'Ana', lastName: 'Torres' }, uid: 'atorres', stateCode: ['NC'], displayHome: false } }
    };
}

/** One of each state; the running one gets on with the time. */
const begun = Date.now();
let jobs = [
    ['running', 'Student results, grade 04', {}],
    ['queued', 'Raw XML, mathematics', {}],
    ['ready', 'Student results, grade 03, all subjects', { expires: begun + 5 * 864e5, missing_parts: 1,
        files: [['ASMT_2016_NC_GRADE_03_MATH_SUMMATIVE_results-and-metadata.zip', 4711000], ['part2.zip', 800]] }],
    ['failed', 'Student registration statistics', { reason: 'The pickup zone could not be reached.' }],
    ['expired', 'Item level, grade 05', { files: [['items.zip', 123456]] }]
].map(([state, title, more], i) => ({
    id: `0d7f6a52-1c5e-4a38-9a0e-1f3b7c5d9e0${i}`, kind: 'extract', title, state, percent: state === 'ready' ? 100 : 0, missing_parts: 0, reason: null, notice: null,
    created: new Date(begun - i * 36e5).toISOString(), ended: null, ...more, expires: more.expires ? new Date(more.expires).toISOString() : null,
    files: (more.files ?? []).map(([name, size]) => ({ name, size, download_url: state === 'ready' ? `/file/${name}` : null, web_download_url: null }))
}));

function jobList() {
    for (const job of jobs.filter((j) => j.state === 'running')) {
        job.percent = Math.min(100, Math.round((Date.now() - begun) / 600));
        job.state = job.percent === 100 ? 'ready' : 'running';
    }
    return { jobs, more: false, poll_seconds: jobs.some((j) => j.state === 'running') ? 2 : 0 };
}

/** SESSIONS=30: so many; with one of each odd kind among them. */
let sessions = Array.from({ length: Number(process.env.SESSIONS ?? 5) }, (_, i) => {
    const [name, system] = [['Firefox', 'Windows'], ['Safari', 'iPhone'], ['Chrome', 'ChromeOS'], [null, 'Linux'], ['curl', null], [null, null]][i % 6];
    return {
        ref: `5f0c7a3e${String(1000 + i)}`, since: new Date(begun - i * 9e5).toISOString(), seen: i === 3 ? null : new Date(begun - i * 4e5).toISOString(),
        ends: new Date(begun + 72e5 - i * 9e5).toISOString(), browser: '', browser_name: name, system, service: i % 7 === 2 ? 'pickup' : 'reports', this: i === 0
    };
});

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.json': 'application/json', '.woff2': 'font/woff2' };

async function answer(req, res) {
    const url = new URL(req.url, 'http://localhost');
    const json = (status, body) => res.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
    if (url.pathname === '/') {
        return res.writeHead(302, { Location: '/assets/public/landing.html' }).end();
    }
    if (url.pathname === '/data/comparing_populations') {
        const fail = Number(url.searchParams.get('districtId'));
        if (fail >= 400) {
            return json(fail, { title: 'Test', instance: '5f1c-77', ...(fail === 401 && { redirect: '/login' }) });
        }
        return json(200, report(url.searchParams));
    }
    if (url.pathname === '/services/userinfo') {
        return json(200, { user_info: report(new URLSearchParams()).user_info });
    }
    if (url.pathname.startsWith('/services/sessions')) {
        if (req.method === 'DELETE') {
            sessions = sessions.filter((s) => s.this || (url.pathname !== '/services/sessions' && !url.pathname.endsWith(s.ref)));
        }
        return json(200, { sessions, more: false });
    }
    if (url.pathname.startsWith('/services/session')) { // LEFT_SECS=130: about to end, until one stays
        const left = url.pathname.endsWith('/touch') ? 1200 : Number(process.env.LEFT_SECS ?? 1200);
        return json(200, { ends_in: left, ends_at_latest_in: 7200, warn_before: 180 });
    }
    if (url.pathname === '/data/academic_year') {
        return json(200, { asmt_period_year: YEARS, studentRegAcademicYear: YEARS });
    }
    if (url.pathname.startsWith('/services/extract')) {
        return json(200, { tasks: [{ status: 'ok' }], files: [{ fileName: 'a.zip', web_download_url: '/file/a.zip' }] });
    }
    if (url.pathname === '/services/jobs') {
        return json(200, jobList());
    }
    if (url.pathname.startsWith('/services/jobs/')) {
        jobs = jobs.filter((j) => j.id !== url.pathname.slice('/services/jobs/'.length));
        return json(200, { result: 'deleted' });
    }
    try {
        const file = normalize(url.pathname);
        const body = await readFile(join(dist, file));
        return res.writeHead(200, {
            'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream',
            'Content-Security-Policy': "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
        }).end(body);
    } catch {
        return res.writeHead(404, { 'Content-Type': TYPES['.html'] }).end(await readFile(join(dist, 'assets/public/error.html')));
    }
}

createServer((req, res) => void answer(req, res)).listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${port}/`));
