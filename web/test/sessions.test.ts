import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inOrder, isHandheld, type OwnSession } from '../src/lib/sessions.js';

const session = (ref: string, seen: string | null, more: Partial<OwnSession> = {}): OwnSession => ({
    ref, seen, since: '', ends: '', browser_name: null, system: null, service: '', this: false, ...more
});

test('this one first, then those used last, then those nobody knows of', () => {
    const list = [session('old', '2026-01-01T08:00:00Z'), session('none', null), session('new', '2026-01-01T09:00:00Z'), session('this', null, { this: true })];
    assert.deepEqual(inOrder(list).map((s) => s.ref), ['this', 'new', 'old', 'none']);
    assert.deepEqual(list.map((s) => s.ref), ['old', 'none', 'new', 'this'], 'the answer itself is left alone');
});

test('what is carried about', () => {
    assert.deepEqual(['iPhone', 'iPad', 'Android', 'Windows', null].map((system) => isHandheld(session('x', null, { system }))), [true, true, true, false, false]);
});
