// How a page that its script draws begins: first the language, then what it shows.

import { preferred, t, useLanguage } from './i18n.js';

/** Without its script a page would stay empty, and nobody would know why. */
function explain(): void {
    const title = document.createElement('h1');
    title.textContent = t('error.network.title');
    const text = document.createElement('p');
    text.textContent = t('error.network.text');
    const again = document.createElement('a');
    again.className = 'button primary';
    again.href = location.href;
    again.textContent = t('error.retry');
    const box = document.createElement('main');
    box.className = 'wrap message';
    box.setAttribute('role', 'alert');
    box.append(title, text, again);
    document.body.replaceChildren(box);
}

/** @param view imports what draws the page */
export async function start(view: () => Promise<unknown>): Promise<void> {
    await useLanguage(preferred(location.search, navigator.languages));
    try {
        await view();
    } catch {
        explain();
    }
}
