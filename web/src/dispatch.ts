// After sign-in: takes the user to the first page, his state's districts.

import './style/page.css';
import { fetchUserInfo, goToSignIn, Problem } from './lib/api.js';
import { texts } from './lib/i18n.js';
import { userOf } from './lib/model.js';
import { setText, translatePage } from './lib/static.js';
import dispatch from '../locales/en/dispatch.json';

const t = texts(dispatch);

function reportUrl(stateCode: string): string {
    return `/assets/html/comparingPopulations.html?${new URLSearchParams({ stateCode })}`;
}

/** A user of several states chooses; the choice is a plain list of links. */
function offer(states: string[]): void {
    setText('text', 'dispatch.choose');
    const list = document.createElement('ul');
    list.className = 'choices';
    for (const code of states) {
        const link = document.createElement('a');
        link.href = reportUrl(code);
        link.textContent = code;
        const item = document.createElement('li');
        item.append(link);
        list.append(item);
    }
    document.getElementById('more')!.replaceChildren(list);
}

function explain(problem: Problem): void {
    const titles = document.querySelector('h1')!;
    titles.id = 'title';
    setText('title', `error.${problem.kind}.title`);
    setText('text', `error.${problem.kind}.text`);
    const again = document.createElement('a');
    again.className = 'button primary';
    again.href = problem.kind === 'signin' && problem.redirect ? problem.redirect : location.href;
    again.textContent = t(problem.kind === 'signin' ? 'error.again' : 'error.retry');
    document.getElementById('more')!.replaceChildren(again);
}

const asked = new URLSearchParams(location.search);
if (asked.get('isPublic') === 'true' && asked.get('sid')) {
    location.replace(`/assets/html/comparingPopulations.html?${asked}`);
    await new Promise(() => {}); // nothing more happens here
}
await translatePage();
try {
    const states = userOf((await fetchUserInfo()).user_info)?.stateCodes ?? [];
    if (states.length === 1) {
        location.replace(reportUrl(states[0]!));
    } else if (states.length > 1) {
        offer(states.sort());
    } else {
        setText('text', 'dispatch.none');
    }
} catch (e) {
    const problem = e instanceof Problem ? e : new Problem('failed');
    if (problem.kind !== 'signin' || !goToSignIn(problem)) {
        explain(problem);
    }
}
