// Pages whose text stands in the HTML: put another language in place.

import { LANGUAGES, language, preferred, t, tr, useLanguage } from './i18n.js';

export async function translatePage(): Promise<void> {
    await useLanguage(preferred(location.search, navigator.languages));
    apply();
}

function apply(): void {
    if (document.documentElement.dataset['lang'] === language()) {
        return;
    }
    document.documentElement.dataset['lang'] = language();
    for (const el of document.querySelectorAll<HTMLElement>('[data-msg]')) {
        el.textContent = tr(el.dataset['msg']!);
    }
}

export function setText(id: string, key: string): void {
    const el = document.getElementById(id);
    if (el) {
        el.textContent = tr(key);
        el.dataset['msg'] = key;
    }
}

/** Buttons that switch the language in place. */
export function languageSwitch(into: HTMLElement, changed: () => void = () => undefined): void {
    into.setAttribute('role', 'group');
    const render = () => {
        into.setAttribute('aria-label', t('header.language'));
        into.replaceChildren(
            ...Object.entries(LANGUAGES).map(([code, name]) => {
                const button = document.createElement('button');
                button.type = 'button';
                button.lang = code;
                button.textContent = name;
                button.setAttribute('aria-pressed', String(code === language()));
                button.addEventListener('click', () => {
                    void useLanguage(code, true).then(() => {
                        apply();
                        render();
                        changed();
                        into.querySelector<HTMLElement>('[aria-pressed=true]')?.focus();
                    });
                });
                return button;
            })
        );
    };
    render();
}
