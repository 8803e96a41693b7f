import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { Problem, secondsOf, tableBody } from '../src/lib/api.js';
import { pauseSecs, Poll } from '../src/lib/poll.js';

test('pauses follow the server, and grow after failures', () => {
    assert.deepEqual([pauseSecs(2, 0, 0, 1), pauseSecs(15, 0, 0, 0), pauseSecs(0, 0, 0, 0)], [2, 15, 0]);
    assert.deepEqual([pauseSecs(2, 1, 0, 0), pauseSecs(2, 2, 0, 0), pauseSecs(2, 9, 0, 0)], [5, 10, 60]);
    assert.equal(pauseSecs(2, 1, 120, 0), 120, 'not before the server wants to be asked');
    assert.equal(pauseSecs(2, 1, 0, 1), 6.25, 'not all at once');
});

test('Retry-After', () => {
    assert.deepEqual(['5', '0', null, '-1', '1.5', 'Wed, 21 Oct 2015 07:28:00 GMT', '999999'].map(secondsOf), [5, 0, 0, 0, 0, 0, 3600]);
});

test('rows that cannot all be named are not', () => {
    const query = new URLSearchParams('stateCode=NC&sex=male&asmtYear=2015');
    const body = (rows: string[]) => JSON.parse(tableBody(query, { rows, sort: 'name', order: 'desc' })) as Record<string, unknown>;
    const few = { stateCode: 'NC', sex: ['male'], asmtYear: 2015 };
    assert.deepEqual(body(['1', '2']), { ...few, view: { rows: ['1', '2'], sort: 'name', order: 'desc' } });
    assert.deepEqual(body(Array<string>(1801).fill('1')), few);
    assert.deepEqual(body(Array<string>(1500).fill('1'.repeat(45))), few);
});

// ---- a page, as much of it as Poll knows

const page = new EventTarget() as EventTarget & { hidden: boolean };
const seen = (what: string, where: EventTarget = page) => where.dispatchEvent(new Event(what));
const settle = async () => {
    for (let i = 0; i < 20; i++) {
        await Promise.resolve();
    }
};
let now = 0;
let timers: { id: number; at: number; run: () => void }[] = [];

/** Time goes on, and what was to be done in it is done. */
async function pass(seconds: number): Promise<void> {
    const end = now + seconds * 1000;
    for (;;) {
        const next = timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
        now = next ? next.at : end;
        if (!next) {
            return;
        }
        timers = timers.filter((t) => t !== next);
        next.run();
        await settle();
    }
}

let asked: boolean[] = [];
let answer: () => number | Promise<number>;
let goesOn = true;
let poll: Poll;

beforeEach(async () => {
    const win = new EventTarget();
    Object.assign(globalThis, {
        document: page,
        window: globalThis,
        addEventListener: win.addEventListener.bind(win),
        removeEventListener: win.removeEventListener.bind(win),
        dispatchEvent: win.dispatchEvent.bind(win)
    });
    now = 1_000_000;
    timers = [];
    let id = 0;
    mock.method(globalThis, 'setTimeout', ((run: () => void, ms: number) => {
        timers.push({ id: ++id, at: now + ms, run });
        return id;
    }) as unknown as typeof setTimeout);
    mock.method(globalThis, 'clearTimeout', ((gone: number) => {
        timers = timers.filter((t) => t.id !== gone);
    }) as unknown as typeof clearTimeout);
    mock.method(Date, 'now', () => now);
    mock.method(Math, 'random', () => 0);
    page.hidden = false;
    asked = [];
    answer = () => 3;
    goesOn = true;
    poll = new Poll(
        async (_, byItself) => {
            asked.push(byItself);
            return answer();
        },
        () => goesOn
    );
    poll.start();
    await poll.now();
});
afterEach(() => {
    poll.stop();
    mock.restoreAll();
});

test('asks as often as the server wishes, and says that nobody did', async () => {
    await pass(2.9);
    assert.deepEqual(asked, [false]);
    await pass(0.2);
    assert.deepEqual(asked, [false, true]);
    answer = () => 0;
    await pass(3.1);
    await pass(3600);
    assert.equal(asked.length, 3, 'nothing changes any more: nobody asks');
});

test('a hidden page does not ask; who looks again sees what is true now, but not each second', async () => {
    page.hidden = true;
    seen('visibilitychange');
    await pass(3600);
    assert.equal(asked.length, 1);
    page.hidden = false;
    seen('visibilitychange');
    await settle();
    assert.equal(asked.length, 2);
    for (let i = 0; i < 20; i++) {
        seen('visibilitychange');
        seen('online', globalThis as unknown as EventTarget);
        await pass(0.02);
    }
    assert.equal(asked.length, 2, 'it is fresh');
    await pass(3);
    assert.equal(asked.length, 3, 'and goes on');
});

test('failures: longer pauses, Retry-After, then as before', async () => {
    answer = () => Promise.reject(new Problem('busy', 503, '', '', '', 40));
    await pass(3.1);
    assert.equal(asked.length, 2);
    seen('visibilitychange');
    await pass(39);
    assert.equal(asked.length, 2, 'not before the server wants it, whatever somebody looks at');
    answer = () => 3;
    await pass(2);
    assert.equal(asked.length, 3);
    await pass(3.1);
    assert.equal(asked.length, 4);
});

test('an answer that does not come is a failure, and is asked for again', async () => {
    let problem: Problem | null = null;
    poll.stop();
    poll = new Poll(
        (signal) => {
            asked.push(true);
            return new Promise((_, no) => signal.addEventListener('abort', () => no(signal.reason)));
        },
        (p) => {
            problem = p;
            return true;
        }
    );
    poll.start();
    void poll.now();
    await pass(31);
    assert.equal((problem as Problem | null)?.kind, 'network');
    const before = asked.length;
    await pass(6);
    assert.equal(asked.length, before + 1);
});

test('no more once the page is gone, or asking makes no sense', async () => {
    goesOn = false;
    answer = () => Promise.reject(new Problem('signin', 401));
    await pass(3.1);
    assert.equal(asked.length, 2);
    await pass(3600);
    seen('visibilitychange');
    await settle();
    assert.equal(asked.length, 2);
    answer = () => 3;
    await poll.now();
    assert.equal(asked.length, 3, 'unless somebody wants to know');
    poll.stop();
    await pass(3600);
    assert.equal(asked.length, 3);
});
