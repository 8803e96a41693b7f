// The error page: httpd serves it for any address that fails, with the true status. The status
// decides the words; ?status= is the fallback for browsers that do not tell it.

import './style/page.css';
import { kindOfStatus } from './lib/api.js';
import { texts } from './lib/i18n.js';
import { setText, translatePage } from './lib/static.js';
import error from '../locales/en/error.json';

const t = texts(error);

await translatePage();
const [navigation] = performance.getEntriesByType('navigation') as (PerformanceNavigationTiming & { responseStatus?: number })[];
const told = Number(new URLSearchParams(location.search).get('status'));
const status = [navigation?.responseStatus ?? 0, told].find((s) => s >= 400 && s < 600) ?? 0;
if (status) {
    const kind = kindOfStatus(status);
    if (kind !== 'failed') {
        setText('title', `error.${kind}.title`);
        setText('text', `error.${kind}.text`);
    }
    const code = document.getElementById('code')!;
    code.textContent = String(status);
    code.hidden = false;
}
document.title = `${document.getElementById('title')!.textContent} – ${t('app.name')}`;
