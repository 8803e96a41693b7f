import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ended, isOpen, listedBefore, sizeText, type Job, type JobState } from '../src/lib/jobs.js';

const job = (id: string, state: JobState): Job => ({
    id, state, kind: 'extract', title: id, percent: 0, missing_parts: 0, reason: null, notice: null, created: '', ended: null, expires: null, files: []
});

test('queued and running jobs are open', () => {
    const states: JobState[] = ['queued', 'running', 'ready', 'failed', 'cancelled', 'expired'];
    assert.deepEqual(states.map((s) => isOpen(job('x', s))), [true, true, false, false, false, false]);
});

test('what ended since the last look', () => {
    const before = [job('a', 'running'), job('b', 'queued'), job('c', 'ready')];
    const now = [job('a', 'ready'), job('b', 'running'), job('c', 'expired'), job('d', 'failed')];
    assert.deepEqual(ended(before, now).map((j) => j.id), ['a']);
});

test('where the list begins: an id, or with the newest', () => {
    const id = '0d7f6a52-1c5e-4a38-9a0e-1f3b7c5d9e01';
    assert.equal(listedBefore(`?before=${id}&lang=es`), id);
    assert.deepEqual(['', '?before=', `?before=${id}1`, `?before=${id.toUpperCase()}`, '?before=..%2Fsessions'].map(listedBefore), ['', '', '', '', '']);
});

test('sizes for people', () => {
    assert.equal(sizeText(1, 'en-US'), '1 byte');
    assert.equal(sizeText(999, 'en-US'), '999 bytes');
    assert.equal(sizeText(1500, 'en-US'), '1.5 kB');
    assert.equal(sizeText(999_600, 'en-US'), '1 MB');
    assert.equal(sizeText(123_456_789, 'en-US'), '123 MB');
    assert.equal(sizeText(5_300_000_000, 'en-US'), '5.3 GB');
});
