// What surrounds every page: header with account menu and help, breadcrumb.

import { html, nothing, type TemplateResult } from 'lit';
import { LANGUAGES, language, t } from '../lib/i18n.js';
import type { Report, User } from '../lib/model.js';
import { ancestorView, viewUrl, type View } from '../lib/view.js';

export interface ChromeActions {
    toggleMenu(): void;
    language(code: string): void;
    help(): void;
}

const LANDING = '/assets/public/landing.html';
export const START = '/assets/html/index.html';
const DOWNLOADS = '/assets/html/downloads.html';
const SESSIONS = '/assets/html/sessions.html';

/** A state's own logo: only from this server. */
function logo(report: Report | null): string | null {
    const image = report?.metadata.branding?.image ?? '';
    return /^\/(?!\/)[\w./-]+\.(png|svg|jpe?g|gif|webp)$/i.test(image) ? image : null;
}

function mark(): TemplateResult {
    return html`<svg class="mark" viewBox="0 0 32 32" aria-hidden="true"><rect class="field" width="32" height="32" rx="7"/><rect class="a" x="6" y="17" width="5" height="9" rx="1.5"/><rect class="b" x="13.5" y="11" width="5" height="15" rx="1.5"/><rect class="c" x="21" y="6" width="5" height="20" rx="1.5"/></svg>`;
}

/** @param user null: nobody is signed in; the menu has languages only */
function accountMenu(user: User | null, open: boolean, actions: ChromeActions): TemplateResult {
    return html`<div class="menu" data-menu>
        <button type="button" id="account" class="onbar-button" aria-expanded=${open ? 'true' : 'false'} aria-controls="account-menu" @click=${actions.toggleMenu}>
            ${user
                ? html`<svg viewBox="0 0 20 20" aria-hidden="true"><circle cx="10" cy="6.5" r="4"/><path d="M2 19c0-4.5 3.5-7 8-7s8 2.500 8 7z"/></svg>
                      <span class="who">${user.name}</span><span class="vh">, ${t('header.menu')}</span>`
                : html`<svg viewBox="0 0 20 20" aria-hidden="true"><path fill-rule="evenodd" d="M10 1a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm0 1.500c1.200 0 2.500 2.300 2.800 5.700H7.200c.3-3.400 1.600-5.700 2.800-5.700zM7.200 9.700h5.600c-.2 3.900-1.500 7.800-2.800 7.800s-2.600-3.900-2.800-7.800zm-4.700-1.500a7.500 7.500 0 0 1 4-5c-.4 1.400-.7 3.100-.8 5zm0 1.500h3.200c.1 2.400.5 4.700 1.200 6.500a7.500 7.500 0 0 1-4.400-6.500zm11.800 0h3.200a7.500 7.500 0 0 1-4.400 6.500c.7-1.800 1.100-4.100 1.200-6.500zm0-1.500c-.1-1.900-.4-3.600-.8-5a7.500 7.500 0 0 1 4 5z"/></svg>
                      <span class="who">${LANGUAGES[language()]}</span><span class="vh">, ${t('header.language')}</span>`}
            <svg class="caret" viewBox="0 0 10 6" aria-hidden="true"><path d="m1 1 4 4 4-4"/></svg>
        </button>
        <div id="account-menu" class="menu-panel" ?hidden=${!open}>
            ${user ? html`<p class="menu-who">${t('header.user', { name: user.name })}</p>
                <a class="menu-link" id="downloads" href=${DOWNLOADS}>${t('downloads.title')}</a>
                <a class="menu-link" id="sessions" href=${SESSIONS}>${t('sessions.title')}</a>` : nothing}
            <fieldset>
                <legend>${t('header.language')}</legend>
                ${Object.entries(LANGUAGES).map(
                    ([code, name]) => html`<label lang=${code}><input type="radio" name="lang" value=${code} .checked=${code === language()}
                        @change=${() => actions.language(code)}> ${name}</label>`
                )}
            </fieldset>
            ${user ? html`<a class="button" id="signout" href="/logout">${t('header.signout')}</a>` : nothing}
        </div>
    </div>`;
}

/** @param open the public report: where its name leads; null: not public */
export function header(report: Report | null, user: User | null, open: View | null, menuOpen: boolean, actions: ChromeActions): TemplateResult {
    const image = logo(report);
    const display = report?.metadata.branding?.display || t('app.name');
    return html`<header class="bar"><div class="wrap">
        <a class="brand" href=${open ? viewUrl(open) : user ? START : LANDING}>${image ? html`<img src=${image} alt="" height="28">` : mark()}<span>${display}</span></a>
        <span class="spring"></span>
        <button type="button" class="onbar-button" id="help-button" @click=${actions.help}>
            <svg viewBox="0 0 20 20" aria-hidden="true"><path fill-rule="evenodd" d="M10 1a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm0 14.800a1.200 1.200 0 1 1 0-2.400 1.200 1.200 0 0 1 0 2.400zm1-4.300v.7H9v-1.400c0-1.500 2.200-1.900 2.200-3.200 0-.7-.5-1.200-1.300-1.200s-1.300.5-1.400 1.300H6.500C6.600 5.700 8 4.500 10 4.500c1.900 0 3.300 1.200 3.300 3 0 2.300-2.300 2.700-2.300 4z"/></svg>
            <span>${t('header.help')}</span></button>
        ${user || open ? accountMenu(open ? null : user, menuOpen, actions) : nothing}
    </div></header>`;
}

export function breadcrumb(report: Report, view: View, user: User | null): TemplateResult {
    const items = report.context.items.filter((i) => i.type !== 'home' || (user?.displayHome && !view.sid));
    return html`<nav class="crumbs" aria-label=${t('crumb.label')}><ol>
        ${items.map((item, i) => {
            const name = item.type === 'home' ? t('header.home') : (item.name ?? item.id ?? '');
            if (i === items.length - 1) {
                return html`<li><span aria-current="page">${name}</span></li>`;
            }
            if (item.type === 'home') {
                return html`<li><a href=${START}>${name}</a></li>`;
            }
            return html`<li><a data-nav href=${viewUrl(ancestorView(view, item.type as 'state' | 'district'))}>${name}</a></li>`;
        })}
    </ol></nav>`;
}

/** @param questions of this page, with their answers */
export function helpDialog(close: () => void, questions: [string, string][]): TemplateResult {
    // A click on the dialog itself, not on what it holds, is one on the backdrop.
    const backdrop = (e: Event) => e.target === e.currentTarget && close();
    return html`<dialog id="help" class="help" aria-labelledby="help-title" @click=${backdrop}>
        <div class="help-body">
            <div class="help-head"><h2 id="help-title">${t('help.title')}</h2>
                <button type="button" class="button" @click=${close}>${t('help.close')}</button></div>
            ${questions.map(([question, answer]) => html`<h3>${question}</h3><p>${answer}</p>`)}
            <p class="note help-contact">${t('help.contact')}</p>
        </div>
    </dialog>`;
}
