// Where you are signed in: one's own sessions, and ending them.

import './style/page.css';
import './style/report.css';
import './style/listing.css';
import { preferred, useLanguage } from './lib/i18n.js';

await useLanguage(preferred(location.search, navigator.languages));
await import('./views/sessions.js');
