import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canBeUsed, isClose, nextQuestion, signInUrl, spoken } from '../src/lib/session.js';

const left = (ends_in: number, ends_at_latest_in = 7200) => ({ ends_in, ends_at_latest_in, warn_before: 180 });

test('asks again just when it is time to warn, and often enough for a machine that slept', () => {
    assert.equal(nextQuestion(left(1200)), 300_000);
    assert.equal(nextQuestion(left(200)), 20_500);
    assert.equal(nextQuestion(left(180)), 15_000);
    assert.equal(nextQuestion(left(3)), 3500);
    assert.equal(nextQuestion(left(0)), 1000);
});

test('warns in the last minutes', () => {
    assert.equal(isClose(left(181)), false);
    assert.equal(isClose(left(180)), true);
});

test('knows when using it helps', () => {
    assert.equal(canBeUsed(left(100)), true);
    assert.equal(canBeUsed(left(100, 100)), false);
    assert.equal(canBeUsed(left(100, 105)), false);
});

test('says each minute once', () => {
    assert.equal(spoken(181, 180), 180);
    assert.equal(spoken(180, 179), null);
    assert.equal(spoken(121, 119), 120);
    assert.equal(spoken(300, 10), 30);
    assert.equal(spoken(30, 29), null);
});

test('comes back to the very same view', () => {
    assert.equal(signInUrl('/a.html?x=1&y=ü', false), '/login?target=%2Fa.html%3Fx%3D1%26y%3D%C3%BC');
    assert.equal(signInUrl('/a', true), '/login?renew=1&target=%2Fa');
});
