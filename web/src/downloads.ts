// My downloads: what the user asked for, how far it is, where to get it.

import './style/page.css';
import './style/report.css';
import './style/listing.css';
import { preferred, useLanguage } from './lib/i18n.js';

await useLanguage(preferred(location.search, navigator.languages));
await import('./views/downloads.js');
